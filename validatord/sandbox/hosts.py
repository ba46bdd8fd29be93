"""The MX hosts: each on a loopback address of its own, all on one port."""

import asyncio
import errno
import functools
import socket
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address

from validatord.clock import Clock
from validatord.sandbox import certificate
from validatord.sandbox.counters import Counters, Tally
from validatord.sandbox.dialogue import Dialogue
from validatord.sandbox.mailboxes import MailboxState
from validatord.sandbox.memory import HostMemory, ProviderMemory
from validatord.sandbox.personality import Listener, Personality
from validatord.sandbox.scene import Scene
from validatord.sandbox.spec import DomainSpec, HostSpec, SandboxSpec, find_state, provider_of
from validatord.sandbox.wire import Connection, Wiring

_FIRST_ADDRESS = IPv4Address("127.20.0.1")
_BACKLOG = 1024
_TRIES = 50


def allot_addresses(names: list[str]) -> dict[str, str]:
    """Give each host an address within 127.0.0.0/8; the same names get the same ones every time."""
    found: dict[str, str] = {}
    address = _FIRST_ADDRESS
    for name in names:
        found[name] = str(address)
        address += 1
        while address.packed[-1] in {0, 255}:  # some clients take these for networks and broadcasts
            address += 1
    return found


@dataclass(slots=True)
class Host:
    """One MX host while the sandbox runs."""

    name: str
    address: str
    spec: HostSpec
    domains: dict[str, DomainSpec]
    tally: Tally
    memory: HostMemory
    provider: ProviderMemory
    connections: set[Connection] = field(default_factory=set[Connection])
    server: asyncio.Server | None = None
    sockets: list[socket.socket] = field(default_factory=list[socket.socket])

    @property
    def personality(self) -> Personality:
        """How it behaves now."""
        return self.spec.personality

    def find_state(self, local_part: str, domain: str) -> MailboxState | None:
        """Return what this host knows of a mailbox; None: not one of its domains."""
        spec = self.domains.get(domain)
        return find_state(local_part, spec, self.personality) if spec is not None else None

    def open_dialogue(self, client: str) -> Dialogue:
        """Begin a session with this client."""
        count = self.tally.opened(client)
        scene = Scene(
            self.name, self.personality, self.find_state, self.memory, self.provider, self.tally, client, count
        )
        return Dialogue(scene)

    def closed(self, connection: Connection, client: str) -> None:
        """Note the end of a session."""
        self.connections.discard(connection)
        self.tally.closed(client)

    async def listen(self, port: int, speed: float) -> None:
        """Begin to listen, in the way the personality has."""
        if self.personality.listener is Listener.REFUSED:
            return
        if self.personality.listener is Listener.BLACKHOLE:
            self.sockets = _plug(self.address, port)
            return
        wiring = Wiring(
            self.personality,
            self.spec.latency_seconds,
            speed,
            certificate.server_context,
            self.open_dialogue,
            self.closed,
        )
        factory = functools.partial(self._connect, wiring)
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(factory, sock=_bind(self.address, port), backlog=_BACKLOG)

    def _connect(self, wiring: Wiring) -> Connection:
        connection = Connection(wiring)
        self.connections.add(connection)
        return connection

    async def close(self) -> None:
        """Stop listening and cut every session."""
        server, self.server = self.server, None
        if server is not None:
            server.close()
        for connection in list(self.connections):
            connection.abort()
        if server is not None:
            await server.wait_closed()
        for plug in self.sockets:
            plug.close()
        self.sockets = []


class Farm:
    """All MX hosts of a sandbox."""

    def __init__(self, spec: SandboxSpec, addresses: dict[str, str], counters: Counters, clock: Clock) -> None:
        self._spec = spec
        self.port = 0

        def now() -> float:
            return clock.monotonic() * spec.speed

        providers: dict[str, ProviderMemory] = {}
        self.hosts: dict[str, Host] = {}
        for name, host in spec.hosts.items():
            provider = provider_of(name, host)
            self.hosts[name] = Host(
                name,
                addresses[name],
                host,
                _domains_of(spec, name),
                counters.tally(name, provider),
                HostMemory(now),
                providers.setdefault(provider, ProviderMemory(now)),
            )

    async def start(self) -> None:
        """Listen everywhere, on the port asked for or on one that is free on every address."""
        for _ in range(_TRIES):
            self.port = self._spec.smtp_port or _find_port()
            try:
                for host in self.hosts.values():
                    await host.listen(self.port, self._spec.speed)
            except OSError as error:
                await self.aclose()
                if error.errno != errno.EADDRINUSE or self._spec.smtp_port:
                    raise
            else:
                return
        raise OSError(errno.EADDRINUSE, "no port is free on every address")

    async def become(self, name: str, personality: Personality) -> None:
        """Turn a host into another kind; its open sessions are cut."""
        host = self.hosts[name]
        await host.close()
        host.spec = replace(host.spec, personality=personality)
        await host.listen(self.port, self._spec.speed)

    async def aclose(self) -> None:
        """Stop them all."""
        for host in self.hosts.values():
            await host.close()


def _domains_of(spec: SandboxSpec, name: str) -> dict[str, DomainSpec]:
    """Return the domains a host takes mail for: those that name it in MX, and its own if that has none."""
    aliases = {alias for (alias, rdtype), to in spec.records.items() if rdtype == "CNAME" and to[0] == name + "."}
    names = {name, *aliases}
    found = {domain: it for domain, it in spec.domains.items() if any(host in names for _, host in it.mx)}
    if (own := spec.domains.get(name)) and not own.mx:
        found[name] = own
    return found


def _find_port() -> int:
    with socket.socket() as probe:
        probe.bind((str(_FIRST_ADDRESS), 0))
        return int(probe.getsockname()[1])


def _bind(address: str, port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError:
        listener.close()
        raise
    return listener


def _plug(address: str, port: int) -> list[socket.socket]:
    """Listen without ever accepting, with the queue already full: further SYNs stay unanswered."""
    listener = _bind(address, port)
    listener.listen(0)
    found = [listener]
    for _ in range(2):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex((address, port))
        found.append(filler)
    return found

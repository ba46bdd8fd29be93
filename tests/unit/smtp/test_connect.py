"""Connecting: to exactly the address given, from the source address, through the identity's proxy."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.mx_script import MXScript
from tests.unit.smtp.talk import IDENTITY, MAIL, codes, make_settings, session_with
from validatord.errors import ConnectFailed, ConnectTimeout
from validatord.settings import IdentitySettings
from validatord.smtp.session import Target, open_session


async def fail_to_open(target: Target, identity: IdentitySettings = IDENTITY, **changes: object) -> ConnectFailed:
    """Try to open a session that cannot come about; return why."""
    with pytest.raises(ConnectFailed) as raised:
        await open_session(target, identity, make_settings(**changes), FakeClock())
    assert raised.value.exchanges == ()
    return raised.value


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


@contextlib.contextmanager
def silent_listener() -> Iterator[int]:
    """A port whose backlog is full: a SYN there gets no answer."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def test_a_refused_connection() -> None:
    """Nobody listens: ConnectFailed, and the host's doing."""
    failure = await fail_to_open(Target("mx.example.com", "127.0.0.1", free_port()))
    assert (failure.kind, failure.is_ours) == ("connect_failed", False)


async def test_a_silent_address_ends_on_the_connect_deadline() -> None:
    """F20: no answer to SYN."""
    settings = make_settings(connect_timeout=0.05)
    with silent_listener() as port, pytest.raises(ConnectTimeout) as raised:
        await open_session(Target("mx.example.com", "127.0.0.1", port), IDENTITY, settings, FakeClock())
    assert raised.value.kind == "connect_timeout"


async def test_the_source_address_is_bound() -> None:
    """The host sees the identity's source address."""
    identity = IDENTITY.model_copy(update={"source_address": "127.0.0.3"})
    async with MXScript() as host, session_with(host, identity=identity):
        assert host.connections[0].peer_address == "127.0.0.3"


@pytest.mark.parametrize("source_address", ["192.0.2.1", "::1"])
async def test_a_source_address_that_is_not_ours(source_address: str) -> None:
    """A wrong source address is our trouble and says nothing about the host."""
    async with MXScript() as host:
        identity = IDENTITY.model_copy(update={"source_address": source_address})
        failure = await fail_to_open(host.target(), identity)
        assert failure.is_ours
        assert host.connections == []


async def test_a_name_is_never_connected_to() -> None:
    """Only an address that was checked can be connected to, not a name that leads somewhere by now."""
    async with MXScript() as host:
        failure = await fail_to_open(Target("mx.example.com", "localhost", host.port))
        assert failure.is_ours
        assert host.connections == []


class Proxy:
    """A SOCKS5 proxy on loopback that answers with one code (RFC 1928 6)."""

    def __init__(self, code: int = 0) -> None:
        self.code = code
        self.wanted: list[tuple[str, int]] = []
        self.port = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[IdentitySettings]:
        """Listen; give an identity that uses this proxy."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        yield IDENTITY.model_validate(IDENTITY.model_dump() | {"proxy": f"socks5://127.0.0.1:{self.port}"})
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            _, methods = await reader.readexactly(2)
            await reader.readexactly(methods)
            writer.write(b"\x05\x00")
            *_, kind = await reader.readexactly(4)
            assert kind == 1  # an IPv4 address, never a name
            address = socket.inet_ntoa(await reader.readexactly(4))
            [port] = struct.unpack("!H", await reader.readexactly(2))
            self.wanted.append((address, port))
            writer.write(bytes([5, self.code, 0, 1, 0, 0, 0, 0, 0, 0]))
            if self.code == 0:
                await self._relay(reader, writer, address, port)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str, port: int) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(address, port)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(4096):
                sink.write(data)
            sink.close()

        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))


async def test_through_a_proxy() -> None:
    """The identity's proxy gets the checked address and carries the session."""
    proxy = Proxy()
    async with MXScript() as host, proxy.running() as identity:
        session = await open_session(host.target(), identity, make_settings(), FakeClock())
        assert codes(await session.group([MAIL])) == [250]
        await session.close()
        assert proxy.wanted == [("127.0.0.1", host.port)]


@pytest.mark.parametrize(("code", "is_ours"), [(1, True), (2, True), (3, False), (4, False), (5, False), (7, True)])
async def test_whose_trouble_a_proxy_reports(code: int, is_ours: bool) -> None:
    """Unreachable or refused is the host's trouble, everything else the proxy's and so ours."""
    async with Proxy(code).running() as identity:
        failure = await fail_to_open(Target("mx.example.com", "127.0.0.1", free_port()), identity)
        assert failure.is_ours is is_ours


async def test_a_proxy_that_is_not_there() -> None:
    """Without its proxy an identity cannot connect: never directly instead."""
    identity = IDENTITY.model_validate(IDENTITY.model_dump() | {"proxy": f"socks5://127.0.0.1:{free_port()}"})
    async with MXScript() as host:
        assert (await fail_to_open(host.target(), identity)).is_ours
        assert host.connections == []


async def test_a_proxy_that_says_nothing_ends_on_the_connect_deadline() -> None:
    """The connect deadline covers the proxy too."""
    target, settings = Target("mx.example.com", "127.0.0.1", free_port()), make_settings(connect_timeout=0.05)
    with silent_listener() as port:
        identity = IDENTITY.model_validate(IDENTITY.model_dump() | {"proxy": f"socks5://127.0.0.1:{port}"})
        with pytest.raises(ConnectTimeout):
            await open_session(target, identity, settings, FakeClock())

"""Which name servers are asked, and in what order.

The order rotates; a server that did not answer goes last for a while, so one dead server costs one
timeout now and then and not one per query.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from validatord import errors
from validatord.clock import Clock

DNS_PORT = 53
MAX_PORT = 65535
PENALTY = timedelta(seconds=30)
_BRACKETED = re.compile(r"\[(?P<address>[^]]+)](?::(?P<port>\d+))?")
_PLAIN = re.compile(r"(?P<address>[^:]+):(?P<port>\d+)")


@dataclass(frozen=True, slots=True)
class Server:
    """One name server: a literal IP address and a port."""

    address: str
    port: int = DNS_PORT

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"


def parse_server(text: str) -> Server:
    """Read "192.0.2.1", "192.0.2.1:5353", "2001:db8::1" or "[2001:db8::1]:5353".

    Raises:
        ConfigurationError: not an IP address, or no port number.
    """
    match = _BRACKETED.fullmatch(text.strip()) or _PLAIN.fullmatch(text.strip())
    address, port = (match["address"], match["port"]) if match else (text.strip(), None)
    try:
        # A name would need DNS to find DNS.
        canonical = str(ipaddress.ip_address(address))
    except ValueError:
        raise errors.ConfigurationError(
            [f'lookup.resolvers: "{text}" is no IP address with an optional port']
        ) from None
    number = int(port) if port else DNS_PORT
    if not 0 < number <= MAX_PORT:
        raise errors.ConfigurationError([f'lookup.resolvers: "{text}" has no usable port'])
    return Server(canonical, number)


class ServerRing:
    """The servers of one purpose, rotated, the silent ones last."""

    def __init__(self, servers: Sequence[Server], clock: Clock) -> None:
        self._servers = tuple(dict.fromkeys(servers))
        self._clock = clock
        self._turn = 0
        self._avoid_until: dict[Server, float] = {}

    def __len__(self) -> int:
        return len(self._servers)

    def __repr__(self) -> str:
        return f"ServerRing(servers={len(self._servers)}, avoided={sum(map(self._is_avoided, self._servers))})"

    def choose(self) -> list[Server]:
        """Return all servers in the order to ask them now, and move on by one."""
        start = self._turn % len(self._servers)
        self._turn += 1
        rotated = self._servers[start:] + self._servers[:start]
        return sorted(rotated, key=self._is_avoided)

    def note_failure(self, server: Server) -> None:
        """Put a server last for `PENALTY`: it did not answer, or refuses to."""
        self._avoid_until[server] = self._clock.monotonic() + PENALTY.total_seconds()

    def note_answer(self, server: Server) -> None:
        """Take a server back: it answers."""
        self._avoid_until.pop(server, None)

    def _is_avoided(self, server: Server) -> bool:
        return self._avoid_until.get(server, 0.0) > self._clock.monotonic()

"""What the sandbox saw: the other side's books, against which politeness and economy are tested."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class HostCounters:
    """What one MX host saw, or all of them together.

    `flights` are bursts of commands, hence round trips. `refusals` are 4xx and 5xx replies to RCPT.
    `complaints` are breaches of the protocol by the client, by kind. `alarms` are commands that must never
    be sent: DATA, BDAT, VRFY, EXPN, AUTH.
    """

    connections: int = 0
    sessions: int = 0  # open now
    most_sessions: int = 0
    flights: int = 0
    refusals: int = 0
    handshakes: int = 0
    alarms: int = 0
    commands: Counter[str] = field(default_factory=Counter[str])
    complaints: Counter[str] = field(default_factory=Counter[str])

    def reset(self) -> None:
        """Forget everything but the sessions that are open now."""
        self.connections = self.flights = self.refusals = self.handshakes = self.alarms = 0
        self.most_sessions = self.sessions
        self.commands.clear()
        self.complaints.clear()

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict."""
        return {
            "connections": self.connections,
            "sessions": self.sessions,
            "most_sessions": self.most_sessions,
            "flights": self.flights,
            "refusals": self.refusals,
            "handshakes": self.handshakes,
            "alarms": self.alarms,
            "commands": dict(self.commands),
            "complaints": dict(self.complaints),
        }


@dataclass(slots=True)
class Counters:
    """All counters of one sandbox.

    `rcpts` counts RCPT commands per address, `queries` DNS questions as "MX acme.example", and
    `most_sessions_by_client` the most simultaneous sessions of (client address, provider).
    """

    total: HostCounters = field(default_factory=HostCounters)
    hosts: dict[str, HostCounters] = field(default_factory=dict[str, HostCounters])
    rcpts: Counter[str] = field(default_factory=Counter[str])
    queries: Counter[str] = field(default_factory=Counter[str])
    sessions_by_client: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    most_sessions_by_client: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])

    def tally(self, host: str, provider: str) -> "Tally":
        """Return the book in which one host writes."""
        return Tally(self, self.hosts.setdefault(host, HostCounters()), provider)

    def reset(self) -> None:
        """Start again from zero; open sessions stay counted as open."""
        for counters in (self.total, *self.hosts.values()):
            counters.reset()
        self.rcpts.clear()
        self.queries.clear()
        self.most_sessions_by_client = {key: count for key, count in self.sessions_by_client.items() if count}

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict; hosts nobody connected to are left out."""
        return {
            "total": self.total.to_json(),
            "hosts": {name: counters.to_json() for name, counters in self.hosts.items() if counters.connections},
            "rcpts": dict(self.rcpts),
            "queries": dict(self.queries),
            "most_sessions_by_client": {
                f"{client} {provider}": count for (client, provider), count in self.most_sessions_by_client.items()
            },
        }


@dataclass(frozen=True, slots=True)
class Tally:
    """One host's book; every entry goes to the host and to the total."""

    counters: Counters
    own: HostCounters
    provider: str

    @property
    def _both(self) -> tuple[HostCounters, HostCounters]:
        return self.own, self.counters.total

    def opened(self, client: str) -> int:
        """Note a new session; return how many this client has open at the provider now."""
        for book in self._both:
            book.connections += 1
            book.sessions += 1
            book.most_sessions = max(book.most_sessions, book.sessions)
        key = client, self.provider
        self.counters.sessions_by_client[key] += 1
        count = self.counters.sessions_by_client[key]
        most = self.counters.most_sessions_by_client
        most[key] = max(most.get(key, 0), count)
        return count

    def closed(self, client: str) -> None:
        """Note the end of a session."""
        for book in self._both:
            book.sessions -= 1
        self.counters.sessions_by_client[client, self.provider] -= 1

    def flight(self) -> None:
        """Note a burst of commands after everything before it was answered."""
        for book in self._both:
            book.flights += 1

    def command(self, verb: str) -> None:
        """Note a command."""
        for book in self._both:
            book.commands[verb] += 1

    def rcpt(self, address: str) -> None:
        """Note the recipient of an RCPT command."""
        self.counters.rcpts[address] += 1

    def refusal(self) -> None:
        """Note a refused RCPT."""
        for book in self._both:
            book.refusals += 1

    def complaint(self, kind: str) -> None:
        """Note a breach of the protocol by the client."""
        for book in self._both:
            book.complaints[kind] += 1

    def handshake(self) -> None:
        """Note a completed TLS handshake."""
        for book in self._both:
            book.handshakes += 1

    def alarm(self) -> None:
        """Note a command that must never be sent."""
        for book in self._both:
            book.alarms += 1

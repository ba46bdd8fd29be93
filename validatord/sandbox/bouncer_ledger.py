"""What the sandbox Bouncer saw and booked, and the judgement about a client: what must hold is listed here once."""

import time
from collections import Counter, deque
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field

from validatord.sandbox.bouncer_world import World

BUCKETS = {"create": "create", "credits": "credits"}  # every other act counts in "other"


@dataclass(frozen=True, slots=True)
class Seen:
    """One request."""

    at: float  # virtual
    real: float  # seconds of this machine's monotonic clock
    kind: str
    ref: str
    status: int
    size: int = 0

    @property
    def bucket(self) -> str:
        """Where the service counts it."""
        return BUCKETS.get(self.kind, "other")


@dataclass(slots=True)
class Ledger:
    """Requests, create bodies, and what was said against the rules."""

    world: World
    requests: list[Seen] = field(default_factory=list[Seen])
    creates: list[tuple[str, str, int]] = field(default_factory=list[tuple[str, str, int]])  # ref, hash, addresses
    downloads: Counter[str] = field(default_factory=Counter[str])  # whole ones
    downloads_refused: Counter[str] = field(default_factory=Counter[str])
    most_in_flight: Counter[str] = field(default_factory=Counter[str])
    may_finish: bool = False
    wrong: list[str] = field(default_factory=list[str])
    _in_flight: Counter[str] = field(default_factory=Counter[str])

    @contextmanager
    def in_flight(self, kind: str) -> Generator[None]:
        """Count a request as long as it is under way."""
        self._in_flight[kind] += 1
        self.most_in_flight[kind] = max(self.most_in_flight[kind], self._in_flight[kind])
        try:
            yield
        finally:
            self._in_flight[kind] -= 1

    def note(self, kind: str, ref: str, status: int, size: int = 0) -> None:
        """Keep a request."""
        self.requests.append(Seen(self.world.time.now(), time.monotonic(), kind, ref, status, size))

    def count(self, kind: str) -> int:
        """Return how many requests of a kind came."""
        return sum(seen.kind == kind for seen in self.requests)

    def max_in_window(self, bucket: str = "", seconds: float = 60.0) -> int:
        """Return the most requests within any such time of this machine's clock; no bucket: all."""
        window: deque[float] = deque()
        most = 0
        for seen in self.requests:
            if bucket and bucket not in {seen.bucket, seen.kind}:
                continue
            window.append(seen.real)
            while window[0] <= seen.real - seconds:
                window.popleft()
            most = max(most, len(window))
        return most

    def min_poll_gap(self) -> float:
        """Return the shortest time between two polls of one batch, in real seconds."""
        last: dict[str, float] = {}
        gaps: list[float] = []
        for seen in self.requests:
            if seen.kind == "status":
                if seen.ref in last:
                    gaps.append(seen.real - last[seen.ref])
                last[seen.ref] = seen.real
        return min(gaps, default=float("inf"))

    def doubled_charges(self, allowed: Iterable[str] = ()) -> dict[str, int]:
        """Return the addresses that were paid for more than once."""
        self.world.settle()
        let = frozenset(allowed)
        return {email: times for email, times in self.world.charges.items() if times > 1 and email not in let}

    def check(self, *, most_open: int = 25) -> list[str]:
        """Return everything a client did that it must not do."""
        found = list(self.wrong)
        if doubled := self.doubled_charges():
            found.append(f"{len(doubled)} addresses were charged more than once")
        if self.world.most_open > most_open:
            found.append(f"{self.world.most_open} batches were open at the same time")
        hashes = Counter(digest for _, digest, _ in self.creates)
        found += [f"the same create came {count} times" for count in hashes.values() if count > 1]
        return found

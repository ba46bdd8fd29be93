"""What MX hosts remember between sessions: greylisted triplets, rates, and who asks for too many strangers."""

from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from validatord.sandbox.personality import Greylist

_MINUTE = 60.0


@dataclass(slots=True)
class HostMemory:
    """The greylist of one host; `now` counts seconds of the sandbox."""

    now: Callable[[], float]
    first_seen: dict[tuple[str, str, str], float] = field(default_factory=dict[tuple[str, str, str], float])
    passed: set[tuple[str, str, str]] = field(default_factory=set[tuple[str, str, str]])

    def is_greylisted(self, rule: Greylist, triplet: tuple[str, str, str]) -> bool:
        """Whether this (client, sender, recipient) has to come again; remembers that it came."""
        if triplet in self.passed:
            return False
        now = self.now()
        if now - self.first_seen.setdefault(triplet, now) >= rule.delay_seconds:
            self.passed.add(triplet)
            return False
        if rule.starts_over:
            self.first_seen[triplet] = now
        return True


@dataclass(slots=True)
class ProviderMemory:
    """What all hosts of one provider know about their clients, by client address."""

    now: Callable[[], float]
    unknown_users: Counter[str] = field(default_factory=Counter[str])
    _recent: defaultdict[str, deque[float]] = field(default_factory=lambda: defaultdict[str, deque[float]](deque))

    def is_too_fast(self, client: str, per_minute: int) -> bool:
        """Whether this RCPT is above the rate; one that is does not count."""
        now = self.now()
        recent = self._recent[client]
        while recent and now - recent[0] >= _MINUTE:
            recent.popleft()
        if len(recent) >= per_minute:
            return True
        recent.append(now)
        return False

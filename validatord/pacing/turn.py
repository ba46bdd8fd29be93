"""The right to hold one conversation, and what all turns of a process share."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from validatord.clock import Clock
from validatord.errors import Stopping
from validatord.mail.probe import Signal
from validatord.pacing.hosts import HostBreakers
from validatord.pacing.listing import Listings

PAUSE_SECONDS = 60.0  # how long those wait who meet a lane that an operator has paused: it may go on any time


class TarpitBudget:
    """How many turns may be lost to receivers that answer slowly on purpose."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def __repr__(self) -> str:
        return f"<TarpitBudget {self.used} of {self.limit}>"

    def take(self) -> bool:
        """Take one place; False: none is left."""
        if self.used >= self.limit:
            return False
        self.used += 1
        return True

    def give_back(self) -> None:
        """Give one place back."""
        self.used -= 1


class Closing:
    """Our own stop: from its beginning nobody is let in, and whoever waits for a token is sent home."""

    def __init__(self) -> None:
        self.is_begun = False
        self._waits: set[asyncio.Timeout] = set()

    def begin(self) -> None:
        """End every wait; a conversation then ends where its next recipient would have to be paced."""
        self.is_begun = True
        now = asyncio.get_running_loop().time()
        for wait in self._waits:
            wait.reschedule(now)

    def error(self, clock: Clock) -> Stopping:
        """Return what those who are not let in get."""
        return Stopping("our own stop", clock.now())

    def check(self, clock: Clock) -> None:
        """Raise Stopping if it has begun."""
        if self.is_begun:
            raise self.error(clock)

    async def wait(self, make: Callable[[], Awaitable[None]], clock: Clock) -> None:
        """Wait for something that may take long; raises Stopping at our stop."""
        self.check(clock)
        wait = asyncio.timeout(None)
        self._waits.add(wait)
        try:
            async with wait:
                await make()
        except TimeoutError:
            raise self.error(clock) from None
        finally:
            self._waits.discard(wait)


class PausedLanes:
    """The lanes an operator has paused, by name; a provider's key alone pauses it for every identity."""

    def __init__(self) -> None:
        self.names: frozenset[str] = frozenset()

    def has(self, lane_name: str) -> bool:
        """Whether this lane is paused."""
        return bool(self.names) and (lane_name in self.names or lane_name.partition("/")[2] in self.names)


@dataclass(frozen=True, slots=True)
class LaneShare:
    """What a lane shares with the others; the defaults are for a lane by itself."""

    identity: str = ""
    tarpits: TarpitBudget = field(default_factory=lambda: TarpitBudget(1))
    listings: Listings | None = None
    hosts: HostBreakers | None = None
    on_room: Callable[[], None] = lambda: None
    closing: Closing = field(default_factory=Closing)
    paused: PausedLanes = field(default_factory=PausedLanes)
    hear: Callable[[str, str, Signal], bool] = lambda _lane, _domain, _signal: False

    def find_closure(self, lane_name: str) -> tuple[str, float] | None:
        """Return what shuts a lane from outside, and for how many seconds, or None."""
        if self.paused.has(lane_name):
            return "paused_by_operator", PAUSE_SECONDS
        wait = self.listings.retry_in(self.identity) if self.listings else None
        return None if wait is None else ("identity_listed", wait)


class Turn:
    """The right to hold one conversation; ends with the `async with` that gave it.

    `is_trial`: the breaker is half-open, so ask for one mailbox only.
    """

    def __init__(
        self, lane_name: str, tarpits: TarpitBudget, is_lane_shut: Callable[[], bool], *, is_trial: bool
    ) -> None:
        self._lane_name = lane_name
        self._tarpits = tarpits
        self._is_lane_shut = is_lane_shut
        self.is_trial = is_trial
        self.is_slow = False
        self.is_over = False

    def __repr__(self) -> str:
        words = [word for word in ("trial", "slow", "over") if getattr(self, f"is_{word}")]
        return f"<Turn {' '.join([self._lane_name, *words])}>"

    @property
    def should_stop(self) -> bool:
        """Whether the lane was shut meanwhile: end the conversation, leave the rest unasked."""
        return self.is_over or self._is_lane_shut()

    def mark_slow(self) -> bool:
        """Say that the receiver tarpits; False: no turn is left for that, end the conversation."""
        if not self.is_over and not self.is_slow:
            self.is_slow = self._tarpits.take()
        return self.is_slow and not self.is_over

    def end(self) -> None:
        """Give back what the turn held; the lane calls it."""
        self.is_over = True
        if self.is_slow:
            self._tarpits.give_back()

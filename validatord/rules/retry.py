"""When a mailbox is asked again: the schedule of one judgement, with its jitter.

A wait that the reply itself asks for comes first, since a greylist that is asked too early starts its
clock anew (RFC 6647); otherwise the settings' delays in order. Past the last one there is no next time.
"""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

# A greylist's clock and ours need not agree to the second.
_SAFETY = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """The schedule as one visit sees it.

    `delays` are the waits before the second, third, … attempt; `jitter` is the share by which each is
    spread; `min_wait` and `max_wait` bound a wait that a reply asks for. `source_address` and `node` go
    into the pin: who must ask again.
    """

    now: datetime
    delays: tuple[timedelta, ...]
    jitter: float = 0.2
    rng: random.Random = field(default_factory=random.Random)
    min_wait: timedelta = timedelta(seconds=60)
    max_wait: timedelta = timedelta(hours=2)
    give_up_after: timedelta = timedelta(hours=48)
    source_address: str = ""
    node: str = ""

    @property
    def longest(self) -> timedelta:
        """The longest wait of the schedule; 8 hours by default."""
        return max(self.delays, default=timedelta())

    def is_used_up(self, deferrals: int) -> bool:
        """Whether a mailbox deferred so often has no attempt left."""
        return deferrals >= len(self.delays)

    def find_due(self, deferrals: int, asked_seconds: int | None = None) -> datetime | None:
        """Return when the next attempt is due, or None once the schedule is used up.

        A wait asked for within the bounds replaces the first delay and is never cut short later.
        """
        if self.is_used_up(deferrals):
            return None
        wait = self.delays[deferrals]
        asked = timedelta(seconds=asked_seconds or 0)
        if not (asked and self.min_wait <= asked <= self.max_wait):
            return self.now + self._spread(wait)
        least = asked + _SAFETY
        if deferrals == 0:
            # Spread upwards only: a moment too early costs the whole wait again.
            return self.now + least * (1 + self.rng.uniform(0, self.jitter))
        return self.now + max(self._spread(wait), least)

    def find_due_after(self, wait: timedelta) -> datetime:
        """Return when an attempt after a wait of its own is due, spread like the others."""
        return self.now + self._spread(wait)

    def get_wait(self, index: int) -> timedelta:
        """Return the delay at `index`, or the last one where the schedule is shorter."""
        return self.delays[min(index, len(self.delays) - 1)] if self.delays else timedelta()

    def is_long_after(self, moment: datetime | None) -> bool:
        """Whether the schedule's longest wait, jitter allowed for, has passed since `moment`."""
        return moment is not None and self.now - moment >= self.longest * (1 - self.jitter)

    def is_given_up(self, first_tried_at: datetime | None) -> bool:
        """Whether a mailbox first tried then has waited long enough in vain."""
        return first_tried_at is not None and self.now - first_tried_at >= self.give_up_after

    def _spread(self, wait: timedelta) -> timedelta:
        return wait * (1 + self.rng.uniform(-self.jitter, self.jitter))

"""How fast: a token bucket per minute, a budget per hour, a budget per day with warm-up.

A bucket makes its caller wait, in the order of arrival. A budget never waits: it says when there is
some left again, and the lane turns that into a closed gate. Nothing here knows what is counted.
"""

import asyncio
import bisect
import math
import random
from collections import deque
from datetime import UTC, date, datetime, time, timedelta

from validatord.clock import Clock

_MINUTE = 60.0
_HOUR = 3600.0
# Less than this of a token is rounding, not waiting: a wait that short might not move the clock at all.
_ROUNDING = 1e-6
# After as many doublings any warm-up is over; keeps the number small whatever the clock says.
_MOST_DOUBLINGS = 30


class TokenBucket:
    """So many per minute, with a small burst; waiters go in the order they came.

    A burst of 1 spaces the takers evenly. A group larger than the burst waits for a full bucket and
    leaves a debt that the next one waits for, so the rate holds over time whatever the sizes are. Within
    any minute there are never more than the rate, a burst at its beginning included; only a group that
    is larger than that by itself. `jitter` only ever lengthens a wait.
    """

    def __init__(
        self, clock: Clock, rng: random.Random, *, per_minute: float, burst: int = 1, jitter: float = 0.0
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._jitter = jitter
        self._per_minute = per_minute
        self._burst = burst
        self._tokens = float(burst)
        self._counted_at = clock.monotonic()
        self._recent: deque[tuple[float, int]] = deque()  # what was taken in the last minute …
        self._recent_count = 0  # … and its sum
        self._line = asyncio.Lock()  # fair, and a cancelled waiter leaves it in order
        self._waiting = 0

    def __repr__(self) -> str:
        self._accrue()
        return (
            f"<TokenBucket {self._per_minute:g}/min, {self._tokens:.1f} of {self._burst} left, {self._waiting} waiting>"
        )

    def set_rate(self, per_minute: float, burst: int | None = None) -> None:
        """Go on at another rate; what was earned so far stays earned, up to the burst."""
        self._accrue()
        self._per_minute = per_minute
        self._burst = self._burst if burst is None else burst
        self._tokens = min(self._tokens, float(self._burst))

    async def take(self, count: int = 1) -> None:
        """Wait until `count` may go; cancelling takes nothing."""
        self._waiting += 1
        try:
            async with self._line:
                while (wait_seconds := self._missing_seconds(count)) > 0:
                    await self._clock.sleep(wait_seconds * (1 + self._rng.uniform(0, self._jitter)))
                self._tokens -= count
                self._note(count)
        finally:
            self._waiting -= 1

    def _note(self, count: int) -> None:
        if not math.isinf(self._per_minute):
            self._recent.append((self._clock.monotonic(), count))
            self._recent_count += count

    def _missing_seconds(self, count: int) -> float:
        self._accrue()
        missing = min(count, self._burst) - self._tokens
        wait_seconds = missing * _MINUTE / self._per_minute if missing > _ROUNDING else 0.0
        return max(wait_seconds, self._crowded_seconds(count))

    def _crowded_seconds(self, count: int) -> float:
        """Seconds until the last minute has room for so many more."""
        now = self._clock.monotonic()
        while self._recent and self._recent[0][0] <= now - _MINUTE + _ROUNDING:
            self._recent_count -= self._recent.popleft()[1]
        surplus = self._recent_count + count - max(self._per_minute, count)
        free_at = now
        for at, taken in self._recent:
            if surplus <= _ROUNDING:
                break
            surplus -= taken
            free_at = at + _MINUTE
        return free_at - now

    def _accrue(self) -> None:
        now = self._clock.monotonic()
        elapsed, self._counted_at = now - self._counted_at, now
        if math.isinf(self._per_minute):
            self._tokens = float(self._burst)
        else:
            self._tokens = min(float(self._burst), self._tokens + elapsed * self._per_minute / _MINUTE)


class HourBudget:
    """At most `limit` within any hour; 0 is no limit."""

    def __init__(self, clock: Clock, limit: int) -> None:
        self._clock = clock
        self.limit = limit
        self._taken: list[float] = []

    def __repr__(self) -> str:
        self._forget()
        return f"<HourBudget {len(self._taken)} of {self.limit}>"

    @property
    def is_half_spent(self) -> bool:
        """Whether forgetting what was taken could make a difference."""
        self._forget()
        return bool(self._taken) and 2 * len(self._taken) >= self.limit

    def retry_in(self) -> float | None:
        """Return the seconds until one may be taken again, or None while one may be taken now."""
        if len(self._taken) < (self.limit or math.inf):
            return None
        self._forget()
        if len(self._taken) < self.limit:
            return None
        return self._taken[-self.limit] + _HOUR - self._clock.monotonic()

    def take(self) -> float | None:
        """Count one now; returns what `give_back` wants, None where nothing is counted."""
        if not self.limit:
            return None
        self._taken.append(self._clock.monotonic())
        return self._taken[-1]

    def give_back(self, taken: float | None) -> None:
        """Undo one `take`."""
        if taken in self._taken:
            self._taken.remove(taken)

    def ages(self) -> list[float]:
        """Return how many seconds ago each was taken."""
        self._forget()
        return [self._clock.monotonic() - at for at in self._taken]

    def restore(self, ages: list[float]) -> None:
        """Read what `ages` gave, with the time since then already added."""
        self._taken = sorted(self._clock.monotonic() - max(0.0, age) for age in ages)

    def _forget(self) -> None:
        oldest = self._clock.monotonic() - _HOUR
        del self._taken[: bisect.bisect_right(self._taken, oldest)]


class DayBudget:
    """At most so many per UTC day; a new sender is let up slowly.

    `limit` 0 is no limit. `warm_up` is the limit of the first week after the first one was counted and
    doubles every week; 0 is no warm-up. The smaller of both holds.
    """

    def __init__(self, clock: Clock, limit: int, warm_up: int = 0) -> None:
        self._clock = clock
        self.limit = limit
        self.warm_up = warm_up
        self.first_day: date | None = None
        self._day = clock.now().astimezone(UTC).date()
        self._spent = 0

    def __repr__(self) -> str:
        limit = self.limit_today()
        return f"<DayBudget {self.spent} of {'any' if limit is None else limit}>"

    @property
    def day(self) -> date:
        """Which day is counted."""
        self._turn_page()
        return self._day

    @property
    def spent(self) -> int:
        """How many were counted today."""
        self._turn_page()
        return self._spent

    def limit_today(self) -> int | None:
        """Return today's limit, or None if there is none."""
        self._turn_page()
        limits = [self.limit] if self.limit else []
        if self.warm_up:
            weeks = (self._day - (self.first_day or self._day)).days // 7
            limits.append(self.warm_up * 2 ** max(0, min(weeks, _MOST_DOUBLINGS)))
        return min(limits, default=None)

    def left(self) -> int | None:
        """Return how many may still go today, or None if there is no limit."""
        limit = self.limit_today()
        return None if limit is None else max(0, limit - self._spent)

    def retry_in(self) -> float | None:
        """Return the seconds until the next day begins, or None while there is something left."""
        if not (self.limit or self.warm_up) or self.left() != 0:
            return None
        midnight = datetime.combine(self._day + timedelta(days=1), time(), UTC)
        return (midnight - self._clock.now()).total_seconds()

    def add(self, count: int) -> None:
        """Count them."""
        self._turn_page()
        self.first_day = self.first_day or self._day
        self._spent += count

    def restore(self, day: date, spent: int, first_day: date | None) -> None:
        """Go on from what an earlier process counted."""
        self._day, self._spent, self.first_day = day, spent, first_day

    def _turn_page(self) -> None:
        today = self._clock.now().astimezone(UTC).date()
        # A clock set back by a little must not give the same day's budget twice; one that was far
        # ahead must not leave a budget used up for years.
        if today > self._day or today < self._day - timedelta(days=1):
            self._day, self._spent = today, 0

"""How fast one lane goes: its buckets and budgets, and the share of its rate left after being limited."""

import math
import random
from datetime import date, datetime
from typing import Any

from validatord.clock import Clock
from validatord.mail.provider import Pace
from validatord.pacing.limiter import DayBudget, HourBudget, TokenBucket
from validatord.pacing.limits import LaneRules

_MINUTE = 60.0


class Speed:
    """RCPT per minute and day, sessions per interval and hour.

    Each time the receiver limits us the RCPT rate is halved, down to a floor; it doubles again after a
    rest without limits.
    """

    def __init__(self, pace: Pace, clock: Clock, rng: random.Random, rules: LaneRules) -> None:
        self._pace, self._clock, self._rules = pace, clock, rules
        self._factor = 1.0
        self._changed_at = clock.monotonic()
        self._rcpt = TokenBucket(
            clock, rng, per_minute=pace.rcpt_per_minute, burst=pace.rcpt_per_envelope, jitter=rules.jitter
        )
        self._sessions = TokenBucket(clock, rng, per_minute=_sessions_per_minute(pace), jitter=rules.jitter)
        self._hour = HourBudget(clock, pace.sessions_per_hour)
        self._day = DayBudget(clock, pace.rcpt_per_day, rules.warm_up)

    def __repr__(self) -> str:
        return f"<Speed x{self._factor:g} {self._rcpt} {self._hour} {self._day}>"

    def apply(self, pace: Pace, rules: LaneRules) -> None:
        """Go on at another pace with everything that was counted."""
        self._pace, self._rules = pace, rules
        self._set_factor(self._factor)
        self._sessions.set_rate(_sessions_per_minute(pace))
        self._hour.limit = pace.sessions_per_hour
        self._day.limit, self._day.warm_up = pace.rcpt_per_day, rules.warm_up

    @property
    def sessions_retry_in(self) -> float | None:
        """Seconds until this hour's sessions are not used up any more, or None."""
        return self._hour.retry_in()

    @property
    def rcpt_retry_in(self) -> float | None:
        """Seconds until today's RCPT are not used up any more, or None."""
        return self._day.retry_in()

    @property
    def rcpt_left(self) -> int | None:
        """How many RCPT are left today; None: no limit."""
        return self._day.left()

    async def take_session(self) -> None:
        """Wait for the interval between new sessions and count one; cancelling counts nothing."""
        taken = self._hour.take()
        try:
            await self._sessions.take()
        except BaseException:
            self._hour.give_back(taken)
            raise

    async def take_rcpt(self, count: int) -> None:
        """Wait until so many RCPT may be sent and count them; cancelling counts nothing."""
        await self._rcpt.take(count)
        self._day.add(count)

    def slow_down(self) -> None:
        """Halve the RCPT rate."""
        self._set_factor(max(self._rules.slowest, self._factor / 2))

    def recover(self) -> None:
        """Double the RCPT rate again, if the rest was long enough."""
        rested = self._clock.monotonic() - self._changed_at
        if self._factor < 1 and rested >= self._rules.recover_after.total_seconds():
            self._set_factor(min(1.0, self._factor * 2))

    def _set_factor(self, factor: float) -> None:
        if factor != self._factor:
            self._changed_at = self._clock.monotonic()
        self._factor = factor
        self._rcpt.set_rate(self._pace.rcpt_per_minute * factor, self._pace.rcpt_per_envelope)

    @property
    def is_worth_keeping(self) -> bool:
        """Whether beginning anew would allow more than going on."""
        is_counted = self._day.limit_today() is not None and self._day.first_day is not None
        return self._factor < 1 or self._hour.is_half_spent or is_counted

    def snapshot(self) -> dict[str, Any]:
        """Return a JSON-ready dict with wall-clock times."""
        first_day = self._day.first_day
        return {
            "at": self._clock.now().isoformat(),
            "factor": self._factor,
            "session_ages": [round(age, 3) for age in self._hour.ages()],
            "day": self._day.day.isoformat(),
            "rcpt": self._day.spent,
            "first_day": first_day.isoformat() if first_day else None,
        }

    def restore(self, data: dict[str, Any]) -> None:
        """Read what `snapshot` wrote."""
        passed = (self._clock.now() - datetime.fromisoformat(data["at"])).total_seconds()
        self._hour.restore([float(age) + passed for age in data["session_ages"]])
        first_day = date.fromisoformat(data["first_day"]) if data["first_day"] else None
        self._day.restore(date.fromisoformat(data["day"]), int(data["rcpt"]), first_day)
        self._set_factor(max(self._rules.slowest, min(1.0, float(data["factor"]))))


def _sessions_per_minute(pace: Pace) -> float:
    seconds = pace.session_interval.total_seconds()
    return _MINUTE / seconds if seconds > 0 else math.inf

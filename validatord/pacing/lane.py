"""The way in to a receiver: one lane per source identity and MX provider.

A lane says who may hold a conversation now (slots, in fair order), how fast (buckets and budgets), and
whether at all (breaker, paused identity). It learns only from the signals it is told. It opens no
connection and judges no reply. Every change of state is synchronous; awaits stand outside.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Mapping
from datetime import datetime, timedelta
from typing import Any

from validatord.clock import Clock
from validatord.errors import GateClosed
from validatord.mail.probe import Signal
from validatord.mail.provider import Pace
from validatord.pacing.breaker import ANSWERS, CircuitBreaker, State
from validatord.pacing.limits import LaneRules
from validatord.pacing.slots import Line, Slots, find_result
from validatord.pacing.speed import Speed
from validatord.pacing.turn import LaneShare, Turn
from validatord.pacing.way_out import SOON

# What `restore` raises for a snapshot of another version: a lane then begins anew, slowly.
UNREADABLE = (AttributeError, KeyError, TypeError, ValueError)


def lane_name(identity_name: str, provider_key: str) -> str:
    """Return the name a lane has in the book, in the ledger and in the log."""
    return f"{identity_name}/{provider_key}"


class Lane:
    """One identity at one provider.

    `visits`: how many visits are under way to it or in it. `running`: how many turns are held.
    `is_one_rcpt_per_envelope`: the receiver wants each recipient in a transaction of its own, which
    whoever learns it sets.
    """

    def __init__(
        self,
        name: str,
        pace: Pace,
        clock: Clock,
        rng: random.Random,
        rules: LaneRules,
        share: LaneShare | None = None,
    ) -> None:
        self.name = name
        self.share = share or LaneShare()
        self.visits = 0
        self.running = 0
        self.is_one_rcpt_per_envelope = False
        self.used_at = clock.monotonic()
        self.breaker = CircuitBreaker(clock, rules.breaker_of(pace))
        self.speed = Speed(pace, clock, rng, rules)
        self._pace, self._rules, self._clock = pace, rules, clock
        self._slots = Slots(pace.sessions, is_slow_start=rules.is_slow_start)
        self._line: Line[Turn] = Line()

    def __repr__(self) -> str:
        return (
            f"<Lane {self.name} {self.breaker.state} slots {self.slots}/{self._pace.sessions}"
            f" running {self.running} waiting {len(self._line)} visits {self.visits}>"
        )

    # --- may anybody go -----------------------------------------------------------------------

    @property
    def slots(self) -> int:
        """How many conversations there may be at once, as of now: one while half-open."""
        return 1 if self.breaker.state is State.HALF_OPEN else self._slots.limit

    @property
    def is_idle(self) -> bool:
        """Whether nobody is in it or on the way."""
        return not (self.visits or self.running or len(self._line))

    def has_room(self) -> bool:
        """Whether one more visit makes sense: besides those that hold a slot, one may prepare itself."""
        most = 1 if self.breaker.state is State.HALF_OPEN else self.slots + 1
        return self.visits < most and self.retry_at() is None

    def retry_at(self) -> datetime | None:
        """Return when the closed gate opens again, or None while it is open."""
        closed = self._find_closure() or self._find_session_closure()
        return None if closed is None else self._clock.now() + timedelta(seconds=closed[1])

    def _find_closure(self) -> tuple[str, float] | None:
        if (shut := self.share.find_closure(self.name)) is not None:
            return shut
        if (wait := self.breaker.retry_in()) is not None:
            return self.breaker.cause, wait
        if (wait := self.speed.rcpt_retry_in) is not None:
            return "rcpt_per_day", wait
        return None

    def _find_session_closure(self) -> tuple[str, float] | None:
        wait = self.speed.sessions_retry_in
        return None if wait is None else ("sessions_per_hour", wait)

    def _is_shut(self) -> bool:
        """Whether even a running conversation should end."""
        return self.breaker.state is State.OPEN or self.share.find_closure(self.name) is not None

    def _error_of(self, closed: tuple[str, float]) -> GateClosed:
        return GateClosed(f"lane {self.name}: {closed[0]}", self._clock.now() + timedelta(seconds=closed[1]))

    # --- visits and turns ---------------------------------------------------------------------

    def enter_visit(self) -> None:
        """Count a visit that was started for this lane."""
        self.visits += 1
        self.touch()

    def leave_visit(self) -> None:
        """Count it out again."""
        if not self.visits:
            msg = f"a visit left {self.name} that never entered it"
            raise ValueError(msg)
        self.visits -= 1
        self.touch()
        self._tell_room()

    def touch(self) -> None:
        """Remember that somebody uses the lane now."""
        self.used_at = self._clock.monotonic()

    @contextlib.asynccontextmanager
    async def turn(self, priority: int = 50) -> AsyncGenerator[Turn]:
        """Hold one conversation: waits for a slot, the higher priority first, then in order of arrival.

        Raises GateClosed where the gate is closed, or closes while waiting.
        """
        turn = await self._wait_for_turn(priority)
        try:
            yield turn
        finally:
            self._end_turn(turn)

    async def _wait_for_turn(self, priority: int) -> Turn:
        self.share.closing.check(self._clock)
        if (closed := self._find_closure()) is not None:
            raise self._error_of(closed)
        place = self._line.join(priority)
        self._admit()
        try:
            return await place
        except asyncio.CancelledError:
            # Admitted and cancelled in the same moment: the slot goes to the next.
            if (turn := find_result(place)) is not None:
                self._end_turn(turn)
            raise

    def _admit(self) -> None:
        while self.running < self.slots and self._find_closure() is None:
            place = self._line.call_next()
            if place is None:
                return
            self.running += 1
            place.set_result(Turn(self.name, self.share.tarpits, self._is_shut, is_trial=self.breaker.enter()))

    def _end_turn(self, turn: Turn) -> None:
        self.running -= 1
        self.touch()
        turn.end()
        self.breaker.leave(is_trial=turn.is_trial)
        if self._slots.end_turn():
            self._tell_room()
        self.refresh()

    def refresh(self) -> None:
        """Admit whoever may go now, or send everybody home if the gate was closed meanwhile."""
        if self.share.closing.is_begun:
            self._line.turn_away(lambda: self.share.closing.error(self._clock))
        closed = self._find_closure()
        # Those behind a trial may wait for its end: it opens or closes the gate for them.
        if closed is not None and closed[0] != "trial":
            self._line.turn_away(lambda: self._error_of(closed))
        self._admit()

    def _tell_room(self) -> None:
        if self.has_room():
            self.share.on_room()

    # --- how fast -----------------------------------------------------------------------------

    async def pace_session(self) -> None:
        """Wait until a new session may be opened; GateClosed if this hour's are used up, or at our stop."""
        if (closed := self._find_session_closure()) is not None:
            raise self._error_of(closed)
        await self.share.closing.wait(self.speed.take_session, self._clock)

    async def pace_rcpt(self, count: int = 1) -> None:
        """Wait until so many RCPT may be sent, and count them; GateClosed at our stop.

        A daily budget that runs out in the middle of a conversation closes the gate behind it.
        """
        await self.share.closing.wait(lambda: self.pace_control(count), self._clock)

    async def pace_control(self, count: int = 1) -> None:
        """The same for a control, which our stop must not end: without it what was answered says nothing."""
        await self.speed.take_rcpt(count)
        if self.speed.rcpt_left == 0:
            self.refresh()

    # --- what it learns -----------------------------------------------------------------------

    def observe(self, signal: Signal, domain: str, mx_host: str = "") -> None:
        """Hear how the receiver treated a visit to `domain`; a named MX host's own breaker hears it too."""
        was = self.breaker.state
        self.breaker.observe(signal, domain)
        if signal in ANSWERS:
            self._slots.hear_answer()
            self.speed.recover()
        else:
            self._slots.hear_failure()
        if signal is Signal.RATE_LIMITED:
            self.speed.slow_down()
        if self.share.hear(self.name, domain, signal):
            self.breaker.shorten(SOON)
        if was is State.HALF_OPEN and self.breaker.state is State.CLOSED:
            self._slots.restart()
            self._tell_room()
        if mx_host and self.share.hosts and (signal in ANSWERS or signal is Signal.CONNECTION_FAILED):
            self.share.hosts.observe(mx_host, ok=signal in ANSWERS)
        self.refresh()

    def apply(self, pace: Pace, rules: LaneRules) -> None:
        """Go on under another pace or other rules, with everything that was learned."""
        if (pace, rules) == (self._pace, self._rules):
            return
        self._pace, self._rules = pace, rules
        self.breaker.apply(rules.breaker_of(pace))
        self.speed.apply(pace, rules)
        self._slots.apply(pace.sessions, is_slow_start=rules.is_slow_start)
        self.refresh()

    def reset(self) -> None:
        """Forget why the gate was closed: an operator says that the receiver takes us again."""
        self.breaker = CircuitBreaker(self._clock, self._rules.breaker_of(self._pace))
        self._slots.restart()
        self.refresh()
        self._tell_room()

    # --- what survives ------------------------------------------------------------------------

    @property
    def is_worth_keeping(self) -> bool:
        """Whether a lane begun anew would go where or when this one would not."""
        return self.is_one_rcpt_per_envelope or self.breaker.is_worth_keeping or self.speed.is_worth_keeping

    def snapshot(self) -> dict[str, Any]:
        """Return a JSON-ready dict with wall-clock times; slots begin anew after a restart."""
        return {
            "identity": self.share.identity,
            "is_one_rcpt_per_envelope": self.is_one_rcpt_per_envelope,
            "breaker": self.breaker.snapshot(),
            "speed": self.speed.snapshot(),
        }

    def restore(self, data: Mapping[str, Any]) -> None:
        """Read what `snapshot` wrote; raises one of `UNREADABLE` if it is no such thing."""
        self.is_one_rcpt_per_envelope = bool(data["is_one_rcpt_per_envelope"])
        self.breaker.restore(data["breaker"])
        self.speed.restore(data["speed"])

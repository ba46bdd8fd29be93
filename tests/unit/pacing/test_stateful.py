"""Whatever happens in whatever order: the limits of bucket, breaker and lane hold."""

import asyncio
import random
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.fakes.clock import FakeClock, settle
from validatord.errors import GateClosed
from validatord.mail.probe import Signal
from validatord.mail.provider import Pace
from validatord.pacing.breaker import OPEN_TIMES, CircuitBreaker, State
from validatord.pacing.lane import Lane
from validatord.pacing.limiter import TokenBucket
from validatord.pacing.limits import LaneRules
from validatord.pacing.turn import LaneShare, TarpitBudget, Turn

SIGNALS = st.sampled_from(Signal)
# Quarters of a second: exact in binary, so that no assertion is about rounding.
SECONDS = st.one_of(st.integers(0, 20), st.integers(0, 8000), st.integers(0, 360_000)).map(
    lambda quarters: quarters / 4
)
ENOUGH = settings(max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class OnALoop(RuleBasedStateMachine):
    """A machine with an event loop and a clock of its own; tasks left over are cancelled at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock()
        self.tasks: list[asyncio.Task[Any]] = []

    def run(self, awaitable: Awaitable[Any]) -> None:
        async def wrapped() -> None:
            await awaitable

        self.loop.run_until_complete(wrapped())

    def start(self, coroutine: Any) -> "asyncio.Task[Any]":
        async def begin() -> asyncio.Task[Any]:
            task = asyncio.ensure_future(coroutine)
            await settle()
            return task

        task = self.loop.run_until_complete(begin())
        self.tasks.append(task)
        return task

    def teardown(self) -> None:
        for task in self.tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.wait_for(self.end(), timeout=5))
        self.loop.close()

    async def end(self) -> None:
        await asyncio.gather(*self.tasks, return_exceptions=True)


class BucketMachine(OnALoop):
    """Takers of all sizes come, are cancelled, and the rate changes: no window ever holds too many."""

    @initialize(burst=st.integers(1, 5))
    def build(self, burst: int) -> None:
        self.burst, self.rate, self.highest = burst, 60.0, 60.0
        self.bucket = TokenBucket(self.clock, random.Random(1), per_minute=60, burst=burst, jitter=0.2)
        self.came: list[int] = []
        self.went: list[tuple[float, int, int]] = []  # when, who, how many

    @rule(count=st.integers(1, 4))
    def take(self, count: int) -> None:
        who = len(self.came)
        self.came.append(who)

        async def taker() -> None:
            await self.bucket.take(min(count, self.burst))
            self.went.append((self.clock.monotonic(), who, min(count, self.burst)))

        self.start(taker())

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.tasks)).cancel()
        self.run(settle())

    @rule(per_minute=st.sampled_from([6.0, 30.0, 60.0]))
    def change_rate(self, per_minute: float) -> None:
        self.bucket.set_rate(per_minute)
        self.rate = per_minute

    @rule(seconds=st.floats(0, 60))
    def wait(self, seconds: float) -> None:
        self.run(self.clock.advance(seconds))

    @invariant()
    def order_is_kept(self) -> None:
        assert [who for _, who, _ in self.went] == sorted(who for _, who, _ in self.went)

    @invariant()
    def rate_is_kept(self) -> None:
        for first in range(len(self.went)):
            count = 0
            for at, _, taken in self.went[first:]:
                count += taken
                assert count <= self.burst + (at - self.went[first][0]) * self.highest / 60 + 1e-3

    @invariant()
    def nobody_is_forgotten(self) -> None:
        """Whoever waits is woken: there is a sleeper on the clock as long as somebody waits."""
        waiting = sum(not task.done() for task in self.tasks)
        assert self.clock.sleeping == (1 if waiting else 0)

    def teardown(self) -> None:
        # Everybody who was not cancelled goes in the end.
        self.run(self.clock.advance(100_000))
        assert all(task.done() for task in self.tasks)
        super().teardown()


class BreakerMachine(RuleBasedStateMachine):
    """Signals, trials and time in any order: one trial at a time, and no open time out of bounds."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.breaker = CircuitBreaker(self.clock)
        self.loop = asyncio.new_event_loop()
        self.trials = 0
        self.others = 0

    def teardown(self) -> None:
        self.loop.close()

    @rule(signal=SIGNALS, domain=st.sampled_from(["example.com", "example.org", "example.net"]))
    def observe(self, signal: Signal, domain: str) -> None:
        before, wait = self.breaker.state, self.breaker.retry_in()
        self.breaker.observe(signal, domain)
        if before is State.OPEN:
            # What was under way when it opened never opens the gate earlier.
            assert self.breaker.state is State.OPEN
            assert (self.breaker.retry_in() or 0) >= (wait or 0)
        if before is State.HALF_OPEN:
            is_answer = signal in {Signal.SUCCESS, Signal.REFUSED_UNKNOWN}
            assert self.breaker.state is (State.CLOSED if is_answer else State.OPEN)

    @precondition(lambda self: self.breaker.retry_in() is None)
    @rule()
    def enter(self) -> None:
        if self.breaker.enter():
            assert self.breaker.state is State.HALF_OPEN
            self.trials += 1
        else:
            self.others += 1

    @precondition(lambda self: self.trials)
    @rule()
    def leave(self) -> None:
        self.breaker.leave(is_trial=True)
        self.trials -= 1

    @precondition(lambda self: self.others)
    @rule()
    def another_leaves(self) -> None:
        self.breaker.leave(is_trial=False)
        self.others -= 1

    @rule(seconds=SECONDS)
    def wait(self, seconds: float) -> None:
        self.loop.run_until_complete(self.clock.advance(seconds))

    @rule()
    def restart(self) -> None:
        before = (self.breaker.state, self.breaker.retry_in())
        again = CircuitBreaker(self.clock)
        again.restore(self.breaker.snapshot())
        self.breaker, self.trials, self.others = again, 0, 0
        assert again.state is before[0]
        if before[0] is State.OPEN:
            assert abs((again.retry_in() or 0) - (before[1] or 0)) < 1e-3

    @invariant()
    def one_trial_at_a_time(self) -> None:
        assert self.trials <= 1

    @invariant()
    def gate_and_state_agree(self) -> None:
        wait, state = self.breaker.retry_in(), self.breaker.state
        assert (wait is None) == (self.breaker.cause == "")
        assert wait is None or 0 < wait <= max(time for times in OPEN_TIMES.values() for time in times).total_seconds()
        assert (state is State.OPEN) <= (wait is not None)
        assert (state is State.CLOSED) <= (wait is None)


class LaneMachine(OnALoop):
    """Guests, cancellations, signals, budgets and time in any order."""

    @initialize(sessions=st.integers(1, 4), rcpt_per_day=st.sampled_from([0, 3]), is_slow_start=st.booleans())
    def build(self, sessions: int, rcpt_per_day: int, is_slow_start: bool) -> None:
        self.sessions = sessions
        self.tarpits = TarpitBudget(1)
        pace = Pace(sessions=sessions, rcpt_per_day=rcpt_per_day, session_interval=timedelta(0))
        rules = LaneRules(is_slow_start=is_slow_start)
        self.lane = Lane("default/x", pace, self.clock, random.Random(1), rules, LaneShare(tarpits=self.tarpits))
        self.inside: list[Turn] = []
        self.doors: dict[asyncio.Task[None], asyncio.Event] = {}
        self.started_full = 0

    @rule(priority=st.sampled_from([25, 50, 75]))
    def come(self, priority: int) -> None:
        door = asyncio.Event()

        async def guest() -> None:
            async with self.lane.turn(priority) as turn:
                # The rule of the lane, checked at the very moment of entering.
                assert self.lane.running <= self.sessions
                assert not any(other.is_trial for other in self.inside if turn.is_trial)
                self.inside.append(turn)
                try:
                    await door.wait()
                finally:
                    self.inside.remove(turn)

        self.doors[self.start(guest())] = door

    @precondition(lambda self: self.doors)
    @rule(data=st.data())
    def go(self, data: st.DataObject) -> None:
        self.doors[data.draw(st.sampled_from(list(self.doors)))].set()
        self.run(settle())

    @precondition(lambda self: self.doors)
    @rule(data=st.data(), rounds=st.integers(0, 3))
    def cancel(self, data: st.DataObject, rounds: int) -> None:
        """Cancel one after another one has begun to leave, so that both meet at every await."""
        leaving, cancelled = (data.draw(st.sampled_from(list(self.doors))) for _ in range(2))

        async def meet() -> None:
            self.doors[leaving].set()
            await settle(rounds)
            cancelled.cancel()
            await settle()

        self.run(meet())

    @rule(signal=SIGNALS, domain=st.sampled_from(["example.com", "example.org"]))
    def observe(self, signal: Signal, domain: str) -> None:
        self.lane.observe(signal, domain)
        self.run(settle())

    @rule(seconds=SECONDS)
    def wait(self, seconds: float) -> None:
        self.run(self.clock.advance(seconds))

    @rule()
    def send(self) -> None:
        self.start(self.lane.pace_rcpt())

    @precondition(lambda self: self.inside)
    @rule(data=st.data())
    def tarpit(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.inside)).mark_slow()

    @rule(sessions=st.integers(1, 4))
    def reload(self, sessions: int) -> None:
        self.sessions = max(self.sessions, sessions)
        self.lane.apply(Pace(sessions=sessions, session_interval=timedelta(0)), LaneRules())
        self.run(settle())

    @invariant()
    def books_agree(self) -> None:
        assert self.lane.running == len(self.inside) <= self.sessions
        assert self.tarpits.used == sum(turn.is_slow for turn in self.inside) <= 1
        assert sum(turn.is_trial for turn in self.inside) <= 1

    @invariant()
    def nobody_is_forgotten(self) -> None:
        """Nobody waits while a slot is free and the gate is open, nor behind a gate that is closed for long."""
        waiting = sum(not task.done() for task in self.doors) - len(self.inside)
        if waiting:
            is_full = self.lane.running >= self.lane.slots
            is_behind_trial = any(turn.is_trial for turn in self.inside)
            assert is_full or is_behind_trial

    def teardown(self) -> None:
        for task in self.doors:
            task.cancel()
        self.run(settle())
        assert self.lane.is_idle
        assert self.tarpits.used == 0
        for task in self.doors:
            failure = None if task.cancelled() else task.exception()
            assert failure is None or isinstance(failure, GateClosed)
        super().teardown()


TestBucket = BucketMachine.TestCase
TestBucket.settings = ENOUGH
TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = ENOUGH
TestLane = LaneMachine.TestCase
TestLane.settings = ENOUGH

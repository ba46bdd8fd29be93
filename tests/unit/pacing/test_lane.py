"""A lane lets in as many as it should, as fast as it should, and learns from what it hears."""

import asyncio
import json
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.clock import FakeClock, settle
from validatord.errors import GateClosed
from validatord.mail.probe import Signal
from validatord.mail.provider import Pace
from validatord.pacing.breaker import State
from validatord.pacing.lane import Lane
from validatord.pacing.limits import LaneRules
from validatord.pacing.turn import LaneShare, Turn
from validatord.settings import PacingSettings

FAST = LaneRules(is_slow_start=False, jitter=0.0)


class Guest:
    """Somebody who asks for a turn and holds it until told to leave."""

    def __init__(self, lane: Lane, priority: int = 50) -> None:
        self.turn: Turn | None = None
        self._leave = asyncio.Event()
        self.task = asyncio.create_task(self._stay(lane, priority))

    async def _stay(self, lane: Lane, priority: int) -> None:
        async with lane.turn(priority) as turn:
            self.turn = turn
            await self._leave.wait()

    @property
    def is_in(self) -> bool:
        return self.turn is not None and not self.turn.is_over

    async def leave(self) -> None:
        self._leave.set()
        await self.task

    async def cancel(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def make_lane(clock: FakeClock, rules: LaneRules = FAST, share: LaneShare | None = None, **pace: Any) -> Lane:
    return Lane("default/example.com", Pace(**pace), clock, random.Random(1), rules, share)


async def invite(lane: Lane, count: int) -> list[Guest]:
    guests = [Guest(lane) for _ in range(count)]
    await settle()
    return guests


async def dismiss(guests: list[Guest]) -> None:
    for guest in guests:
        await guest.cancel()


async def test_no_more_turns_than_slots() -> None:
    """The third waits until one of two leaves."""
    lane = make_lane(FakeClock(), sessions=2)
    guests = await invite(lane, 3)
    assert [guest.is_in for guest in guests] == [True, True, False]
    assert repr(lane) == "<Lane default/example.com closed slots 2/2 running 2 waiting 1 visits 0>"
    await guests[0].leave()
    await settle()
    assert guests[2].is_in
    await dismiss(guests[1:])
    assert lane.is_idle


async def test_the_urgent_go_first_then_the_first_come() -> None:
    """Among those who wait the priority decides, then the order of arrival."""
    lane = make_lane(FakeClock(), sessions=1)
    first = (await invite(lane, 1))[0]
    waiting = {name: Guest(lane, priority) for name, priority in [("a", 25), ("b", 75), ("c", 75), ("d", 100)]}
    await settle()
    order = []
    await first.leave()
    while waiting:
        await settle()
        name = next(name for name, guest in waiting.items() if guest.is_in)
        order.append(name)
        await waiting.pop(name).leave()
    assert order == ["d", "b", "c", "a"]


async def test_a_failing_conversation_gives_its_slot_back() -> None:
    """A turn ends with its block, however the block ends."""
    lane = make_lane(FakeClock(), sessions=1)
    with pytest.raises(ValueError, match="broken"):
        async with lane.turn():
            raise ValueError("broken")
    assert lane.running == 0
    async with lane.turn() as turn:
        assert not turn.is_over


@pytest.mark.parametrize("moment", ["waiting", "admitted", "turned away", "inside"])
async def test_cancelling_at_each_await_gives_the_slot_back(moment: str) -> None:
    """Whenever a task is cancelled, the lane ends up as if it had never come."""
    lane = make_lane(FakeClock(), sessions=1)
    first, second = await invite(lane, 2)
    if moment == "admitted":
        await_free = first.leave()
        second.task.cancel()  # cancelled first, admitted in the same round of the loop
        await await_free
    elif moment == "turned away":
        lane.observe(Signal.BLOCKED_EARLY, "example.com")
    elif moment == "inside":
        await first.leave()
        await settle()
        assert second.is_in
    await dismiss([first, second])
    assert lane.is_idle
    assert lane.running == 0


async def test_admitted_and_cancelled_in_the_same_moment_passes_the_slot_on() -> None:
    """A slot given to a task that was cancelled before it woke goes to the next in line."""
    lane = make_lane(FakeClock(), sessions=1)
    first, second, third = await invite(lane, 3)
    first._leave.set()
    await asyncio.sleep(0)  # the first one leaves and hands its slot over …
    second.task.cancel()  # … to one who is cancelled before it can take it
    await settle()
    assert third.is_in
    assert lane.running == 1
    await dismiss([first, second, third])


async def test_a_closed_gate_lets_nobody_in_and_says_until_when() -> None:
    """While the breaker is open everybody is sent away with the time to come back."""
    clock = FakeClock()
    lane = make_lane(clock)
    assert lane.retry_at() is None
    lane.observe(Signal.BLOCKED_EARLY, "example.com")
    with pytest.raises(GateClosed, match="sender_ip_blocked") as raised:
        async with lane.turn():
            pytest.fail("the gate is closed")
    assert raised.value.retry_at == lane.retry_at() == clock.now() + timedelta(hours=1)
    assert not lane.has_room()


async def test_who_waits_is_sent_home_when_the_gate_closes() -> None:
    """Nobody waits behind a gate that opens in an hour; who is inside is told to stop."""
    lane = make_lane(FakeClock(), sessions=1)
    inside, waiting = await invite(lane, 2)
    assert inside.turn is not None
    assert not inside.turn.should_stop
    lane.observe(Signal.BLOCKED_EARLY, "example.com")
    await settle()
    assert inside.turn.should_stop
    with pytest.raises(GateClosed):
        await waiting.task
    await inside.leave()


async def test_half_open_lets_one_trial_through() -> None:
    """After the open time one turn passes, marked as a trial; its success opens the gate for all."""
    clock, calls = FakeClock(), list[str]()
    lane = make_lane(clock, sessions=3, share=LaneShare(on_room=lambda: calls.append("room")))
    lane.observe(Signal.BLOCKED_EARLY, "example.com")
    await clock.advance(3600)
    assert lane.has_room()
    assert lane.slots == 1
    lane.enter_visit()
    assert not lane.has_room()
    trial = (await invite(lane, 1))[0]
    assert trial.turn is not None
    assert trial.turn.is_trial
    assert not trial.turn.should_stop
    with pytest.raises(GateClosed, match="trial"):
        async with lane.turn():
            pytest.fail("only one trial at a time")
    lane.observe(Signal.SUCCESS, "example.com")
    assert lane.breaker.state is State.CLOSED
    assert lane.has_room()
    assert calls == ["room"]
    await trial.leave()
    guests = await invite(lane, 4)
    assert [guest.is_in for guest in guests] == [True, True, True, False]
    assert not any(guest.turn.is_trial for guest in guests if guest.turn)
    await dismiss(guests)


async def test_who_waits_behind_a_trial_shares_its_fate() -> None:
    """Those in line when a trial begins go on when it succeeds and are sent home when it fails."""
    for signal, is_in in ((Signal.SUCCESS, True), (Signal.BLOCKED, False)):
        clock = FakeClock()
        lane = make_lane(clock, sessions=1)
        old = (await invite(lane, 1))[0]
        lane.observe(Signal.BLOCKED_EARLY, "example.com")
        await clock.advance(3600)
        trial, behind = await invite(lane, 2)  # one old conversation still holds the only slot
        assert not trial.is_in
        await old.leave()
        await settle()
        assert trial.is_in
        assert not behind.is_in
        lane.observe(signal, "example.com")
        await trial.leave()
        await settle()
        assert behind.is_in is is_in
        await dismiss([behind])
        assert lane.is_idle


async def test_a_trial_that_heard_nothing_makes_way_for_the_next() -> None:
    """A trial cut short decides nothing and blocks nobody."""
    clock = FakeClock()
    lane = make_lane(clock)
    lane.observe(Signal.BLOCKED_EARLY, "example.com")
    await clock.advance(3600)
    trial = (await invite(lane, 1))[0]
    await trial.cancel()
    async with lane.turn() as turn:
        assert turn.is_trial


async def test_slow_start_and_growth() -> None:
    """A lane begins with one slot and earns the others by good turns; room is told when one is earned."""
    calls: list[str] = []
    lane = make_lane(FakeClock(), LaneRules(), LaneShare(on_room=lambda: calls.append("room")), sessions=3)
    slots = []
    for _ in range(6):
        async with lane.turn():
            lane.observe(Signal.SUCCESS, "example.com")
        slots.append(lane.slots)
    assert slots == [2, 2, 3, 3, 3, 3]
    assert len(calls) == 2


async def test_a_lane_that_closed_begins_again_with_one() -> None:
    """After a successful trial the slots start slowly again."""
    clock = FakeClock()
    lane = make_lane(clock, LaneRules(), sessions=3)
    for _ in range(6):
        async with lane.turn():
            lane.observe(Signal.SUCCESS, "example.com")
    lane.observe(Signal.BLOCKED_EARLY, "example.com")
    await clock.advance(3600)
    async with lane.turn():
        lane.observe(Signal.SUCCESS, "example.com")
    assert lane.breaker.state is State.CLOSED
    assert lane.slots == 2


async def test_failures_halve_the_slots_but_take_no_turn_away() -> None:
    """Who is inside stays; nobody new comes in before there is a slot again."""
    lane = make_lane(FakeClock(), sessions=4)
    guests = await invite(lane, 4)
    lane.observe(Signal.CONNECTION_FAILED, "example.com")
    assert (lane.slots, lane.running) == (2, 4)
    late = (await invite(lane, 1))[0]
    await guests[0].leave()
    await guests[1].leave()
    await settle()
    assert not late.is_in
    await guests[2].leave()
    await settle()
    assert late.is_in
    await dismiss([*guests, late])


async def test_visits_fill_the_room() -> None:
    """One more visit than slots may be under way, so that the next one is prepared when a slot is free."""
    calls: list[str] = []
    lane = make_lane(FakeClock(), share=LaneShare(on_room=lambda: calls.append("room")), sessions=2)
    for _ in range(3):
        assert lane.has_room()
        lane.enter_visit()
    assert not lane.has_room()
    assert lane.retry_at() is None
    lane.leave_visit()
    assert lane.has_room()
    assert calls == ["room"]
    assert lane.visits == 2


async def test_a_visit_that_never_came_cannot_leave() -> None:
    """Counting out more visits than in is a mistake and is named."""
    with pytest.raises(ValueError, match="never entered"):
        make_lane(FakeClock()).leave_visit()


async def test_a_visit_that_leaves_a_closed_lane_tells_no_room() -> None:
    """Room is told only where there is some."""
    calls: list[str] = []
    lane = make_lane(FakeClock(), share=LaneShare(on_room=lambda: calls.append("room")))
    lane.enter_visit()
    lane.observe(Signal.BLOCKED_EARLY, "example.com")
    lane.leave_visit()
    assert calls == []


async def test_a_rate_limit_halves_the_rate_and_pauses() -> None:
    """Each limit halves the RCPT rate down to a floor; rest and success double it again."""
    clock = FakeClock()
    lane = make_lane(clock, rcpt_per_minute=60, rcpt_per_envelope=1)

    async def measure() -> float:
        start = clock.monotonic()
        task = asyncio.create_task(run())
        while not task.done():
            await clock.advance(1)
        return clock.monotonic() - start

    async def run() -> None:
        await lane.pace_rcpt()
        await lane.pace_rcpt()

    assert await measure() == pytest.approx(1, abs=1)
    lane.observe(Signal.RATE_LIMITED, "example.com")
    with pytest.raises(GateClosed, match="rate_limited"):
        async with lane.turn():
            pytest.fail("paused")
    assert await measure() == pytest.approx(3, abs=1.1)
    await clock.advance(900)
    assert lane.retry_at() is None
    lane.observe(Signal.SUCCESS, "example.com")
    assert "x0.5 " in repr(lane.speed)
    await clock.advance(900)
    lane.observe(Signal.SUCCESS, "example.com")
    assert "x1 " in repr(lane.speed)
    for _ in range(9):
        lane.observe(Signal.RATE_LIMITED, "example.com")
    assert "x0.125 " in repr(lane.speed)


async def test_a_daily_budget_closes_the_gate_behind_the_conversation() -> None:
    """The conversation that uses the last RCPT ends its group; who waits is sent home until tomorrow."""
    clock = FakeClock()
    lane = make_lane(clock, sessions=1, rcpt_per_day=3)
    inside, waiting = await invite(lane, 2)
    await lane.pace_rcpt(2)
    assert lane.speed.rcpt_left == 1
    assert not waiting.task.done()
    await lane.pace_rcpt(2)
    assert lane.speed.rcpt_left == 0
    with pytest.raises(GateClosed, match="rcpt_per_day") as raised:
        await waiting.task
    assert raised.value.retry_at == clock.now().replace(hour=0, minute=0) + timedelta(days=1)
    await inside.leave()
    assert not lane.has_room()
    await clock.advance(86400)
    assert lane.has_room()


async def test_the_day_ending_between_a_trial_and_those_behind_it_strands_nobody() -> None:
    """Whoever waits behind a trial is sent home if the day's budget is used up meanwhile."""
    clock = FakeClock()
    lane = make_lane(clock, sessions=1, rcpt_per_day=1)
    old = (await invite(lane, 1))[0]
    lane.observe(Signal.BLOCKED_EARLY, "example.com")
    await clock.advance(3600)
    trial, behind = await invite(lane, 2)
    await old.leave()
    await settle()
    await lane.pace_rcpt()
    assert not behind.task.done()
    await trial.leave()
    with pytest.raises(GateClosed, match="rcpt_per_day"):
        await behind.task
    assert lane.is_idle


async def test_new_sessions_keep_their_distance_and_their_hour() -> None:
    """New sessions are spaced, and only so many go in an hour; there is no waiting for the next hour."""
    clock = FakeClock()
    lane = make_lane(clock, session_interval=timedelta(seconds=10), sessions_per_hour=2)
    await lane.pace_session()
    second = asyncio.create_task(lane.pace_session())
    await clock.advance(9.9)
    assert not second.done()
    await clock.advance(0.2)
    assert second.done()
    with pytest.raises(GateClosed, match="sessions_per_hour") as raised:
        await lane.pace_session()
    assert raised.value.retry_at == lane.retry_at()
    assert not lane.has_room()
    async with lane.turn() as turn:  # a held session may still be used
        assert not turn.should_stop
    await clock.advance(3590)
    assert lane.has_room()


async def test_a_session_that_was_not_opened_counts_not() -> None:
    """Cancelled while it waits for its interval, a session leaves the hour as it was."""
    clock = FakeClock()
    lane = make_lane(clock, session_interval=timedelta(seconds=10), sessions_per_hour=2)
    await lane.pace_session()
    task = asyncio.create_task(lane.pace_session())
    await settle()
    assert not lane.has_room()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert lane.has_room()


async def test_no_interval_means_no_waiting() -> None:
    """An interval of zero lets sessions open at once."""
    lane = make_lane(FakeClock(), session_interval=timedelta(0))
    for _ in range(5):
        await lane.pace_session()


async def test_another_pace_holds_at_once() -> None:
    """A provider's new pace reaches a lane in use: who waits is admitted if there is room now."""
    clock = FakeClock()
    lane = make_lane(clock, sessions=1)
    guests = await invite(lane, 3)
    lane.apply(Pace(sessions=3, sessions_per_hour=1, rcpt_per_day=9), FAST)
    await settle()
    assert [guest.is_in for guest in guests] == [True, True, True]
    assert lane.speed.rcpt_left == 9
    await lane.pace_session()
    assert lane.retry_at() is not None
    await dismiss(guests)


def drain(lane: Lane) -> None:
    lane.observe(Signal.BLOCKED_EARLY, "example.com")


def slow(lane: Lane) -> None:
    lane.observe(Signal.RATE_LIMITED, "example.com")


@pytest.mark.parametrize(("spoil", "pace"), [(drain, {}), (slow, {}), (drain, {"rcpt_per_day": 5})])
async def test_a_lane_survives_a_restart(spoil: Callable[[Lane], None], pace: dict[str, Any]) -> None:
    """What is read back from JSON closes the gate until the same moment and has counted the same."""
    clock = FakeClock()
    lane = make_lane(clock, sessions_per_hour=4, **pace)
    assert not lane.is_worth_keeping
    await lane.pace_session()
    await lane.pace_rcpt(2)
    lane.is_one_rcpt_per_envelope = True
    spoil(lane)
    assert lane.is_worth_keeping
    other = make_lane(clock, sessions_per_hour=4, **pace)
    other.restore(json.loads(json.dumps(lane.snapshot())))
    assert other.retry_at() == lane.retry_at()
    assert other.snapshot() == lane.snapshot()
    assert other.speed.rcpt_left == lane.speed.rcpt_left
    assert other.is_one_rcpt_per_envelope


async def test_a_fresh_lane_survives_too() -> None:
    """A lane that has nothing to tell is written and read as well."""
    clock = FakeClock()
    lane = make_lane(clock)
    other = make_lane(clock)
    other.restore(json.loads(json.dumps(lane.snapshot())))
    assert other.snapshot() == lane.snapshot()


@pytest.mark.parametrize("garbage", [{}, {"breaker": {"levels": 3}}, {"breaker": {"until": "x", "cause": "y"}}])
async def test_garbage_is_named(garbage: dict[str, Any]) -> None:
    """A snapshot that is none raises one of three errors, so that the book can begin anew."""
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        make_lane(FakeClock()).restore({"is_one_rcpt_per_envelope": False, **garbage})


def test_rules_come_from_the_settings() -> None:
    """What an operator set is what lanes follow."""
    rules = LaneRules.of(PacingSettings(jitter=0.1, is_slow_start=False, warm_up=200))
    assert (rules.jitter, rules.is_slow_start, rules.warm_up) == (0.1, False, 200)

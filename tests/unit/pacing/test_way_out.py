"""Whether it is we who are cut off: what closed for that is tried again soon, what closed for more is not."""

import random

import pytest

from tests.fakes.clock import FakeClock
from validatord.mail.probe import Signal
from validatord.mail.provider import MXProvider, Pace
from validatord.pacing.book import LaneBook
from validatord.pacing.lane import Lane
from validatord.pacing.limits import BookRules, LaneRules
from validatord.pacing.way_out import SOON, WayOut

_FAILED = Signal.CONNECTION_FAILED


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def book(clock: FakeClock) -> LaneBook:
    return LaneBook(clock, random.Random(1), BookRules(lane=LaneRules(is_slow_start=False, jitter=0.0)))


def lane(book: LaneBook, name: str, identity: str = "default") -> Lane:
    return book.get(identity, MXProvider(name, pace=Pace()))


def fail(one: Lane, times: int = 5) -> None:
    """Let a receiver be unreachable for two domains, as often as closes its gate."""
    for number in range(times):
        one.observe(_FAILED, f"{number % 2}.{one.name}.example", f"mx.{one.name}.example")


def wait(one: Lane, clock: FakeClock) -> float:
    """How long the gate stays closed."""
    at = one.retry_at()
    return 0.0 if at is None else (at - clock.now()).total_seconds()


async def test_three_receivers_and_nobody_between(clock: FakeClock, book: LaneBook) -> None:
    """When the third cannot be reached either, all gates that closed for it are tried again soon."""
    one, two, three = (lane(book, name) for name in ("one", "two", "three"))
    fail(one)
    fail(two)
    assert wait(one, clock) == 600
    fail(three)

    assert [wait(each, clock) for each in (one, two, three)] == [SOON.total_seconds()] * 3
    left = book.host_open_until(f"mx.{one.name}.example")
    assert left is not None
    assert (left - clock.now()) <= SOON


async def test_an_answer_in_between(clock: FakeClock, book: LaneBook) -> None:
    """Somebody answers: then those that do not are down by themselves, and rest as long as usual."""
    one, two, three = (lane(book, name) for name in ("one", "two", "three"))
    fail(one)
    fail(two)
    lane(book, "four").observe(Signal.SUCCESS, "four.example")
    fail(three)

    assert wait(three, clock) == 600


async def test_the_end_of_the_cut(clock: FakeClock, book: LaneBook) -> None:
    """After the first answer a gate that closes does so for as long as usual; others meanwhile tried again soon."""
    lanes = [lane(book, name) for name in ("one", "two", "three")]
    for each in lanes:
        fail(each)
    await clock.advance(SOON.total_seconds())
    async with lanes[0].turn() as turn:
        assert turn.is_trial
        assert wait(lanes[0], clock) == SOON.total_seconds()
        lanes[0].observe(Signal.SUCCESS, "0.one.example")
    assert wait(lanes[0], clock) == 0

    five = lane(book, "five")
    fail(five)
    assert wait(five, clock) == 600


async def test_a_trial_that_fails_is_repeated_soon(clock: FakeClock, book: LaneBook) -> None:
    """As long as nobody answers, each gate lets one try in fifteen seconds."""
    lanes = [lane(book, name) for name in ("one", "two", "three")]
    for each in lanes:
        fail(each)
    await clock.advance(SOON.total_seconds())
    async with lanes[0].turn():
        lanes[0].observe(_FAILED, "0.one.example")

    assert wait(lanes[0], clock) == SOON.total_seconds()


async def test_what_is_about_us_stays(clock: FakeClock, book: LaneBook) -> None:
    """A gate that a refusal of us closed does not open because others cannot be reached."""
    blocked = lane(book, "blocked")
    blocked.observe(Signal.BLOCKED_EARLY, "blocked.example")
    for name in ("one", "two", "three"):
        fail(lane(book, name))

    assert wait(blocked, clock) == 3600


async def test_another_identity(clock: FakeClock, book: LaneBook) -> None:
    """One address that is cut off says nothing about another one of ours."""
    other = lane(book, "one", "other")
    fail(other)
    for name in ("one", "two", "three"):
        fail(lane(book, name))

    assert wait(other, clock) == 600


async def test_failures_long_ago(clock: FakeClock) -> None:
    """Two receivers an hour ago and one now are no cut."""
    way_out = WayOut(clock)
    assert not way_out.hear("one", "one.example", _FAILED)
    assert not way_out.hear("two", "two.example", _FAILED)
    await clock.advance(3600)
    assert not way_out.hear("three", "three.example", _FAILED)
    assert not way_out.is_cut

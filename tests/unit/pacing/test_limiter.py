"""Buckets and budgets count right, wait fairly and forget on time."""

import asyncio
import itertools
import math
import random
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.fakes.clock import FakeClock, settle
from validatord.pacing.limiter import DayBudget, HourBudget, TokenBucket


def make_bucket(clock: FakeClock, per_minute: float = 60, burst: int = 1, jitter: float = 0.0) -> TokenBucket:
    return TokenBucket(clock, random.Random(1), per_minute=per_minute, burst=burst, jitter=jitter)


async def note_when(clock: FakeClock, bucket: TokenBucket, taken: list[float], count: int = 1) -> None:
    await bucket.take(count)
    taken.append(clock.monotonic())


async def test_a_burst_of_one_spaces_the_takers_evenly() -> None:
    """With burst 1 nobody goes within one interval of the one before."""
    clock, taken = FakeClock(), list[float]()
    bucket = make_bucket(clock, per_minute=30)
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(note_when(clock, bucket, taken))
        await clock.advance(10)
    assert taken == pytest.approx([0, 2, 4, 6])


async def test_a_burst_goes_at_once_and_the_rest_at_the_rate() -> None:
    """A full bucket lets its burst go at once; after that the rate holds."""
    clock, taken = FakeClock(), list[float]()
    bucket = make_bucket(clock, burst=3)
    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(note_when(clock, bucket, taken))
        await clock.advance(5)
    assert taken == pytest.approx([0, 0, 0, 1, 2])


@pytest.mark.parametrize("seed", range(5))
async def test_no_minute_has_more_than_the_rate(seed: int) -> None:
    """In any sixty seconds, wherever they begin: the rate, bursts included; and in the long run no less."""
    rng, clock, taken = random.Random(seed), FakeClock(), list[tuple[float, int]]()
    bucket = make_bucket(clock, per_minute=20, burst=5)

    async def take_many() -> None:
        while True:
            count = rng.randint(1, 5)
            await bucket.take(count)
            taken.append((clock.monotonic(), count))
            await clock.sleep(rng.choice([0, 0, 0, 0.5, 7, 20]))

    taking = asyncio.create_task(take_many())
    await clock.advance(1200)
    taking.cancel()
    windows = [
        sum(count for at, count in taken if begin <= at < begin + 60 - 1e-3) for begin in {at for at, _ in taken}
    ]
    assert max(windows) == 20
    assert sum(count for _, count in taken) > 19 * 15


async def test_a_group_larger_than_the_burst_leaves_a_debt() -> None:
    """A group of any size goes in the end, and the next taker waits for all of it."""
    clock, taken = FakeClock(), list[float]()
    bucket = make_bucket(clock, burst=2)
    async with asyncio.TaskGroup() as group:
        group.create_task(note_when(clock, bucket, taken, 5))
        group.create_task(note_when(clock, bucket, taken))
        await clock.advance(10)
    assert taken == pytest.approx([0, 4])


async def test_waiters_go_in_the_order_they_came() -> None:
    """A small taker does not overtake a large one that waits before it."""
    clock, bucket = FakeClock(), make_bucket(FakeClock())
    bucket = make_bucket(clock, burst=4)
    order: list[str] = []

    async def take(name: str, count: int) -> None:
        await bucket.take(count)
        order.append(name)

    await bucket.take(4)
    async with asyncio.TaskGroup() as group:
        for name, count in (("large", 4), ("small", 1), ("last", 2)):
            group.create_task(take(name, count))
        await clock.advance(30)
    assert order == ["large", "small", "last"]


async def test_a_cancelled_waiter_takes_nothing_and_holds_up_nobody() -> None:
    """Whoever is cancelled, at the head of the line or inside it, leaves the others their turn."""
    clock, taken = FakeClock(), list[float]()
    bucket = make_bucket(clock)
    await bucket.take()
    tasks = [asyncio.create_task(note_when(clock, bucket, taken)) for _ in range(4)]
    await clock.advance(0.5)
    tasks[0].cancel()
    tasks[2].cancel()
    await clock.advance(5)
    assert taken == pytest.approx([1, 2])
    assert repr(bucket) == "<TokenBucket 60/min, 1.0 of 1 left, 0 waiting>"


async def test_jitter_only_lengthens() -> None:
    """Spread waits are never shorter than the rate demands."""
    clock, taken = FakeClock(), list[float]()
    bucket = make_bucket(clock, jitter=0.5)
    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(note_when(clock, bucket, taken))
        await clock.advance(20)
    gaps = [later - earlier for earlier, later in itertools.pairwise(taken)]
    assert all(1 <= gap <= 1.5 for gap in gaps)
    assert len({round(gap, 6) for gap in gaps}) > 1


async def test_a_rate_that_changes_while_somebody_waits_holds_at_once() -> None:
    """A slower rate reaches the one who waits already; nothing earned is given twice."""
    clock, taken = FakeClock(), list[float]()
    bucket = make_bucket(clock)
    await bucket.take()
    task = asyncio.create_task(note_when(clock, bucket, taken))
    await clock.advance(0.5)
    bucket.set_rate(30)
    await clock.advance(0.6)
    assert taken == []
    await clock.advance(0.5)
    assert taken == pytest.approx([1.5])
    await task


async def test_a_smaller_burst_takes_back_what_is_too_much() -> None:
    """After the burst was lowered no more than the new burst may go at once."""
    clock = FakeClock()
    bucket = make_bucket(clock, burst=10)
    bucket.set_rate(60, burst=2)
    assert repr(bucket) == "<TokenBucket 60/min, 2.0 of 2 left, 0 waiting>"


async def test_an_infinite_rate_never_waits() -> None:
    """No interval means no waiting."""
    clock, taken = FakeClock(), list[float]()
    bucket = make_bucket(clock, per_minute=math.inf)
    for _ in range(5):
        await note_when(clock, bucket, taken)
    assert taken == [0] * 5


async def test_waiting_is_shown() -> None:
    """The repr tells how many wait."""
    clock = FakeClock()
    bucket = make_bucket(clock)
    await bucket.take()
    task = asyncio.create_task(bucket.take())
    await settle()
    assert repr(bucket) == "<TokenBucket 60/min, 0.0 of 1 left, 1 waiting>"
    await clock.advance(1)
    await task


async def test_an_hour_budget_counts_any_hour() -> None:
    """The limit holds for every hour, not for hours by the clock."""
    clock = FakeClock()
    budget = HourBudget(clock, 2)
    budget.take()
    await clock.advance(3000)
    assert budget.retry_in() is None
    budget.take()
    assert budget.retry_in() == pytest.approx(600)
    assert repr(budget) == "<HourBudget 2 of 2>"
    await clock.advance(600)
    assert budget.retry_in() is None
    assert repr(budget) == "<HourBudget 1 of 2>"


async def test_an_hour_budget_without_limit_counts_nothing() -> None:
    """0 is no limit, and costs no memory."""
    budget = HourBudget(FakeClock(), 0)
    assert budget.take() is None
    assert budget.retry_in() is None
    assert budget.ages() == []
    assert not budget.is_half_spent


async def test_what_was_given_back_counts_no_more() -> None:
    """Giving back undoes one take; what was forgotten meanwhile is no error."""
    clock = FakeClock()
    budget = HourBudget(clock, 1)
    taken = budget.take()
    assert budget.retry_in() is not None
    budget.give_back(taken)
    assert budget.retry_in() is None
    budget.give_back(taken)
    budget.give_back(None)
    assert budget.retry_in() is None


async def test_an_hour_budget_whose_limit_fell_waits_for_enough_to_age() -> None:
    """With a lowered limit all but that many must be an hour old before one may go."""
    clock = FakeClock()
    budget = HourBudget(clock, 3)
    for _ in range(3):
        budget.take()
        await clock.advance(100)
    budget.limit = 2
    assert budget.retry_in() == pytest.approx(3600 - 200)
    assert budget.is_half_spent


async def test_an_hour_budget_survives_as_ages() -> None:
    """Ages read back, with the time passed added, close the gate until the same moment."""
    clock = FakeClock()
    budget = HourBudget(clock, 1)
    budget.take()
    await clock.advance(60)
    other = HourBudget(clock, 1)
    other.restore([age + 40 for age in budget.ages()])
    assert other.retry_in() == pytest.approx(3500)


async def test_a_day_budget_runs_out_and_comes_back_at_midnight_utc() -> None:
    """What is spent today is spent until the next UTC day."""
    clock = FakeClock(datetime(2026, 3, 1, 22, 0, tzinfo=UTC))
    budget = DayBudget(clock, 100)
    assert budget.left() == 100
    budget.add(99)
    assert budget.retry_in() is None
    budget.add(5)
    assert budget.left() == 0
    assert budget.retry_in() == pytest.approx(7200)
    assert repr(budget) == "<DayBudget 104 of 100>"
    await clock.advance(7200)
    assert budget.left() == 100
    assert budget.spent == 0


async def test_a_day_budget_without_limit_never_closes() -> None:
    """0 is no limit."""
    budget = DayBudget(FakeClock(), 0)
    budget.add(1_000_000)
    assert budget.left() is None
    assert budget.retry_in() is None
    assert repr(budget) == "<DayBudget 1000000 of any>"


async def test_warm_up_doubles_every_week_until_the_limit() -> None:
    """A new sender starts small and doubles weekly; the lane's own limit stays the ceiling."""
    clock = FakeClock()
    budget = DayBudget(clock, 1000, warm_up=200)
    assert budget.limit_today() == 200
    budget.add(1)
    limits = []
    for _ in range(5):
        limits.append(budget.limit_today())
        await clock.advance(7 * 86400)
    assert limits == [200, 400, 800, 1000, 1000]


async def test_warm_up_counts_from_the_first_use() -> None:
    """Weeks in which nothing was sent warm nothing up."""
    clock = FakeClock()
    budget = DayBudget(clock, 0, warm_up=200)
    await clock.advance(30 * 86400)
    assert budget.limit_today() == 200
    budget.add(1)
    await clock.advance(100 * 365 * 86400)
    assert budget.limit_today() == 200 * 2**30


@pytest.mark.parametrize(("days_back", "left"), [(0, 0), (1, 0), (2, 10), (4000, 10)])
async def test_a_clock_set_back_gives_no_day_twice(days_back: int, left: int) -> None:
    """A day counted already is not begun again, but a clock that was far ahead does no lasting harm."""
    clock = FakeClock()
    budget = DayBudget(clock, 10)
    budget.restore(clock.now().date() + timedelta(days=days_back), 10, None)
    assert budget.left() == left


async def test_a_day_budget_goes_on_after_a_restart() -> None:
    """What an earlier process counted today is counted."""
    clock = FakeClock()
    budget = DayBudget(clock, 0, warm_up=10)
    budget.restore(clock.now().date(), 4, date(2025, 12, 20))
    assert budget.day == clock.now().date()
    assert (budget.spent, budget.limit_today(), budget.left()) == (4, 20, 16)

"""A loop ticks, survives its own exceptions, and stops by event."""

import asyncio
import random

from tests.fakes.clock import FakeClock
from validatord.errors import StoreAway
from validatord.loops.loop import Loop


class Work:
    """Counts its runs and raises what it was told to raise."""

    def __init__(self) -> None:
        self.runs = 0
        self.errors: list[Exception] = []

    async def run_once(self) -> int:
        self.runs += 1
        if self.errors:
            raise self.errors.pop(0)
        return 1


def make(work: Work, clock: FakeClock, rng: random.Random | None = None) -> Loop:
    return Loop("test", work.run_once, clock, interval_seconds=lambda: 10.0, rng=rng)


async def test_it_runs_at_once_and_then_every_interval() -> None:
    """The first run does not wait; each further one waits a whole interval."""
    clock, work, stop = FakeClock(), Work(), asyncio.Event()
    task = asyncio.create_task(make(work, clock).run(stop))

    await clock.advance(25)

    assert work.runs == 3
    stop.set()
    await task


async def test_wake_runs_before_the_tick() -> None:
    """Work that came in is looked at without waiting."""
    clock, work, stop = FakeClock(), Work(), asyncio.Event()
    loop = make(work, clock)
    task = asyncio.create_task(loop.run(stop))
    await clock.advance(1)

    loop.wake()
    await clock.advance(1)

    assert work.runs == 2
    stop.set()
    await task


async def test_it_outlives_its_own_exceptions() -> None:
    """A failure is no success, and the next tick comes all the same."""
    clock, work, stop = FakeClock(), Work(), asyncio.Event()
    work.errors = [RuntimeError("planted"), StoreAway()]
    loop = make(work, clock)
    task = asyncio.create_task(loop.run(stop))

    await clock.advance(5)
    assert loop.last_success_at is None
    await clock.advance(10)
    assert loop.last_success_at is None
    await clock.advance(10)

    assert work.runs == 3
    assert loop.last_success_at is not None
    stop.set()
    await task


async def test_a_failing_loop_is_not_driven_by_wakes() -> None:
    """While it fails only the tick starts the next run, so that wakes cannot make it spin."""
    clock, work, stop = FakeClock(), Work(), asyncio.Event()
    loop = make(work, clock)

    async def fail_and_wake() -> int:
        loop.wake()
        return await work.run_once()

    work.errors = [StoreAway() for _ in range(5)]
    loop = Loop("test", fail_and_wake, clock, interval_seconds=lambda: 10.0)
    task = asyncio.create_task(loop.run(stop))
    await clock.advance(9)

    assert work.runs == 1
    stop.set()
    await task


async def test_the_first_tick_is_staggered() -> None:
    """With a source of randomness the first run waits a part of the interval."""
    clock, work, stop = FakeClock(), Work(), asyncio.Event()
    task = asyncio.create_task(make(work, clock, random.Random(1)).run(stop))

    await clock.advance(0)
    assert work.runs == 0
    await clock.advance(10)

    assert work.runs >= 1
    stop.set()
    await task

"""The shared buckets: by the service's own log, from several processes, never above the limit and close to it."""

import asyncio
import random
from datetime import timedelta
from typing import Any

from tests.fakes.bouncer_rig import KEY, Rig, make_settings
from tests.fakes.limiter_child import Load, start
from validatord.bouncer.limiter import Act, CallLimiter
from validatord.clock import SystemClock
from validatord.store.database import Database


def _make_limiter(database: Database) -> CallLimiter:
    return CallLimiter(database, SystemClock(), random.Random(1))


async def press(rig: Rig, dsn: str, *, processes: int, seconds: float, window: float, **limits: Any) -> tuple[int, int]:
    """Let processes call as often as they may; return the most calls in any window, and the fewest in a full one."""
    load = Load(dsn, rig.service.url, KEY, seconds, limits)
    children = [start(load) for _ in range(processes)]
    for child in children:
        await asyncio.to_thread(child.join)
        assert child.exitcode == 0
    times = sorted(seen.real for seen in rig.service.ledger.requests)
    first, last = times[0] + 0.5, times[-1] - 0.2
    fewest, at = len(times), first
    while at + window <= last:
        fewest = min(fewest, sum(at <= moment < at + window for moment in times))
        at += window / 20
    return rig.service.ledger.max_in_window(seconds=window), fewest


async def test_two_processes_share_one_limit(rig: Rig, dsn: str) -> None:
    """Two processes that press together stay below 180 calls in any tenth of ten minutes' time, and use 95 % of it."""
    most, fewest = await press(
        rig, dsn, processes=2, seconds=8, window=6.0, calls_per_minute=1800, polls_per_minute=1800
    )

    assert most <= 180
    assert fewest >= 171


async def test_a_slow_bucket_does_not_hold_the_others_up(rig: Rig, dsn: str) -> None:
    """While creates wait for their turn, polls use what is left of the common bucket."""
    settings = make_settings(
        rig.service.url, calls_per_minute=6000, creates_per_minute=30, polls_per_minute=6000
    ).bouncer
    limiter = _make_limiter(rig.database)
    await limiter.take(Act.CREATE, settings)
    waiting = asyncio.create_task(limiter.take(Act.CREATE, settings))

    started = SystemClock().monotonic()
    for _ in range(40):
        await limiter.take(Act.STATUS, settings)

    assert SystemClock().monotonic() - started < 1.2  # 0.4 s by the limit
    assert not waiting.done()
    waiting.cancel()


async def test_a_restart_does_not_reset(rig: Rig) -> None:
    """A new process finds the bucket as the old one left it."""
    settings = make_settings(rig.service.url, calls_per_minute=6000, creates_per_minute=60).bouncer
    await _make_limiter(rig.database).take(Act.CREATE, settings)

    assert not await _make_limiter(rig.database).try_take(Act.CREATE, settings, 0.3)


async def test_spacing_instead_of_bursts(rig: Rig) -> None:
    """Unused time is not saved up: after a rest, calls are spaced as before."""
    settings = make_settings(rig.service.url, calls_per_minute=6000, polls_per_minute=1200).bouncer
    limiter = _make_limiter(rig.database)
    await limiter.take(Act.STATUS, settings)
    await rig.database.fetch("UPDATE bouncer_rate_limit SET next_free_ts = now() - interval '1 hour'")

    started = SystemClock().monotonic()
    for _ in range(6):
        await limiter.take(Act.STATUS, settings)

    assert SystemClock().monotonic() - started >= 5 * 0.05


async def test_a_block_reaches_what_is_counted_together(rig: Rig) -> None:
    """After a 429 to a poll the provider's other reads wait, too; creates and credits do not."""
    settings = make_settings(rig.service.url).bouncer
    limiter = _make_limiter(rig.database)
    await limiter.take(Act.STATUS, settings)
    await limiter.block(Act.STATUS, timedelta(seconds=5))

    assert not await limiter.try_take(Act.DOWNLOAD, settings, 0.1)
    assert not await limiter.try_take(Act.DELETE, settings, 0.1)
    assert await limiter.try_take(Act.CREATE, settings, 0.5)
    assert await limiter.try_take(Act.CREDITS, settings, 0.5)

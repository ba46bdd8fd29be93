"""kill -9 at random, at every named moment, in the middle of intake, of a payment and of a migration; and restarts."""

import asyncio
import os
import random
import re
import statistics
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.acceptance.play import until
from tests.chaos.world import BACK_SECONDS, World, open_world
from validatord import crash, data
from validatord.intake import client
from validatord.sandbox.command import Scenario
from validatord.store import migrations
from validatord.store.database import Database

pytestmark = pytest.mark.timeout(180)
QUEUE = client.DEFAULT_QUEUE
SLOW = "slow0001@postfix-001.example"
IN_PROGRESS_SECONDS = 30  # arq's own key: the job's timeout and ten seconds more


def list_points(*rooms: str) -> list[str]:
    """The crash points of these rooms, as the source has them."""
    found: list[str] = []
    for path in sorted((Path(__file__).parents[2] / "validatord").rglob("*.py")):
        found += re.findall(r'crash\.point\("([a-z_]+\.[a-z_]+)"\)', path.read_text(encoding="utf-8"))
    return sorted(name for name in found if name.partition(".")[0] in rooms)


# --- F1: at random -------------------------------------------------------------------------------


async def kill_at_random(world: World, rng: random.Random, kills: int) -> list[float]:
    """Start and kill the daemon, mostly at work, sometimes while it starts; return the seconds to each first verdict."""
    count = len(world.addresses)
    moments = sorted(rng.sample(range(1, count - count // 10), kills))
    seconds: list[float] = []
    for moment in moments:
        began, before = time.monotonic(), await world.finished()
        await world.launch()
        if rng.random() < 1 / 8:
            await asyncio.sleep(rng.uniform(0.0, 1.5))
        elif before < count:
            await world.until_finished(before + 1)
            seconds.append(time.monotonic() - began)
            await world.until_finished(min(moment, count))
            await asyncio.sleep(rng.uniform(0.0, 0.02))
        await world.kill()
    return seconds


async def run_with_kills(folder: Path, dsn: str, scenario: Scenario, kills: int, *, speed: float) -> World:
    """Verify a list while the daemon is killed at random, then ask the oracle."""
    async with open_world(folder, scenario, dsn=dsn, is_gated=False, speed=speed) as world:
        await world.submit()
        seconds = await kill_at_random(world, random.Random(scenario.seed), kills)
        await world.start()
        await world.until_finished()
        await world.stop_well()
        await world.judge()

        assert len(world.cut) == kills
        # A run whose list was finished before its last kills would prove less than it says.
        assert len(world.cut[-2].done) < len(world.addresses)
        end = await world.look()
        again = sum(end.rcpts[one] - 1 for one in world.addresses if end.rcpts[one] > 1)
        sys.stdout.write(
            f"\n{kills} kills over {len(world.addresses)} addresses: 0 lost, 0 doubled, {again} RCPT repeated;"
            f" first verdict {statistics.median(seconds):.1f} s (longest {max(seconds):.1f} s) after each start\n"
        )
        # Half of them: on a machine that does nothing else it is every one.
        assert statistics.median(seconds) < BACK_SECONDS
        return world


async def test_f01_killed_at_random(folder: Path, dsn: str) -> None:
    """Twelve kills: each address has one result, and only whose conversation was cut is asked again."""
    await run_with_kills(folder, dsn, Scenario("bench", 101, 1500, 40), 12, speed=5)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
async def test_f01_killed_two_hundred_times(folder: Path, dsn: str) -> None:
    """Two hundred kills over 20,000 addresses; another seed is another run: CHAOS_SEED."""
    seed = int(os.environ.get("CHAOS_SEED", "7"))
    await run_with_kills(folder, dsn, Scenario("bench", seed, 20_000, 400), 200, speed=20)


# --- F2: at every named moment -------------------------------------------------------------------


@pytest.fixture
async def small(folder: Path, dsn: str) -> AsyncIterator[World]:
    """A small list."""
    async with open_world(folder, Scenario("bench", 102, 500, 12), dsn=dsn, is_gated=False, speed=3) as world:
        yield world


async def test_f02_killed_at_every_point(small: World) -> None:
    """Claimed, connected, asked, answered, in the buffer, before and after the commit: each address one result."""
    points = list_points("visit", "record")
    await small.submit()
    for point in points:
        await small.launch(crash_at=point)
        await small.until_crashed()
    assert await small.finished() < len(small.addresses)
    await small.start()
    await small.until_finished()
    await small.stop_well()

    assert len(points) >= 7
    assert len(small.cut) == len(points)
    await small.judge()


# --- F3: inside the intake function --------------------------------------------------------------


async def crash_in_intake(world: World, points: list[str]) -> None:
    """Send a chunk for each point and let the daemon die there; nothing is repeated before its key is gone."""
    size = len(world.addresses) // len(points)
    for number, point in enumerate(points):
        part = world.addresses[number * size : (number + 1) * size]
        await world.launch(crash_at=point)
        await world.send(*part, submission=f"part {number}")
        await world.until_crashed()


async def count_parts(world: World) -> dict[str, int]:
    """How many requests each part has."""
    rows = await world.database.fetch("SELECT submission, requests FROM submissions ORDER BY submission")
    return {row["submission"]: row["requests"] for row in rows}


async def judge_parts(world: World, parts: int) -> None:
    """Every part is there once, whole and finished, and no job is left."""
    size = len(world.addresses) // parts
    redis = await client.open_redis(world.redis.url if world.redis else "")
    await until(lambda: redis.zcard(QUEUE), "the last job to end", 5) if await redis.zcard(QUEUE) else None
    rows = await world.database.fetch("SELECT address, count(*) AS times FROM requests GROUP BY address")
    assert {row["address"]: row["times"] for row in rows} == dict.fromkeys(world.addresses[: size * parts], 1)
    assert await count_parts(world) == {f"part {number}": size for number in range(parts)}
    assert await redis.zcard(QUEUE) == 0
    await redis.aclose(close_connection_pool=True)


async def until_all_done(world: World, count: int, seconds: float) -> None:
    """Wait until so many requests are done, whatever their submission."""

    async def is_done() -> bool:
        return await world.database.fetch_value("SELECT count(*) FROM requests WHERE state = 'done'") >= count

    await until(is_done, f"{count} done", seconds, world.stage.check_daemon)


async def test_f03_killed_inside_intake(folder: Path, dsn: str) -> None:
    """Before the insert, before and after the commit, before arq knows: every chunk is in the ledger once."""
    points = list_points("intake")
    async with open_world(folder, Scenario("bench", 103, 80, 6), dsn=dsn, has_redis=True, is_gated=False) as world:
        await crash_in_intake(world, points)
        redis = await client.open_redis(world.redis.url if world.redis else "")
        # Else the next daemon waits until arq's own key has run out: the campaign does.
        await redis.delete(*await redis.keys("arq:in-progress:*"))
        await redis.aclose(close_connection_pool=True)
        await world.start()
        await until_all_done(world, 80, 30)
        await judge_parts(world, len(points))
        await world.stop_well()
        world.judge_log()


@pytest.mark.campaign
async def test_f03_back_within_thirty_seconds(folder: Path, dsn: str) -> None:
    """Nobody helps: what was cut is taken in again when arq's key has run out."""
    points = list_points("intake")
    async with open_world(folder, Scenario("bench", 103, 80, 6), dsn=dsn, has_redis=True, is_gated=False) as world:
        await crash_in_intake(world, points)
        began = time.monotonic()
        await world.start()
        await until_all_done(world, 80, IN_PROGRESS_SECONDS + BACK_SECONDS)
        assert time.monotonic() - began < IN_PROGRESS_SECONDS + BACK_SECONDS
        await judge_parts(world, len(points))
        await world.stop_well()


# --- F4: restarts --------------------------------------------------------------------------------


async def restart_often(folder: Path, dsn: str, times: int) -> None:
    """Stop the daemon again and again while a chunk cannot be stored and a receiver does not answer."""
    waits = {"rcpt_timeout": "90s", "session_timeout": "100s"}
    settings = {"service": {"stop_grace": "50ms"}, "smtp": waits}
    scenario = Scenario("demo", 1, 600)
    async with open_world(
        folder, scenario, dsn=dsn, has_redis=True, is_gated=False, speed=10 / 60, settings=settings
    ) as world:
        await world.submit(SLOW)
        await world.send("a@postfix-002.example", submission="chunk")
        lock = await asyncpg.connect(dsn)
        # Whoever takes a chunk in must add its submission first; verdicts need no such lock.
        transaction = lock.transaction()
        await transaction.start()
        await lock.execute("LOCK TABLE submissions IN SHARE MODE")
        for count in range(1, times + 1):
            await world.start()
            await until(lambda wanted=count: world.count_asked(SLOW, wanted), f"question {count}")
            assert (await world.stop())[0] == 0
        await transaction.rollback()
        await lock.close()
        [row] = await world.database.fetch("SELECT state, attempt, deferrals FROM requests")
        assert dict(row) == {"state": "queued", "attempt": 0, "deferrals": 0}
        await world.stage.tell_sandbox("become mx1.postfix-001.example accept-all")
        await world.start()
        await until_all_done(world, 2, IN_PROGRESS_SECONDS + BACK_SECONDS)
        await world.stop_well()
        assert await world.database.fetch("SELECT * FROM rejected_jobs") == []


async def test_f04_restarts_exhaust_nothing(folder: Path, dsn: str) -> None:
    """Three stops with a chunk and a conversation open count as no attempt of either."""
    await restart_often(folder, dsn, 3)


@pytest.mark.campaign
@pytest.mark.timeout(300)
async def test_f04_twenty_restarts_exhaust_nothing(folder: Path, dsn: str) -> None:
    """The same, twenty times."""
    await restart_often(folder, dsn, 20)


# --- F34: a migration ----------------------------------------------------------------------------


async def migrate_in_a_child(dsn: str, crash_at: str = "") -> int:
    """Bring a database up to date in a process of its own; return its exit status."""
    program = (
        "import asyncio, sys\n"
        "from validatord.store import migrations\n"
        "from validatord.store.database import Database\n"
        "async def main():\n"
        "    database = await Database.open(sys.argv[1], pool_size=1)\n"
        "    await migrations.migrate(database)\n"
        "    await database.aclose()\n"
        "asyncio.run(main())\n"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, dsn, env={**os.environ, crash.VARIABLE: crash_at}
    )
    return await child.wait()


async def test_f34_killed_in_the_middle_of_a_migration(empty_dsn: str, dsn: str) -> None:
    """Killed in every file, before and after its commit: the next start completes, and the schema is the usual one."""
    count = len(migrations.load_migrations())
    for number in range(count):
        assert await migrate_in_a_child(empty_dsn, "migrations.before_commit") == -9
        database = await Database.open(empty_dsn, pool_size=1)
        if number:
            assert await database.fetch_value("SELECT count(*) FROM schema_migrations") == number
        await database.aclose()
        assert await migrate_in_a_child(empty_dsn, "migrations.after_commit") == -9
    assert await migrate_in_a_child(empty_dsn) == 0

    assert await describe(empty_dsn) == await describe(dsn)
    assert len(data.list_files("sql/migrations", ".sql")) == count + 1


async def describe(dsn: str) -> list[str]:
    """Every column and constraint of a database."""
    database = await Database.open(dsn, pool_size=1)
    rows = await database.fetch(
        "SELECT format('%s.%s %s', table_name, column_name, data_type) AS it FROM information_schema.columns"
        " WHERE table_schema = 'public'"
        " UNION ALL SELECT format('%s %s', conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace ORDER BY 1"
    )
    await database.aclose()
    return [row["it"] for row in rows]

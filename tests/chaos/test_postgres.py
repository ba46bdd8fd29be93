"""PostgreSQL stops, dies, loses an answer, fills up or is locked: F13 to F17."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from tests.acceptance.play import until
from tests.chaos import oracle
from tests.chaos.gate import after_words
from tests.chaos.world import World, open_world
from validatord.embedded.postgres import EmbeddedPostgres
from validatord.sandbox.command import Scenario

pytestmark = pytest.mark.timeout(180)
SCENARIO = Scenario("bench", 113, 800, 30)
SMALL_DISK_BYTES = 96 * 2**20


@pytest.fixture
async def world(folder: Path) -> AsyncIterator[World]:
    """A world with a PostgreSQL of its own, its daemon at work."""
    async with open_world(folder, SCENARIO, has_redis=True, speed=8) as found:
        await found.submit()
        await found.start()
        await found.until_finished(100)
        yield found


def postgres_of(world: World) -> EmbeddedPostgres:
    """The server."""
    assert world.stage.postgres is not None
    return world.stage.postgres


async def count_rcpts(world: World) -> int:
    """How many RCPT the MX hosts have seen."""
    return sum((await world.look_at_hosts())["rcpts"].values())


async def end_well(world: World) -> None:
    """Everything is finished under the same process, and the oracle is content."""
    await world.until_finished()
    await world.stop_well()
    assert world.cut == []
    await world.judge()


# --- F13, F14: stopped, killed -------------------------------------------------------------------


async def stay_away(world: World, seconds: float) -> None:
    """PostgreSQL is gone for so long: no new claim, no job taken, the process stays, and then it goes on."""
    before = world.vitals()
    await asyncio.to_thread(postgres_of(world).stop)
    await world.send("a@acme-001.example", submission="meanwhile")
    await world.until_said("PostgreSQL is away")
    # What was under way comes to its end without being written; nothing new is begun.
    await until(lambda: world.count_sessions_is(0), "the sessions to end", 30)
    asked = await count_rcpts(world)
    await world.wait_out(seconds)
    assert await count_rcpts(world) == asked
    await asyncio.to_thread(postgres_of(world).start)
    await world.until_back(time.monotonic())
    await oracle.judge_growth(world, before)


@pytest.mark.parametrize(
    "seconds", [1, pytest.param(5, marks=pytest.mark.campaign), pytest.param(60, marks=pytest.mark.campaign)]
)
async def test_f13_postgresql_stopped(world: World, seconds: float) -> None:
    """Nothing acknowledged is lost, nobody is asked twice, no claim while it is away, work goes on in five seconds."""
    await stay_away(world, seconds)
    await end_well(world)
    assert await world.database.fetch("SELECT * FROM rejected_jobs") == []


async def test_f14_postgresql_killed(world: World) -> None:
    """The same after kill -9, and the node's lock is held again before the next claim."""
    pid = postgres_of(world).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await asyncio.to_thread(postgres_of(world).start)
    await world.until_back(time.monotonic())
    # What was under way is written under the epoch it had; a new claim needs the lock.
    await world.until_said("node lock taken again")
    assert await world.database.fetch_value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")
    await end_well(world)


# --- F15: the answer to COMMIT is lost -----------------------------------------------------------


async def test_f15_cut_inside_commit(world: World) -> None:
    """COMMIT went out, its answer never came: the write is there once, whichever way it ended; five times."""
    gate = world.gates.postgres
    gate.cut = after_words(b"COMMIT;", times=5)
    await until(lambda: gate.cuts == 5, "five cuts", 30, world.stage.check_daemon)
    gate.cut = None
    await world.until_back(time.monotonic())
    await end_well(world)


# --- F16: the disk is full -----------------------------------------------------------------------


@contextmanager
def mount_small_disk(folder: Path) -> Iterator[None]:
    """Put a small disk in memory at a folder; only root may."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_BYTES},mode=0755", "tmpfs", str(folder)]
    try:
        subprocess.run(words, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"needs root and mount, for a disk that is small: {error}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.campaign
async def test_f16_the_disk_is_full(folder: Path) -> None:
    """Writes are refused loudly, claims stop, and when there is room again work goes on without a restart."""
    with mount_small_disk(folder / "disk"):
        server = EmbeddedPostgres(folder / "disk" / "own", options={"max_wal_size": "32MB", "min_wal_size": "32MB"})
        dsn = await asyncio.to_thread(server.start)
        try:
            async with open_world(folder, SCENARIO, dsn=dsn, speed=5) as world:
                await world.submit()
                await world.start()
                await world.until_finished(50)
                filler = fill(server.data_dir / "filler")
                await world.until_said("PostgreSQL is away|No space left")
                await world.wait_out(3)
                filler.unlink()
                await world.until_back(time.monotonic(), 30)  # PostgreSQL itself may have to recover first
                await world.until_finished()
                await world.stop_well()
                await world.judge(retried=True)
        finally:
            await asyncio.to_thread(server.remove)


def fill(path: Path) -> Path:
    """Fill the disk to the last byte."""
    with path.open("wb", buffering=0) as file:
        size = 2**20
        while size:
            try:
                file.write(b"\0" * size)
            except OSError:
                size //= 2
    return path


# --- F17: locks ----------------------------------------------------------------------------------


async def test_f17_a_foreign_lock(folder: Path, dsn: str) -> None:
    """Somebody locks our tables: statements give up after lock_timeout, and work goes on when the lock is gone."""
    settings = {"database": {"lock_timeout": "500ms"}}
    async with open_world(folder, SCENARIO, dsn=dsn, speed=8, settings=settings) as world:
        await world.submit()
        await world.start()
        await world.until_finished(100)
        stranger = await asyncpg.connect(dsn)
        transaction = stranger.transaction()
        await transaction.start()
        await stranger.execute("LOCK TABLE requests, domain_queue IN ACCESS EXCLUSIVE MODE")
        await world.until_said("lock timeout|PostgreSQL is away")
        await world.wait_out(2)
        await transaction.rollback()
        await world.until_back(time.monotonic())

        await world.until_finished()
        await world.stop_well()
        await stranger.close()
        await world.judge()


async def test_f17_an_old_transaction(folder: Path, dsn: str) -> None:
    """Somebody leaves a transaction open: claims stay quick, and nothing waits for it."""
    async with open_world(folder, Scenario("bench", 117, 3000, 60), dsn=dsn) as world:
        await world.submit()
        stranger = await asyncpg.connect(dsn)
        transaction = stranger.transaction(isolation="repeatable_read")
        await transaction.start()
        await stranger.execute("SELECT count(*) FROM requests")
        await world.start()
        await world.until_finished()
        await world.stop_well()
        await transaction.rollback()
        await stranger.close()
        await world.judge()

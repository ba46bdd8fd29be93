"""Redis and PostgreSQL come and go under a running intake: it stays, and nothing is lost."""

import asyncio
import os
import resource
import signal
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisAway

from tests import services
from tests.integration.intake.conftest import QUEUE, Bench, eventually
from validatord.embedded.postgres import EmbeddedPostgres
from validatord.embedded.redis import EmbeddedRedis
from validatord.intake import client
from validatord.intake.arq_worker import IntakeWorker
from validatord.store.database import Database

ADDRESSES = [f"person{number}@shop{number % 7}.example" for number in range(2000)]
PATIENCE = client.Patience(seconds=20, first_wait=0.05, longest_wait=0.2)


@pytest.fixture
def own_redis() -> Iterator[EmbeddedRedis]:
    """A Redis that the test may stop."""
    with services.open_state_dir() as folder:
        server = EmbeddedRedis(folder)
        server.start()
        yield server
        server.stop()


@pytest.fixture
async def shaky(database: Database, own_redis: EmbeddedRedis) -> AsyncIterator[Bench]:
    """An intake on a Redis that the test may stop."""
    redis = await client.open_redis(own_redis.url)
    yield Bench(own_redis.url, database, redis)
    await redis.aclose(close_connection_pool=True)


async def enqueue(bench: Bench, name: str) -> None:
    """Send the list under a name."""
    await client.enqueue(bench.redis, ADDRESSES, client="crm", submission=name, patience=PATIENCE)


async def count(bench: Bench) -> int:
    """How many requests the ledger holds."""
    [(found,)] = await bench.fetch("SELECT count(*)::int FROM requests")
    return found


async def test_redis_restarts(shaky: Bench, own_redis: EmbeddedRedis) -> None:
    """Redis goes and comes back: work goes on within seconds, and each address is there once."""
    async with shaky.running():
        await enqueue(shaky, "before")
        await eventually(shaky.is_empty)
        await asyncio.to_thread(own_redis.stop)
        await eventually(lambda: not shaky.intake.state.is_connected)
        await asyncio.to_thread(own_redis.start)
        back = time.monotonic()
        await enqueue(shaky, "after")
        await eventually(shaky.is_empty)
        assert time.monotonic() - back < 6

    assert await count(shaky) == 2 * len(ADDRESSES)


async def test_redis_is_killed_while_chunks_are_taken_in(shaky: Bench, own_redis: EmbeddedRedis) -> None:
    """Kill -9 in the middle: the list is sent again where needed, and in the ledger once."""
    async with shaky.running():
        sending = asyncio.create_task(
            client.enqueue(
                shaky.redis, ADDRESSES, client="crm", submission="spring", patience=PATIENCE, is_confirmed=True
            )
        )
        await eventually(lambda: shaky.jobs.counts.jobs > 0)
        assert own_redis.pid is not None
        os.kill(own_redis.pid, signal.SIGKILL)
        await asyncio.to_thread(own_redis.stop)
        await asyncio.to_thread(own_redis.start)
        await sending

    assert await count(shaky) == len(ADDRESSES)


async def test_started_before_redis(shaky: Bench, own_redis: EmbeddedRedis) -> None:
    """An intake that starts first waits for its Redis."""
    await asyncio.to_thread(own_redis.stop)
    async with shaky.running():
        await eventually(lambda: shaky.intake.state.last_error)
        await asyncio.to_thread(own_redis.start)
        await enqueue(shaky, "late")
        await eventually(lambda: shaky.jobs.counts.added == len(ADDRESSES))


@pytest.mark.parametrize(
    ("setting", "broken", "well"),
    [("maxmemory", "1", "0"), ("min-replicas-to-write", "1", "0")],
)
async def test_redis_refuses_writes(shaky: Bench, setting: str, broken: str, well: str) -> None:
    """A full or read-only Redis pauses intake: no spinning, no restart, and work goes on when it is well."""
    await enqueue(shaky, "spring")
    await shaky.redis.config_set(setting, broken)
    async with shaky.running():
        await eventually(lambda: shaky.intake.state.paused_for.startswith("Redis refuses writes"))
        used = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        await asyncio.sleep(0.5)
        used = resource.getrusage(resource.RUSAGE_SELF).ru_utime - used
        await shaky.redis.config_set(setting, well)
        await eventually(shaky.is_empty)

    assert used < 0.1
    assert await count(shaky) == len(ADDRESSES)
    assert shaky.intake.state.restarts == 0


async def test_wrong_password(shaky: Bench) -> None:
    """A password that is wrong is a reason to try again, with waits between."""
    await shaky.redis.config_set("requirepass", "other")
    async with shaky.running():
        await eventually(lambda: "Authentication" in shaky.intake.state.last_error)
        await asyncio.sleep(0.5)
        assert shaky.intake.state.restarts <= 4
        await shaky.redis.execute_command("AUTH", "other")
        await shaky.redis.config_set("requirepass", "")
        await eventually(lambda: shaky.intake.state.is_connected)


async def test_the_worker_dies(bench: Bench) -> None:
    """An arq worker that ends by itself is built anew within seconds."""
    async with bench.running():
        await eventually(lambda: bench.intake.state.is_connected)
        worker = bench.intake._worker
        assert worker is not None
        assert worker.main_task is not None
        worker.main_task.cancel()
        await eventually(lambda: bench.intake._worker not in {None, worker}, seconds=5)
        await enqueue(bench, "spring")
        await eventually(bench.is_empty)

    assert bench.intake.state.restarts == 1


async def test_a_killed_daemons_chunk_is_taken_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk somebody had begun, and was killed over, is taken in by the next one."""
    await client.enqueue(bench.redis, ["a@shop.example"], client="crm", submission="spring")
    [job_id] = await bench.redis.zrange(QUEUE, 0, -1)
    await bench.redis.set(b"arq:in-progress:" + job_id, b"1", px=300)
    async with bench.running():
        await eventually(bench.is_empty)

    assert await count(bench) == 1


async def test_stop_with_a_chunk_open(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty stops while a chunk is open exhaust nothing: it is taken in by the run that gets through."""
    monkeypatch.setattr("validatord.intake.supervisor._GRACE_SECONDS", 0.0)
    monkeypatch.setattr("validatord.store.submissions.find_fresh", hang)
    await client.enqueue(bench.redis, ["a@shop.example"], client="crm", submission="spring")
    for turn in range(1, 21):
        async with bench.running():
            await eventually(lambda turn=turn: bench.jobs.counts.jobs == turn)
    monkeypatch.undo()
    async with bench.running():
        await eventually(bench.is_empty)

    assert await count(bench) == 1
    assert await bench.reasons() == {}


async def hang(*_: object) -> None:
    """Never come back."""
    await asyncio.Event().wait()


@pytest.fixture
def own_postgres() -> Iterator[tuple[EmbeddedPostgres, str]]:
    """A PostgreSQL that the test may stop, and a database in it."""
    with services.run_postgres() as server:
        name = services.create_database(server.dsn)
        yield server, services.name_database(server.dsn, name)


@pytest.fixture
async def lonely(own_postgres: tuple[EmbeddedPostgres, str], redis_url: str) -> AsyncIterator[Bench]:
    """An intake on a PostgreSQL that the test may stop."""
    database = await Database.open(own_postgres[1], pool_size=4)
    redis = await client.open_redis(redis_url)
    yield Bench(redis_url, database, redis)
    await redis.aclose(close_connection_pool=True)
    await database.aclose()


async def test_postgres_is_away(lonely: Bench, own_postgres: tuple[EmbeddedPostgres, str]) -> None:
    """While PostgreSQL is away no job is picked and none is lost; it comes back and so does the work."""
    bench, server = lonely, own_postgres[0]
    async with bench.running():
        await enqueue(bench, "before")
        await eventually(bench.is_empty)
        await enqueue(bench, "during")
        await asyncio.to_thread(server.stop)
        await enqueue(bench, "while away")
        await eventually(lambda: bench.intake.state.paused_for == "PostgreSQL is away")
        tries = bench.jobs.counts.jobs
        await asyncio.sleep(0.5)
        assert bench.jobs.counts.jobs - tries <= 2
        await asyncio.to_thread(server.start)
        back = time.monotonic()
        await eventually(bench.is_empty)
        assert time.monotonic() - back < 8

    assert await count(bench) == 3 * len(ADDRESSES)
    assert await bench.reasons() == {}


async def test_cut_after_commit(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that dies between the commit and arq's knowing takes the chunk in again, and it is there once."""
    real = IntakeWorker.finish_job
    faults = [RedisAway("cut")]

    async def finish_job(self: IntakeWorker, *arguments: Any) -> None:
        if faults:
            raise faults.pop()
        await real(self, *arguments)

    monkeypatch.setattr(IntakeWorker, "finish_job", finish_job)
    await client.enqueue(bench.redis, ADDRESSES[:500], client="crm", submission="spring")
    [job_id] = await bench.redis.zrange(QUEUE, 0, -1)
    async with bench.running():
        await eventually(lambda: bench.intake.state.restarts == 1)
        await bench.redis.delete(b"arq:in-progress:" + job_id)  # else it is its 30 seconds that pass
        await eventually(bench.is_empty)

    assert bench.jobs.counts.jobs == 2
    assert await count(bench) == 500


async def test_impatient_stop(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelling the intake while it ends leaves no task and no connection behind."""
    monkeypatch.setattr("validatord.store.submissions.find_fresh", hang)
    before = asyncio.all_tasks()
    await client.enqueue(bench.redis, ["a@shop.example"], client="crm", submission="spring")
    stop = asyncio.Event()
    running = asyncio.create_task(bench.intake.run(stop))
    await eventually(lambda: bench.jobs.counts.jobs == 1)
    stop.set()
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert asyncio.all_tasks() == before
    assert await bench.redis.zcard(QUEUE) == 1

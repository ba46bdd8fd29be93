"""Redis stops, dies, forgets, refuses, is slow, holds poison; arq's worker dies: F9 to F12, F37, F39."""

import asyncio
import contextlib
import os
import pickle
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from arq.connections import ArqRedis
from arq.constants import job_key_prefix

from tests.acceptance.play import until
from tests.chaos import oracle
from tests.chaos.world import BACK_SECONDS, World, open_world
from validatord.embedded.redis import EmbeddedRedis
from validatord.intake import client
from validatord.sandbox.command import Scenario

pytestmark = pytest.mark.timeout(240)
SCENARIO = Scenario("bench", 109, 1500, 40)
QUEUE = client.DEFAULT_QUEUE
LEAST_CPU = 0.05  # of a core, while nothing can be done


@pytest.fixture
async def world(folder: Path, dsn: str) -> AsyncIterator[World]:
    """A world with a Redis of its own; the daemon runs."""
    async with open_world(folder, SCENARIO, dsn=dsn, has_redis=True, speed=20) as found:
        await found.start()
        yield found


@pytest.fixture
async def queue(world: World) -> AsyncIterator[ArqRedis]:
    """A connection of the test's own, past the gate."""
    redis = await client.open_redis(redis_of(world).url)
    yield redis
    with contextlib.suppress(Exception):
        await redis.aclose(close_connection_pool=True)


def redis_of(world: World) -> EmbeddedRedis:
    """The server."""
    assert world.redis is not None
    return world.redis


async def start_again(world: World) -> float:
    """Start Redis anew; return the moment at which it answers."""
    await asyncio.to_thread(redis_of(world).start)
    return time.monotonic()


async def until_taken_in(world: World, count: int, seconds: float) -> None:
    """Wait until the ledger holds so many requests."""

    async def is_enough() -> bool:
        return await world.database.fetch_value("SELECT count(*) FROM requests") >= count

    await until(is_enough, f"{count} requests taken in", seconds, world.stage.check_daemon)


async def end_well(world: World) -> None:
    """Everything is finished under the same process, and the oracle is content."""
    await world.until_finished()
    await world.stop_well()
    assert world.cut == []
    await world.judge()


# --- F9, F10, F11: away, killed, empty -----------------------------------------------------------


@pytest.mark.parametrize("seconds", [1, *(pytest.param(wait, marks=pytest.mark.campaign) for wait in (3, 20, 120))])
async def test_f09_redis_restarts(world: World, seconds: float) -> None:
    """Verification goes on meanwhile, intake resumes within five seconds, and every address is there once."""
    half = len(world.addresses) // 2
    await world.submit(*world.addresses[:half])
    before = world.vitals()
    await asyncio.to_thread(redis_of(world).stop)
    done = await world.finished()
    await world.until_finished(min(done + 100, half))
    await world.wait_out(seconds)
    back = await start_again(world)
    await world.send(submission="mail")
    assert time.monotonic() - back < BACK_SECONDS
    await until_taken_in(world, half + len(world.addresses), BACK_SECONDS - (time.monotonic() - back))

    await world.until_finished(half)
    await oracle.judge_growth(world, before)
    await world.stop_well()
    rows = await world.database.fetch("SELECT submission, requests FROM submissions ORDER BY submission")
    assert {row["submission"]: row["requests"] for row in rows} == {"spring": half, "mail": len(world.addresses)}
    world.judge_log()


async def test_f10_redis_killed_during_intake(world: World) -> None:
    """Kill -9 while chunks are taken in, with an append-only file: the sender notices nothing but a delay."""
    sending = asyncio.create_task(world.send(is_confirmed=True))
    await until_taken_in(world, 1, 10)
    pid = redis_of(world).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await asyncio.to_thread(redis_of(world).stop)
    back = await start_again(world)
    # A chunk that was in work waits for arq's own key; everything else must be there soon.
    await sending
    assert time.monotonic() - back < 45
    await end_well(world)


async def test_f11_redis_forgets_everything(world: World, queue: ArqRedis) -> None:
    """What is committed stays; what was not comes again from the client, which had not called it confirmed."""
    assert world.gates.redis is not None
    # The daemon sees no job: everything that is sent waits in Redis alone.
    world.gates.redis.stall()
    sending = asyncio.create_task(world.send(is_confirmed=True))
    await until(lambda: queue.zcard(QUEUE), "the jobs", 10)
    await queue.flushall()
    await world.gates.redis.drop()
    await world.gates.redis.open()
    await sending
    await end_well(world)


# --- F12: it refuses -----------------------------------------------------------------------------


REFUSALS = {
    "full": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
    "read-only": (("CONFIG", "SET", "min-replicas-to-write", "1"), ("CONFIG", "SET", "min-replicas-to-write", "0")),
    "denied": (("ACL", "SETUSER", "default", "-@write", "-@read"), ("ACL", "SETUSER", "default", "+@all")),
    "password": (
        ("ACL", "SETUSER", "default", ">other", "resetpass", ">other"),
        ("ACL", "SETUSER", "default", "nopass"),
    ),
}


_LATER = {"read-only", "denied", "password"}


@pytest.mark.parametrize(
    "how", [pytest.param(how, marks=pytest.mark.campaign) if how in _LATER else how for how in (*REFUSALS, "slow")]
)
async def test_f12_redis_refuses(world: World, queue: ArqRedis, how: str) -> None:
    """Intake pauses: no crash, no busy loop, one line a minute; and it goes on when Redis is well."""
    assert world.gates.redis is not None
    lines = world.log.count("arq intake")
    if how == "slow":
        world.gates.redis.slow(2.5)  # each way: replies after five seconds
    else:
        await queue.execute_command(*REFUSALS[how][0])
        if how == "password":
            await world.gates.redis.drop()  # whoever is in stays in: everybody has to come anew
            await world.gates.redis.open()
    await world.wait_out(1.5)
    used = world.vitals().cpu_seconds
    await world.wait_out(3)
    used = world.vitals().cpu_seconds - used
    said = world.log.count("arq intake") - lines
    if how == "slow":
        world.gates.redis.slow(0)
    else:
        await queue.execute_command(*REFUSALS[how][1])
    await world.send()
    await until_taken_in(world, len(world.addresses), 30)

    assert used / 3 < LEAST_CPU, "a busy loop"
    assert said <= 2
    await end_well(world)


# --- F37: poison ---------------------------------------------------------------------------------


async def test_f37_poison_in_the_queue(world: World, queue: ArqRedis) -> None:
    """Pickles, foreign functions, wrong types, 50 MB, the same a thousand times, the future, halves: each has its end."""
    before = world.vitals()
    now = int(time.time() * 1000)
    payloads = {
        "pickle": pickle.dumps({"f": "submit", "a": (), "k": {}}),
        "no-function": orjson.dumps({"f": "os.system", "a": [], "k": {"x": "true"}}),
        "wrong-types": orjson.dumps({"f": "submit", "k": {"client": 7, "submission": None, "addresses": "a@b.c"}}),
        "list": b"[1, 2, 3]",
        "huge": b"x" * 50_000_000,
    }
    for name, payload in payloads.items():
        await queue.set(job_key_prefix + name, payload)
        await queue.zadd(QUEUE, {name: now})
    await queue.zadd(QUEUE, {"no-payload": now, b"\xff\xfe": now, "future": now + 3_600_000})
    await queue.set(job_key_prefix + "no-entry", payloads["list"])
    await send_the_same(queue, 1000)
    await world.send()
    await until_taken_in(world, len(world.addresses) + 1, 60)

    async def is_rejected() -> bool:
        return await world.database.fetch_value("SELECT count(*) FROM rejected_jobs") >= len(payloads) + 2

    await until(is_rejected, "every rejection", 30, world.stage.check_daemon)
    rows = await world.database.fetch("SELECT job_id, reason FROM rejected_jobs")
    assert {row["job_id"] for row in rows} == {*payloads, "no-payload", "\\xff\\xfe"}
    assert all(row["reason"] for row in rows)
    await until_alone(queue, {b"future"})
    assert world.vitals().rss_bytes - before.rss_bytes < 100_000_000
    await end_well(world)


async def send_the_same(queue: ArqRedis, times: int) -> None:
    """One address in many jobs, as a producer does that lost its count."""
    chunk = {"client": "crm", "submission": "again", "first_index": 0, "addresses": ["a@acme-001.example"]}
    payload = orjson.dumps({"t": None, "f": "submit", "a": [], "k": chunk, "et": int(time.time() * 1000)})
    async with queue.pipeline(transaction=False) as pipe:
        for number in range(times):
            pipe.set(f"{job_key_prefix}same{number}", payload)
            pipe.zadd(QUEUE, {f"same{number}": number + 1})
        await pipe.execute()


async def until_alone(queue: ArqRedis, left: set[bytes]) -> None:
    """Wait until no other job is left."""

    async def is_alone() -> bool:
        return set(await queue.zrange(QUEUE, 0, -1)) == left

    await until(is_alone, f"only {left} in the queue", 60)


# --- F39: the worker dies ------------------------------------------------------------------------


async def test_f39_the_worker_dies(world: World) -> None:
    """Its connections are reset under it, again and again: a new one works within five seconds, nothing else stops."""
    assert world.gates.redis is not None
    await world.submit()
    before = world.vitals()
    for number in range(3):
        await world.gates.redis.drop()
        await world.gates.redis.open()
        began = time.monotonic()
        await world.send(f"a@acme-00{number + 1}.example", submission=f"after {number}")
        await until_taken_in(world, len(world.addresses) + number + 1, BACK_SECONDS)
        assert time.monotonic() - began < BACK_SECONDS
    await world.until_finished()
    await oracle.judge_growth(world, before)
    await end_well(world)

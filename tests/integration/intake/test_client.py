"""What other services import, against a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from arq.connections import ArqRedis
from arq.constants import job_key_prefix
from redis.exceptions import ConnectionError as RedisAway

from tests.integration.intake.conftest import QUEUE, Bench, eventually
from validatord.errors import EnqueueFailed
from validatord.intake import client

HASTE = client.Patience(seconds=0.3, first_wait=0.01, longest_wait=0.05)


async def test_a_stream_is_never_held(bench: Bench) -> None:
    """A list of any length is cut while it is read: at most one chunk is taken ahead."""
    taken = 0
    worst = 0

    def stream() -> Iterator[str]:
        nonlocal taken
        for number in range(20_000):
            taken += 1
            yield f"a{number}@shop.example"

    real = bench.redis.enqueue_job

    async def enqueue_job(*arguments: Any, **more: Any) -> Any:
        nonlocal worst
        worst = max(worst, taken - more["first_index"])
        return await real(*arguments, **more)

    bench.redis.enqueue_job = enqueue_job  # type: ignore[method-assign]
    result = await client.enqueue(bench.redis, stream(), client="crm", submission="long")

    assert (result.addresses, result.chunks) == (20_000, 40)
    assert worst == client.CHUNK_SIZE


async def test_async_streams(bench: Bench) -> None:
    """An asynchronous source works as well, such as rows of a database."""

    async def stream() -> AsyncIterator[str]:
        for number in range(1001):
            yield f"a{number}@shop.example"

    assert (await client.enqueue(bench.redis, stream(), client="crm", submission="rows")).chunks == 3


async def test_an_empty_list(bench: Bench) -> None:
    """No address is no job."""
    assert (await client.enqueue(bench.redis, [], client="crm", submission="none")).chunks == 0
    assert await bench.redis.keys("*") == []


@pytest.mark.parametrize(
    ("addresses", "more"),
    [
        (["a"], {"client": ""}),
        (["a"], {"submission": "x" * 201}),
        (["a"], {"priority": "urgent"}),
        (["a"], {"contact_ids": ["no uuid"]}),
        (["a", "b"], {"contact_ids": [None]}),
        ("a@shop.example", {}),
    ],
)
async def test_wrong_arguments(bench: Bench, addresses: Any, more: dict[str, Any]) -> None:
    """What the daemon would reject is refused where it was written."""
    with pytest.raises(ValueError, match=r"\w"):
        await client.enqueue(bench.redis, addresses, **{"client": "crm", "submission": "spring", **more})
    assert await bench.redis.keys("*") == []


async def test_events_need_a_zone(bench: Bench) -> None:
    """A time without a zone is refused where it was written."""
    event = {"email": "a@shop.example", "event_type": "open", "event_at": "2026-05-01T12:00:00"}
    with pytest.raises(ValueError, match="time zone"):
        await client.record_events(bench.redis, [event])


async def test_broken_text_travels(bench: Bench) -> None:
    """A lone surrogate, which JSON cannot carry, does not stop the list."""
    async with bench.running():
        await client.enqueue(bench.redis, ["\ud800@shop.example", "a@shop.example"], client="crm", submission="spring")
        await eventually(bench.is_empty)

    assert await bench.fetch("SELECT state FROM requests ORDER BY idx") == [("done",), ("queued",)]


async def test_none_is_not_believed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arq says None for "queued already" and for a broken connection: the helper looks and sends again."""
    real = ArqRedis.enqueue_job
    lies = [True, True]

    async def enqueue_job(self: ArqRedis, *arguments: Any, **more: Any) -> Any:
        return None if lies and lies.pop() else await real(self, *arguments, **more)

    monkeypatch.setattr(ArqRedis, "enqueue_job", enqueue_job)
    await client.enqueue(bench.redis, ["a@shop.example"], client="crm", submission="spring", patience=HASTE)

    assert await bench.redis.zcard(QUEUE) == 1


async def test_exceptions_are_tried_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that breaks is tried again; the chunk is queued once."""
    real = ArqRedis.enqueue_job
    faults = [RedisAway("broken before"), OSError("refused")]

    async def enqueue_job(self: ArqRedis, *arguments: Any, **more: Any) -> Any:
        if len(faults) == 1:
            await real(self, *arguments, **more)
        if faults:
            raise faults.pop()
        return await real(self, *arguments, **more)

    monkeypatch.setattr(ArqRedis, "enqueue_job", enqueue_job)
    await client.enqueue(bench.redis, ["a@shop.example"], client="crm", submission="spring", patience=HASTE)

    assert await bench.redis.zcard(QUEUE) == 1


async def test_patience_ends(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """When Redis stays away the caller learns how far the list got, and may simply repeat the call."""
    real = ArqRedis.enqueue_job

    async def enqueue_job(self: ArqRedis, *arguments: Any, **more: Any) -> Any:
        if more["first_index"]:
            raise RedisAway("gone")
        return await real(self, *arguments, **more)

    addresses = [f"a{number}@shop.example" for number in range(600)]
    with monkeypatch.context() as patch:
        patch.setattr(ArqRedis, "enqueue_job", enqueue_job)
        with pytest.raises(EnqueueFailed) as caught:
            await client.enqueue(bench.redis, addresses, client="crm", submission="spring", patience=HASTE)
    assert caught.value.enqueued == 500

    await client.enqueue(bench.redis, addresses, client="crm", submission="spring")
    assert await bench.redis.zcard(QUEUE) == 2


async def test_confirmed_means_in_the_ledger(bench: Bench) -> None:
    """With is_confirmed the call returns when every address is committed."""
    addresses = [f"a{number}@shop.example" for number in range(1200)]
    async with bench.running():
        await client.enqueue(bench.redis, addresses, client="crm", submission="spring", is_confirmed=True)
        assert await bench.fetch("SELECT count(*) FROM requests") == [(1200,)]


async def test_confirmed_survives_a_redis_that_forgets(bench: Bench) -> None:
    """A Redis emptied before anything was taken in loses nothing of a confirmed list."""
    addresses = [f"a{number}@shop.example" for number in range(1200)]
    sending = asyncio.create_task(
        client.enqueue(bench.redis, addresses, client="crm", submission="spring", is_confirmed=True)
    )
    await eventually(lambda: has_jobs(bench, 3))
    await bench.redis.flushall()
    async with bench.running():
        await sending

    assert await bench.fetch("SELECT count(*) FROM requests") == [(1200,)]


async def has_jobs(bench: Bench, count: int) -> bool:
    """Whether so many jobs wait."""
    return await bench.redis.zcard(QUEUE) == count


async def test_jobs_expire_late(bench: Bench) -> None:
    """A daemon that is down for weeks still gets what was sent."""
    await client.enqueue(bench.redis, ["a@shop.example"], client="crm", submission="spring")
    [key] = await bench.redis.keys(job_key_prefix + "*")

    assert await bench.redis.pttl(key) > 29 * 86_400_000


async def test_open_redis_says_no() -> None:
    """Where no Redis is, opening it raises at once what redis-py says."""
    with pytest.raises((RedisAway, OSError)):
        await client.open_redis("redis://127.0.0.1:1", retries=0)


async def test_a_campaigns_date_travels_along(bench: Bench) -> None:
    """`campaign_at` reaches the submission through arq; a time without a zone is refused before anything is sent."""
    at = datetime(2031, 5, 1, 8, tzinfo=UTC)
    with pytest.raises(ValueError, match="no time zone"):
        await client.enqueue(
            bench.redis, ["a@shop.example"], client="crm", submission="may", campaign_at=at.replace(tzinfo=None)
        )
    async with bench.running():
        await client.enqueue(bench.redis, ["a@shop.example"], client="crm", submission="may", campaign_at=at)
        await eventually(lambda: bench.jobs.counts.added == 1)

    assert await bench.fetch("SELECT submission, campaign_at FROM submissions") == [("may", at)]

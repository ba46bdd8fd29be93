"""arq jobs of every kind, from Redis to the ledger."""

import asyncio
import json
import pickle
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from arq.constants import job_key_prefix
from arq.jobs import serialize_job

from tests.integration.intake.conftest import QUEUE, Bench, eventually
from validatord.intake import client
from validatord.intake.arq_worker import IntakeWorker
from validatord.store import submissions

ADDRESSES = [f"person{number}@shop{number % 7}.example" for number in range(1234)]


async def put(bench: Bench, job_id: str | bytes, payload: bytes | None, *, score: float | None = None) -> None:
    """Write a job by hand, as a stranger would."""
    if payload is not None:
        await bench.redis.set(
            job_key_prefix.encode() + (job_id if isinstance(job_id, bytes) else job_id.encode()), payload
        )
    await bench.redis.zadd(QUEUE, {job_id: time.time() * 1000 if score is None else score})


def write_job(name: str, **arguments: Any) -> bytes:
    """The bytes of a JSON job."""
    return serialize_job(name, (), arguments, None, int(time.time() * 1000), serializer=orjson.dumps)


async def test_from_producer_to_ledger(bench: Bench) -> None:
    """What another service enqueues is in the ledger, each address at its place, and nothing is left in Redis."""
    async with bench.running():
        result = await client.enqueue(bench.redis, ADDRESSES, client="crm", submission="spring")
        await eventually(bench.is_empty)

    assert (result.addresses, result.chunks) == (1234, 3)
    rows = await bench.fetch("SELECT idx, address FROM requests ORDER BY idx")
    assert rows == list(enumerate(ADDRESSES))
    assert await bench.redis.keys("arq:*") == []
    progress = await submissions.get_progress(bench.database, "crm", "spring")
    assert progress is not None
    assert progress.requests == 1234


async def test_latency(bench: Bench) -> None:
    """A single address is in the ledger within half a second."""
    async with bench.running():
        await eventually(lambda: bench.intake.state.is_connected)
        started = time.monotonic()
        await client.enqueue(bench.redis, ["a@shop.example"], client="crm", submission="one")
        await eventually(lambda: bench.jobs.counts.added == 1)

    assert time.monotonic() - started < 0.5


async def test_same_list_again(bench: Bench) -> None:
    """A list that is sent twice, also after it was taken in, is in the ledger once."""
    async with bench.running():
        for _ in range(2):
            await client.enqueue(bench.redis, ADDRESSES, client="crm", submission="spring")
            await eventually(bench.is_empty)

    assert await bench.fetch("SELECT count(*) FROM requests") == [(1234,)]


async def test_events(bench: Bench) -> None:
    """Events of campaigns are kept, the same ones once."""
    sent = [{"email": f"a{number}@shop.example", "event_type": "open"} for number in range(3)]
    stamped = [{**event, "event_at": "2026-05-01T12:00:00+00:00"} for event in sent]
    async with bench.running():
        for _ in range(2):
            assert await client.record_events(bench.redis, stamped) == 3
            await eventually(bench.is_empty)

    assert await bench.fetch("SELECT count(*) FROM email_events") == [(3,)]


async def test_revalidate(bench: Bench) -> None:
    """A revalidation arrives as one."""
    async with bench.running():
        await client.revalidate(bench.redis, ["a@shop.example"], client="crm", submission="again")
        await eventually(lambda: bench.jobs.counts.added == 1)


GOOD = {"client": "crm", "submission": "spring"}


async def put_poison(bench: Bench, bomb: bytes) -> None:
    """Write every kind of job that cannot be read."""
    await put(bench, "pickle-text", bomb)
    await put(bench, "pickle", pickle.dumps({"f": "submit", "a": (), "k": GOOD, "t": None, "et": 0}))
    await put(bench, "unknown", write_job("unheard_of"))
    await put(bench, "reject", write_job("reject", function="x", reason="y"))
    await put(bench, "types", write_job("submit", **GOOD, addresses="all of them"))
    await put(bench, "text", b"\xff\xfe")
    await put(bench, "positional", serialize_job("submit", (1,), {}, None, 0, serializer=orjson.dumps))
    await put(bench, "huge", b'{"f":"submit","a":[],"k":{"addresses":["' + b"x" * 9_000_000 + b'"]}}')
    await put(bench, "tried", orjson.dumps({"f": "submit", "a": [], "k": GOOD, "t": 10**9, "et": 10**18}))
    await put(bench, "no-payload", None)
    await put(bench, "nothing", b"")
    await put(bench, b"\xff\xfe", write_job("submit", **GOOD, addresses=["b@shop.example"]))
    await put(bench, "x" * 3000, b"{")
    await bench.redis.lpush(job_key_prefix + "list", "a")
    await put(bench, "list", None)


async def test_poison(bench: Bench, tmp_path: Path) -> None:
    """Every kind of job that cannot be read is kept with a reason; good ones before and after it are taken in."""
    await put(bench, "first", write_job("submit", **GOOD, addresses=["a@shop.example"], first_index=0))
    await put_poison(bench, b"c__builtin__\nopen\n(V" + str(tmp_path / "owned").encode() + b"\nVw\ntR.")
    # A broken counter beside a good job, and a payload that nobody queued.
    await bench.redis.lpush("arq:retry:counter", "a")
    await put(bench, "counter", write_job("submit", **GOOD, addresses=["c@shop.example"], first_index=2))
    await bench.redis.set(job_key_prefix + "no-entry", write_job("submit", **GOOD, addresses=["e@shop.example"]))
    await put(bench, "last", write_job("submit", **GOOD, addresses=["d@shop.example"], first_index=3))

    async with bench.running():
        await eventually(bench.is_empty)

    reasons = await bench.reasons()
    assert {key: value[:12] for key, value in reasons.items() if len(key) < 100} == {
        "pickle-text": "the payload ",
        "pickle": "the payload ",
        "unknown": "no such func",
        "reject": "no such func",
        "types": "addresses: m",
        "text": "the payload ",
        "positional": "arguments ar",
        "huge": "the payload ",
        "tried": "addresses: m",
        "no-payload": "expired: the",
        "nothing": "expired: the",
        "\\xff\\xfe": "the job id i",
        "list": "a key of ano",
    }
    assert len(reasons) == bench.jobs.counts.rejected == 14
    assert not (tmp_path / "owned").exists()
    assert [row[0][0] for row in await bench.fetch("SELECT address FROM requests ORDER BY idx")] == ["a", "c", "d"]
    assert bench.intake.state.restarts == 0


async def test_rejected_payloads_are_kept_bounded(bench: Bench) -> None:
    """A person finds the beginning of what was rejected, escaped."""
    await put(bench, "odd", b"\x80\x04" + b"z" * 100_000)
    async with bench.running():
        await eventually(bench.is_empty)

    [(payload,)] = await bench.fetch("SELECT payload FROM rejected_jobs")
    assert payload.startswith("\\x80\x04z")
    assert len(payload) <= 2000


async def test_future_jobs_are_counted(bench: Bench) -> None:
    """A producer whose clock is an hour ahead is noticed, and its job waits."""
    await put(bench, "early", write_job("submit"), score=(time.time() + 3600) * 1000)
    async with bench.running():
        await eventually(lambda: bench.intake.state.ahead == 1)

    assert await bench.reasons() == {}


async def test_a_bug_of_ours_loses_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk whose writing raises stays queued and is taken in once the fault is gone."""
    faults = iter([RuntimeError("a bug"), RuntimeError("a bug")])
    real = submissions.add_chunk

    async def add_chunk(*arguments: Any) -> Any:
        for fault in faults:
            raise fault
        return await real(*arguments)

    monkeypatch.setattr(submissions, "add_chunk", add_chunk)
    monkeypatch.setattr("validatord.intake.jobs._LONGEST_WAIT_SECONDS", 0.05)
    async with bench.running():
        await client.enqueue(bench.redis, ["a@shop.example"], client="crm", submission="spring")
        await eventually(bench.is_empty)

    assert bench.jobs.counts.put_off == 2
    assert await bench.fetch("SELECT count(*) FROM requests") == [(1,)]
    assert await bench.reasons() == {}


async def test_a_slow_chunk_is_put_off_and_not_lost(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk that takes longer than its time stays queued: arq itself would delete it."""
    real = submissions.add_chunk
    hold = [asyncio.Event()]

    async def add_chunk(*arguments: Any) -> Any:
        if hold:
            await hold.pop().wait()
        return await real(*arguments)

    monkeypatch.setattr(submissions, "add_chunk", add_chunk)
    monkeypatch.setattr("validatord.intake.jobs.JOB_SECONDS", 0.05)
    monkeypatch.setattr("validatord.intake.jobs._AWAY_SECONDS", 0.05)
    async with bench.running():
        await client.enqueue(bench.redis, ["a@shop.example"], client="crm", submission="spring")
        await eventually(bench.is_empty)

    assert await bench.fetch("SELECT count(*) FROM requests") == [(1,)]


async def test_arqs_own_limit_loses_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where arq itself ends a job for being slow, the chunk is taken up again."""
    real = submissions.add_chunk
    hold = [asyncio.Event()]

    async def add_chunk(*arguments: Any) -> Any:
        if hold:
            await hold.pop().wait()
        return await real(*arguments)

    monkeypatch.setattr(submissions, "add_chunk", add_chunk)
    monkeypatch.setattr("validatord.intake.arq_worker._JOB_TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr("validatord.intake.arq_worker._PUT_OFF_MILLISECONDS", 50)
    async with bench.running():
        await client.enqueue(bench.redis, ["a@shop.example"], client="crm", submission="spring")
        await eventually(bench.is_empty)

    assert await bench.fetch("SELECT count(*) FROM requests") == [(1,)]


async def test_too_much_work_pauses(bench: Bench) -> None:
    """Above the high-water mark no job is picked, without using up tries; below it work goes on."""
    bench.high_water = 10
    async with bench.running():
        await client.enqueue(bench.redis, ADDRESSES[:20], client="crm", submission="first")
        await eventually(lambda: bench.intake.state.paused_for == "too much unfinished work")
        await client.enqueue(bench.redis, ["a@shop.example"], client="crm", submission="second")
        queued = await bench.redis.zcard(QUEUE)
        bench.high_water = 1000
        await eventually(bench.is_empty)

    assert queued == 1
    assert await bench.fetch("SELECT count(*) FROM requests") == [(21,)]


async def test_signals_stay_ours(bench: Bench) -> None:
    """Building a worker does not take SIGTERM away from the daemon."""
    import signal

    before = signal.getsignal(signal.SIGTERM)
    IntakeWorker(bench.redis, bench.jobs, bench.intake.rules)

    assert signal.getsignal(signal.SIGTERM) is before


async def test_wire_form(bench: Bench) -> None:
    """The form on the wire is what docs/integration.md says, so that other languages can write it."""
    await client.enqueue(bench.redis, ["a@shop.example"], client="crm", submission="spring", priority="high")

    [job_id] = await bench.redis.zrange(QUEUE, 0, -1)
    job = json.loads(await bench.redis.get(job_key_prefix.encode() + job_id))
    assert (job["f"], job["a"], job["t"]) == ("submit", [], None)
    assert job["k"] == {
        "client": "crm",
        "submission": "spring",
        "priority": "high",
        "first_index": 0,
        "addresses": ["a@shop.example"],
    }

"""What other services import to send work in: `open_redis`, `enqueue`, `revalidate`, `record_events`.

Addresses travel in chunks, one arq job each, as JSON. A chunk's job id follows from client, submission
and position, so sending the same list again does no harm: what is queued is not queued twice, and the
ledger knows each position of a submission once. This module needs arq, redis and orjson, and nothing
else of validatord but its exceptions; it reads no settings.
"""

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from arq.connections import ArqRedis
from arq.constants import job_key_prefix
from redis import exceptions as redis_errors
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from validatord.errors import EnqueueFailed

CHUNK_SIZE = 500
DEFAULT_QUEUE = "validatord:queue"
PRIORITIES = ("critical", "high", "normal", "low")
_EXPIRES = timedelta(days=30)
_WINDOW = 40  # chunks sent and not yet confirmed
_CONFIRM_SECONDS = 0.1
_TROUBLE = (redis_errors.RedisError, OSError)

Texts = Iterable[str] | AsyncIterable[str]
ContactIds = Iterable[UUID | str | None]


@dataclass(frozen=True, slots=True)
class EnqueueResult:
    """What was sent: `addresses` in `chunks` arq jobs, under this name."""

    client: str
    submission: str
    addresses: int
    chunks: int


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try while Redis is away: each chunk until `seconds` have passed."""

    seconds: float = 60.0
    first_wait: float = 0.1
    longest_wait: float = 5.0


@dataclass(frozen=True, slots=True)
class _Job:
    function: str
    job_id: str
    payload: Mapping[str, Any]
    size: int


async def open_redis(url: str, *, retries: int = 3) -> ArqRedis:
    """Connect to `redis://…`, `rediss://…` or `unix://…` the way the daemon reads it: JSON, never pickle.

    Raises:
        redis.exceptions.RedisError, OSError: Redis is not there.
    """
    redis: ArqRedis = ArqRedis.from_url(  # pyright: ignore[reportUnknownMemberType]
        url,
        # A refused connection is a plain OSError, which redis-py does not count by itself.
        retry=Retry(ExponentialBackoff(cap=1.0, base=0.05), retries),
        retry_on_error=[redis_errors.ConnectionError, redis_errors.TimeoutError, OSError],
        socket_connect_timeout=5.0,
        socket_timeout=20.0,
    )
    redis.job_serializer = orjson.dumps
    redis.job_deserializer = orjson.loads
    try:
        await redis.ping()  # pyright: ignore[reportUnknownMemberType]
    except BaseException:
        await redis.aclose()
        raise
    return redis


async def enqueue(  # noqa: PLR0913 the one call that other services learn: plain keywords
    redis: ArqRedis,
    addresses: Texts,
    *,
    client: str,
    submission: str,
    contact_ids: ContactIds | None = None,
    priority: str = "normal",
    campaign_at: datetime | None = None,
    queue: str = DEFAULT_QUEUE,
    is_confirmed: bool = False,
    patience: Patience = Patience(),
) -> EnqueueResult:
    """Send a list of addresses in; it may be any iterable and is never held as a whole.

    `client` names you, `submission` names the list: asking for the outcome needs both. `contact_ids` are
    your own UUIDs, one for each address. With `is_confirmed` the call returns when the ledger holds every
    address, and survives a Redis that forgets what it was told; without, when Redis holds them. With
    `campaign_at`, an aware datetime, verdicts that will be out of date by then are asked for again.

    Raises:
        EnqueueFailed: Redis stayed away; the same call may simply be repeated.
        ValueError: a name, priority, time or contact id that the daemon would reject.
    """
    head = _check_head(client, submission, priority, campaign_at)
    jobs = _make_chunks("submit", addresses, contact_ids, head=head, queue=queue)
    sent, chunks = await _send_all(redis, jobs, queue=queue, is_confirmed=is_confirmed, patience=patience)
    return EnqueueResult(client, submission, sent, chunks)


async def revalidate(  # noqa: PLR0913 as `enqueue`
    redis: ArqRedis,
    addresses: Texts,
    *,
    client: str,
    submission: str,
    contact_ids: ContactIds | None = None,
    priority: str = "normal",
    campaign_at: datetime | None = None,
    queue: str = DEFAULT_QUEUE,
    patience: Patience = Patience(),
) -> EnqueueResult:
    """Send addresses in to be asked again even where a fresh verdict is known; else as `enqueue`."""
    head = _check_head(client, submission, priority, campaign_at)
    jobs = _make_chunks("revalidate", addresses, contact_ids, head=head, queue=queue)
    sent, chunks = await _send_all(redis, jobs, queue=queue, is_confirmed=False, patience=patience)
    return EnqueueResult(client, submission, sent, chunks)


async def record_events(
    redis: ArqRedis,
    events: Iterable[Mapping[str, Any]],
    *,
    queue: str = DEFAULT_QUEUE,
    patience: Patience = Patience(),
) -> int:
    """Tell what campaigns met, and return how many events were sent.

    An event has `email`, `event_type` (hard_bounce, soft_bounce, open, click, reply, complaint), and may have
    `event_at` (an aware datetime; now, if left out) and `campaign_id` (a UUID).
    """
    jobs = _make_events(events, queue)
    sent, _ = await _send_all(redis, jobs, queue=queue, is_confirmed=False, patience=patience)
    return sent


def taken_key(queue: str, job_id: str) -> str:
    """Return the key by which the daemon says for a while that a chunk is in the ledger."""
    return f"{queue}:taken:{job_id}"


# --- making jobs ---------------------------------------------------------------------------------


def _check_head(client: str, submission: str, priority: str, campaign_at: datetime | None) -> dict[str, str]:
    if not 1 <= len(client) <= 100 or not 1 <= len(submission) <= 200:  # noqa: PLR2004 as in the ledger
        msg = "client has 1 to 100 characters, submission 1 to 200"
        raise ValueError(msg)
    if priority not in PRIORITIES:
        msg = f"priority is one of {', '.join(PRIORITIES)}"
        raise ValueError(msg)
    head = {"client": client, "submission": submission, "priority": priority}
    if campaign_at is None:
        return head
    if campaign_at.tzinfo is None:
        msg = "campaign_at has no time zone"
        raise ValueError(msg)
    return {**head, "campaign_at": campaign_at.isoformat()}


async def _make_chunks(
    function: str, addresses: Texts, contact_ids: ContactIds | None, *, head: dict[str, str], queue: str
) -> AsyncIterator[_Job]:
    first_index = 0
    ids = iter(contact_ids) if contact_ids is not None else None
    async for chunk in _cut(addresses):
        payload: dict[str, Any] = {**head, "first_index": first_index, "addresses": chunk}
        if ids is not None:
            payload["contact_ids"] = _read_contact_ids(itertools.islice(ids, len(chunk)), len(chunk))
        job_id = _hash(queue, function, head["client"], head["submission"], str(first_index))
        yield _Job(function, job_id, payload, len(chunk))
        first_index += len(chunk)


async def _cut(addresses: Texts) -> AsyncIterator[list[str]]:
    if isinstance(addresses, AsyncIterable):
        chunk: list[str] = []
        async for address in addresses:
            chunk.append(_clean(address))
            if len(chunk) == CHUNK_SIZE:
                yield chunk
                chunk = []
        if chunk:
            yield chunk
        return
    if isinstance(addresses, str):
        msg = "addresses is one text; a list of them was meant"
        raise ValueError(msg)  # noqa: TRY004 as every other wrong argument here
    rest = iter(addresses)
    while found := [_clean(address) for address in itertools.islice(rest, CHUNK_SIZE)]:
        yield found


def _clean(address: str) -> str:
    """JSON cannot carry lone surrogates; such an address is broken anyway and will be told so."""
    return address if address.isascii() else address.encode("utf-8", "backslashreplace").decode()


def _read_contact_ids(values: Iterable[UUID | str | None], expected: int) -> list[str | None]:
    found = [None if value is None else str(UUID(str(value))) for value in values]
    if len(found) != expected:
        msg = "there are fewer contact_ids than addresses"
        raise ValueError(msg)
    return found


async def _make_events(events: Iterable[Mapping[str, Any]], queue: str) -> AsyncIterator[_Job]:
    rest = iter(events)
    while chunk := [_read_event(event) for event in itertools.islice(rest, CHUNK_SIZE)]:
        job_id = _hash(queue, "record_events", orjson.dumps(chunk).decode())
        yield _Job("record_events", job_id, {"events": chunk}, len(chunk))


def _read_event(event: Mapping[str, Any]) -> dict[str, str]:
    found = {"email": _clean(str(event["email"])), "event_type": str(event["event_type"])}
    found["event_at"] = _as_iso(event.get("event_at") or datetime.now(UTC))
    if event.get("campaign_id"):
        found["campaign_id"] = str(UUID(str(event["campaign_id"])))
    return found


def _as_iso(value: datetime | str) -> str:
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    if at.tzinfo is None:
        msg = "event_at needs a time zone"
        raise ValueError(msg)
    return at.isoformat()


def _hash(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode("utf-8", "backslashreplace")).hexdigest()[:40]


# --- sending -------------------------------------------------------------------------------------


async def _send_all(
    redis: ArqRedis, jobs: AsyncIterator[_Job], *, queue: str, is_confirmed: bool, patience: Patience
) -> tuple[int, int]:
    sent = chunks = 0
    waiting: list[_Job] = []
    try:
        async for job in jobs:
            if len(waiting) == _WINDOW:
                await _confirm(redis, waiting.pop(0), queue, patience)
            await _send(redis, job, queue, patience)
            if is_confirmed:
                waiting.append(job)
            sent, chunks = sent + job.size, chunks + 1
        for job in waiting:
            await _confirm(redis, job, queue, patience)
    except _TROUBLE as error:
        raise EnqueueFailed(f"Redis stayed away; {sent} addresses were sent before: {error}", sent) from error
    return sent, chunks


async def _send(redis: ArqRedis, job: _Job, queue: str, patience: Patience) -> None:
    """Enqueue one job until Redis certainly holds it, or the patience is at its end."""
    deadline = asyncio.get_running_loop().time() + patience.seconds
    wait = patience.first_wait
    while True:
        try:
            if await _try_to_send(redis, job, queue):
                return
        except _TROUBLE:
            if asyncio.get_running_loop().time() + wait > deadline:
                raise
        await asyncio.sleep(wait)
        wait = min(2 * wait, patience.longest_wait)


async def _try_to_send(redis: ArqRedis, job: _Job, queue: str) -> bool:
    found = await redis.enqueue_job(
        job.function, _job_id=job.job_id, _queue_name=queue, _expires=_EXPIRES, **job.payload
    )
    if found is not None:
        return True
    # None means "queued already", and also "the connection broke while asking": only the keys tell.
    return bool(await redis.exists(job_key_prefix + job.job_id, taken_key(queue, job.job_id)))


async def _confirm(redis: ArqRedis, job: _Job, queue: str, patience: Patience) -> None:
    """Wait until the daemon says that the chunk is in the ledger; send it again if Redis has forgotten it."""
    while True:
        try:
            async with redis.pipeline(transaction=True) as pipe:
                pipe.exists(taken_key(queue, job.job_id))
                pipe.exists(job_key_prefix + job.job_id)
                is_taken, is_queued = await pipe.execute()
        except _TROUBLE:
            is_taken, is_queued = False, True
        if is_taken:
            return
        if not is_queued:
            await _send(redis, job, queue, patience)
        await asyncio.sleep(_CONFIRM_SECONDS)

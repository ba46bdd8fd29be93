"""Taking addresses in over HTTP: one body, or a stream of any length, each chunk committed before the next is read.

What makes a request the same is client, name of the submission and place, as everywhere: sending a list
again adds nothing, and another address in a place that is taken is refused with its place.
"""

import asyncio
import csv
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from secrets import token_hex
from uuid import UUID

from aiohttp import web

from validatord.errors import ConfigurationError
from validatord.intake.reading import InputRow, read_addresses, read_ndjson
from validatord.intake.wire import SubmittedChunk
from validatord.mail.request import Priority
from validatord.store import steering
from validatord.store.steering import SubmissionState
from validatord.store.submissions import ChunkResult
from validatord.web import problems
from validatord.web.auth import Access
from validatord.web.pressure import Pressure
from validatord.web.problems import Problem
from validatord.web.services import SERVICES, WebServices

PRESSURE = web.AppKey("pressure", Pressure)
_MOST_UPLOADS = 16
_ROWS = 1000  # of a chunk
_SOON_SECONDS = 10
_LEAST = 4  # bytes the reader needs to tell an encoding; beyond them it gets what has arrived
_LARGEST_INDEX = 2**31 - 1


class Uploads:
    """Uploads under way; each has a thread of its own, since what reads lists waits for its bytes."""

    def __init__(self) -> None:
        self._count = 0
        self._readers = ThreadPoolExecutor(_MOST_UPLOADS, "upload")

    @contextmanager
    def admit(self) -> Generator[ThreadPoolExecutor]:
        """Lend a thread, or raise 429."""
        if self._count >= _MOST_UPLOADS:
            raise Problem(problems.TOO_MANY_REQUESTS, "too many uploads at the same time", retry_after=_SOON_SECONDS)
        self._count += 1
        try:
            yield self._readers
        finally:
            self._count -= 1

    def close(self) -> None:
        """Lend no more threads."""
        self._readers.shutdown(wait=False, cancel_futures=True)


UPLOADS = web.AppKey("uploads", Uploads)


@dataclass(frozen=True, slots=True)
class Wish:
    """In whose name addresses come in, and how."""

    client: str
    submission: str
    priority: Priority = Priority.NORMAL
    first_index: int = 0
    expected: int | None = None
    is_revalidation: bool = False
    campaign_at: datetime | None = None


def new_name() -> str:
    """Return a name for a submission that nobody has used: the time, and something random behind it."""
    return f"api-{datetime.now(UTC):%Y%m%d-%H%M%S}-{token_hex(6)}"


def choose_client(access: Access, wanted: str | None) -> str:
    """Return in whose name to act: a key's own client; an admin may name another one."""
    if wanted is None or wanted == access.client:
        return access.client
    if not access.is_admin:
        raise Problem(problems.FORBIDDEN, "only an admin key may act for another client")
    return wanted


async def take_in(
    app: web.Application, wish: Wish, addresses: Sequence[str | None], contact_ids: Sequence[UUID | None] = ()
) -> ChunkResult:
    """Take some addresses in; when this returns they are committed.

    Raises:
        Problem: 409 where the submission is cancelled or holds other addresses, 429 under backpressure.
    """
    services = app[SERVICES]
    await app[PRESSURE].check()
    await _check_same(services, wish, addresses)
    chunk = SubmittedChunk(
        client=wish.client,
        submission=wish.submission,
        addresses=tuple(addresses),
        first_index=wish.first_index,
        contact_ids=tuple(contact_ids) if any(contact_ids) else (),
        priority=wish.priority,
        expected=wish.expected,
        is_revalidation=wish.is_revalidation,
        campaign_at=wish.campaign_at,
    )
    return await services.submitter.submit(chunk)


async def _check_same(services: WebServices, wish: Wish, addresses: Sequence[str | None]) -> None:
    found = await steering.find_state(services.database, wish.client, wish.submission)
    if found is None:
        return
    if found.state is SubmissionState.CANCELLED:
        raise Problem(problems.CONFLICT, "this submission was cancelled")
    other = await steering.find_other(services.database, found.submission_id, wish.first_index, addresses)
    if other is not None:
        detail = f"another address stands in place {other} of this submission; another list needs another name"
        raise Problem(problems.CONFLICT, detail)


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of an upload."""

    submission_id: int
    rows: int


async def take_stream(request: web.Request, wish: Wish, column: str) -> Taken:
    """Take an upload in, chunk by chunk; what was committed before it broke off stays.

    Raises:
        Problem: the upload cannot be read, broke off, is too long, or holds nothing.
    """
    with request.app[UPLOADS].admit() as readers:
        return await _take_stream(request, wish, column, readers)


async def _take_stream(request: web.Request, wish: Wish, column: str, readers: ThreadPoolExecutor) -> Taken:
    limits = request.app[SERVICES].snapshot().web
    pump = _Pump(request, asyncio.get_running_loop())
    is_csv = request.content_type == "text/csv"
    rows = read_addresses(pump, column=column, name="upload") if is_csv else read_ndjson(pump)
    place = wish.first_index
    submission_id = 0
    chunk = await _read_chunk(readers, rows)
    while chunk:
        # Read ahead: only who knows that more comes may say that the submission is not complete.
        following = await _read_chunk(readers, rows)
        if place + len(chunk) - wish.first_index > limits.max_upload_rows or place + len(chunk) > _LARGEST_INDEX:
            raise Problem(problems.TOO_LARGE, f"an upload has at most {limits.max_upload_rows} rows")
        expected = place + len(chunk) + bool(following)
        addresses, contacts = [row.address for row in chunk], [read_contact(row.contact_id) for row in chunk]
        part = replace(wish, first_index=place, expected=expected)
        submission_id = (await take_in(request.app, part, addresses, contacts)).submission_id
        place += len(chunk)
        chunk = following
    if not submission_id:
        raise Problem(problems.INVALID, "the upload holds no addresses")
    return Taken(submission_id, place - wish.first_index)


def read_contact(text: str) -> UUID | None:
    """Return the contact, or None for what is no UUID: the address is checked all the same."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


async def _read_chunk(readers: ThreadPoolExecutor, rows: Iterator[InputRow]) -> list[InputRow]:
    try:
        return await asyncio.get_running_loop().run_in_executor(readers, lambda: list(islice(rows, _ROWS)))
    except ConfigurationError as error:
        raise Problem(problems.INVALID, str(error)) from None
    except csv.Error as error:
        raise Problem(problems.INVALID, f"the upload is no CSV: {error}") from None
    except (web.RequestPayloadError, ConnectionError):
        raise Problem(problems.BAD_REQUEST, "the upload broke off, or is not encoded as it says") from None


class _Pump:
    """Lends a body to a reader in a thread, a block at a time."""

    def __init__(self, request: web.Request, loop: asyncio.AbstractEventLoop) -> None:
        self._content = request.content
        self._loop = loop
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Return at most so many bytes; none at the end."""
        while len(self._rest) < min(size, _LEAST):
            block = asyncio.run_coroutine_threadsafe(self._content.readany(), self._loop).result()
            if not block:
                break
            self._rest += block
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

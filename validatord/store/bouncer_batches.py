"""Batches on their way, one durable step after the other (`bouncer_batches`).

Every step names the state it starts from: whoever comes too late changes nothing and is told so.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from validatord.store import queries
from validatord.store.database import Database, Row, absence_is_store_away
from validatord.store.values import clean_text

_SQL = queries.load("bouncer_batches")
_TEXT_LIMIT = 500
_ANSWER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Batch:
    """A set of addresses sent to Bouncer; `batch_id` and `status` are Bouncer's own words, `state` is ours."""

    id: int
    batch_id: str | None
    tier: str
    state: str
    status: str | None
    intent: UUID
    user_id: str
    quantity: int
    payload_hash: str
    creates: int
    retry_count: int
    duplicates: int
    downloads: int
    processed: int | None
    credits: int | None
    credits_before: int | None
    credits_after: int | None
    error_kind: str | None
    error_message: str | None
    resolution: str | None
    download_sha256: str | None
    rows_answered: int | None
    rows_missing: int | None
    created_ts: datetime
    updated_ts: datetime
    next_step_ts: datetime
    submitting_ts: datetime | None
    submitted_ts: datetime | None
    completed_ts: datetime | None
    downloaded_ts: datetime | None
    missing_since_ts: datetime | None
    progressed_ts: datetime | None
    cancel_ts: datetime | None
    finish_ts: datetime | None


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a step did not succeed; `is_failure` says whether it counts as one in a row."""

    kind: str
    message: str
    is_failure: bool = True

    @property
    def columns(self) -> tuple[str, str]:
        """What the table holds."""
        return clean_text(self.kind, _TEXT_LIMIT), clean_text(self.message, _TEXT_LIMIT)


@dataclass(frozen=True, slots=True)
class StatusReport:
    """What the provider says about a batch."""

    status: str
    is_complete: bool
    processed: int | None = None
    credits: int | None = None
    duplicates: int | None = None
    quantity: int | None = None


@dataclass(frozen=True, slots=True)
class OpenCount:
    """Batches under way in one pass."""

    open: int = 0
    planned: int = 0
    submitting: int = 0


def batch_of(row: Row) -> Batch:
    """Read a row."""
    values: dict[str, Any] = {field.name: row[_column(field.name)] for field in fields(Batch)}
    return Batch(**values)


def _column(name: str) -> str:
    return "pass" if name == "tier" else name


class DriverLock:
    """The right to drive batches: held by a connection of its own, so it ends with the process."""

    def __init__(self, connection: "asyncpg.Connection[Row]") -> None:
        self._connection = connection

    @classmethod
    async def try_acquire(cls, database: Database) -> "DriverLock | None":
        """Take the lock, or return None where another process has it."""
        connection = await database.open_own_connection()
        is_ours = False
        try:
            with absence_is_store_away():
                is_ours = await connection.fetchval(_SQL["try_lock_driver"])
        finally:
            if not is_ours:
                connection.terminate()
        return cls(connection) if is_ours else None

    async def is_held(self) -> bool:
        """Ask the server whether the lock is still ours."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return bool(await self._connection.fetchval(_SQL["holds_driver_lock"]))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            return False

    async def aclose(self) -> None:
        """Give the lock back."""
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await self._connection.close(timeout=_ANSWER_SECONDS)


@dataclass(frozen=True, slots=True)
class Waits:
    """How long until a batch is looked at again: a poll, a first retry, the longest retry."""

    poll: timedelta
    retry: timedelta
    max_retry: timedelta


async def claim_due(database: Database, waits: Waits, active: Sequence[int] = ()) -> list[Batch]:
    """Return open batches whose step is due, but for the active ones; their next due time is written already."""
    found = await database.fetch(_SQL["claim_due"], waits.poll, waits.retry, waits.max_retry, list(active))
    return sorted((batch_of(row) for row in found), key=lambda batch: batch.id)


async def next_quantity(database: Database, tier: str) -> int:
    """Return how many credits the next create needs."""
    return await database.fetch_value(_SQL["next_quantity"], tier)


async def find_heads(database: Database) -> frozenset[int]:
    """Return the batches that stand first in the provider's line: only those can be expected to move."""
    return frozenset(row["id"] for row in await database.fetch(_SQL["find_heads"]))


async def is_idle(database: Database) -> bool:
    """Whether nothing is under way and nothing waits."""
    return await database.fetch_value(_SQL["is_idle"])


async def list_batches(database: Database, states: Sequence[str] | None = None, limit: int = 50) -> list[Batch]:
    """Return the newest batches, of some states or of all."""
    found = await database.fetch(_SQL["list_batches"], list(states) if states is not None else None, limit)
    return [batch_of(row) for row in found]


async def get_batch(database: Database, batch: int) -> Batch | None:
    """Return one batch."""
    row = await database.fetch_row(_SQL["get_batch"], batch)
    return batch_of(row) if row is not None else None


async def count_open(database: Database) -> dict[str, OpenCount]:
    """Return how many batches are under way, by pass."""
    return {
        row["pass"]: OpenCount(row["open"], row["planned"], row["submitting"])
        for row in await database.fetch(_SQL["count_open"])
    }


async def load_payload(database: Database, batch: int) -> list[str]:
    """Return the addresses of a batch in the order they are sent."""
    return [row["email"] for row in await database.fetch(_SQL["load_payload"], batch)]


async def list_clients(database: Database, batch: int) -> list[str]:
    """Return the clients with requests in a batch."""
    return [row["client"] for row in await database.fetch(_SQL["list_clients"], batch)]


async def begin_create(database: Database, batch: int, credits_before: int | None) -> int | None:
    """Commit that a create is about to be sent and return its number; None: not now, another one is."""
    try:
        return await database.fetch_value(_SQL["begin_create"], batch, credits_before)
    except asyncpg.UniqueViolationError:
        return None


async def record_created(
    database: Database, batch: int, create: int, ref: str, report: StatusReport, wait: timedelta
) -> bool:
    """Keep the provider's answer; False where somebody else settled the create meanwhile."""
    answer = (ref, clean_text(report.status, 100), report.quantity, report.duplicates)
    return await database.fetch_row(_SQL["record_created"], batch, create, *answer, wait) is not None


async def record_not_created(database: Database, batch: int, create: int, trouble: Trouble, wait: timedelta) -> None:
    """The provider surely has no such batch: it may be created again after the wait."""
    await database.fetch(_SQL["record_not_created"], batch, create, wait, *trouble.columns, int(trouble.is_failure))


async def record_unknown(database: Database, batch: int, create: int, trouble: Trouble) -> None:
    """Nobody knows whether the provider has the batch."""
    await database.fetch(_SQL["record_unknown"], batch, create, *trouble.columns)


async def record_interrupted(database: Database, in_flight: Sequence[int]) -> list[int]:
    """Mark creates that no living process waits for as unknown, and return their batches."""
    return [row["id"] for row in await database.fetch(_SQL["record_interrupted"], list(in_flight))]


async def explain_credits(database: Database, tier: str) -> int:
    """Return how many credits our own creates since the last reading may have taken."""
    return await database.fetch_value(_SQL["explain_credits"], tier)


async def wants_credits(database: Database, tier: str) -> bool:
    """Whether an unknown create still lacks the credits after it, which are a hint."""
    return await database.fetch_value(_SQL["wants_credits"], tier)


async def record_credits_after(database: Database, credits_left: int) -> None:
    """Keep the credits as they are after a create whose answer never came."""
    await database.fetch(_SQL["record_credits_after"], credits_left)


async def record_status(database: Database, batch: int, report: StatusReport, wait: timedelta) -> str | None:
    """Keep what the provider says and return the state that follows."""
    return await database.fetch_value(
        _SQL["record_status"],
        batch,
        clean_text(report.status, 100),
        report.processed,
        report.credits,
        report.duplicates,
        report.is_complete,
        wait,
    )


async def note_stuck(database: Database, tier: str, after: timedelta) -> Row | None:
    """Return the batch at the head of the line where it is news that nothing moves."""
    return await database.fetch_row(_SQL["note_stuck"], tier, after)


async def note_missing(
    database: Database, batch: int, trouble: Trouble, *, lost_after: timedelta, wait: timedelta
) -> str | None:
    """The provider does not know the batch; return the state that follows: `lost` at the second time."""
    return await database.fetch_value(_SQL["note_missing"], batch, lost_after, wait, *trouble.columns)


async def postpone_step(database: Database, batch: int, state: str, trouble: Trouble, wait: timedelta) -> None:
    """Try the next step again later."""
    await database.fetch(_SQL["postpone_step"], batch, state, wait, *trouble.columns, int(trouble.is_failure))


async def reopen_batch(database: Database, batch: int, wait: timedelta) -> None:
    """Go on polling a batch that is not complete after all."""
    await database.fetch(_SQL["reopen_batch"], batch, wait)


async def record_download(database: Database, batch: int, parts: Sequence[bytes], size: int, sha256: str) -> bool:
    """Keep a whole download, a gzip stream in pieces; False where the batch went on without us."""
    async with database.transaction() as connection:
        await connection.execute(_SQL["delete_parts"], batch)
        for number, part in enumerate(parts):
            await connection.execute(_SQL["add_part"], batch, number, part)
        return await connection.fetchval(_SQL["record_download"], batch, size, sha256) is not None


async def get_part(database: Database, batch: int, part: int) -> bytes | None:
    """Return a piece of a download, None behind the last."""
    return await database.fetch_value(_SQL["get_part"], batch, part)


async def discard_download(database: Database, batch: int, trouble: Trouble, wait: timedelta) -> None:
    """Forget a download that does not do, and download again later."""
    async with database.transaction() as connection:
        await connection.execute(_SQL["discard_download"], batch, wait, *trouble.columns)
        await connection.execute(_SQL["delete_parts"], batch)


async def record_cleaned(database: Database, batch: int) -> None:
    """The provider has forgotten the batch."""
    async with database.transaction() as connection:
        await connection.execute(_SQL["record_cleaned"], batch)
        await connection.execute(_SQL["delete_members"], batch)


async def begin_cancel(database: Database, batch: int) -> bool:
    """Ask for a running batch to be ended early; False where it does not run."""
    return await database.fetch_row(_SQL["begin_cancel"], batch) is not None


async def record_finish(database: Database, batch: int, wait: timedelta) -> None:
    """The provider took the wish to end the batch."""
    await database.fetch(_SQL["record_finish"], batch, wait)


async def adopt_by_intent(database: Database, intent: UUID, ref: str) -> bool:
    """The provider named a batch by our own token; True where that settled an unknown create."""
    return await database.fetch_row(_SQL["adopt_by_intent"], intent, ref) is not None


async def hasten_poll(database: Database, intent: UUID) -> bool:
    """The provider says that a batch is complete: poll it now."""
    return await database.fetch_row(_SQL["hasten_poll"], intent) is not None

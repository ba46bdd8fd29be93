"""Results on their way in: COPY, merge, verdicts and counters of one batch, all in one transaction."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple, Protocol, cast

from validatord.mail.request import Finding, VerificationRequest
from validatord.store import outcomes, queries, rows
from validatord.store.bouncer_batches import Batch, batch_of
from validatord.store.database import Database, Queryable
from validatord.store.outcomes import Finished, Outcome

_SQL = queries.load("bouncer_ingest")
_BATCHES = queries.load("bouncer_batches")
_QUEUE = queries.load("bouncer_queue")
_LIMITS = queries.load("bouncer_limits")


class Incoming(NamedTuple):
    """One row of a download, in the order of `bouncer_incoming`."""

    batch_id: int
    seq: int
    key: str
    email: str
    is_quarantined: bool
    weight: int
    digest: str
    bouncer_status: str = ""
    bouncer_reason: str | None = None
    domain_info: dict[str, Any] | None = None
    account_info: dict[str, Any] | None = None
    dns_info: dict[str, Any] | None = None
    provider: str | None = None
    score: int | None = None
    toxic: str | None = None
    toxicity: int | None = None
    extra: dict[str, Any] | None = None
    notes: list[str] | None = None


@dataclass(frozen=True, slots=True)
class RowCounts:
    """What came, against what was sent; `charged` rows are those that cost a credit."""

    answered: int
    charged: int
    missing: int
    foreign: int
    doubled: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class Reuse:
    """How long an answer serves others who ask about the address."""

    valid: timedelta
    invalid: timedelta
    risky: timedelta
    accept_all: timedelta


@dataclass(frozen=True, slots=True)
class Answered:
    """A request with its result, as columns, and what our own probe said before."""

    request: VerificationRequest
    own: Finding | None
    queue_id: int
    email: str
    result: rows.Columns


class _Copier(Protocol):
    async def copy_records_to_table(
        self, table_name: str, *, records: Sequence[Sequence[object]], columns: Sequence[str]
    ) -> str:
        """Send rows in PostgreSQL's binary form."""
        ...


class Ingest:
    """The open transaction of one batch; leaving it with an exception undoes everything."""

    def __init__(self, connection: Queryable, batch: Batch) -> None:
        self.batch = batch
        self._connection = connection
        self._outcomes: list[Outcome] = []

    async def copy(self, incoming: Sequence[Incoming]) -> None:
        """Bring rows in."""
        await cast("_Copier", self._connection).copy_records_to_table(
            "bouncer_incoming", records=incoming, columns=Incoming._fields
        )

    async def merge(self, reuse: Reuse) -> RowCounts:
        """Make one result per member of them, and count."""
        if self.batch.tier == "main":
            await self._connection.execute(_QUEUE["assign_members"], self.batch.id)
        spans = (reuse.valid, reuse.invalid, reuse.risky, reuse.accept_all)
        await self._connection.execute(_SQL["merge_results"], self.batch.id, *spans)
        row = await self._connection.fetchrow(_SQL["count_rows"], self.batch.id)
        if row is None:
            return RowCounts(0, 0, 0, 0, 0, 0)
        return RowCounts(
            row["answered"], row["charged"], row["missing"], row["foreign_rows"], row["doubled"], row["quarantined"]
        )

    async def fetch_answered(self, after: tuple[str, int], limit: int) -> Sequence[rows.Columns]:
        """Return requests that have their result, by address, behind a place; `read_answered` reads them."""
        return await self._connection.fetch(_SQL["fetch_answered"], self.batch.id, *after, limit)

    async def finish(self, finished: Sequence[Finished]) -> None:
        """Give requests their outcome, with our own finding beside the verdict."""
        self._outcomes += await outcomes.finish(self._connection, finished)
        await self._connection.execute(_SQL["set_probes"], [item.request.request_id for item in finished])

    async def queue_deep(self, clients: Sequence[str]) -> None:
        """Ask the deep pass about accept-all domains, for those clients."""
        if clients:
            await self._connection.execute(_SQL["queue_deep"], self.batch.id, list(clients))

    async def complete(self) -> None:
        """Take what has an answer out of the queue, and park what has an unreadable one."""
        await self._connection.execute(_SQL["complete_answered"], self.batch.id)
        await self._connection.execute(_SQL["park_quarantined"], self.batch.id)

    async def park_missing(self, reason: str, after: int) -> None:
        """Set requests without an answer aside, once they were missing so often before."""
        await self._connection.execute(_SQL["park_missing"], self.batch.id, reason, after)

    async def requeue_missing(self, *, is_counted: bool) -> None:
        """Put requests without an answer back into the queue."""
        await self._connection.execute(_SQL["requeue_missing"], self.batch.id, int(is_counted))

    async def close(self, counts: RowCounts, keep: timedelta) -> None:
        """Budgets, members, counters, state: the batch is ingested."""
        await self._connection.execute(_LIMITS["return_credits"], self.batch.id)
        await self._connection.execute(_BATCHES["retire_members"], self.batch.id)
        await self._connection.execute(_SQL["resolve_recovered"], self.batch.id)
        await self._connection.execute(_SQL["clear_incoming"], self.batch.id)
        await self._connection.execute(_BATCHES["delete_parts"], self.batch.id)
        await self._connection.execute(
            _SQL["record_ingested"],
            self.batch.id,
            keep,
            counts.answered,
            counts.missing,
            counts.foreign,
            counts.doubled,
            counts.quarantined,
        )
        await outcomes.count(self._connection, self._outcomes)


def read_answered(row: rows.Columns) -> Answered:
    """Read a request with its answer; takes a while for many, so not on the event loop."""
    own = rows.finding_from_json(row["probe"]) if row["probe"] else None
    return Answered(rows.request_of(row), own, row["queue_id"], row["email"], row)


async def answer_known(database: Database, limit: int, make: Callable[[Sequence[Answered]], Sequence[Finished]]) -> int:
    """Answer requests about addresses that were bought before and are still good; return how many."""
    async with database.transaction() as connection:
        await connection.execute(_QUEUE["forget_known"])
        answered = [read_answered(row) for row in await connection.fetch(_QUEUE["lock_known"], limit)]
        if not answered:
            return 0
        finished = make(answered)
        new = await outcomes.finish(connection, finished)
        await connection.execute(_SQL["set_probes"], [item.request.request_id for item in finished])
        await connection.execute(_QUEUE["complete_queue"], [item.queue_id for item in answered])
        await outcomes.count(connection, new)
        return len(answered)


@asynccontextmanager
async def open_ingest(database: Database, batch: int) -> AsyncGenerator[Ingest | None]:
    """Begin the ingest of a downloaded batch; None where it is not downloaded any more."""
    async with database.transaction() as connection:
        await connection.execute(_QUEUE["plan_anew"])
        row = await connection.fetchrow(_SQL["lock_downloaded"], batch)
        yield Ingest(connection, batch_of(row)) if row is not None else None

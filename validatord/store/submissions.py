"""Submissions and their requests: taking them in, how far they are, what came out."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from validatord import crash, errors
from validatord.mail.address import Mailbox
from validatord.mail.request import Contribution, Finding, LabelKey
from validatord.store import outcomes, queries, rows
from validatord.store.database import Database, Queryable, Row
from validatord.store.outcomes import Validation
from validatord.store.values import clean_text

_SQL = queries.load("submissions")
_ADDRESS_LIMIT = 1000  # characters kept of what was sent in
# From which place in a client's line on its requests stand back a little behind those of shorter lines: each
# step four times the last, so that two long lines share what there is about evenly.
_LONG_STEPS = tuple(100 * 4**step for step in range(9))


@dataclass(frozen=True, slots=True)
class ChunkItem:
    """One address of a chunk.

    `mailbox` is None where the text is none; then, or where a verdict is known already, `finding` is set
    and the request is done at once.
    """

    idx: int
    address: str
    mailbox: Mailbox | None = None
    contact_id: UUID | None = None
    finding: Finding | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a submission; `expected` is how many requests the whole has, where that is known.

    With `is_strict` what is queued is not answered by a verdict from before; `campaign_at` is when it will be sent to.
    """

    client: str
    submission: str
    priority: int
    items: tuple[ChunkItem, ...]
    expected: int | None = None
    campaign_at: datetime | None = None
    is_strict: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which terms a verdict is used again: for how long by status (None: as it was written down).

    `ttl` is when it counts as out of date (None: as it was written down), and `until` when it must not be yet.
    """

    valid: timedelta | None = None
    invalid: timedelta | None = None
    risky: timedelta | None = None
    accept_all: timedelta | None = None
    ttl: timedelta | None = None
    until: datetime | None = None

    @property
    def is_usual(self) -> bool:
        """Whether these are the terms of everybody."""
        return all(span is None for span in (self.valid, self.invalid, self.risky, self.accept_all, self.until))


USUAL = Terms()


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """How many requests were new, how many were known from before, how many of the new were answered at once."""

    added: int
    known: int
    answered: int
    submission_id: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a submission is.

    `counts` has the finished requests by all that a policy looks at; `by_status` and `by_reason`, by (status,
    reason), add them up. `waiting` says why what is not finished waits: the reason of its
    deferral, `handed_over`, or `not_tried`. `next_due` lies in the past where something is due now.
    """

    requests: int
    finished: int
    by_status: dict[str, int] = field(default_factory=dict[str, int])
    by_reason: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    waiting: dict[str, int] = field(default_factory=dict[str, int])
    next_due: datetime | None = None
    submission_id: int = 0
    created_at: datetime | None = None
    finished_at: datetime | None = None
    counts: dict[LabelKey, int] = field(default_factory=dict[LabelKey, int])


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One request with its finding, finished or not."""

    request_id: int
    idx: int
    address: str
    email: str | None
    contact_id: UUID | None
    state: str
    status: str | None
    reason: str | None
    reasons: tuple[str, ...]
    confidence: int | None
    is_disposable: bool
    is_role: bool
    is_free: bool
    suggestion: str | None
    mx_host: str | None
    reply: str | None
    source: str | None
    attempts: int
    deferral_reason: str | None
    due_at: datetime | None
    checked_at: datetime | None
    finished_at: datetime | None
    contributions: tuple[Contribution, ...] = ()


@dataclass(frozen=True, slots=True)
class Submission:
    """One line of a list of submissions."""

    submission_id: int
    client: str
    submission: str
    priority: int
    requests: int
    finished: int
    created_at: datetime
    finished_at: datetime | None


async def add_chunk(database: Database, chunk: Chunk) -> ChunkResult:
    """Take in a chunk in one transaction; taking it in again changes nothing.

    What makes a request the same is (client, submission, idx).
    """
    queued = [item for item in chunk.items if item.finding is None]
    answered = [item for item in chunk.items if item.finding is not None]
    async with database.transaction() as connection:
        submission_id = await _get_submission_id(connection, chunk)
        ahead: int = await connection.fetchval(_SQL["count_ahead"], submission_id)
        line = _Line(chunk.priority, ahead, chunk.is_strict)
        new_queued = await _insert_queued(connection, submission_id, line, queued)
        await _queue_domains(connection, line, new_queued)
        new_answered = await _insert_answered(connection, submission_id, answered)
        added = len(new_queued) + len(new_answered)
        await connection.execute(_SQL["count_added"], submission_id, added, chunk.expected, chunk.campaign_at)
        await outcomes.count(
            connection, [(submission_id, item.finding.label_key) for item in new_answered if item.finding]
        )
        crash.point("intake.before_commit")
    crash.point("intake.after_commit")
    return ChunkResult(added, len(chunk.items) - added, len(new_answered), submission_id)


async def find_fresh(source: Database | Queryable, emails: Sequence[str], terms: Terms = USUAL) -> dict[str, Finding]:
    """Return verdicts that may be used again, by mailbox as text."""
    if not emails:
        return {}
    found = await source.fetch(_SQL["find_fresh"], list(emails), *astuple(terms))
    return {row["email"]: rows.finding_of(row) for row in found}


async def get_progress(database: Database, client: str, submission: str) -> Progress | None:
    """Return how far a submission is, or None where there is none of that name."""
    row = await database.fetch_row(_SQL["get_submission"], client, submission)
    if row is None:
        return None
    counts = await load_counts(database, row["id"])
    by_reason: Counter[tuple[str, str]] = Counter()
    for key, number in counts.items():
        by_reason[key.status, key.reason] += number
    deferred = [] if row["finished_at"] else await database.fetch(_SQL["load_waiting"], row["id"])
    waiting = {item["reason"]: item["requests"] for item in deferred}
    dues = [item["next_due"] for item in deferred if item["next_due"] is not None]
    not_tried = row["requests"] - row["finished"] - sum(waiting.values())
    if not_tried > 0:
        waiting["not_tried"] = not_tried
        dues.append(row["created_at"])
    return Progress(
        requests=row["requests"],
        finished=row["finished"],
        by_status=add_up(by_reason),
        by_reason=dict(by_reason),
        waiting=waiting,
        next_due=min(dues, default=None),
        submission_id=row["id"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        counts=counts,
    )


async def load_counts(database: Database, submission_id: int) -> dict[LabelKey, int]:
    """Return the finished requests of a submission by all that a policy looks at."""
    found = await database.fetch(_SQL["load_counts"], submission_id)
    return {rows.label_key_of(row): row["requests"] for row in found}


def add_up(by_reason: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """Return counts by status from counts by (status, reason)."""
    by_status: Counter[str] = Counter()
    for (status, _), number in by_reason.items():
        by_status[status] += number
    return dict(by_status)


async def find_next_chance(database: Database, submission_id: int) -> datetime | None:
    """Return when the first unfinished request can be asked again; in the past if now; None: none is queued."""
    return await database.fetch_value(_SQL["find_next_chance"], submission_id)


async def fetch_results(database: Database, submission_id: int, after_idx: int, limit: int) -> list[ResultRow]:
    """Return the requests after a place (-1: from the first), by their place: one key range, no cursor."""
    found = await database.fetch(_SQL["fetch_results"], submission_id, after_idx, limit)
    return [_result_of(row) for row in found]


async def find_submission(database: Database, submission_id: int) -> Submission | None:
    """Return the submission of that number, if any."""
    row = await database.fetch_row(_SQL["find_submission"], submission_id)
    return _submission_of(row) if row is not None else None


async def list_submissions(
    database: Database,
    limit: int = 50,
    *,
    client: str | None = None,
    before_id: int | None = None,
    without: str = "",
) -> list[Submission]:
    """Return the newest submissions, of one client or of all, before that number; `without` names that begin so."""
    found = await database.fetch(_SQL["list_submissions"], client, before_id, limit, without)
    return [_submission_of(row) for row in found]


async def count_unfinished(database: Database) -> int:
    """Return how many requests wait in the whole ledger."""
    return await database.fetch_value(_SQL["count_unfinished"])


def lower_priority(priority: int, idx: int) -> int:
    """Return the priority of a request by its place in its client's line, so that short lines pass long ones."""
    return max(0, priority - bisect_right(_LONG_STEPS, idx))


@dataclass(frozen=True, slots=True)
class _Line:
    """A client's line under one priority: what the client has unfinished in other submissions stands ahead."""

    priority: int
    ahead: int
    is_strict: bool

    def weigh(self, item: ChunkItem) -> int:
        return lower_priority(self.priority, self.ahead + item.idx)


async def _get_submission_id(connection: Queryable, chunk: Chunk) -> int:
    key = (chunk.client, chunk.submission)
    known = await connection.fetchval(_SQL["find_submission_id"], *key)
    if known is None:
        await connection.execute(_SQL["add_client"], chunk.client)
        await connection.execute(_SQL["add_submission"], *key, chunk.priority)
        known = await connection.fetchval(_SQL["find_submission_id"], *key)
    return known


async def _insert_queued(
    connection: Queryable, submission_id: int, line: _Line, items: Sequence[ChunkItem]
) -> list[ChunkItem]:
    table = [(*_address_columns(item), line.weigh(item)) for item in items if _require_mailbox(item)]
    return await _insert(
        connection, "insert_queued", submission_id, items, [*rows.columns_of(table, 6), line.is_strict]
    )


async def _insert_answered(connection: Queryable, submission_id: int, items: Sequence[ChunkItem]) -> list[ChunkItem]:
    table = [
        (*_address_columns(item), 0, *rows.outcome_columns(item.finding)) for item in items if item.finding is not None
    ]
    added = await _insert(connection, "insert_answered", submission_id, items, rows.columns_of(table, 20))
    await outcomes.save_validations(connection, [validation for item in added if (validation := _validation_of(item))])
    return added


async def _insert(
    connection: Queryable, block: str, submission_id: int, items: Sequence[ChunkItem], columns: Sequence[object]
) -> list[ChunkItem]:
    if not items:
        return []
    new = {row["idx"] for row in await connection.fetch(_SQL[block], submission_id, *columns)}
    return [item for item in {item.idx: item for item in items}.values() if item.idx in new]


async def _queue_domains(connection: Queryable, line: _Line, items: Sequence[ChunkItem]) -> None:
    urgency: dict[str, int] = {}
    for item in items:
        if item.mailbox is not None:
            weight = line.weigh(item)
            urgency[item.mailbox.domain] = max(weight, urgency.get(item.mailbox.domain, 0))
    if urgency:
        await connection.execute(_SQL["queue_domains"], list(urgency), list(urgency.values()))


def _require_mailbox(item: ChunkItem) -> Mailbox:
    if item.mailbox is None:
        raise errors.StoreError(f"item {item.idx} is no mailbox and has no finding that says so")
    return item.mailbox


def _address_columns(item: ChunkItem) -> tuple[object, ...]:
    address = clean_text(item.address, _ADDRESS_LIMIT)
    if item.mailbox is None:
        return (item.idx, address, None, "", item.contact_id)
    return (item.idx, address, str(item.mailbox), item.mailbox.domain, item.contact_id)


def _validation_of(item: ChunkItem) -> Validation | None:
    if item.finding is None:
        return None
    if item.mailbox is None:
        return Validation(item.contact_id, item.address, "", 0, item.finding)
    return Validation(item.contact_id, str(item.mailbox), item.mailbox.domain, 0, item.finding)


def _result_of(row: Row) -> ResultRow:
    return read_result(dict(row.items()))


def read_result(values: dict[str, Any]) -> ResultRow:
    """Return a request out of the columns that the block `fetch_results` selects; they are used up."""
    request_id, attempts, reasons = values.pop("id"), values.pop("attempt"), values.pop("reasons")
    values["contributions"] = rows.contributions_of(values["contributions"])
    return ResultRow(request_id=request_id, attempts=attempts, reasons=tuple(reasons or ()), **values)


def _submission_of(row: Row) -> Submission:
    return Submission(
        row["id"],
        row["client"],
        row["submission"],
        row["priority"],
        row["requests"],
        row["finished"],
        row["created_at"],
        row["finished_at"],
    )

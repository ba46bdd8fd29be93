"""Finished requests and verdicts, page by page, with the facts behind their scores; and other scores written back.

Optimistic: what changed since it was read stays as it is. Counts move in the same transaction as their requests.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from validatord.mail.request import Finding
from validatord.store import evidence, outcomes, queries, rows
from validatord.store.database import Database, Queryable, Row
from validatord.store.values import Json, clean_text

_SQL = queries.load("rescore")
_OUTCOMES = queries.load("outcomes")
_RETRACT = queries.load("retract")
FIRST_REQUEST = 0
FIRST_VALIDATION = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Scored:
    """A row with its score; `finding` holds no more of the evidence than that. `submission_id` 0: a verdict.

    `stored` is what the column `score_facts` holds, to see whether it still does.
    """

    id: int | UUID
    submission_id: int
    email: str
    domain: str
    finding: Finding
    stored: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Rescored:
    """A row and what its finding is to be."""

    row: Scored
    finding: Finding


async def fetch_requests(database: Database, after: int, limit: int) -> list[Scored]:
    """Return finished requests after a number, by their number."""
    found = await database.fetch(_SQL["fetch_requests"], after, limit)
    return [_scored_of(row, row["submission_id"]) for row in found]


async def fetch_validations(database: Database, after: UUID, limit: int) -> list[Scored]:
    """Return verdicts after an id, by their id."""
    return [_scored_of(row, 0) for row in await database.fetch(_SQL["fetch_validations"], after, limit)]


async def write_requests(database: Database, changes: Sequence[Rescored]) -> int:
    """Give requests their new scores, counts included; return how many were still what they were."""
    async with database.transaction() as connection:
        written = await connection.fetch(_SQL["rescore_requests"], *_columns(changes))
        ids = {row["id"] for row in written}
        await _recount(connection, [change for change in changes if change.row.id in ids])
    return len(ids)


async def write_validations(database: Database, changes: Sequence[Rescored]) -> int:
    """Give verdicts their new scores; return how many were still what they were."""
    return len(await database.fetch(_SQL["rescore_validations"], *_columns(changes)))


async def estimate_rows(database: Database) -> int:
    """Return about how many rows there are to look at."""
    return await database.fetch_value(_SQL["estimate_rows"])


async def _recount(connection: Queryable, changes: Sequence[Rescored]) -> None:
    moved = [one for one in changes if one.row.finding.label_key != one.finding.label_key]
    if not moved:
        return
    await connection.fetch(_OUTCOMES["lock_submissions"], sorted({one.row.submission_id for one in moved}))
    before = Counter((one.row.submission_id, one.row.finding.label_key) for one in moved)
    after = Counter((one.row.submission_id, one.finding.label_key) for one in moved)
    await connection.execute(_RETRACT["uncount_outcomes"], *outcomes.count_columns(before))
    await connection.execute(_OUTCOMES["count_outcomes"], *outcomes.count_columns(after))


def _scored_of(row: Row, submission_id: int) -> Scored:
    flags = rows.flags_of(row)
    finding = Finding(
        status=row["status"],
        reason=row["reason"],
        reasons=tuple(row["reasons"] or ()),
        confidence=row["confidence"],
        flags=flags,
        checked_at=row["checked_at"],
        contributions=rows.contributions_of(row["contributions"]),
        score_facts=evidence.facts_of(row["score_facts"], flags),
    )
    return Scored(row["id"], submission_id, row["email"] or "", row["domain"], finding, row["score_facts"])


def _columns(changes: Sequence[Rescored]) -> list[list[object]]:
    return rows.columns_of([_to_row(change) for change in changes], 12)


def _to_row(change: Rescored) -> tuple[object, ...]:
    facts, flags = change.finding.score_facts, change.finding.flags
    return (
        change.row.id,
        Json(change.row.stored),
        change.finding.status,
        change.finding.reason,
        Json(list(change.finding.reasons)),
        change.finding.confidence,
        flags.is_disposable,
        flags.is_role,
        flags.is_free,
        clean_text(flags.suggestion) or None,
        Json(change.finding.contributions),
        Json(evidence.facts_to_json(facts)) if facts is not None else None,
    )

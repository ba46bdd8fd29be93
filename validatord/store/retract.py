"""Taking verdicts back: what was concluded from a refusal of us, and what an operator wants asked again.

Repeatable: what is not finished any more, or says already that nothing is known, stays as it is.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from validatord.mail.request import Finding, LabelKey
from validatord.store import evidence, outcomes, queries, rows
from validatord.store.database import Database, Queryable, Row

_SQL = queries.load("retract")
_OUTCOMES = queries.load("outcomes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retraction:
    """Which requests are taken back, and since when verdicts about their mailboxes count for nothing.

    They are due again at `due_at`; whoever was deferred `most_deferrals` times already ends as `said`, which
    is `unknown`.
    """

    request_ids: tuple[int, ...]
    since: datetime
    due_at: datetime
    most_deferrals: int
    said: Finding


@dataclass(frozen=True, slots=True)
class TakenBack:
    """How many requests are queued again, and how many ended as `unknown`."""

    queued: int = 0
    ended: int = 0


async def take_back(database: Database, retraction: Retraction) -> TakenBack:
    """Take verdicts back in one transaction, counts of submissions included."""
    ids, reason = list(retraction.request_ids), str(retraction.said.reason)
    async with database.transaction() as connection:
        await connection.fetch(_SQL["lock_domains"], ids)
        found = await connection.fetch(_SQL["lock_requests"], ids, reason)
        if not found:
            return TakenBack()
        queued = [row for row in found if row["deferrals"] < retraction.most_deferrals]
        ended = [row for row in found if row["deferrals"] >= retraction.most_deferrals]
        await _queue(connection, queued, retraction.due_at, reason, is_anew=False)
        await _end(connection, ended, retraction)
        emails = sorted({row["email"] for row in found})
        await connection.execute(_SQL["retract_validations"], emails, retraction.since, *_columns(retraction.said))
        await _uncount(connection, (*queued, *ended))
        await outcomes.count(connection, [(row["submission_id"], _key_of(row, retraction.said)) for row in ended])
    return TakenBack(len(queued), len(ended))


async def queue_again(database: Database, request_ids: Sequence[int]) -> int:
    """Queue requests that ended as `unknown` as if never tried, counts included; return how many."""
    ids = sorted(request_ids)
    async with database.transaction() as connection:
        await connection.fetch(_SQL["lock_domains"], ids)
        found = await connection.fetch(_SQL["lock_undecided"], ids)
        if not found:
            return 0
        now = await connection.fetchval(_SQL["time_now"])
        await _queue(connection, found, now, None, is_anew=True)
        await _uncount(connection, found)
    return len(found)


async def _queue(
    connection: Queryable, found: Sequence[Row], due_at: datetime, reason: str | None, *, is_anew: bool
) -> None:
    if found:
        ids = [row["id"] for row in found]
        await connection.execute(_SQL["requeue"], ids, due_at, reason, is_anew)
        await connection.execute(_SQL["queue_domains"], ids, due_at)


async def _end(connection: Queryable, found: Sequence[Row], retraction: Retraction) -> None:
    if found:
        await connection.execute(_SQL["end_unknown"], [row["id"] for row in found], *_columns(retraction.said))


def _columns(said: Finding) -> tuple[object, ...]:
    facts = evidence.facts_to_json(said.score_facts) if said.score_facts is not None else None
    return (str(said.reason), list(said.reasons), said.confidence, list(said.contributions), facts)


async def _uncount(connection: Queryable, found: Sequence[Row]) -> None:
    """Take finished requests out of the counts, under the outcome they had."""
    await connection.fetch(_OUTCOMES["lock_submissions"], sorted({row["submission_id"] for row in found}))
    before = Counter((row["submission_id"], rows.label_key_of(row)) for row in found)
    await connection.execute(_SQL["uncount_outcomes"], *outcomes.count_columns(before))
    totals = sorted(Counter(row["submission_id"] for row in found).items())
    await connection.execute(_SQL["uncount_finished"], *map(list, zip(*totals, strict=True)))


def _key_of(row: Row, said: Finding) -> LabelKey:
    flags = (row["is_disposable"], row["is_role"], row["is_free"])
    return LabelKey(str(said.status), str(said.reason), said.confidence, *flags)

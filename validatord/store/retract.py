"""Taking verdicts back: what was concluded from a refusal of us, and what an operator wants asked again.

Repeatable: what is not finished any more, or says already that nothing is known, stays as it is.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from validatord.mail.verdict import Reason, Status
from validatord.store import outcomes, queries
from validatord.store.database import Database, Queryable, Row
from validatord.store.values import Json

_SQL = queries.load("retract")
_OUTCOMES = queries.load("outcomes")
_TOKEN = "retracted"  # noqa: S105 a word in `reasons`


@dataclass(frozen=True, slots=True, kw_only=True)
class Retraction:
    """Which requests are taken back, and since when verdicts about their mailboxes count for nothing.

    They are due again at `due_at`; whoever was deferred `most_deferrals` times already stays `unknown`, with
    `reason` and `confidence`.
    """

    request_ids: tuple[int, ...]
    since: datetime
    due_at: datetime
    most_deferrals: int
    confidence: int
    reason: Reason = Reason.POLICY_REJECTED


@dataclass(frozen=True, slots=True)
class TakenBack:
    """How many requests are queued again, and how many ended as `unknown`."""

    queued: int = 0
    ended: int = 0


async def take_back(database: Database, retraction: Retraction) -> TakenBack:
    """Take verdicts back in one transaction, counts of submissions included."""
    ids, reason = list(retraction.request_ids), str(retraction.reason)
    async with database.transaction() as connection:
        await connection.fetch(_SQL["lock_domains"], ids)
        found = await connection.fetch(_SQL["lock_requests"], ids, reason)
        if not found:
            return TakenBack()
        queued = [row for row in found if row["deferrals"] < retraction.most_deferrals]
        ended = [row for row in found if row["deferrals"] >= retraction.most_deferrals]
        await _queue(connection, queued, retraction)
        await _end(connection, ended, retraction)
        emails = sorted({row["email"] for row in found})
        said = (reason, Json([reason, _TOKEN]), retraction.confidence)
        await connection.execute(_SQL["retract_validations"], emails, retraction.since, *said)
        await _count(connection, queued, ended, reason)
    return TakenBack(len(queued), len(ended))


async def queue_again(database: Database, request_ids: Sequence[int]) -> int:
    """Queue requests that ended as `unknown` as if never tried, counts included; return how many."""
    ids = sorted(request_ids)
    async with database.transaction() as connection:
        await connection.fetch(_SQL["lock_domains"], ids)
        found = await connection.fetch(_SQL["lock_undecided"], ids)
        if not found:
            return 0
        ids = [row["id"] for row in found]
        await connection.execute(_SQL["start_again"], ids)
        await connection.execute(_SQL["queue_domains"], ids, await connection.fetchval(_SQL["time_now"]))
        await _count(connection, found, (), "")
    return len(found)


async def _queue(connection: Queryable, found: Sequence[Row], retraction: Retraction) -> None:
    if found:
        ids = [row["id"] for row in found]
        await connection.execute(_SQL["requeue"], ids, retraction.due_at, str(retraction.reason))
        await connection.execute(_SQL["queue_domains"], ids, retraction.due_at)


async def _end(connection: Queryable, found: Sequence[Row], retraction: Retraction) -> None:
    if found:
        reason = str(retraction.reason)
        said = (reason, Json([reason, _TOKEN]), retraction.confidence)
        await connection.execute(_SQL["end_unknown"], [row["id"] for row in found], *said)


async def _count(connection: Queryable, queued: Sequence[Row], ended: Sequence[Row], reason: str) -> None:
    """Take the old outcomes out of the counts, and put those that stay finished in under their new one."""
    await connection.fetch(_OUTCOMES["lock_submissions"], sorted({row["submission_id"] for row in (*queued, *ended)}))
    before = Counter((row["submission_id"], row["status"], row["reason"]) for row in (*queued, *ended))
    table = sorted((*outcome, number) for outcome, number in before.items())
    await connection.execute(_SQL["uncount_outcomes"], *map(list, zip(*table, strict=True)))
    totals = sorted(Counter(row["submission_id"] for row in (*queued, *ended)).items())
    await connection.execute(_SQL["uncount_finished"], *map(list, zip(*totals, strict=True)))
    await outcomes.count(connection, [(row["submission_id"], Status.UNKNOWN.value, reason) for row in ended])

"""Stored verdicts judged again, because something was told about their mailboxes. Repeatable: twice changes nothing."""

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta

from validatord.mail.request import Finding, History
from validatord.store import events, evidence, queries, rows
from validatord.store.database import Database, Queryable
from validatord.store.values import Json

_SQL = queries.load("rejudge")
_AT_ONCE = 1000

Judge = Callable[[Finding, History], Finding | None]


async def rejudge(connection: Queryable, bad: Collection[str], good: Collection[str], judge: Judge) -> int:
    """Judge verdicts again inside a transaction of the caller, and return how many changed.

    `bad` are mailboxes of which a bounce or complaint was told, `good` those that showed life; `judge`
    returns the new verdict, or None where the old one stands.
    """
    locked = await connection.fetch(_SQL["lock_judged"], _fold(bad), _fold(good))
    histories = await events.load_histories(connection, sorted({row["email"] for row in locked}))
    changed: list[tuple[object, ...]] = []
    for row in locked:
        found = judge(rows.finding_of(row), histories.get(row["email"], History()))
        if found is not None:
            changed.append((row["id"], *_columns_of(found)))
    if changed:
        await connection.execute(_SQL["update_judged"], *rows.columns_of(changed, 8))
    return len(changed)


async def find_written_beside(database: Database, within: timedelta) -> list[str]:
    """Return mailboxes that bounced within that time and have an accepted verdict written since."""
    return [row["email"] for row in await database.fetch(_SQL["find_written_beside"], within, _AT_ONCE)]


def _fold(emails: Collection[str]) -> Sequence[str]:
    return sorted({email.lower() for email in emails})


def _columns_of(found: Finding) -> tuple[object, ...]:
    return (
        str(found.status),
        str(found.reason),
        Json([str(reason) for reason in found.reasons]),
        found.confidence,
        Json([list(one) for one in found.contributions]),
        Json(evidence.facts_to_json(found.score_facts)) if found.score_facts is not None else None,
        found.fresh_until,
    )

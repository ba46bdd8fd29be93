"""What needs a person, as it was last told: kept, so that a restart tells nothing twice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from validatord.store import queries
from validatord.store.database import Database

_SQL = queries.load("alerts")


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert of one node; `cleared_at` is None while it holds, `told_at` until a message was written."""

    node: str
    name: str
    severity: str
    summary: str
    value: float
    since: datetime
    told_at: datetime | None
    cleared_at: datetime | None


async def list_alerts(database: Database, lately: timedelta) -> list[AlertRow]:
    """Return what holds at all nodes, and what was over within that time."""
    return [AlertRow(**dict(row.items())) for row in await database.fetch(_SQL["list_alerts"], lately)]


async def load_alerts(database: Database, node: str) -> list[AlertRow]:
    """Return what held at a node when it was last written."""
    return [AlertRow(**dict(row.items())) for row in await database.fetch(_SQL["load_alerts"], node)]


async def save_alerts(
    database: Database, node: str, rows: Sequence[AlertRow], message: Mapping[str, Any] | None = None
) -> UUID | None:
    """Write how alerts are, and the message about it, in one stroke; return what names the message."""
    async with database.transaction() as connection:
        if rows:
            columns = [
                [getattr(row, name) for row in rows]
                for name in ("name", "severity", "summary", "value", "since", "told_at", "cleared_at")
            ]
            await connection.execute(_SQL["save_alerts"], node, *columns)
        if message is None:
            return None
        return await connection.fetchval(_SQL["tell_operator"], dict(message))


async def tell_operator(database: Database, message: Mapping[str, Any]) -> UUID:
    """Put a message for the operator into the outbox."""
    return await database.fetch_value(_SQL["tell_operator"], dict(message))


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a message at one target; `said` is what was last heard there, empty if nothing was tried."""

    target: str
    state: str
    said: str


async def find_told(database: Database, event_id: UUID) -> list[Told] | None:
    """Return what became of a message, target by target; None while nobody has taken it out of the outbox."""
    if await database.fetch_value(_SQL["is_waiting"], event_id):
        return None
    rows = await database.fetch(_SQL["find_told"], event_id)
    return [Told(row["target"], row["state"], _last_words(row["attempts"])) for row in rows]


def _last_words(attempts: Sequence[Mapping[str, Any]]) -> str:
    if not attempts:
        return ""
    last = attempts[-1]
    return str(last.get("error") or last.get("excerpt") or last.get("http_status") or "")

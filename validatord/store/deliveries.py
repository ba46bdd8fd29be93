"""Messages on their way: from the outbox to one delivery for each target, and what became of it (`deliveries`).

A message leaves the outbox in the stroke that makes its deliveries. A delivery is leased with its next due time
already written, so a crash costs a repeat under the same id and never a loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from validatord import crash
from validatord.store import queries
from validatord.store.database import Database, Row
from validatord.store.values import Json, clean_json

_SQL = queries.load("deliveries")
PENDING, DELIVERED, DEAD = "pending", "delivered", "dead"


@dataclass(frozen=True, slots=True)
class Event:
    """A message of the outbox."""

    id: int
    kind: str
    client: str | None
    payload: dict[str, Any]
    event_id: UUID
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Spread:
    """What becomes of a message: its public type and text; `channel` names who hears of it besides webhooks."""

    id: int
    type: str
    payload: dict[str, Any]
    channel: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message for one target.

    `attempts` are the last ones: `at`, `http_status`, `error`, `milliseconds`. `attempt` counts since the
    message was last made due by hand.
    """

    id: int
    target: str
    webhook_id: int | None
    event_id: UUID
    type: str
    client: str | None
    subject: str | None
    payload: dict[str, Any]
    happened_at: datetime
    state: str
    due_at: datetime | None
    attempt: int
    attempts: tuple[dict[str, Any], ...]
    reason: str | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a webhook is, and what signs its messages, the newest secret first."""

    url: str
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What to write of an attempt: the new state, why, and when to try again."""

    state: str
    reason: str | None
    wait: timedelta
    entry: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much is on its way, how old the oldest of it is, and how much is dead."""

    pending: int
    oldest_seconds: float
    dead: int


_KEPT_ATTEMPTS = 20
_KEPT_PER_TARGET = 10_000


async def find_work(database: Database) -> tuple[bool, bool]:
    """Return whether the outbox holds anything, and whether a delivery is due: one cheap question."""
    row = (await database.fetch(_SQL["find_work"]))[0]
    return row["has_events"], row["has_due"]


async def fetch_events(database: Database, limit: int) -> list[Event]:
    """Return the oldest messages of the outbox."""
    names = ("id", "kind", "client", "payload", "event_id", "created_at")
    found = await database.fetch(_SQL["fetch_events"], limit)
    return [Event(**{name: row[name] for name in names}) for row in found]


async def spread_events(database: Database, spreads: Sequence[Spread]) -> int | None:
    """Replace messages by their deliveries; return how many those are, or None where another node does it now."""
    async with database.transaction() as connection:
        if not await connection.fetchval(_SQL["take_spread_lock"]):
            return None
        made = await connection.fetch(
            _SQL["spread_events"],
            [spread.id for spread in spreads],
            [spread.type for spread in spreads],
            [Json(spread.payload) for spread in spreads],
            [spread.channel for spread in spreads],
        )
        crash.point("notifier.before_spread_commit")
        return len(made)


async def lease_deliveries(
    database: Database, limit: int, per_target: int, busy: Sequence[str], lease: timedelta
) -> list[Delivery]:
    """Take what is due of targets that are not busy; within a subject only the earliest."""
    found = await database.fetch(_SQL["lease_deliveries"], limit, per_target, list(busy), lease)
    return [_delivery_of(row) for row in found]


async def load_targets(database: Database, webhook_ids: Sequence[int]) -> dict[int, Place]:
    """Return where webhooks are, by id."""
    found = await database.fetch(_SQL["load_targets"], list(webhook_ids))
    return {
        row["id"]: Place(row["url"], tuple(key for key in (row["secret"], row["previous_secret"]) if key))
        for row in found
    }


async def record_attempt(database: Database, delivery: Delivery, attempt: Attempt) -> bool:
    """Write what became of an attempt; False where somebody else has written it, or the delivery is gone."""
    entries = [*delivery.attempts, attempt.entry][-_KEPT_ATTEMPTS:]
    found = await database.fetch(
        _SQL["record_attempt"],
        delivery.id,
        delivery.attempt,
        attempt.state,
        attempt.reason,
        attempt.wait,
        clean_json(entries),
    )
    return bool(found)


async def disable_gone(database: Database, webhook_id: int, reason: str) -> None:
    """Turn a webhook off whose receiver is gone for good."""
    await database.fetch(_SQL["disable_gone"], webhook_id, reason)


async def trim(database: Database, keep: timedelta) -> int:
    """End what waits for webhooks that are off, delete what was kept long enough; return how many rows went."""
    await database.fetch(_SQL["bury_disabled"])
    old = await database.fetch(_SQL["delete_old_deliveries"], keep)
    surplus = await database.fetch(_SQL["delete_surplus_deliveries"], _KEPT_PER_TARGET)
    return len(old) + len(surplus)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which deliveries to show; None leaves a condition out."""

    webhook_id: int | None = None
    client: str | None = None
    state: str | None = None
    before_id: int | None = None
    limit: int = 50


async def list_deliveries(database: Database, asked: Asked) -> list[Delivery]:
    """Return deliveries, newest first."""
    found = await database.fetch(
        _SQL["list_deliveries"], asked.webhook_id, asked.client, asked.state, asked.before_id, asked.limit
    )
    return [_delivery_of(row) for row in found]


async def redeliver(database: Database, delivery_id: int, client: str | None = None) -> bool:
    """Send a message again under its id; False where there is none of that client."""
    return bool(await database.fetch(_SQL["redeliver"], delivery_id, client))


async def add_test(database: Database, webhook_id: int) -> int | None:
    """Queue a test message for a webhook and return its number; None where there is no such webhook."""
    return await database.fetch_value(_SQL["add_test_delivery"], webhook_id, {"webhook_id": webhook_id})


async def count_pending(database: Database) -> Waiting:
    """Return how much is on its way."""
    row = (await database.fetch(_SQL["count_pending"]))[0]
    return Waiting(row["pending"], row["oldest_seconds"], row["dead"])


def _delivery_of(row: Row) -> Delivery:
    values = dict(row.items())
    del values["place"]
    values["attempts"] = tuple(values["attempts"])
    return Delivery(**values)

"""Who wants to hear of what (`webhooks`)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from validatord.store import queries
from validatord.store.database import Database, Row

_SQL = queries.load("webhooks")
_CLIENTS = queries.load("submissions")
_OVERLAP = timedelta(hours=24)  # how long an old secret still signs


@dataclass(frozen=True, slots=True)
class Webhook:
    """One receiver; `client` None is the operator's, who hears of everybody. No events means all."""

    id: int
    client: str | None
    url: str
    events: tuple[str, ...]
    is_enabled: bool
    disabled_reason: str | None
    created_at: datetime
    secret: str = field(repr=False, default="")


async def add_webhook(database: Database, client: str | None, url: str, secret: str, events: Sequence[str]) -> Webhook:
    """Register a receiver and return it; its client need not be known yet."""
    if client is not None:
        await database.fetch(_CLIENTS["add_client"], client)
    return _webhook_of(await _one(database, "add_webhook", client, url, secret, list(events)))


async def list_webhooks(database: Database, client: str | None = None) -> list[Webhook]:
    """Return receivers, of one client or of all; without their secrets."""
    return [_webhook_of(row, has_secret=False) for row in await database.fetch(_SQL["list_webhooks"], client)]


async def get_webhook(database: Database, webhook_id: int, client: str | None = None) -> Webhook | None:
    """Return one receiver with its secret, if it belongs to that client (None: whoever's)."""
    row = await database.fetch_row(_SQL["get_webhook"], webhook_id, client)
    return None if row is None else _webhook_of(row)


@dataclass(frozen=True, slots=True)
class Change:
    """What of a receiver changes; None leaves as it is."""

    url: str | None = None
    events: tuple[str, ...] | None = None
    is_enabled: bool | None = None


async def change_webhook(
    database: Database, webhook_id: int, change: Change, client: str | None = None
) -> Webhook | None:
    """Change a receiver and return it, or None where there is none."""
    events = None if change.events is None else list(change.events)
    row = await database.fetch_row(_SQL["change_webhook"], webhook_id, client, change.url, events, change.is_enabled)
    return None if row is None else _webhook_of(row, has_secret=False)


async def rotate_secret(database: Database, webhook_id: int, secret: str, client: str | None = None) -> Webhook | None:
    """Give a receiver a new secret; for a day messages carry the signature of the old one, too."""
    row = await database.fetch_row(_SQL["rotate_secret"], webhook_id, client, secret, _OVERLAP)
    return None if row is None else _webhook_of(row)


async def remove_webhook(database: Database, webhook_id: int, client: str | None = None) -> bool:
    """Remove a receiver and what waits for it."""
    return bool(await database.fetch(_SQL["remove_webhook"], webhook_id, client))


async def _one(database: Database, block: str, *args: object) -> Row:
    return (await database.fetch(_SQL[block], *args))[0]


def _webhook_of(row: Row, *, has_secret: bool = True) -> Webhook:
    return Webhook(
        row["id"],
        row["client"],
        row["url"],
        tuple(row["events"]),
        row["is_enabled"],
        row["disabled_reason"],
        row["created_at"],
        row["secret"] if has_secret else "",
    )

"""What only the console asks the ledger: sums over everything, and the key behind a session."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from validatord.mail.request import LabelKey
from validatord.store import queries
from validatord.store.database import Database
from validatord.store.keys import FoundKey, Scope

_SQL = queries.load("console")


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What is not finished: submissions, requests in them, and when the oldest came."""

    submissions: int
    requests: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class LaneRow:
    """What one node wrote down of a lane."""

    node: str
    lane: str
    snapshot: Mapping[str, Any]
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class DomainRow:
    """A domain with work or a history; `waiting` ends at 10,001."""

    domain: str
    lane: str
    next_due: datetime | None
    not_before: datetime | None
    is_visited: bool
    provider_key: str | None
    accept_all: str | None
    accept_all_until: datetime | None
    last_checked: datetime | None
    mx_hosts: Any
    waiting: int


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request about an address that has no answer yet."""

    id: int
    submission_id: int
    client: str
    submission: str
    state: str
    due_at: datetime | None
    deferral_reason: str | None
    attempt: int
    created_at: datetime


async def find_live_key(database: Database, key_id: int) -> FoundKey | None:
    """Return what a key may do, or None where it is unknown, revoked or past its time."""
    row = await database.fetch_row(_SQL["find_live_key"], key_id)
    if row is None:
        return None
    return FoundKey(row["id"], row["client"], frozenset(map(Scope, row["scopes"])), row["expires_at"])


async def count_by_minute(database: Database, since: datetime) -> dict[datetime, int]:
    """Return how many verdicts were written in each minute; minutes without any are left out."""
    return {row["minute"]: row["verdicts"] for row in await database.fetch(_SQL["count_by_minute"], since)}


async def count_since(database: Database, since: datetime) -> int:
    """Return how many verdicts were written since then."""
    return await database.fetch_value(_SQL["count_since"], since)


async def sum_counts(database: Database, client: str | None, since: datetime) -> dict[str, dict[LabelKey, int]]:
    """Return the finished requests of recent submissions by client and by all that a policy looks at."""
    found: dict[str, dict[LabelKey, int]] = {}
    for row in await database.fetch(_SQL["sum_counts"], client, since):
        found.setdefault(row["client"], {})[LabelKey(*(row[name] for name in LabelKey._fields))] = row["requests"]
    return found


async def sum_unfinished(database: Database, client: str | None) -> Unfinished:
    """Return how much is not finished, of one client or of all."""
    row = await database.fetch_row(_SQL["sum_unfinished"], client)
    return (
        Unfinished(row["submissions"], row["requests"], row["oldest_at"]) if row is not None else Unfinished(0, 0, None)
    )


async def load_lanes(database: Database) -> list[LaneRow]:
    """Return what the lanes of all nodes remember."""
    found = await database.fetch(_SQL["load_lanes"])
    return [LaneRow(row["node"], row["lane"], row["snapshot"], row["updated_at"]) for row in found]


async def list_domains(database: Database, prefix: str, lane: str, limit: int) -> list[DomainRow]:
    """Return domains with work, the most urgent first; with a prefix also those without."""
    found = await database.fetch(_SQL["list_domains"], prefix, lane, limit)
    return [DomainRow(**dict(row.items())) for row in found]


async def find_open_requests(database: Database, email: str, domain: str, client: str | None) -> list[OpenRequest]:
    """Return the newest requests about an address that wait for their answer."""
    return [
        OpenRequest(**dict(row.items()))
        for row in await database.fetch(_SQL["find_open_requests"], email, domain, client)
    ]


@dataclass(frozen=True, slots=True)
class ClientRow:
    """One client: its policy as stored, its live keys, what of its work is not finished."""

    name: str
    policy: Mapping[str, Any]
    created_at: datetime
    live_keys: int = 0
    unfinished: int = 0


async def list_clients(database: Database) -> list[ClientRow]:
    """Return the clients by name, at most a thousand."""
    return [ClientRow(**dict(row.items())) for row in await database.fetch(_SQL["list_clients"])]


async def get_client(database: Database, name: str) -> ClientRow | None:
    """Return one client, without what is counted of it."""
    row = await database.fetch_row(_SQL["get_client"], name)
    return ClientRow(**dict(row.items())) if row is not None else None


async def load_states(database: Database, submission_ids: Sequence[int]) -> dict[int, str]:
    """Return which of these submissions are paused or cancelled; the others are active."""
    return {row["id"]: row["state"] for row in await database.fetch(_SQL["load_states"], list(submission_ids))}

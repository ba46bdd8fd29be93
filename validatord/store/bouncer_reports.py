"""What people see of Bouncer: states, dead letters, health figures, what a list would cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from validatord.store import queries
from validatord.store.database import Database

_SQL = queries.load("bouncer_reports")


@dataclass(frozen=True, slots=True)
class StateCount:
    """Batches of one pass and state, and the addresses in them."""

    tier: str
    state: str
    batches: int
    addresses: int


@dataclass(frozen=True, slots=True)
class QueueCount:
    """Requests of one pass and status in the queue."""

    tier: str
    status: str
    requests: int
    oldest_ts: datetime | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Something a person has to look at: a batch, or one address (`email`)."""

    id: int
    batch_id: int | None
    user_id: str | None
    request_id: int | None
    email: str | None
    reason: str
    error_message: str
    detail: Mapping[str, Any] | None
    failed_ts: datetime
    reviewed: bool
    resolved_ts: datetime | None
    resolution: str | None


@dataclass(frozen=True, slots=True)
class SubmissionNeed:
    """Addresses of a submission by what still stands between them and a credit."""

    requests: int
    finished: int
    waiting: int
    under_way: int
    not_tried: int


async def count_states(database: Database) -> list[StateCount]:
    """Return how many batches are in which state."""
    found = await database.fetch(_SQL["count_states"])
    return [StateCount(row["pass"], row["state"], row["batches"], row["addresses"]) for row in found]


@dataclass(frozen=True, slots=True)
class Totals:
    """Everything that was bought: batches, addresses in them, credits they cost."""

    batches: int
    addresses: int
    credits: int


async def get_totals(database: Database) -> Totals:
    """Return what was bought so far."""
    row = await database.fetch_row(_SQL["get_totals"])
    return Totals(**dict(row.items())) if row is not None else Totals(0, 0, 0)


async def count_queue(database: Database) -> list[QueueCount]:
    """Return how many requests are in which status."""
    found = await database.fetch(_SQL["count_queue"])
    return [QueueCount(row["pass"], row["status"], row["requests"], row["oldest_ts"]) for row in found]


async def add_metrics(database: Database, figures: Mapping[str, int], keep: timedelta) -> None:
    """Write health figures, and forget those that are older than `keep`."""
    await database.fetch(_SQL["add_metrics"], list(figures), list(figures.values()))
    await database.fetch(_SQL["delete_metrics"], keep)


async def latest_metrics(database: Database) -> dict[str, tuple[int, datetime]]:
    """Return the newest figure of each name."""
    found = await database.fetch(_SQL["latest_metrics"])
    return {row["metric_name"]: (row["metric_value"], row["recorded_ts"]) for row in found}


async def list_dead_letters(database: Database, *, with_reviewed: bool = False, limit: int = 100) -> list[DeadLetter]:
    """Return dead letters, newest first."""
    found = await database.fetch(_SQL["list_dead_letters"], with_reviewed, limit)
    return [DeadLetter(**dict(row.items())) for row in found]


async def review_dead_letter(database: Database, letter: int) -> bool:
    """Note that somebody has seen it; False where there is none."""
    return await database.fetch_row(_SQL["review_dead_letter"], letter) is not None


async def count_dead_letters(database: Database) -> int:
    """Return how many nobody has seen."""
    return await database.fetch_value(_SQL["count_dead_letters"])


async def estimate_submission(database: Database, submission_id: int) -> SubmissionNeed:
    """Return what of a submission may still cost a credit."""
    row = await database.fetch_row(_SQL["estimate_submission"], submission_id)
    return SubmissionNeed(**dict(row.items())) if row is not None else SubmissionNeed(0, 0, 0, 0, 0)


async def share_handed_over(database: Database) -> tuple[int, int]:
    """Of the last finished requests that were probed: how many, and how many of them were handed over."""
    row = await database.fetch_row(_SQL["share_handed_over"])
    return (row["finished"], row["handed_over"]) if row is not None else (0, 0)


async def find_paid_for(database: Database, emails: Sequence[str]) -> set[str]:
    """Return those of the addresses that need not be bought."""
    return {row["email"] for row in await database.fetch(_SQL["find_paid_for"], list(emails))}

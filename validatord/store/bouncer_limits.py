"""The shared buckets of calls, and what is known of the paid accounts (`bouncer_rate_limit`, `bouncer_accounts`).

Every moment is the database's own: processes with different clocks share one limit, and a restart forgets nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from validatord.store import queries
from validatord.store.database import Database

_SQL = queries.load("bouncer_limits")


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket of a call: the least time between two calls in it; `is_own` tells the specific from the shared."""

    name: str
    spacing: timedelta
    is_own: bool


@dataclass(frozen=True, slots=True)
class Slot:
    """An answer of the buckets: a call may go in `wait_seconds`, or nothing is reserved and one asks again then."""

    is_granted: bool
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class BucketUse:
    """How much of a bucket was used in its current minute, and until when nobody passes."""

    bucket: str
    request_count: int
    blocked_until_ts: datetime | None


@dataclass(frozen=True, slots=True)
class Account:
    """What is known of one account; `stopped_ts`: the key is refused, `paused_ts`: nothing is bought."""

    tier: str
    credits: int | None
    credits_ts: datetime | None
    stopped_ts: datetime | None
    paused_ts: datetime | None
    pause_reason: str | None
    last_error: str | None
    is_check_due: bool
    is_fresh: bool  # the credits were read a moment ago


async def add_buckets(database: Database, names: Sequence[str]) -> None:
    """Make sure that the buckets exist."""
    await database.fetch(_SQL["add_buckets"], list(names))


async def reserve_call(database: Database, buckets: Sequence[Bucket], horizon: timedelta) -> Slot:
    """Reserve the next free moment of all these buckets, or nothing if it lies behind the horizon."""
    row = await database.fetch_row(
        _SQL["reserve_call"],
        [bucket.name for bucket in buckets],
        [bucket.spacing for bucket in buckets],
        [bucket.is_own for bucket in buckets],
        horizon,
    )
    return Slot(is_granted=bool(row and row["is_granted"]), wait_seconds=row["wait_seconds"] if row else 1.0)


async def block_buckets(database: Database, names: Sequence[str], wait: timedelta) -> None:
    """Let nobody through for a while."""
    await database.fetch(_SQL["block_buckets"], list(names), wait)


async def load_buckets(database: Database) -> list[BucketUse]:
    """Return how much of each bucket is used."""
    return [BucketUse(**dict(row.items())) for row in await database.fetch(_SQL["load_buckets"])]


async def load_accounts(database: Database, fresh: timedelta = timedelta(seconds=30)) -> dict[str, Account]:
    """Return what is known of the accounts, by pass."""
    return {
        row["pass"]: Account(
            row["pass"],
            row["credits"],
            row["credits_ts"],
            row["stopped_ts"],
            row["paused_ts"],
            row["pause_reason"],
            row["last_error"],
            bool(row["is_check_due"]),
            row["is_fresh"],
        )
        for row in await database.fetch(_SQL["load_accounts"], fresh)
    }


async def use_key(database: Database, tier: str, key_hash: str) -> bool:
    """Note the key in use; True where it is another one than before, which ends stop and pause."""
    return bool(await database.fetch(_SQL["use_key"], tier, key_hash))


async def save_credits(database: Database, tier: str, credits_left: int) -> None:
    """Keep the credits just read."""
    await database.fetch(_SQL["save_credits"], tier, credits_left)


async def stop_account(database: Database, tier: str, error: str, check_in: timedelta) -> bool:
    """Ask nothing any more; True where that is news."""
    return bool(await database.fetch_value(_SQL["stop_account"], tier, error, check_in))


async def pause_account(database: Database, tier: str, reason: str, error: str, check_in: timedelta) -> bool:
    """Buy nothing any more; True where that is news."""
    return bool(await database.fetch_value(_SQL["pause_account"], tier, reason, error, check_in))


async def postpone_check(database: Database, tier: str, check_in: timedelta) -> None:
    """Look at a stopped or paused account again later."""
    await database.fetch(_SQL["postpone_check"], tier, check_in)


async def resume_account(database: Database, tier: str) -> bool:
    """Buy again; True where nothing was bought before."""
    return bool(await database.fetch(_SQL["resume_account"], tier))

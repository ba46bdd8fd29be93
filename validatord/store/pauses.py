"""What an operator says about the queue: what rests, and which lanes may go again.

Command line, API and console write here; every daemon hears of it at once, by a notification on the
connection that holds its lock, and looks by itself now and then in case that was lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from validatord.store import queries
from validatord.store.database import Database
from validatord.store.values import clean_text

CHANNEL = "validatord_operator"
_SQL = queries.load("pauses")
_REASON_LIMIT = 500
_WHO_LIMIT = 100


class PauseKind(StrEnum):
    """What can rest: taking work in, asking anybody, one lane (or provider), one domain."""

    INTAKE = "intake"
    VERIFICATION = "verification"
    LANE = "lane"
    DOMAIN = "domain"


@dataclass(frozen=True, slots=True)
class Pause:
    """Something that rests: `key` is the lane, the provider's key or the domain; empty for the other kinds."""

    kind: PauseKind
    key: str
    reason: str
    paused_by: str
    created_at: datetime


async def pause(database: Database, kind: PauseKind, key: str = "", *, reason: str = "", by: str = "") -> bool:
    """Let something rest; returns whether it did not already."""
    said = (clean_text(reason, _REASON_LIMIT), clean_text(by, _WHO_LIMIT))
    async with database.transaction() as connection:
        is_new: bool = await connection.fetchval(_SQL["pause"], kind.value, key, *said)
        await connection.execute(_SQL["tell"])
    return is_new


async def resume(database: Database, kind: PauseKind, key: str = "") -> bool:
    """Let something go on; returns whether it rested."""
    async with database.transaction() as connection:
        rows = await connection.fetch(_SQL["resume"], kind.value, key)
        await connection.execute(_SQL["tell"])
    return bool(rows)


async def load(database: Database) -> list[Pause]:
    """Return what rests."""
    rows = await database.fetch(_SQL["load_pauses"])
    return [
        Pause(PauseKind(row["kind"]), row["key"], row["reason"], row["paused_by"], row["created_at"]) for row in rows
    ]


async def reset_lane(database: Database, lane: str, *, by: str = "") -> None:
    """Let a lane go again whatever closed it, on every node that has it, running or not."""
    async with database.transaction() as connection:
        await connection.execute(_SQL["forget_lane"], lane)
        await connection.execute(_SQL["ask_reset"], lane, clean_text(by, _WHO_LIMIT))
        await connection.execute(_SQL["tell"])


async def load_resets(database: Database, since: datetime) -> tuple[Sequence[str], datetime]:
    """Return the lanes that were to be reset after a time, and the time to ask with next."""
    rows = await database.fetch(_SQL["load_resets"], since)
    return [row["lane"] for row in rows], rows[-1]["asked_at"] if rows else since


async def delete_old_resets(database: Database) -> None:
    """Delete the resets that every daemon has heard long ago."""
    await database.fetch(_SQL["delete_resets"])


async def time_now(database: Database) -> datetime:
    """Return the time of the database's clock, from which a daemon that starts listens."""
    now: datetime = await database.fetch_value(_SQL["time_now"])
    return now

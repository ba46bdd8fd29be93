"""How much of a client's day is used: counted before the asking, so that two who ask at once cannot pass the cap."""

from datetime import date, timedelta

from validatord.store import queries
from validatord.store.database import Database

_SQL = queries.load("caps")
_KEPT = timedelta(days=7)


async def reserve(database: Database, client: str, day: date, wanted: int, cap: int) -> int:
    """Take up to `wanted` of a client's `cap` for a day; return how many were left to take.

    A `StoreAway` may have taken them all the same: the day is then shorter, never longer.
    """
    async with database.transaction() as connection:
        if await connection.execute(_SQL["add_day"], client, day) == "INSERT 0 1":
            await connection.execute(_SQL["forget_days"], client, day - _KEPT)
        used = await connection.fetchval(_SQL["lock_day"], client, day)
        granted = max(0, min(wanted, cap - used))
        if granted:
            await connection.execute(_SQL["use_day"], client, day, granted)
    return granted


async def give_back(database: Database, client: str, day: date, count: int) -> None:
    """Give back what was reserved and not used."""
    await database.fetch(_SQL["use_day"], client, day, -count)

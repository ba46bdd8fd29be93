"""What need not be kept goes, in small transactions that hold nobody up; what is out of date is found.

Verdicts (`email_validation`) stay: they belong to the CRM.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

from validatord.store import queries
from validatord.store.database import Database

_SQL = queries.load("retention")
_ROWS_AT_ONCE = 5000
_MOST = 100_000  # rows of one kind at a time: the rest waits for the next


async def delete_outdated(database: Database, keep: timedelta, *, most: int = _MOST) -> int:
    """Delete requests of submissions that finished longer ago than `keep`; return how many.

    Ends after about `most` rows: the rest waits for the next time.
    """
    deleted = await _repeat(lambda: _delete_some(database, keep), most)
    await database.fetch(_SQL["delete_rejected"], keep)
    return deleted


async def delete_idle_domains(database: Database) -> int:
    """Delete queue rows of domains nothing waits for; return how many."""
    return await _repeat(lambda: _delete(database, "delete_idle_domains", _ROWS_AT_ONCE))


async def delete_old_domains(database: Database, keep: timedelta) -> int:
    """Delete the facts of domains nobody asked about for so long; return how many."""
    return await _repeat(lambda: _delete(database, "delete_old_domains", keep, _ROWS_AT_ONCE))


async def delete_old_events(database: Database, keep: timedelta) -> int:
    """Delete what campaigns told longer ago, and the sums of those weeks; return how many events went."""
    await _repeat(lambda: _delete(database, "delete_old_weeks", keep, _ROWS_AT_ONCE))
    return await _repeat(lambda: _delete(database, "delete_old_events", keep, _ROWS_AT_ONCE))


async def delete_old_bouncer_results(database: Database, keep: timedelta) -> int:
    """Delete Bouncer's rows of batches ingested longer ago, unless one still answers; return how many."""
    return await _repeat(lambda: _delete_results(database, keep))


async def count_upkeep(database: Database, client: str, day: str) -> int:
    """Return how many verdicts upkeep asked again on a day, whose submissions' names begin with it."""
    count: int = await database.fetch_value(_SQL["count_upkeep"], client, day)
    return count


async def take_outdated(database: Database, limit: int) -> list[tuple[str, UUID]]:
    """Return mailboxes and contacts whose verdict is out of date, each once in three days."""
    return [(row["email"], row["contact_id"]) for row in await database.fetch(_SQL["take_outdated"], limit)]


async def _repeat(step: Callable[[], Awaitable[int | None]], most: int = _MOST) -> int:
    """Take steps until one finds nothing to do (None), or enough was done; return how many rows went."""
    done = 0
    while done < most:
        found = await step()
        if found is None:
            break
        done += found
    return done


async def _delete(database: Database, block: str, *args: object) -> int | None:
    return len(await database.fetch(_SQL[block], *args)) or None


async def _delete_some(database: Database, keep: timedelta) -> int | None:
    async with database.transaction() as connection:
        submission_id = await connection.fetchval(_SQL["find_outdated_submission"], keep)
        if submission_id is None:
            return None
        rows = await connection.fetch(_SQL["delete_requests"], submission_id, _ROWS_AT_ONCE)
        if len(rows) < _ROWS_AT_ONCE:
            await connection.execute(_SQL["delete_submission"], submission_id)
        return len(rows)


async def _delete_results(database: Database, keep: timedelta) -> int | None:
    async with database.transaction() as connection:
        batch_id = await connection.fetchval(_SQL["find_old_batch"], keep)
        if batch_id is None:
            return None
        rows = await connection.fetch(_SQL["delete_results"], batch_id)
        await connection.execute(_SQL["note_results_deleted"], batch_id)
        return len(rows)

"""What need not be kept goes, in small transactions that hold nobody up.

Verdicts (`email_validation`) stay: they belong to the CRM.
"""

from datetime import timedelta

from validatord.store import queries
from validatord.store.database import Database

_SQL = queries.load("retention")
_ROWS_AT_ONCE = 5000


async def delete_outdated(database: Database, keep: timedelta, *, most: int = 100_000) -> int:
    """Delete requests of submissions that finished longer ago than `keep`; return how many.

    Ends after about `most` rows: the rest waits for the next time.
    """
    deleted = 0
    while deleted < most:
        step = await _delete_some(database, keep)
        if step is None:
            break
        deleted += step
    await database.fetch(_SQL["delete_rejected"], keep)
    return deleted


async def _delete_some(database: Database, keep: timedelta) -> int | None:
    async with database.transaction() as connection:
        submission_id = await connection.fetchval(_SQL["find_outdated_submission"], keep)
        if submission_id is None:
            return None
        rows = await connection.fetch(_SQL["delete_requests"], submission_id, _ROWS_AT_ONCE)
        if len(rows) < _ROWS_AT_ONCE:
            await connection.execute(_SQL["delete_submission"], submission_id)
        return len(rows)

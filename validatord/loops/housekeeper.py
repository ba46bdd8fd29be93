"""The housekeeper: deletes what was kept long enough, so that the ledger does not grow for ever.

Finished requests go after `store.keep_requests`, rejected jobs with them. Verdicts stay: they belong to
the contacts.
"""

from collections.abc import Callable
from datetime import timedelta

from loguru import logger

from validatord.store import retention
from validatord.store.database import Database


class Housekeeper:
    """Deletes in steps; `run_once` returns how many requests went."""

    def __init__(self, database: Database, keep: Callable[[], timedelta]) -> None:
        self._database = database
        self._keep = keep

    async def run_once(self) -> int:
        """Delete outdated requests and rejected jobs."""
        deleted = await retention.delete_outdated(self._database, self._keep())
        if deleted:
            logger.bind(requests=deleted).info("outdated requests deleted")
        return deleted

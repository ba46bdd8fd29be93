"""The housekeeper: deletes what was kept long enough, so that the ledger does not grow for ever.

Finished requests go after `store.keep_requests`, rejected jobs with them; the rest has its own times in
`upkeep`. Verdicts stay: they belong to the contacts.
"""

from collections.abc import Callable

from loguru import logger

from validatord.settings import Settings
from validatord.store import idempotency, pauses, retention
from validatord.store.database import Database


class Housekeeper:
    """Deletes in steps; `run_once` returns how many rows went."""

    def __init__(self, database: Database, snapshot: Callable[[], Settings]) -> None:
        self._database = database
        self._snapshot = snapshot

    async def run_once(self) -> int:
        """Delete everything that was kept long enough."""
        settings, database = self._snapshot(), self._database
        upkeep = settings.upkeep
        deleted = {
            "requests": await retention.delete_outdated(database, settings.store.keep_requests),
            "idle_domains": await retention.delete_idle_domains(database),
            "domain_facts": await retention.delete_old_domains(database, upkeep.keep_domains),
            "events": await retention.delete_old_events(database, upkeep.keep_events),
            "bouncer_results": await retention.delete_old_bouncer_results(database, upkeep.keep_bouncer_results),
        }
        await pauses.delete_old_resets(database)
        await idempotency.delete_outdated(database)
        if found := {name: count for name, count in deleted.items() if count}:
            logger.bind(**found).info("outdated rows deleted")
        return sum(deleted.values())

"""The rechecker: verdicts that were judged while their mailbox's bounce came in are judged once more.

A visit reads history when it begins and may write an hour later; a bounce that is recorded in between
would be lost under its verdict. Twice changes nothing.
"""

from collections.abc import Callable
from datetime import timedelta

from loguru import logger

from validatord.clock import Clock
from validatord.mail.request import Finding, History
from validatord.rules import rejudge as rules
from validatord.settings import Settings
from validatord.store import rejudge
from validatord.store.database import Database

_WITHIN = timedelta(hours=2)  # longer than any visit


class Rechecker:
    """Looks for such verdicts; `run_once` returns how many it changed."""

    def __init__(self, database: Database, snapshot: Callable[[], Settings], clock: Clock) -> None:
        self._database = database
        self._snapshot = snapshot
        self._clock = clock

    async def run_once(self) -> int:
        """Judge again what was written beside a bounce."""
        settings, now = self._snapshot(), self._clock.now()
        emails = await rejudge.find_written_beside(self._database, _WITHIN)
        if not emails:
            return 0

        def judge(finding: Finding, history: History) -> Finding | None:
            return rules.rejudge(finding, history, settings, now)

        async with self._database.transaction() as connection:
            changed = await rejudge.rejudge(connection, emails, (), judge)
        if changed:
            logger.bind(verdicts=changed).info("verdicts written beside a bounce were judged again")
        return changed

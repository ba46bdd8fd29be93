"""Asks again what is out of date: contacts' verdicts older than `freshness.ttl`, some a day, after everything else.

They are marked before they are submitted: a crash in between costs them three days, never a second question.
"""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from loguru import logger

from validatord.clock import Clock
from validatord.settings import Settings
from validatord.store import retention
from validatord.store.database import Database

CLIENT = "upkeep"
_CHUNK = 500
# Takes the name of a submission, the place of the first mailbox in it, mailboxes and contacts.
Submit = Callable[[str, int, Sequence[str], Sequence[UUID]], Awaitable[None]]


class Reverifier:
    """Submits what is out of date; `run_once` returns how many mailboxes that were."""

    def __init__(
        self, database: Database, snapshot: Callable[[], Settings], node: str, clock: Clock, submit: Submit
    ) -> None:
        self._database = database
        self._snapshot = snapshot
        self._node = node
        self._clock = clock
        self._submit = submit

    async def run_once(self) -> int:
        """Submit what is out of date, up to what the day has left."""
        day = f"{self._clock.now():%Y-%m-%d}"
        left = self._snapshot().upkeep.reverify_per_day
        left -= await retention.count_upkeep(self._database, CLIENT, day) if left else 0
        # A name of its own for each node: two of them must not claim the same place.
        submission = f"{day} {self._node}"
        place = await retention.count_upkeep(self._database, CLIENT, submission)
        submitted = 0
        while left > 0 and (found := await retention.take_outdated(self._database, min(_CHUNK, left))):
            await self._submit(submission, place + submitted, [email for email, _ in found], [who for _, who in found])
            submitted += len(found)
            left -= len(found)
        if submitted:
            logger.bind(mailboxes=submitted, submission=submission).info("outdated verdicts are asked again")
        return submitted

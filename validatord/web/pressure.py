"""Whether more work may come in: not while too much waits already, and not while an operator has paused intake."""

from collections.abc import Callable
from datetime import timedelta

from validatord.clock import Clock
from validatord.store import pauses, submissions
from validatord.store.database import Database
from validatord.store.pauses import PauseKind
from validatord.web import problems
from validatord.web.problems import Problem

_LOOK = timedelta(seconds=1)
_COME_BACK_SECONDS = 30


class Pressure:
    """Looked at once a second at most, however many ask."""

    def __init__(self, database: Database, clock: Clock, marks: Callable[[], tuple[int, int]]) -> None:
        self._database = database
        self._clock = clock
        self._marks = marks
        self._looked_at: float | None = None
        self._obstacle = ""

    async def check(self) -> None:
        """Raise 429 while nothing may come in."""
        now = self._clock.monotonic()
        if self._looked_at is None or now - self._looked_at >= _LOOK.total_seconds():
            self._looked_at = now
            self._obstacle = await self._find_obstacle()
        if self._obstacle:
            raise Problem(problems.TOO_MUCH_WORK, self._obstacle, retry_after=_COME_BACK_SECONDS)

    async def _find_obstacle(self) -> str:
        if any(pause.kind is PauseKind.INTAKE for pause in await pauses.load(self._database)):
            return "intake is paused by an operator"
        waiting = await submissions.count_unfinished(self._database)
        is_over = self._obstacle.startswith("too much")
        high, low = self._marks()
        # Once over the mark, work must go down a little before more is let in.
        return "too much unfinished work" if waiting >= (low if is_over else high) else ""

"""Hears what an operator says about the queue, and passes it on to those it concerns.

Lanes are shut at once, domains and everything else with the next lease; conversations under way end
where the next group of targets would go out.
"""

from collections.abc import Callable, Collection
from datetime import datetime

from loguru import logger

from validatord.store import pauses
from validatord.store.database import Database
from validatord.store.pauses import Pause, PauseKind


class Pauses:
    """What rests, as of the last look; `run_once` looks again and returns how much rests.

    `pause_lanes` and `reset_lane` are the book's; `wake` makes the dispatcher look when something may go on.
    """

    def __init__(
        self,
        database: Database,
        pause_lanes: Callable[[Collection[str]], None],
        reset_lane: Callable[[str], bool],
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._pause_lanes = pause_lanes
        self._reset_lane = reset_lane
        self._wake = wake
        self._known: dict[tuple[PauseKind, str], Pause] = {}
        self._heard_until: datetime | None = None

    def __repr__(self) -> str:
        return f"<Pauses {sorted(f'{kind}:{key}' for kind, key in self._known)}>"

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that rest."""
        return tuple(key for kind, key in self._known if kind is PauseKind.DOMAIN)

    @property
    def lanes(self) -> tuple[str, ...]:
        """The lanes, or providers for all identities, that rest."""
        return tuple(key for kind, key in self._known if kind is PauseKind.LANE)

    @property
    def is_verification_paused(self) -> bool:
        """Whether nobody is asked at all."""
        return (PauseKind.VERIFICATION, "") in self._known

    def find_intake_pause(self) -> str:
        """Return why no work is taken in, or an empty text."""
        found = self._known.get((PauseKind.INTAKE, ""))
        return "" if found is None else f"paused by an operator: {found.reason}".rstrip(": ")

    async def run_once(self) -> int:
        """Look what rests now."""
        if self._heard_until is None:
            self._heard_until = await pauses.time_now(self._database)
        found = {(pause.kind, pause.key): pause for pause in await pauses.load(self._database)}
        self._tell_changes(found)
        was, self._known = self._known, found
        self._pause_lanes(self.lanes)
        asked, self._heard_until = await pauses.load_resets(self._database, self._heard_until)
        for lane in asked:
            if self._reset_lane(lane):
                logger.bind(lane=lane).info("lane reset by an operator")
        if asked or was.keys() - found.keys():
            self._wake()
        return len(found)

    def _tell_changes(self, found: dict[tuple[PauseKind, str], Pause]) -> None:
        for key in found.keys() - self._known.keys():
            pause = found[key]
            logger.bind(kind=pause.kind.value, key=pause.key, reason=pause.reason, by=pause.paused_by).info("paused")
        for kind, key in self._known.keys() - found.keys():
            logger.bind(kind=kind.value, key=key).info("resumed")

"""Carries out reloads: read and prepare everything beside the loop, then swap in one stroke, or change nothing.

What needs reading is read in a thread before anything is swapped, so nothing can fail half-way: a list that
cannot be read refuses the reload as a wrong key does. Requests that come while one is under way are answered
by one more. `state` is what `/readyz`, `validatord status` and `validatord reload` show.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar

from loguru import logger

from validatord import errors, metrics
from validatord.clock import Clock
from validatord.reload import ReloadResult, reload
from validatord.settings import Settings, SettingsHolder

Prepared = TypeVar("Prepared")


@dataclass(frozen=True, slots=True)
class ReloadState:
    """How the last reload went, and which one that was.

    `begun` and `done` count reloads since the start. `problems` say why the last one was refused, and are
    empty once one was applied. `needs_restart` is what the files say and the process does not do yet.
    """

    begun: int = 0
    done: int = 0
    at: datetime | None = None
    problems: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    needs_restart: tuple[str, ...] = ()

    @property
    def is_refused(self) -> bool:
        """Whether the last reload was refused."""
        return bool(self.problems)


class Reloader(Generic[Prepared]):
    """Reads with `load` and `prepare`; whoever has to hear of new settings is named by `call`."""

    def __init__(
        self,
        holder: SettingsHolder,
        load: Callable[[], Settings],
        prepare: Callable[[Settings], Prepared],
        clock: Clock,
    ) -> None:
        self.state = ReloadState()
        self.wanted = asyncio.Event()
        self._holder = holder
        self._load = load
        self._prepare = prepare
        self._clock = clock
        self._calls: list[Callable[[Prepared], None]] = []
        self._latest: Prepared | None = None
        self.tell: Callable[[ReloadState], None] = lambda _: None
        self._show()

    def __repr__(self) -> str:
        return f"<Reloader done={self.state.done} refused={self.state.is_refused}>"

    def call(self, apply: Callable[[Prepared], None]) -> None:
        """Have a part told of every applied reload, at once of one that it has missed; it may neither wait nor fail."""
        self._calls.append(apply)
        if self._latest is not None:
            apply(self._latest)

    async def run(self, begin: Callable[[], None], end: Callable[[], None]) -> None:
        """Reload whenever `wanted` is set, for ever; `begin` and `end` stand around each."""
        while True:
            await self.wanted.wait()
            self.wanted.clear()
            begin()
            try:
                await self.run_once()
            finally:
                end()

    async def run_once(self) -> ReloadState:
        """Reload once and return how it went."""
        self._note(replace(self.state, begun=self.state.begun + 1))
        result, prepared = await asyncio.to_thread(self._read)
        if result.settings is None or prepared is None:
            self._refuse(result.problems)
        else:
            self._apply(result, result.settings, prepared)
        return self.state

    def _read(self) -> tuple[ReloadResult, Prepared | None]:
        """Read everything, in a thread; nothing is changed here."""
        try:
            result = reload(self._holder.snapshot(), self._load)
            return result, None if result.settings is None else self._prepare(result.settings)
        except errors.ConfigurationError as error:
            return ReloadResult(None, problems=tuple(error.problems)), None
        except Exception as error:  # noqa: BLE001 whatever it is, the settings in force stay
            logger.exception("reload failed unexpectedly")
            return ReloadResult(None, problems=(f"unexpected {type(error).__name__}; see the log",)), None

    def _refuse(self, problems: tuple[str, ...]) -> None:
        for problem in problems:
            logger.bind(problem=problem).error("reload refused; the settings in force stay")
        metrics.count_reload("refused")
        self._finish(replace(self.state, problems=problems, changed=()))

    def _apply(self, result: ReloadResult, settings: Settings, prepared: Prepared) -> None:
        self._holder.swap(settings)
        self._latest = prepared
        for apply in self._calls:
            apply(prepared)
        for change in result.changed:
            logger.bind(change=change).info("setting changed")
        for change in result.needs_restart:
            logger.bind(change=change).warning("setting needs a restart")
        logger.bind(changes=len(result.changed)).info("reloaded")
        metrics.count_reload("applied")
        self._finish(
            replace(self.state, problems=(), changed=result.changed, needs_restart=result.needs_restart),
        )

    def _finish(self, state: ReloadState) -> None:
        self._note(replace(state, done=state.begun, at=self._clock.now()))
        self._show()

    def _show(self) -> None:
        state = self.state
        metrics.set_gauge(
            "config", {("applied",): float(not state.is_refused), ("needs_restart",): len(state.needs_restart)}
        )

    def _note(self, state: ReloadState) -> None:
        self.state = state
        self.tell(state)

"""What the process owes to whoever runs it: signals, the service manager, reloads, a note for commands.

Signal handlers only set events; everything else happens in the tasks that wait for them. SIGHUP never ends
the process, not even before the loop runs or after it.
"""

import asyncio
import contextlib
import dataclasses
import functools
import os
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any, Self

from loguru import logger

from validatord import metrics, sd_notify
from validatord.errors import StoreAway
from validatord.reloader import Reloader, ReloadState
from validatord.run_note import NoteWriter, run_folders

EXIT_IN_HASTE = 1
_HASTE_SECONDS = 1.0
_LAG_SECONDS = 0.5  # between two looks at how late the loop is
_WORTH_SAYING_SECONDS = 1.0  # of lateness
_PING_SECONDS = 5.0
# As long as PostgreSQL is known to be away, results wait here in memory: only then is a restart no loss.
_AWAY_PATIENCE_SECONDS = 600.0


class Process:
    """`stop` is set by the first SIGTERM or SIGINT; after the second one everything is over within a second."""

    def __init__(self, reloader: Reloader[Any], node: str) -> None:
        self.stop = asyncio.Event()
        self.hurry: Callable[[], None] = lambda: None
        self.reloader = reloader
        self.notifier = sd_notify.Notifier(os.environ)
        self._haste = asyncio.Event()
        self._note = NoteWriter(run_folders(os.environ, os.geteuid())[0], node)
        self._is_ready = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Take the signals over, write the note, and begin to attend to both."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ask_to_stop)
        # Unlike the loop's own handlers this one outlives the loop: a late SIGHUP ends nobody.
        signal.signal(signal.SIGHUP, functools.partial(self._want_reload, loop))
        self.reloader.tell = self._write_note
        self._write_note(self.reloader.state)
        self._attend("haste", self._end_in_haste())
        self._attend("reload", self.reloader.run(self._begin_reload, self._end_reload))
        self._attend("loop lag", self._watch_lag())
        return self

    async def __aexit__(self, *_: object) -> None:
        """End what was begun, and take the note away."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._note.remove()

    def ready(self, is_lively: Callable[[float], bool], ping: Callable[[], Awaitable[None]]) -> None:
        """Say that the start is over; from now on the watchdog is fed while `is_lively`, and `ping` is answered."""
        self._is_ready = True
        if self.notifier.watchdog_seconds:
            self._attend("watchdog", self._feed(self.notifier.watchdog_seconds, is_lively, ping))
        self.notifier.ready("verifying")

    def stopping(self) -> None:
        """Say that the stop begins; no reload is taken any more."""
        self._is_ready = False
        self.notifier.stopping("giving leases back")

    # --- signals -------------------------------------------------------------------------------

    def _attend(self, name: str, work: Any) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    def _ask_to_stop(self) -> None:
        if self.stop.is_set():
            self._haste.set()
        self.stop.set()

    def _want_reload(self, loop: asyncio.AbstractEventLoop, *_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(self.reloader.wanted.set)

    async def _end_in_haste(self) -> None:
        """After a second signal: cut conversations, and if that is not enough, everything."""
        await self._haste.wait()
        logger.warning("second signal: ending at once")
        self.hurry()
        await asyncio.sleep(_HASTE_SECONDS)
        # Servers of our own are bound to our end; leases are given back by the next start.
        self._note.remove()
        os._exit(EXIT_IN_HASTE)

    # --- reload --------------------------------------------------------------------------------

    def _begin_reload(self) -> None:
        if self._is_ready:
            self.notifier.reloading()

    def _end_reload(self) -> None:
        if self._is_ready:
            refused = self.reloader.state.is_refused
            self.notifier.ready("verifying; the last reload was refused" if refused else "verifying")

    def _write_note(self, state: ReloadState) -> None:
        self._note.write(dataclasses.asdict(state))

    # --- watchdog ------------------------------------------------------------------------------

    async def _watch_lag(self) -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(_LAG_SECONDS)
            late = time.monotonic() - began - _LAG_SECONDS
            metrics.observe_loop_lag(max(0.0, late))
            if late > _WORTH_SAYING_SECONDS:
                logger.bind(seconds=round(late, 1)).warning("the event loop was blocked")

    async def _feed(
        self, every_seconds: float, is_lively: Callable[[float], bool], ping: Callable[[], Awaitable[None]]
    ) -> None:
        answered_at = time.monotonic()
        while True:
            await asyncio.sleep(every_seconds / 2)
            state = await _try(ping)
            if state == "answers":
                answered_at = time.monotonic()
            is_reached = state == "answers" or (
                state == "away" and time.monotonic() - answered_at < _AWAY_PATIENCE_SECONDS
            )
            if is_reached and is_lively(every_seconds * 2):
                self.notifier.feed_watchdog()
            else:
                logger.bind(postgresql=state, lively=is_lively(every_seconds * 2)).error("the watchdog is not fed")


async def _try(ping: Callable[[], Awaitable[None]]) -> str:
    """Return whether PostgreSQL answers, is known to be away, or says nothing."""
    try:
        async with asyncio.timeout(_PING_SECONDS):
            await ping()
    except StoreAway:
        return "away"
    except TimeoutError:
        return "silent"
    return "answers"

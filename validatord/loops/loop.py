"""The shape of every loop: a tick around `run_once`, which holds all the work and is tested alone.

A loop survives its own exceptions, reports its last success, stops by event first and cancellation
second, and starts with a random part of its interval so that loops do not beat together.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from datetime import datetime

from loguru import logger

from validatord import metrics
from validatord.clock import Clock
from validatord.errors import StoreAway


class Loop:
    """Runs `run_once` every `interval_seconds`, or at once when woken."""

    def __init__(
        self,
        name: str,
        run_once: Callable[[], Awaitable[int]],
        clock: Clock,
        *,
        interval_seconds: Callable[[], float],
        rng: random.Random | None = None,
    ) -> None:
        self.name = name
        self.last_success_at: datetime | None = None
        self.ticked: float | None = None  # on the clock that never jumps
        self._run_once = run_once
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._rng = rng
        self._woken = asyncio.Event()
        self._is_away = False

    def __repr__(self) -> str:
        return f"<Loop {self.name} last success {self.last_success_at}>"

    def wake(self) -> None:
        """Run again without waiting for the tick."""
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Tick until `stop` is set."""
        if self._rng is not None:
            await self._wait(stop, self._interval_seconds() * self._rng.random())
        while not stop.is_set():
            self._woken.clear()
            self.ticked = self._clock.monotonic()
            if not await self._run_safely():
                self._woken.clear()  # after a failure only the tick starts the next run
            await self._wait(stop, self._interval_seconds())

    async def _run_safely(self) -> bool:
        try:
            await self._run_once()
        except StoreAway:
            metrics.count_loop_run(self.name, "away")
            if not self._is_away:
                logger.bind(loop=self.name).warning("PostgreSQL is away; waiting")
            self._is_away = True
        except Exception:  # noqa: BLE001 a loop outlives its own mistakes, loudly
            metrics.count_loop_run(self.name, "failed")
            metrics.count_failure(self.name)
            logger.bind(loop=self.name).exception("loop failed; going on")
        else:
            metrics.count_loop_run(self.name, "done")
            if self._is_away:
                logger.bind(loop=self.name).info("PostgreSQL is back")
            self._is_away = False
            self.last_success_at = self._clock.now()
            return True
        return False

    async def _wait(self, stop: asyncio.Event, seconds: float) -> None:
        waits = [asyncio.ensure_future(self._clock.sleep(seconds))]
        waits += [asyncio.ensure_future(event.wait()) for event in (stop, self._woken)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await wait

"""Keeps arq intake alive: a new worker whenever one dies, a pause whenever a chunk could not be stored.

Redis may be away, full, read-only or slow, and PostgreSQL may be away or full of waiting work: the daemon
stays up, tries again with backoff, and says so once a minute. Pausing means that no job is picked, so
waiting uses up nothing.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from arq.connections import ArqRedis
from loguru import logger
from redis.exceptions import RedisError, ResponseError

from validatord import metrics
from validatord.clock import Clock
from validatord.errors import StoreAway
from validatord.intake import client
from validatord.intake.arq_worker import IntakeWorker, WorkerRules
from validatord.intake.jobs import Jobs
from validatord.logs import Seldom
from validatord.store import submissions
from validatord.store.database import Database

_WAITS = (0.2, 0.5, 1.0, 2.0, 3.0)
_LOOK_SECONDS = 1.0
_IDLE_LOOK_SECONDS = 3.0  # while no job waits nobody is kept from storing one
_GRACE_SECONDS = 5.0
_ASK_AGAIN_SECONDS = 0.05
_AHEAD_SECONDS = 600  # more than any job is put off by ourselves
_PROBE_MILLISECONDS = 10_000


@dataclass(slots=True)
class IntakeState:
    """What health and metrics show; `paused_for` is empty while jobs are picked."""

    is_connected: bool = False
    paused_for: str = ""
    restarts: int = 0
    queued: int = 0
    ahead: int = 0  # jobs whose producer's clock, or wish, lies far in the future
    last_error: str = ""


@dataclass(slots=True)
class Intake:
    """Runs arq intake until told to stop.

    `marks` gives the high and the low water mark, asked each time since they may be reloaded; `find_pause`
    says why an operator wants no work taken in, or an empty text.
    """

    redis_url: str
    database: Database
    jobs: Jobs
    clock: Clock
    rules: WorkerRules
    marks: Callable[[], tuple[int, int]]
    find_pause: Callable[[], str] = lambda: ""
    state: IntakeState = field(default_factory=IntakeState)
    _worker: IntakeWorker | None = None
    _trouble: Seldom = field(init=False)
    _warning: Seldom = field(init=False)

    def __post_init__(self) -> None:
        self._trouble, self._warning = Seldom(self.clock), Seldom(self.clock)

    def pause(self, reason: str) -> None:
        """Pick no more jobs until PostgreSQL and Redis were seen to be well again."""
        self.state.paused_for = reason
        if self._worker is not None:
            self._worker.allow_pick_jobs = False

    async def run(self, stop: asyncio.Event) -> None:
        """Take jobs in until `stop`; whatever goes wrong is logged and tried again."""
        failures = 0
        while not stop.is_set():
            started = self.clock.monotonic()
            try:
                await self._run_once(stop)
            except (Exception, asyncio.CancelledError) as error:
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    raise
                self._tell(error)
            failures = 0 if self.clock.monotonic() - started > _WAITS[-1] else failures + 1
            if not stop.is_set():
                self.state.restarts += 1
                metrics.count_intake_restart()
                await self._wait(stop, _WAITS[min(failures, len(_WAITS)) - 1])

    async def _wait(self, stop: asyncio.Event, seconds: float) -> None:
        sleeping = asyncio.ensure_future(self.clock.sleep(seconds))
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({sleeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            stopping.cancel()

    def _tell(self, error: BaseException) -> None:
        self.state.is_connected = False
        self.state.last_error = f"{type(error).__name__}: {error}"[:300]
        if self._trouble.is_due():
            is_expected = isinstance(error, RedisError | OSError)
            bound = logger.bind(error=self.state.last_error, times=self._trouble.take_left_out() + 1)
            bound.opt(exception=None if is_expected else error).warning("arq intake interrupted; trying again")

    # --- one worker's life -------------------------------------------------------------------------

    async def _run_once(self, stop: asyncio.Event) -> None:
        redis = await client.open_redis(self.redis_url)
        worker = IntakeWorker(redis, self.jobs, self.rules)
        worker.allow_pick_jobs = False
        self._worker = worker
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(worker.async_run(), name="arq worker"),
            asyncio.create_task(self._watch(worker, redis), name="arq intake watch"),
            asyncio.create_task(stop.wait(), name="arq intake stop"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._worker = None
            ending = asyncio.ensure_future(_end(worker, redis, tasks))
            try:
                await asyncio.shield(ending)
            except asyncio.CancelledError:
                # Whoever has no patience for chunks that were begun still gets no task left behind.
                for task in worker.tasks.values():
                    task.cancel()
                await ending
                raise

    async def _watch(self, worker: IntakeWorker, redis: ArqRedis) -> None:
        """Look again and again whether chunks can be stored, and pick jobs or not."""
        while True:
            reason = await self._find_obstacle(redis)
            if reason != self.state.paused_for and reason and self._warning.is_due():
                logger.bind(reason=reason).warning("arq intake paused")
            elif self.state.paused_for and not reason:
                logger.bind(reason=self.state.paused_for).info("arq intake goes on")
            self.state.is_connected, self.state.paused_for = True, reason
            worker.allow_pick_jobs = not reason
            await self._count(redis)
            is_idle = not reason and not self.state.queued
            await self.clock.sleep(_IDLE_LOOK_SECONDS if is_idle else _LOOK_SECONDS)

    async def _find_obstacle(self, redis: ArqRedis) -> str:
        """Return why no job may be picked now, or an empty text."""
        if reason := self.find_pause():
            return reason
        try:
            # arq reads a Redis that refuses writes as "somebody else took the job" and would spin.
            await redis.set(f"{self.rules.queue}:probe", b"1", px=_PROBE_MILLISECONDS)
        except ResponseError as error:
            return f"Redis refuses writes: {error}"[:200]
        try:
            waiting = await submissions.count_unfinished(self.database)
        except StoreAway:
            return "PostgreSQL is away"
        # Once over the high mark, work must go down to the low one before more is let in.
        high, low = self.marks()
        is_over = self.state.paused_for.startswith("too much")
        if waiting >= (low if is_over else high):
            return "too much unfinished work"
        return ""

    async def _count(self, redis: ArqRedis) -> None:
        now = time.time() * 1000
        self.state.queued = await redis.zcard(self.rules.queue)
        self.state.ahead = await redis.zcount(self.rules.queue, now + _AHEAD_SECONDS * 1000, "+inf")
        if self.state.ahead and self._warning.is_due():
            logger.bind(jobs=self.state.ahead).warning("arq jobs lie far in the future: check the producers' clocks")


async def _end(worker: IntakeWorker, redis: ArqRedis, tasks: list[asyncio.Task[Any]]) -> None:
    """Let begun jobs end, then cut what is left: a chunk half taken in was not committed, or is known."""
    worker.allow_pick_jobs = False
    running = {task for task in worker.tasks.values() if not task.done()}
    if running:
        await asyncio.wait(running, timeout=_GRACE_SECONDS)
    everything: list[asyncio.Task[Any]] = [
        *tasks,
        *worker.tasks.values(),
        *([worker.main_task] if worker.main_task else []),
    ]
    pending = {task for task in everything if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        # Python 3.11's wait_for, inside redis-py, may swallow a cancellation: ask again.
        _, pending = await asyncio.wait(pending, timeout=_ASK_AGAIN_SECONDS)
    await asyncio.gather(*everything, return_exceptions=True)
    with contextlib.suppress(RedisError, OSError):
        await redis.aclose(close_connection_pool=True)

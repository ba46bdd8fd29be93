"""The daemon: opens the stores, starts the engine and the doors, stops in order.

A start waits for a PostgreSQL that is away; a second signal ends what the first one lets finish.
"""

import asyncio
import contextlib
import gc
import random
from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

from loguru import logger

from validatord import __version__, metrics
from validatord.clock import SystemClock
from validatord.engine import Engine
from validatord.errors import NodeTaken, StoreAway
from validatord.intake.arq_worker import WorkerRules
from validatord.intake.jobs import Jobs
from validatord.intake.results import describe_event
from validatord.intake.submit import IntakeRules, Submitter
from validatord.intake.supervisor import Intake
from validatord.intake.wire import SubmittedChunk
from validatord.logs import Seldom, set_up_logs
from validatord.loops import reverifier
from validatord.loops.bouncer_driver import BouncerDriver
from validatord.loops.loop import Loop
from validatord.loops.notifier import Notifier, Ways, judge_targets
from validatord.mail.request import Priority
from validatord.notify.webhook import WebhookSender
from validatord.process import Process
from validatord.reloader import Reloader
from validatord.settings import Settings, SettingsHolder
from validatord.stores import Stores, open_stores
from validatord.verification.outfit import Prepared, prepare
from validatord.web.server import WebDoor
from validatord.web.services import WebServices

_UPKEEP_SECONDS = 3600.0
_STORE_SECONDS = 1.0  # between two tries to reach PostgreSQL at the start


class Daemon:
    """One run of `validatord serve`."""

    def __init__(self, settings: Settings, load: Callable[[], Settings]) -> None:
        self._holder = SettingsHolder(settings)
        self._clock = SystemClock()
        self._reloader: Reloader[Prepared] = Reloader(self._holder, load, prepare, self._clock)
        self._process = Process(self._reloader, settings.service.node)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises:
            NodeTaken: another process runs under this node's name, at the start or later.
        """
        settings = self._holder.snapshot()
        _set_up_logs(settings)
        metrics.describe_build(__version__, settings.service.node)
        metrics.register_process()
        self._reloader.call(lambda prepared: _set_up_logs(prepared.settings))
        async with self._process, contextlib.AsyncExitStack() as stack:
            stores = await self._wait_for_stores(stack, settings)
            if stores is None:
                return
            engine = Engine(stores.database, self._holder.snapshot, self._clock, random.Random())  # noqa: S311 spreads waits
            self._process.hurry = engine.hurry
            await engine.start()
            self._reloader.call(engine.apply)
            fenced = engine.fenced
            beside = [
                asyncio.create_task(self._drive_bouncer(engine, stores), name="bouncer driver"),
                asyncio.create_task(self._tell(stores), name="notifier"),
            ]
            try:
                await self._serve(engine, stores)
            finally:
                self._process.stopping()
                # Side by side: each may need the whole grace time.
                await asyncio.gather(engine.stop(), _end(beside))
                logger.info("stopped")
        if fenced.is_set():
            raise NodeTaken(f'another validatord named "{engine.node}" runs now; this one has stopped')

    async def _wait_for_stores(self, stack: contextlib.AsyncExitStack, settings: Settings) -> Stores | None:
        """Open the stores, waiting for a PostgreSQL that is away; None if told to stop meanwhile."""
        seldom = Seldom(self._clock)
        while not self._process.stop.is_set():
            try:
                return await stack.enter_async_context(open_stores(settings, needs_redis=True))
            except StoreAway as away:
                if seldom.is_due():
                    logger.bind(problem=str(away)).warning("waiting for PostgreSQL")
                self._process.notifier.status("waiting for PostgreSQL")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STORE_SECONDS):
                    await self._process.stop.wait()
        return None

    async def _serve(self, engine: Engine, stores: Stores) -> None:
        async with contextlib.AsyncExitStack() as stack:
            submitter = self._build_submitter(engine, stores)
            upkeep = self._build_upkeep(submitter, stores)
            tasks = [asyncio.create_task(upkeep.run(self._process.stop), name="upkeep")]
            stack.push_async_callback(_end, tasks)
            if stores.redis_url:
                intake = self._build_intake(engine, stores, submitter)
                tasks.append(asyncio.create_task(intake.run(self._process.stop), name="arq intake"))
            if self._holder.snapshot().web.is_enabled:
                door = WebDoor(self._build_services(engine, stores, submitter))
                stack.push_async_callback(door.aclose)
                await door.open()
            _spare_the_collector()
            self._process.ready(engine.is_lively, stores.database.ping)
            logger.bind(node=engine.node, arq=bool(stores.redis_url)).info("ready")
            await _wait_for_any(self._process.stop, engine.fenced)
            logger.info("stopping: doors first, then visits")

    async def _drive_bouncer(self, engine: Engine, stores: Stores) -> None:
        rng = random.Random()  # noqa: S311 spreads waits
        driver = BouncerDriver(stores.database, self._holder.snapshot, engine.policy_of, self._clock, rng)
        await driver.run(self._process.stop, self._holder.snapshot().service.stop_grace.total_seconds())

    async def _tell(self, stores: Stores) -> None:
        """Send what stands in the outbox."""
        sender = WebhookSender(judge_targets(self._holder.snapshot), self._clock)
        ways = Ways(sender, describe=partial(describe_event, stores.database))
        notifier = Notifier(stores.database, self._holder.snapshot, self._clock, ways)
        await notifier.run(self._process.stop)

    def _build_submitter(self, engine: Engine, stores: Stores) -> Submitter:
        rules = IntakeRules.of(self._holder.snapshot())
        submitter = Submitter(stores.database, self._clock, rules, policy_of=engine.policy_of, wake=engine.wake)

        def apply(prepared: Prepared) -> None:
            submitter.rules = IntakeRules(prepared.lists, prepared.settings)

        self._reloader.call(apply)
        return submitter

    def _build_services(self, engine: Engine, stores: Stores, submitter: Submitter) -> WebServices:
        return WebServices(
            database=stores.database,
            submitter=submitter,
            snapshot=self._holder.snapshot,
            clock=self._clock,
            wake=engine.wake,
            lanes=engine.running.tools.lanes,
            listen=engine.listen,
        )

    def _build_upkeep(self, submitter: Submitter, stores: Stores) -> Loop:
        async def submit(submission: str, place: int, emails: Sequence[str], contacts: Sequence[UUID]) -> None:
            names = (reverifier.CLIENT, submission)
            await submitter.submit(SubmittedChunk(*names, tuple(emails), place, tuple(contacts), Priority.LOW))

        settings = self._holder.snapshot
        upkeep = reverifier.Reverifier(stores.database, settings, settings().service.node, self._clock, submit)
        rng = random.Random()  # noqa: S311 spreads waits
        return Loop("upkeep", upkeep.run_once, self._clock, interval_seconds=lambda: _UPKEEP_SECONDS, rng=rng)

    def _build_intake(self, engine: Engine, stores: Stores, submitter: Submitter) -> Intake:
        settings = self._holder.snapshot()
        rules = WorkerRules(settings.redis.queue, settings.redis.poll_delay, settings.redis.max_jobs)
        jobs = Jobs(stores.database, submitter, self._clock)
        return Intake(
            stores.redis_url,
            stores.database,
            jobs,
            self._clock,
            rules,
            marks=lambda: self._holder.snapshot().store.marks,
            find_pause=engine.running.pauses.find_intake_pause,
        )


def _set_up_logs(settings: Settings) -> None:
    set_up_logs(level=settings.service.log_level, form=settings.service.log_format)


def _spare_the_collector() -> None:
    """Keep what lives as long as the process out of collections, and collect a tenth as often.

    Our values hold no cycles but the short ones of tasks and exceptions; looking for them took a twelfth
    of all CPU time. The memory that waits for a collection in between is a few MB.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


async def _wait_for_any(*events: asyncio.Event) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

"""The daemon: opens the stores, starts the engine and the doors, stops in order.

A start waits for a PostgreSQL that is away; a second signal ends what the first one lets finish.
"""

import asyncio
import contextlib
import gc
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from loguru import logger

from validatord import __version__, metrics, settings_text
from validatord.clock import SystemClock
from validatord.engine import Engine
from validatord.errors import NodeTaken, StoreAway
from validatord.health import Health, Parties
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
from validatord.loops.notifier import Channel, Notifier, Ways, judge_targets
from validatord.loops.watch import Watch
from validatord.mail.request import Priority
from validatord.notify.mail import MailSender
from validatord.notify.message import Message
from validatord.notify.webhook import WebhookSender
from validatord.process import Process
from validatord.reloader import Reloader
from validatord.settings import AlertSettings, Settings, SettingsHolder
from validatord.store.database import Database
from validatord.stores import Stores, open_stores
from validatord.verification.outfit import Prepared, prepare
from validatord.web.health import FiguresDoor
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
            driver = self._build_driver(engine, stores)
            health = self._build_health(engine, driver)
            beside = [
                asyncio.create_task(self._drive(driver), name="bouncer driver"),
                asyncio.create_task(self._tell(stores), name="notifier"),
                asyncio.create_task(self._watch(engine, health), name="watch"),
            ]
            try:
                await self._serve(engine, stores, health)
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

    async def _serve(self, engine: Engine, stores: Stores, health: Health) -> None:
        async with contextlib.AsyncExitStack() as stack:
            submitter = self._build_submitter(engine, stores)
            upkeep = self._build_upkeep(submitter, stores)
            tasks = [asyncio.create_task(upkeep.run(self._process.stop), name="upkeep")]
            stack.push_async_callback(_end, tasks)
            if stores.redis_url:
                intake = self._build_intake(engine, stores, submitter)
                health.parties.intake = lambda: intake.state
                tasks.append(asyncio.create_task(intake.run(self._process.stop), name="arq intake"))
            if self._holder.snapshot().web.is_enabled:
                database = await self._open_pool_of_door(stack, stores)
                door = WebDoor(self._build_services(engine, database, submitter, health))
                stack.push_async_callback(door.aclose)
                await door.open()
            if self._holder.snapshot().metrics.port:
                figures = await FiguresDoor.open(self._holder.snapshot().metrics)
                stack.push_async_callback(figures.aclose)
            _spare_the_collector()
            self._process.ready(engine.is_lively, stores.database.ping)
            logger.bind(node=engine.node, arq=bool(stores.redis_url)).info("ready")
            await _wait_for_any(self._process.stop, engine.fenced)
            logger.info("stopping: doors first, then visits")

    def _build_driver(self, engine: Engine, stores: Stores) -> BouncerDriver:
        rng = random.Random()  # noqa: S311 spreads waits
        return BouncerDriver(stores.database, self._holder.snapshot, engine.policy_of, self._clock, rng)

    def _build_health(self, engine: Engine, driver: BouncerDriver) -> Health:
        parties = Parties(
            engine,
            reload=lambda: self._reloader.state,
            is_stopping=self._process.stop.is_set,
            breaker=lambda: driver.tools.breaker.state,
        )
        return Health(parties, self._holder.snapshot, self._clock)

    async def _watch(self, engine: Engine, health: Health) -> None:
        """Take figures and tell what needs a person."""
        mail = MailSender(self._alert_settings)

        async def send_directly(message: Mapping[str, Any]) -> bool:
            told = Message(str(uuid4()), "alert", self._clock.now(), dict(message))
            return mail.is_wanted and (await mail.send(told)).is_taken

        watch = Watch(
            engine.database,
            engine.node,
            self._clock,
            self._alert_settings,
            health.look_inside,
            send_directly=send_directly,
        )
        health.parties.watch = watch

        def every() -> float:
            return self._alert_settings().interval.total_seconds()

        await Loop("watch", watch.run_once, self._clock, interval_seconds=every).run(self._process.stop)

    def _alert_settings(self) -> AlertSettings:
        return self._holder.snapshot().alerts

    async def _drive(self, driver: BouncerDriver) -> None:
        await driver.run(self._process.stop, self._holder.snapshot().service.stop_grace.total_seconds())

    async def _tell(self, stores: Stores) -> None:
        """Send what stands in the outbox."""
        sender = WebhookSender(judge_targets(self._holder.snapshot), self._clock)
        mail = MailSender(self._alert_settings)
        channel = Channel("mail", frozenset({"alert"}), mail.send)
        ways = Ways(sender, (channel,), describe=partial(describe_event, stores.database))
        notifier = Notifier(stores.database, self._holder.snapshot, self._clock, ways)
        await notifier.run(self._process.stop)

    def _build_submitter(self, engine: Engine, stores: Stores) -> Submitter:
        rules = IntakeRules.of(self._holder.snapshot(), engine.suggester)
        submitter = Submitter(stores.database, self._clock, rules, policy_of=engine.policy_of, wake=engine.wake)

        def apply(prepared: Prepared) -> None:
            submitter.rules = IntakeRules(prepared.lists.using(engine.suggester), prepared.settings)

        self._reloader.call(apply)
        return submitter

    async def _open_pool_of_door(self, stack: contextlib.AsyncExitStack, stores: Stores) -> Database:
        """Open connections of the door's own: who reads much must not keep those who verify waiting."""
        settings = self._holder.snapshot()
        try:
            database = await Database.open(
                stores.dsn,
                pool_size=settings.web.database_connections,
                statement_timeout=settings.database.statement_timeout,
                lock_timeout=settings.database.lock_timeout,
                application_name="validatord web",
            )
        except StoreAway:  # a moment ago it was there: the door shares until the next start
            return stores.database
        stack.push_async_callback(database.aclose)
        return database

    def _build_services(self, engine: Engine, database: Database, submitter: Submitter, health: Health) -> WebServices:
        return WebServices(
            database=database,
            submitter=submitter,
            snapshot=self._holder.snapshot,
            clock=self._clock,
            wake=engine.wake,
            lanes=engine.running.tools.lanes,
            listen=engine.listen,
            health=health.report,
            readiness=health.readiness,
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
    service = settings.service
    set_up_logs(
        level=service.log_level,
        form=service.log_format,
        secrets=settings_text.list_secrets(settings),
        is_address_masked=service.is_address_masked,
    )


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

"""The daemon: opens the stores, starts the engine and the doors, listens to signals, stops in order.

Signal handlers only set events; everything else happens in the tasks that wait for them.
"""

import asyncio
import contextlib
import gc
import os
import random
import signal
from collections.abc import Callable

from loguru import logger

from validatord import sd_notify
from validatord.clock import SystemClock
from validatord.engine import Engine, load_providers
from validatord.intake.arq_worker import WorkerRules
from validatord.intake.jobs import Jobs
from validatord.intake.submit import IntakeRules, Submitter
from validatord.intake.supervisor import Intake
from validatord.logs import set_up_logs
from validatord.loops.bouncer_driver import BouncerDriver
from validatord.reload import reload
from validatord.settings import Settings, SettingsHolder
from validatord.stores import Stores, open_stores


class Daemon:
    """One run of `validatord serve`."""

    def __init__(self, settings: Settings, load: Callable[[], Settings]) -> None:
        self._holder = SettingsHolder(settings)
        self._load = load
        self._stop = asyncio.Event()
        self._hangup = asyncio.Event()
        self._notifier = sd_notify.Notifier(os.environ)
        self._clock = SystemClock()
        self._submitter: Submitter | None = None

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        settings = self._holder.snapshot()
        set_up_logs(level=settings.service.log_level, form=settings.service.log_format)
        self._listen()
        async with open_stores(settings, needs_redis=True) as stores:
            engine = Engine(stores.database, self._holder.snapshot, self._clock, random.Random())  # noqa: S311 spreads waits
            await engine.start()
            try:
                await self._serve(engine, stores)
            finally:
                self._notifier.stopping("giving leases back")
                await engine.stop()
                logger.info("stopped")

    async def _serve(self, engine: Engine, stores: Stores) -> None:
        async with contextlib.AsyncExitStack() as stack:
            tasks = [asyncio.create_task(self._reload_on_hangup(engine), name="reload")]
            if stores.redis_url:
                tasks.append(asyncio.create_task(self._build_intake(engine, stores).run(self._stop), name="arq intake"))
            grace = self._holder.snapshot().service.stop_grace.total_seconds()
            driver = self._build_bouncer(engine, stores)
            tasks.append(asyncio.create_task(driver.run(self._stop, grace), name="bouncer driver"))
            stack.push_async_callback(_end, tasks)
            if self._notifier.watchdog_seconds:
                tasks.append(asyncio.create_task(self._feed_watchdog(engine), name="watchdog"))
            _spare_the_collector()
            self._notifier.ready("verifying")
            logger.bind(node=engine.node, arq=bool(stores.redis_url)).info("ready")
            await self._stop.wait()
            logger.info("stopping: doors first, then visits")

    def _build_bouncer(self, engine: Engine, stores: Stores) -> BouncerDriver:
        rng = random.Random()  # noqa: S311 spreads waits
        return BouncerDriver(stores.database, self._holder.snapshot, engine.policy_of, self._clock, rng)

    def _build_intake(self, engine: Engine, stores: Stores) -> Intake:
        settings = self._holder.snapshot()
        self._submitter = Submitter(
            stores.database, self._clock, IntakeRules.of(settings), policy_of=engine.policy_of, wake=engine.wake
        )
        rules = WorkerRules(settings.redis.queue, settings.redis.poll_delay, settings.redis.max_jobs)
        jobs = Jobs(stores.database, self._submitter, self._clock)
        return Intake(
            stores.redis_url,
            stores.database,
            jobs,
            self._clock,
            rules,
            high_water=lambda: self._holder.snapshot().store.high_water,
        )

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._hangup.set)

    async def _reload_on_hangup(self, engine: Engine) -> None:
        while True:
            await self._hangup.wait()
            self._hangup.clear()
            self._notifier.reloading()
            self._reload(engine)
            self._notifier.ready("verifying")

    def _load_whole(self) -> Settings:
        """Read the settings and every file they name, so that a bad list refuses the reload as a bad key does."""
        settings = self._load()
        IntakeRules.of(settings)
        load_providers(settings)
        return settings

    def _reload(self, engine: Engine) -> None:
        result = reload(self._holder.snapshot(), self._load_whole)
        for problem in result.problems:
            logger.bind(problem=problem).error("reload refused; the settings in force stay")
        if result.settings is None:
            return
        self._holder.swap(result.settings)
        engine.apply(result.settings)
        if self._submitter is not None:
            self._submitter.rules = IntakeRules.of(result.settings)
        for change in result.changed:
            logger.bind(change=change).info("setting changed")
        for change in result.needs_restart:
            logger.bind(change=change).warning("setting needs a restart")
        logger.bind(changes=len(result.changed)).info("reloaded")

    async def _feed_watchdog(self, engine: Engine) -> None:
        """Feed systemd's watchdog as long as the dispatcher goes round."""
        seconds = self._notifier.watchdog_seconds or 1.0
        while True:
            await asyncio.sleep(seconds)
            if engine.is_lively(seconds * 3):
                self._notifier.feed_watchdog()


def _spare_the_collector() -> None:
    """Keep what lives as long as the process out of collections, and collect a tenth as often.

    Our values hold no cycles but the short ones of tasks and exceptions; looking for them took a twelfth
    of all CPU time. The memory that waits for a collection in between is a few MB.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

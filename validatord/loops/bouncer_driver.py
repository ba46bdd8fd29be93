"""The Bouncer driver: fills batches and takes every open one a step further, on one node at a time.

A round sorts the queue, plans, and starts the steps that are due. Steps that take long go on beside later
rounds; what a step learned is in the ledger when it ends, so nothing here needs to survive.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from datetime import timedelta

from loguru import logger

from validatord.bouncer import account, collect, health
from validatord.bouncer.batch import BatchStory
from validatord.bouncer.breaker import RoundBreaker, State
from validatord.bouncer.client import Access, BouncerClient
from validatord.bouncer.context import Tools, stop
from validatord.bouncer.limiter import CallLimiter
from validatord.clock import Clock
from validatord.errors import BouncerRejected, StoreAway
from validatord.loops.loop import Loop
from validatord.rules.policy import ClientPolicy
from validatord.settings import BouncerSettings, Settings
from validatord.store import bouncer_batches
from validatord.store.bouncer_batches import Batch, DriverLock, Waits
from validatord.store.bouncer_limits import Account
from validatord.store.database import Database

_TIERS = ("main", "deep")
_PLANNED, _SUBMITTED = "planned", "submitted"
_GUARD_LOOKS = 3  # tries to learn the credits at a start, before going on without
_IDLE_TICKS = 5  # ticks between two rounds while nothing waits and nothing is open
_TRIAGE_TICKS = 5  # ticks between two looks through the queue
_ROUND_SECONDS = 2.0  # how long a round waits for its own steps


class BouncerDriver:
    """`run_once` is a round; `aclose` lets a create that is under way hear its answer."""

    def __init__(
        self,
        database: Database,
        snapshot: Callable[[], Settings],
        policy_of: Callable[[str], ClientPolicy],
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self.tools = Tools(
            database, BouncerClient(), CallLimiter(database, clock, rng), RoundBreaker(clock), clock, rng, policy_of
        )
        self.wake: Callable[[], None] = lambda: None
        self._snapshot = snapshot
        self._story = BatchStory(self.tools)
        self._lock: DriverLock | None = None
        self._active: dict[int, asyncio.Task[None]] = {}
        self._is_closing = False
        self._is_idle = False
        self._is_recovered = False
        self._keys: dict[str, str] = {}
        self._times: dict[str, float] = {}
        self._looks: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<BouncerDriver {'driving' if self._lock else 'idle'}, {len(self._active)} steps, {self.tools.breaker}>"

    async def run(self, stop: asyncio.Event, grace_seconds: float = 8.0) -> None:
        """Drive until `stop` is set or this task is cancelled."""
        loop = Loop("bouncer driver", self.run_once, self.tools.clock, interval_seconds=self.interval_seconds)
        self.wake = loop.wake
        try:
            await loop.run(stop)
        finally:
            await self.aclose(grace_seconds)

    def interval_seconds(self) -> float:
        """How often to look round: less often while there is nothing at all."""
        return self._snapshot().bouncer.tick.total_seconds() * (_IDLE_TICKS if self._is_idle else 1)

    async def run_once(self) -> int:
        """Run one round; returns how many steps it started."""
        if self._is_closing or not await self._hold_lock():
            return 0
        settings = self._snapshot()
        await self._recover()
        if self._is_time("triage", _TRIAGE_TICKS * settings.bouncer.tick):
            await collect.triage(self.tools)
        keyed = await self._note_keys(settings.bouncer)
        if not keyed:
            return 0
        await self._guard(keyed, settings.bouncer)
        accounts = {tier: await account.watch(self.tools, tier, settings.bouncer) for tier in keyed}
        if self._is_time("plan", settings.bouncer.tick):
            await self._plan(accounts, settings.bouncer)
        if self._is_time("known", _TRIAGE_TICKS * settings.bouncer.tick):
            await collect.answer_known(self.tools, settings)
        started = await self._start_steps(accounts, settings)
        await self._wait_round()
        await self._end_round(keyed, settings.bouncer)
        self._is_idle = not started and not self._active and await bouncer_batches.is_idle(self.tools.database)
        return started

    async def aclose(self, grace_seconds: float = 8.0) -> None:
        """Start nothing more, let what is under way end, then give everything back.

        A create that does not end in time is cut and becomes unknown at the next start.
        """
        self._is_closing = True
        tasks = list(self._active.values())
        if tasks:
            logger.bind(steps=len(tasks)).info("bouncer driver: letting steps end")
            await asyncio.wait(tasks, timeout=grace_seconds)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self.tools.client.aclose()
        if self._lock is not None:
            await self._lock.aclose()
            self._lock = None

    # --- a round -------------------------------------------------------------------------------

    async def _hold_lock(self) -> bool:
        if self._lock is not None and not await self._lock.is_held():
            logger.warning("bouncer driver: the lock is gone; another node may drive now")
            await self._lock.aclose()
            self._lock = None
        if self._lock is None:
            self._lock = await DriverLock.try_acquire(self.tools.database)
            if self._lock is not None:
                self._is_recovered = False
                logger.info("bouncer driver: driving from this node")
        return self._lock is not None

    async def _recover(self) -> None:
        """What an earlier process had begun to send is unknown; nothing is sent again."""
        if self._is_recovered:
            return
        for batch in await bouncer_batches.record_interrupted(self.tools.database, list(self._active)):
            logger.bind(batch=batch).error(
                "bouncer may or may not have taken the batch: a create was cut off; adopt, resubmit or abandon it"
            )
        self._is_recovered = True

    async def _note_keys(self, bouncer: BouncerSettings) -> list[str]:
        """Return the passes that have a key; one that changed is noted in the ledger first."""
        keys = {tier: Access.of(bouncer, tier).key for tier in _TIERS}
        if keys != self._keys:
            for tier in _TIERS:
                await account.note_key(self.tools, tier, bouncer)
            self._keys = keys
        return [tier for tier, key in keys.items() if key]

    async def _guard(self, keyed: Sequence[str], bouncer: BouncerSettings) -> None:
        """Look, once after a start, whether the credits are what this ledger expects."""
        for tier in keyed:
            if self._looks.get(tier, 0) < _GUARD_LOOKS:
                is_known = await account.has_kept_credits(self.tools, tier, bouncer) is not None
                self._looks[tier] = _GUARD_LOOKS if is_known else self._looks.get(tier, 0) + 1

    def _is_time(self, what: str, every: timedelta) -> bool:
        # The interval is read now: a reload may have made it shorter.
        now = self.tools.clock.monotonic()
        if now - self._times.get(what, float("-inf")) < every.total_seconds():
            return False
        self._times[what] = now
        return True

    async def _plan(self, accounts: dict[str, Account], bouncer: BouncerSettings) -> None:
        if self.tools.breaker.state is not State.CLOSED:
            return
        for tier, found in accounts.items():
            if not (found.stopped_ts or found.paused_ts):
                await collect.plan(self.tools, tier, bouncer)

    async def _start_steps(self, accounts: dict[str, Account], settings: Settings) -> int:
        state = self.tools.breaker.state
        if state is State.OPEN:
            return 0
        bouncer = settings.bouncer
        waits = Waits(bouncer.poll_interval, bouncer.retry_wait, bouncer.max_retry_wait)
        claimed = await bouncer_batches.claim_due(self.tools.database, waits, list(self._active))
        due = [batch for batch in claimed if _may_step(batch, accounts)]
        if state is State.HALF_OPEN:
            due = await self._choose_trial(due, accounts, bouncer)
        if due:
            self._story.heads = await bouncer_batches.find_heads(self.tools.database)
        for batch in due:
            task = asyncio.create_task(self._step(batch, settings), name=f"bouncer batch {batch.id}")
            self._active[batch.id] = task
        return len(due)

    async def _choose_trial(
        self, due: Sequence[Batch], accounts: dict[str, Account], bouncer: BouncerSettings
    ) -> list[Batch]:
        """One read shows whether the provider is back: a poll, or else the credits; never a create."""
        polls = [batch for batch in due if batch.state == _SUBMITTED]
        if not polls and accounts:
            tier = next(iter(accounts))
            try:
                await account.read_credits(self.tools, tier, bouncer)
            except BouncerRejected as error:
                await stop(self.tools, tier, error, bouncer)
        return polls[:1]

    async def _step(self, batch: Batch, settings: Settings) -> None:
        """Run one step; none of its exceptions may reach the round."""
        with logger.contextualize(bouncer_batch=batch.id):
            try:
                await self._story.advance(batch, settings)
            except StoreAway:
                logger.warning("PostgreSQL is away; the step is taken again later")
            except Exception:  # noqa: BLE001 one batch must not stop the others
                logger.exception("bouncer step failed; it is taken again later")
                self._is_recovered = False
                with contextlib.suppress(StoreAway):
                    await self._story.step_back(batch, settings)
            finally:
                self._active.pop(batch.id, None)
                if not self._is_closing:
                    self.wake()

    async def _wait_round(self) -> None:
        if self._active:
            await asyncio.wait(list(self._active.values()), timeout=_ROUND_SECONDS)

    async def _end_round(self, keyed: Sequence[str], bouncer: BouncerSettings) -> None:
        if self.tools.breaker.end_round(bouncer.breaker_failures, bouncer.breaker_open):
            logger.bind(seconds=bouncer.breaker_open.total_seconds()).warning(
                "bouncer does not answer; leaving it alone"
            )
        if self._is_time("measure", bouncer.metrics_interval):
            for tier in keyed:
                await health.note_stuck(self.tools, tier, bouncer)
            with contextlib.suppress(StoreAway):
                await health.record(self.tools)


def _may_step(batch: Batch, accounts: dict[str, Account]) -> bool:
    found = accounts.get(batch.tier)
    if found is None or found.stopped_ts is not None:
        return False
    return batch.state != _PLANNED or found.paused_ts is None

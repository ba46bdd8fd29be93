"""Everything that verifies, put together once: used by the daemon, and by `check` where none runs.

Builds the tools, holds the node's lock, runs the loops of verification. Doors (arq, HTTP) are the
daemon's. Stops in order: dispatcher, visits, recorder, leases, sessions, lock. Whoever owns the engine
stops it when `fenced` is set: another process has taken the node.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from loguru import logger

from validatord.clock import Clock
from validatord.errors import ConfigurationError, StoreAway
from validatord.lookup.resolver import Resolver
from validatord.loops.active_model import ActiveModel
from validatord.loops.dispatcher import Dispatcher, Hands
from validatord.loops.housekeeper import Housekeeper
from validatord.loops.learner import Learner
from validatord.loops.loop import Loop
from validatord.loops.node import Node
from validatord.loops.pauses import Pauses
from validatord.loops.rechecker import Rechecker
from validatord.pacing.book import LaneBook
from validatord.rules import policy
from validatord.rules.policy import ClientPolicy
from validatord.rules.suggest import Suggester
from validatord.settings import Settings
from validatord.store import clients, lanes, leases, nodes, records, steering
from validatord.store.database import Database
from validatord.verification.context import Tools
from validatord.verification.outfit import Place, Prepared, build_tools, put_in_force
from validatord.verification.tally import Tally
from validatord.verification.visit import Visitor

_SNAPSHOT_SECONDS = 30.0
_POLICY_SECONDS = 15.0
_HOUSEKEEPER_SECONDS = 3600.0
_LEARNER_SECONDS = 21_600.0
_POOL_SECONDS = 1.0
_LOCK_SECONDS = 0.5
_PAUSES_SECONDS = 30.0  # in case a notification was lost
_STEERING_SECONDS = 10.0
_MOST_STEPS = 1_000_000
_LAST_WRITE_SECONDS = 1.0
_PING_SECONDS = 3.0
_NO_POLICY = ClientPolicy()


@dataclass(slots=True)
class _Running:
    """What exists between start and stop."""

    node: Node
    resolver: Resolver
    tools: Tools
    visitor: Visitor
    dispatcher: Dispatcher
    pauses: Pauses
    loops: dict[str, Loop]
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])


class Engine:
    """The verifying part of a process: `start`, then `stop`."""

    def __init__(self, database: Database, snapshot: Callable[[], Settings], clock: Clock, rng: random.Random) -> None:
        self.database = database
        self.snapshot = snapshot
        self.clock = clock
        self.rng = rng
        self.node = snapshot().service.node
        self.suggester = Suggester()
        self._policies: dict[str, ClientPolicy] = {}
        self._model = ActiveModel(database)
        self._running: _Running | None = None

    def __repr__(self) -> str:
        return f"<Engine {self.node} {self._running.dispatcher if self._running else 'stopped'}>"

    @property
    def running(self) -> _Running:
        """What runs; only between `start` and `stop`."""
        if self._running is None:
            msg = "the engine does not run"
            raise RuntimeError(msg)
        return self._running

    @property
    def fenced(self) -> asyncio.Event:
        """Set when another process has taken this node."""
        return self.running.node.fenced

    def wake(self) -> None:
        """Look for due domains now: work came in."""
        if self._running is not None:
            self._running.loops["dispatcher"].wake()

    def listen(self, listener: Callable[[Collection[int]], None]) -> None:
        """Be told the submissions of which something was written, from now until the stop."""
        self.running.tools.recorder.listeners.append(lambda record: listener(records.list_submissions(record)))

    async def start(self) -> None:
        """Take the node's lock and start the loops.

        Raises:
            NodeTaken: a daemon of this name runs already.
            StoreAway: PostgreSQL went away meanwhile.
        """
        lock = await nodes.NodeLock.acquire(self.database, self.node)
        try:
            self._running = await self._build(Node(self.database, lock, self.snapshot, self.clock))
            await self._load_policies()
            await self._model.run_once()
            await self._running.pauses.run_once()
        except BaseException:
            await lock.aclose()
            raise
        for name, work in self._jobs().items():
            self._running.tasks.append(asyncio.create_task(work, name=name))

    async def stop(self) -> None:
        """Stop in order: conversations end after the answers they wait for, or after the grace time."""
        running = self.running
        tools = running.tools
        running.stop.set()
        tools.lanes.close()
        parting = asyncio.ensure_future(tools.pool.aclose())  # idle sessions need not wait for the visits
        grace = 0.0 if running.node.fenced.is_set() else self.snapshot().service.stop_grace.total_seconds()
        await running.dispatcher.drain(grace)
        tools.recorder.close()
        await _end(running.tasks, _LAST_WRITE_SECONDS)
        await self._give_back(running)
        await parting
        await tools.pool.aclose()
        await tools.lookup.aclose()
        await running.resolver.aclose()
        await running.node.lock.aclose()
        self._running = None

    def hurry(self) -> None:
        """End running visits now, in the middle of their conversations."""
        if self._running is not None:
            for task in self._running.dispatcher.active.values():
                task.cancel()

    async def _give_back(self, running: _Running) -> None:
        try:
            async with asyncio.timeout(_LAST_WRITE_SECONDS):
                await running.node.give_all_back()
                await self._save_lanes()
        except Exception:  # noqa: BLE001 a stop goes on, whatever the ledger says
            logger.warning("leases could not be given back; the next start does it")

    def apply(self, prepared: Prepared) -> None:
        """Put reloaded settings in force for what is not read from a visit's own snapshot."""
        if self._running is not None:
            running = self._running
            running.tools = running.visitor.tools = put_in_force(running.tools, running.resolver, prepared)

    def is_lively(self, within_seconds: float) -> bool:
        """Whether the dispatcher came round lately: what the watchdog wants to know."""
        if self._running is None:
            return True  # a stop takes the time it takes
        last = self._running.loops["dispatcher"].ticked
        return last is not None and self.clock.monotonic() - last < within_seconds

    @property
    def holds_node(self) -> bool:
        """Whether this process holds its node's lock; without it nothing is leased."""
        return self._running is not None and not self._running.node.lock.lost.is_set()

    async def find_trouble(self) -> str:
        """Say why the ledger cannot be used now, or return an empty text."""
        try:
            async with asyncio.timeout(_PING_SECONDS):
                await self.database.ping()
        except StoreAway as away:
            return str(away)
        except TimeoutError:
            return f"PostgreSQL did not answer within {_PING_SECONDS:g} s"
        return ""

    # --- building ------------------------------------------------------------------------------

    async def _build(self, node: Node) -> _Running:
        settings = self.snapshot()
        resolver = Resolver(settings.lookup, self.clock)
        place = Place(
            database=self.database,
            node=self.node,
            epoch=lambda: self.running.node.lock.epoch,
            clock=self.clock,
            rng=self.rng,
            policy_of=self.policy_of,
            suggester=self.suggester,
            find_model=lambda: self._model.current,
        )
        tools = await build_tools(settings, resolver, place)
        tally = Tally(self.clock, lambda: self.snapshot().store.metrics_log_every)
        tools.recorder.listeners.append(tally.hear)
        visitor = Visitor(tools)
        dispatcher = self._build_dispatcher(node, visitor)
        node.visited = dispatcher.active.keys
        node.find_full_lanes = lambda: find_full_lanes(tools.lanes)
        node.find_half_life = lambda: self._model.half_life
        pauses = Pauses(self.database, tools.lanes.pause, tools.lanes.reset, self.wake)
        node.find_resting = lambda: None if pauses.is_verification_paused else pauses.domains
        loops = self._build_loops(node, tools, dispatcher, pauses)
        running = _Running(node, resolver, tools, visitor, dispatcher, pauses, loops)
        dispatcher.wake = running.loops["dispatcher"].wake
        return running

    def _build_dispatcher(self, node: Node, visitor: Visitor) -> Dispatcher:
        async def visit(work: leases.DomainVisit) -> None:
            try:
                await visitor.visit(work, self.snapshot())
            except StoreAway:
                node.expect_orphans()
                raise

        async def give_up(work: leases.DomainVisit) -> None:
            await visitor.give_up(work, self.snapshot())

        return Dispatcher(
            Hands(node.lease, visit, give_up, node.renew, node.give_back),
            self.clock,
            lambda: self.snapshot().pacing.global_concurrency,
        )

    def _build_loops(self, node: Node, tools: Tools, dispatcher: Dispatcher, pauses: Pauses) -> dict[str, Loop]:
        async def sweep_pool() -> int:
            await tools.pool.close_expired()
            return 0

        housekeeper = Housekeeper(self.database, self.snapshot)
        rechecker = Rechecker(self.database, self.snapshot, self.clock)
        learner = Learner(self.database, self.snapshot, self.suggester)
        plans: dict[str, tuple[Callable[[], Coroutine[Any, Any, int]], Callable[[], float]]] = {
            "node lock": (node.keep_lock, lambda: _LOCK_SECONDS),
            # Whoever brings work wakes it: while nobody is visited it looks half as often.
            "dispatcher": (
                dispatcher.run_once,
                lambda: self._seconds("dispatch_interval") * (1 if dispatcher.active else 2),
            ),
            "renewer": (dispatcher.renew_once, lambda: self._seconds("lease") / 4),
            "reaper": (node.reap, lambda: self._seconds("reap_interval")),
            "pool": (sweep_pool, lambda: _POOL_SECONDS),
            "lane snapshots": (self._save_lanes, lambda: _SNAPSHOT_SECONDS),
            "pauses": (pauses.run_once, lambda: _PAUSES_SECONDS),
            "policies": (self._load_policies, lambda: _POLICY_SECONDS),
            "steering": (self._steer, lambda: _STEERING_SECONDS),
            "model": (self._model.run_once, lambda: _POLICY_SECONDS),
            "housekeeper": (housekeeper.run_once, lambda: _HOUSEKEEPER_SECONDS),
            "rechecker": (rechecker.run_once, lambda: self._seconds("recheck", "history")),
            "learner": (learner.run_once, lambda: _LEARNER_SECONDS),
        }
        return {name: Loop(name, work, self.clock, interval_seconds=every) for name, (work, every) in plans.items()}

    def _jobs(self) -> dict[str, Coroutine[Any, Any, None]]:
        running = self.running
        jobs: dict[str, Coroutine[Any, Any, None]] = {
            name: loop.run(running.stop) for name, loop in running.loops.items()
        }
        return jobs | {
            "recorder": running.tools.recorder.run(),
            "lane watch": self._watch(running.tools.lanes.changed, "dispatcher"),  # a lane has room again
            "operator watch": self._watch(running.node.lock.heard, "pauses"),
        }

    async def _watch(self, event: asyncio.Event, loop_name: str) -> None:
        """Wake a loop whenever something happens."""
        running = self.running
        while not running.stop.is_set():
            waits = [asyncio.ensure_future(one.wait()) for one in (event, running.stop)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            event.clear()
            running.loops[loop_name].wake()

    def _seconds(self, name: str, section: str = "store") -> float:
        interval: timedelta = getattr(getattr(self.snapshot(), section), name)
        return interval.total_seconds()

    # --- what the loops do ---------------------------------------------------------------------

    async def _save_lanes(self) -> int:
        states = self.running.tools.lanes.snapshot()
        await lanes.save_states(self.database, self.node, states)
        return len(states)

    async def _steer(self) -> int:
        """Let requests follow submissions that were paused, resumed or cancelled."""
        for step in range(_MOST_STEPS):
            if self.running.stop.is_set() or not await steering.move_some(
                self.database, self.snapshot().score.unknown_from
            ):
                return step
        return _MOST_STEPS

    async def _load_policies(self) -> int:
        found: dict[str, ClientPolicy] = {}
        for client, values in (await clients.load_policies(self.database)).items():
            try:
                found[client] = policy.read(values)
            except ConfigurationError as error:
                logger.bind(client=client, problems=error.problems).error("policy of a client cannot be used")
                found[client] = self._policies.get(client, _NO_POLICY)
        self._policies = found
        return len(found)

    def policy_of(self, client: str) -> ClientPolicy:
        """Return a client's policy; the empty one changes nothing."""
        return self._policies.get(client, _NO_POLICY)


async def _end(tasks: Sequence[asyncio.Task[None]], patience_seconds: float) -> None:
    """Wait for the end of tasks that were told to stop; while PostgreSQL is away a write may never end."""
    _, late = await asyncio.wait(tasks, timeout=patience_seconds)
    for task in late:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def find_full_lanes(book: LaneBook) -> tuple[str, ...]:
    """Name the lanes that take no further visit now.

    Those with a closed gate are visited to be told so, unless an operator closed it: that may last.
    """
    full = [name for name in book.busy() if (lane := book.find(name)) is None or lane.retry_at() is None]
    return tuple({*full, *book.list_paused()})

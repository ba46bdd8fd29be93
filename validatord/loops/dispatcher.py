"""The dispatcher: leases due domains whose lane has room and starts a visit for each.

It never holds more visits than `global_concurrency`, so what is in memory is bounded whatever waits in
the ledger. It renews the leases of running visits, and at a stop it lets them finish for a grace time.
A domain whose visits always fail is not visited for ever: what is due of it is given up.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from loguru import logger

from validatord import crash, metrics
from validatord.clock import Clock
from validatord.errors import LeaseLost, StoreAway
from validatord.store.leases import DomainVisit

# The most domains one statement leases: more would only wait in memory.
_MOST_AT_ONCE = 200
_FAILED_VISIT_WAIT_SECONDS = 60.0
# So many failures in a row, and what is due then is given up instead of being visited.
_MOST_FAILURES = 5
_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Hands:
    """What the dispatcher does, given by the engine: lease, visit, give up, renew, give back."""

    lease: Callable[[int], Awaitable[Sequence[DomainVisit]]]
    visit: Callable[[DomainVisit], Awaitable[None]]
    give_up: Callable[[DomainVisit], Awaitable[None]]  # finish what is due without a visit
    renew: Callable[[Sequence[str]], Awaitable[object]]
    give_back: Callable[[str, float], Awaitable[object]]  # domain, seconds before it is due again


@dataclass(slots=True)
class _Counts:
    visits: int = 0
    failures: int = 0
    given_up: int = 0  # requests
    lost: int = 0


@dataclass(slots=True)
class Dispatcher:
    """Leases and visits; `run_once` is one round of leasing."""

    hands: Hands
    clock: Clock
    global_concurrency: Callable[[], int]
    wake: Callable[[], None] = lambda: None
    active: dict[str, asyncio.Task[None]] = field(default_factory=dict[str, asyncio.Task[None]])
    counts: _Counts = field(default_factory=_Counts)
    is_paused: bool = False
    failed: OrderedDict[str, int] = field(default_factory=OrderedDict[str, int])  # domain → failures in a row

    def __repr__(self) -> str:
        return f"<Dispatcher {len(self.active)} active, {self.counts.visits} done, {self.counts.failures} failed>"

    async def run_once(self) -> int:
        """Lease as many due domains as there is room for, and start their visits."""
        room = min(self.global_concurrency() - len(self.active), _MOST_AT_ONCE)
        if room <= 0 or self.is_paused:
            return 0
        leased = await self.hands.lease(room)
        if leased:
            crash.point("visit.claimed")
        if self.is_paused:
            return 0  # a stop began meanwhile: what was leased is given back with everything else
        for work in leased:
            self._start(work)
        if len(leased) == room == _MOST_AT_ONCE:
            self.wake()
        return len(leased)

    async def renew_once(self) -> int:
        """Renew the leases of every running visit."""
        domains = list(self.active)
        if domains:
            await self.hands.renew(domains)
        return len(domains)

    async def drain(self, grace_seconds: float) -> None:
        """Let running visits finish for the grace time, then cancel them and wait for their end."""
        self.is_paused = True
        tasks = list(self.active.values())
        if tasks:
            timer = asyncio.ensure_future(self.clock.sleep(grace_seconds))
            everything = asyncio.ensure_future(asyncio.wait(tasks))
            await asyncio.wait({timer, everything}, return_when=asyncio.FIRST_COMPLETED)
            timer.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(timer, everything, *tasks, return_exceptions=True)

    def _start(self, work: DomainVisit) -> None:
        task = asyncio.create_task(self._visit(work), name=f"visit {work.domain}")
        self.active[work.domain] = task
        task.add_done_callback(lambda _: self._finish(work.domain))

    def _finish(self, domain: str) -> None:
        self.active.pop(domain, None)
        self.counts.visits += 1
        self.wake()

    async def _visit(self, work: DomainVisit) -> None:
        """Run one visit; none of its exceptions may reach the loop."""
        with logger.contextualize(domain=work.domain):
            try:
                metrics.count_visit(await self._visit_or_give_up(work))
            except LeaseLost:
                self.counts.lost += 1
                metrics.count_visit("lost")
                logger.warning("lease lost; the outcome of this visit was dropped")
            except StoreAway:
                metrics.count_visit("away")
                logger.warning("PostgreSQL is away; the lease of this visit will expire")
            except Exception:  # noqa: BLE001 one visit must not take the daemon down
                self._note_failure(work.domain)
                logger.exception("visit failed; the domain is due again in a minute")
                await self._put_back(work.domain)

    async def _visit_or_give_up(self, work: DomainVisit) -> str:
        """Return how it ended: done or given_up."""
        failures = self.failed.get(work.domain, 0)
        is_given_up = failures >= _MOST_FAILURES
        if not is_given_up:
            await self.hands.visit(work)
        else:
            logger.bind(failures=failures, requests=len(work.requests)).error(
                "visits always fail; giving up what is due"
            )
            await self.hands.give_up(work)
            self.counts.given_up += len(work.requests)
        self.failed.pop(work.domain, None)
        return "given_up" if is_given_up else "done"

    def _note_failure(self, domain: str) -> None:
        self.counts.failures += 1
        metrics.count_visit("failed")
        metrics.count_failure("visit")
        self.failed[domain] = self.failed.get(domain, 0) + 1
        self.failed.move_to_end(domain)
        if len(self.failed) > _MOST_REMEMBERED:
            self.failed.popitem(last=False)

    async def _put_back(self, domain: str) -> None:
        try:
            await self.hands.give_back(domain, _FAILED_VISIT_WAIT_SECONDS)
        except StoreAway:
            logger.warning("PostgreSQL is away; the lease of this visit will expire")

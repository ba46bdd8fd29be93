"""What this process holds in the ledger: the lock of its node and its leases.

When PostgreSQL goes away the lock goes with it. It is taken again under the same epoch, so that what is
under way is written and not asked again. A lease whose statement ended with the connection may have been
stored without anybody knowing of it: such ones are given back before the next are taken.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta

from loguru import logger

from validatord import metrics
from validatord.clock import Clock
from validatord.errors import NodeTaken, StoreAway
from validatord.settings import Settings
from validatord.store import leases
from validatord.store.database import Database
from validatord.store.leases import DomainVisit, LeaseSpec
from validatord.store.nodes import NodeLock


class Node:
    """This node in the ledger.

    `visited` tells the domains whose visits run; `find_full_lanes` those lanes that take no more visits;
    `find_resting` the domains an operator has paused, or None where nobody is asked at all.
    `find_half_life` says by which half-life the model wants track records, or None.
    `fenced` is set for good when another process has taken the node: then nothing may go on.
    """

    def __init__(self, database: Database, lock: NodeLock, snapshot: Callable[[], Settings], clock: Clock) -> None:
        self.lock = lock
        self.fenced = asyncio.Event()
        self.visited: Callable[[], Collection[str]] = tuple
        self.find_full_lanes: Callable[[], Sequence[str]] = tuple
        self.find_resting: Callable[[], Sequence[str] | None] = tuple
        self.find_half_life: Callable[[], timedelta | None] = lambda: None
        self._database = database
        self._snapshot = snapshot
        self._clock = clock
        self._may_have_orphans = False

    def __repr__(self) -> str:
        return f"<Node {self.lock.node} epoch={self.lock.epoch} fenced={self.fenced.is_set()}>"

    async def lease(self, room: int) -> Sequence[DomainVisit]:
        """Lease due domains.

        Raises:
            StoreAway: PostgreSQL is away, or has not given the lock back yet.
        """
        if self.lock.lost.is_set():
            raise StoreAway("the lock of this node is lost")
        if self._may_have_orphans:
            await leases.release_others(self._database, self.lock.node, self.lock.epoch, self.visited())
            self._may_have_orphans = False
        resting = self.find_resting()
        if resting is None:
            return ()
        settings = self._snapshot()
        spec = LeaseSpec(
            node=self.lock.node,
            epoch=self.lock.epoch,
            limit=room,
            per_domain=settings.pacing.visit_size,
            per_lane=settings.pacing.sessions + 1,
            lease=settings.store.lease,
            busy_lanes=self.find_full_lanes(),
            resting=resting,
            half_life=self.find_half_life(),
        )
        began = self._clock.monotonic()
        try:
            leased = await leases.lease_domains(self._database, spec)
        except StoreAway:
            metrics.count_store_failure("lease")
            self.expect_orphans()
            raise
        metrics.observe_lease(self._clock.monotonic() - began)
        return leased

    def expect_orphans(self) -> None:
        """Look, before the next lease, for leases that nobody works on."""
        self._may_have_orphans = True

    async def renew(self, domains: Sequence[str]) -> None:
        """Renew the leases of domains that are being visited."""
        await leases.renew(self._database, self.lock.node, self.lock.epoch, domains, self._snapshot().store.lease)

    async def give_back(self, domain: str, wait_seconds: float) -> None:
        """End the lease of a domain, which is due again after the wait."""
        not_before = self._clock.now() + timedelta(seconds=wait_seconds)
        await leases.release(self._database, self.lock.node, self.lock.epoch, [(domain, not_before, "")])

    async def give_all_back(self) -> None:
        """End every lease, at a stop."""
        await leases.release_all(self._database, self.lock.node, self.lock.epoch)

    async def reap(self) -> int:
        """Make the domains of expired leases due; ours are renewed before, since an outage may have outlasted them."""
        if self.lock.lost.is_set():
            return 0
        await self.renew(list(self.visited()))
        return await leases.reap(self._database)

    async def keep_lock(self) -> int:
        """Take the lock again if it was lost; returns how often."""
        if not self.lock.lost.is_set() or self.fenced.is_set():
            return 0
        about = logger.bind(node=self.lock.node, epoch=self.lock.epoch)
        try:
            await self.lock.resume(self._database)
        except NodeTaken as taken:
            about.bind(found=str(taken)).error("this node belongs to another process")
            self.fenced.set()
            return 0
        self.expect_orphans()
        about.info("node lock taken again")
        await self.renew(list(self.visited()))
        return 1

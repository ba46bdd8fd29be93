"""What a process holds in the ledger, and what is left of it after an outage."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta

import pytest

from tests.fakes.clock import FakeClock
from tests.integration.store.ledger import NODE, look, submit
from tests.integration.store.test_nodes import cut
from validatord.errors import NodeTaken, StoreAway
from validatord.loops.node import Node
from validatord.settings import Settings
from validatord.store import leases
from validatord.store.database import Database
from validatord.store.leases import DomainVisit
from validatord.store.nodes import NodeLock


@pytest.fixture
async def node(database: Database) -> AsyncIterator[Node]:
    """A node with its lock, and three due domains in the ledger."""
    await submit(database, "a@one.example", "a@two.example", "a@three.example")
    clock = FakeClock()
    found = Node(database, await NodeLock.acquire(database, NODE, clock), Settings, clock)
    yield found
    await found.lock.aclose()


async def lose_lock(node: Node, database: Database) -> None:
    """Cut the lock's connection and wait until it is noticed."""
    await cut(database)
    clock = node.lock._clock
    assert isinstance(clock, FakeClock)
    async with asyncio.timeout(5):
        while not node.lock.lost.is_set():
            await clock.advance(1)


async def leased(database: Database) -> list[str]:
    """Return the domains that are leased."""
    query = "SELECT domain FROM domain_queue WHERE leased_until IS NOT NULL ORDER BY domain"
    return [row["domain"] for row in await look(database, query)]


async def test_without_its_lock_a_node_takes_nothing_and_reaps_nothing(node: Node, database: Database) -> None:
    """Nothing new begins while somebody else might be this node; an expired lease may still be ours."""
    visits = await node.lease(2)
    node.visited = lambda: [visit.domain for visit in visits]
    await lose_lock(node, database)
    await database.fetch("UPDATE domain_queue SET leased_until = now() - interval '1 s' WHERE leased_until IS NOT NULL")

    with pytest.raises(StoreAway):
        await node.lease(10)
    assert await node.reap() == 0
    assert len(await leased(database)) == 2


async def test_after_an_outage_the_leases_of_running_visits_go_on(node: Node, database: Database) -> None:
    """However long it was: what runs is renewed before anybody reaps it."""
    visits = await node.lease(2)
    node.visited = lambda: [visit.domain for visit in visits]
    await lose_lock(node, database)
    await database.fetch("UPDATE domain_queue SET leased_until = now() - interval '1 s' WHERE leased_until IS NOT NULL")

    assert await node.keep_lock() == 1

    assert await database.fetch_value("SELECT min(leased_until) > now() + interval '1 min' FROM domain_queue")
    assert await node.reap() == 0
    assert [visit.domain for visit in await node.lease(10)] == sorted(
        {"one.example", "two.example", "three.example"} - {visit.domain for visit in visits}
    )


async def test_a_held_lock_is_left_alone(node: Node) -> None:
    """There is nothing to do while nothing is lost."""
    assert await node.keep_lock() == 0
    assert repr(node) == "<Node one epoch=1 fenced=False>"


async def test_a_lease_that_was_stored_although_it_failed_is_given_back(
    node: Node, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection broke after the commit, so nobody visits what is leased; the next round takes it again."""
    real: Callable[..., object] = leases.lease_domains

    async def store_and_fail(*args: object) -> Sequence[DomainVisit]:
        await real(*args)  # pyright: ignore[reportGeneralTypeIssues]
        raise StoreAway("cut inside COMMIT")

    monkeypatch.setattr(leases, "lease_domains", store_and_fail)
    with pytest.raises(StoreAway):
        await node.lease(10)
    assert len(await leased(database)) == 3
    monkeypatch.undo()

    assert len(await node.lease(10)) == 3


async def test_orphans_are_looked_for_once(node: Node, database: Database) -> None:
    """What a failed visit left is given back; what runs is not touched."""
    [running, _] = await node.lease(2)
    node.visited = lambda: [running.domain]
    node.expect_orphans()

    found = {visit.domain for visit in await node.lease(10)}

    assert found == {"one.example", "two.example", "three.example"} - {running.domain}
    assert await node.lease(10) == []


async def test_a_node_that_another_process_took_is_fenced_for_good(node: Node, database: Database) -> None:
    """It says so once, and never comes back; its leases are the successor's to give out."""
    await node.lease(10)
    await lose_lock(node, database)
    second = await NodeLock.acquire(database, NODE)

    assert await node.keep_lock() == 0
    assert node.fenced.is_set()
    await second.aclose()
    assert await node.keep_lock() == 0
    with pytest.raises(NodeTaken):
        await node.lock.resume(database)


async def test_everything_is_given_back_at_a_stop(node: Node, database: Database) -> None:
    """No lease is left for anybody to wait for."""
    [first, _, _] = await node.lease(10)
    await node.give_back(first.domain, 3600)
    assert len(await leased(database)) == 2

    await node.give_all_back()

    assert await leased(database) == []
    not_before = await database.fetch_value("SELECT not_before FROM domain_queue WHERE domain = $1", first.domain)
    assert not_before == node.lock._clock.now() + timedelta(hours=1)

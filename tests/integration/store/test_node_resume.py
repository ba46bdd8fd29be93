"""A node lock that was lost with its connection: taken again, or lost for good."""

import asyncio

import pytest

from tests.fakes.clock import FakeClock
from tests.integration.store.ledger import NODE, finish_all, lease, look, submit, write
from tests.integration.store.test_nodes import cut
from validatord import errors
from validatord.store import nodes
from validatord.store.database import Database
from validatord.store.nodes import NodeLock


async def lose(lock: NodeLock, clock: FakeClock) -> None:
    """Wait until the lock has noticed its loss."""
    async with asyncio.timeout(5):
        while not lock.lost.is_set():
            await clock.advance(1)


async def test_a_lost_lock_is_taken_again_under_the_same_epoch(database: Database) -> None:
    """F14: what was leased before is still ours, and what its conversations brought is written."""
    clock = FakeClock()
    await submit(database, "a@one.example")
    lock = await NodeLock.acquire(database, NODE, clock)
    visits = await lease(database, lock.epoch)
    await cut(database)
    await lose(lock, clock)

    await lock.resume(database)

    assert not lock.lost.is_set()
    assert await nodes.is_running(database) == [NODE]
    assert await write(database, finish_all(visits["one.example"]), epoch=lock.epoch) == frozenset()
    assert await look(database, "SELECT state FROM requests") == [{"state": "done"}]
    await lock.aclose()


async def test_a_resumed_lock_is_watched_like_the_first(database: Database) -> None:
    """A second loss is noticed, and mended, as the first was; a stop gives the lock back."""
    clock = FakeClock()
    lock = await NodeLock.acquire(database, NODE, clock)
    for _ in range(2):
        await cut(database)
        await lose(lock, clock)
        await lock.resume(database)

    await lock.aclose()

    assert await nodes.is_running(database) == []


async def test_a_server_that_still_holds_our_dead_connection_lets_it_go(database: Database) -> None:
    """After a cut in the way between the server's end may live on; it is ours to end, so nobody waits for it."""
    clock = FakeClock()
    lock = await NodeLock.acquire(database, NODE, clock)
    lock.lost.set()

    await lock.resume(database)

    assert not lock.lost.is_set()
    assert await nodes.is_running(database) == [NODE]
    await lock.aclose()


async def test_a_name_that_somebody_else_took_is_not_taken_back(database: Database) -> None:
    """F32: while the successor runs there is no way back, and it is undisturbed."""
    clock = FakeClock()
    first = await NodeLock.acquire(database, NODE, clock)
    await cut(database)
    await lose(first, clock)
    second = await NodeLock.acquire(database, NODE)

    with pytest.raises(errors.NodeTaken, match="runs already"):
        await first.resume(database)

    assert first.lost.is_set()
    assert not second.lost.is_set()
    await first.aclose()
    await second.aclose()


async def test_a_successor_that_is_gone_again_still_fences(database: Database) -> None:
    """F32: an epoch that was raised makes everything older worthless, whoever holds the lock now."""
    clock = FakeClock()
    first = await NodeLock.acquire(database, NODE, clock)
    await cut(database)
    await lose(first, clock)
    second = await NodeLock.acquire(database, NODE)
    await second.aclose()

    with pytest.raises(errors.NodeTaken, match="started since"):
        await first.resume(database)

    # The server ends a session a moment after its connection was dropped.
    async with asyncio.timeout(10):
        while await nodes.is_running(database):
            await asyncio.sleep(0.01)
    await first.aclose()

"""The node lock: one process per name, and a fence against the one before."""

import asyncio

import pytest

from tests.fakes.clock import FakeClock
from tests.integration.store import ledger
from tests.integration.store.ledger import NODE, lease, look, submit
from validatord import errors
from validatord.store import nodes
from validatord.store.database import Database
from validatord.store.nodes import NodeLock


async def cut(database: Database) -> None:
    """Let the server end every lock connection, as a network that drops it would."""
    await database.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'validatord lock'"
    )


async def test_a_second_start_of_a_name_is_refused(database: Database) -> None:
    """F31: the second process says so, and the first is undisturbed: its epoch and leases stay."""
    await submit(database, "a@one.example")
    first = await NodeLock.acquire(database, NODE)
    await lease(database, first.epoch)

    with pytest.raises(errors.StoreError, match='"one" runs already'):
        await NodeLock.acquire(database, NODE)

    assert await nodes.is_running(database) == [NODE]
    assert await look(database, "SELECT leased_by, lease_epoch FROM domain_queue") == [
        {"leased_by": NODE, "lease_epoch": first.epoch}
    ]
    assert not first.lost.is_set()
    await first.aclose()


async def test_nodes_of_different_names_run_side_by_side(database: Database) -> None:
    """The lock is by name; who runs is seen in the database, and a stop is seen at once."""
    locks = [await NodeLock.acquire(database, name) for name in ("one", "two")]
    assert await nodes.is_running(database) == ["one", "two"]

    await locks[0].aclose()
    assert await nodes.is_running(database) == ["two"]
    await locks[1].aclose()


async def test_a_start_frees_what_the_process_before_held(database: Database) -> None:
    """Recovery without waiting: after a crash everything leased is due at the next start, other nodes keep theirs."""
    await submit(database, "a@one.example", "a@two.example")
    other = await ledger.start_node(database, "two")
    await lease(database, other, node="two", limit=1)
    first = await ledger.start_node(database)
    held = await lease(database, first)

    second = await ledger.start_node(database)

    assert second == first + 1
    assert list(await lease(database, second)) == list(held)


async def test_a_lost_connection_is_noticed(database: Database) -> None:
    """F14: the lock ends with its connection; the process learns it at the next check and can take it anew."""
    clock = FakeClock()
    first = await NodeLock.acquire(database, NODE, clock)

    await cut(database)
    async with asyncio.timeout(5):
        while not first.lost.is_set():
            await clock.advance(1)

    second = await NodeLock.acquire(database, NODE)
    assert second.epoch == first.epoch + 1
    await first.aclose()
    await second.aclose()


async def test_a_successor_is_noticed(database: Database) -> None:
    """F32: who finds another epoch than its own has lost, whatever its connection says."""
    clock = FakeClock()
    lock = await NodeLock.acquire(database, NODE, clock)
    await database.fetch("UPDATE nodes SET epoch = epoch + 1")

    async with asyncio.timeout(5):
        while not lock.lost.is_set():
            await clock.advance(1)

    await lock.aclose()


async def test_a_held_lock_says_that_its_node_lives(database: Database) -> None:
    """Other nodes see it by `seen_at`, renewed at least every half minute."""
    clock = FakeClock()
    lock = await NodeLock.acquire(database, NODE, clock)
    await database.fetch("UPDATE nodes SET seen_at = 'epoch'")

    async with asyncio.timeout(5):
        while await database.fetch_value("SELECT seen_at < now() - interval '1 minute' FROM nodes"):
            await clock.advance(1)

    assert clock.monotonic() <= 60
    assert repr(lock) == "<NodeLock one epoch=1 lost=False>"
    await lock.aclose()


async def test_no_lock_without_a_server() -> None:
    """An absent PostgreSQL is reported as absent."""
    with pytest.raises(errors.StoreAway):
        await Database.open("postgresql://nobody@/none?host=/nonexistent")

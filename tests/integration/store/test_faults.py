"""PostgreSQL stops or dies in mid-write: nothing acknowledged is lost, a repeat changes nothing (F13 to F15)."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import pytest

from tests import services
from tests.integration.store import ledger
from tests.integration.store.ledger import NODE, finish_all, lease, look, make_chunk
from validatord import errors
from validatord.embedded.postgres import EmbeddedPostgres
from validatord.store import leases, migrations, submissions
from validatord.store.database import Database
from validatord.store.nodes import NodeLock

Value = TypeVar("Value")
_CHUNKS = 30
_CHUNK_SIZE = 20


@pytest.fixture(params=[signal.SIGKILL, signal.SIGINT], ids=["killed", "fast stop"])
def fault(request: pytest.FixtureRequest) -> signal.Signals:
    """How the server ends."""
    return request.param


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    """A durable server of the test's own, to be ended at will."""
    with services.open_state_dir() as folder:
        postgres = EmbeddedPostgres(folder)
        postgres.start()
        yield postgres
        postgres.stop()


def end(server: EmbeddedPostgres, how: signal.Signals) -> None:
    """End the server's main process, as asked, and wait until it is gone."""
    assert server._process is not None
    server._process.send_signal(how)
    server._process.wait(20)


async def patiently(work: Callable[[], Awaitable[Value]]) -> Value:
    """Repeat work for as long as PostgreSQL is away."""
    while True:
        try:
            return await work()
        except errors.StoreAway:
            await asyncio.sleep(0.01)


async def take_in(database: Database, number: int) -> int:
    """Submit one chunk and return how many addresses were acknowledged."""
    addresses = [f"user{number}.{place}@d{place % 10}.example" for place in range(_CHUNK_SIZE)]
    chunk = make_chunk(*addresses, start=number * _CHUNK_SIZE)
    result = await patiently(lambda: submissions.add_chunk(database, chunk))
    return result.added + result.known


async def work_off(database: Database, epoch: int) -> int:
    """Lease some domains, finish what is due in them and return how many there were."""
    visits = await patiently(lambda: lease(database, epoch, limit=3, per_domain=7))
    records = [finish_all(visit) for visit in visits.values()]
    await patiently(lambda: ledger.write(database, *records, epoch=epoch))
    return len(visits)


async def test_writes_survive_the_server(server: EmbeddedPostgres, fault: signal.Signals) -> None:
    """Intake, leases and results go on after the server came back, on the same pool: each address exactly once."""
    database = await Database.open(server.dsn, pool_size=4)
    await migrations.migrate(database)
    epoch = await ledger.start_node(database)
    third_done, all_in = asyncio.Event(), asyncio.Event()

    async def take_all_in() -> int:
        acknowledged = 0
        for number in range(_CHUNKS):
            acknowledged += await take_in(database, number)
            if number == _CHUNKS // 3:
                third_done.set()
        all_in.set()
        return acknowledged

    async def work_all_off() -> None:
        while await work_off(database, epoch) or not all_in.is_set():
            await asyncio.sleep(0)

    async def break_it() -> None:
        await third_done.wait()
        await asyncio.to_thread(end, server, fault)
        await asyncio.to_thread(server.start)

    async with asyncio.timeout(50):
        acknowledged, *_ = await asyncio.gather(take_all_in(), work_all_off(), break_it())
        # What was leased by a transaction whose answer was lost has no holder: the next epoch frees it.
        epoch = await ledger.start_node(database)
        while await work_off(database, epoch):
            pass

    assert acknowledged == _CHUNKS * _CHUNK_SIZE
    assert await look(database, "SELECT requests, finished FROM submissions") == [
        {"requests": acknowledged, "finished": acknowledged}
    ]
    assert await ledger.find_broken(database) == []
    await database.aclose()


async def test_the_node_lock_ends_with_the_server(server: EmbeddedPostgres, fault: signal.Signals) -> None:
    """F14: after the server was away the lock is gone, and a new one comes with a new epoch."""
    database = await Database.open(server.dsn)
    await migrations.migrate(database)
    first = await NodeLock.acquire(database, NODE)

    await asyncio.to_thread(end, server, fault)
    async with asyncio.timeout(20):
        await first.lost.wait()
        await asyncio.to_thread(server.start)
        second = await patiently(lambda: NodeLock.acquire(database, NODE))

    assert second.epoch == first.epoch + 1
    await first.aclose()
    await second.aclose()
    await database.aclose()


async def test_an_answer_lost_in_commit(database: Database) -> None:
    """F15: the write was stored, its answer was not heard; the repeat says the same and changes nothing."""
    chunk = make_chunk("a@one.example")
    stored = await submissions.add_chunk(database, chunk)
    epoch = await ledger.start_node(database)
    visit = (await lease(database, epoch))["one.example"]
    record = finish_all(visit)

    assert await ledger.write(database, record, epoch=epoch) == frozenset()
    # The lease was released with the write: the repeat is told so, and its caller drops it.
    assert await ledger.write(database, record, epoch=epoch) == {"one.example"}
    again = await submissions.add_chunk(database, chunk)

    assert again == replace(stored, added=0, known=1)
    assert await leases.reap(database) == 0
    assert await look(database, "SELECT requests, finished FROM submissions") == [{"requests": 1, "finished": 1}]
    assert await ledger.find_broken(database) == []

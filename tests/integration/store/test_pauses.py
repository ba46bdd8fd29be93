"""What rests, and which lanes may go again."""

from datetime import timedelta

import pytest

from tests.integration.store import ledger
from validatord.store import lanes, pauses
from validatord.store.database import Database
from validatord.store.nodes import NodeLock
from validatord.store.pauses import PauseKind


async def test_a_pause_holds_until_it_is_taken_back(database: Database) -> None:
    """Saying it twice keeps the newer reason, taking it back twice changes nothing."""
    assert await pauses.pause(database, PauseKind.LANE, "default/google", reason="listed", by="anna") is True
    assert await pauses.pause(database, PauseKind.LANE, "default/google", reason="still", by="anna") is False

    (found,) = await pauses.load(database)

    assert (found.kind, found.key, found.reason, found.paused_by) == ("lane", "default/google", "still", "anna")
    assert await pauses.resume(database, PauseKind.LANE, "default/google") is True
    assert await pauses.resume(database, PauseKind.LANE, "default/google") is False
    assert await pauses.load(database) == []


async def test_a_resting_domain_is_not_leased(database: Database) -> None:
    """Others of the same list are, and it is as soon as it no longer rests."""
    await ledger.start_node(database)
    await ledger.submit(database, "a@one.example", "b@two.example")

    assert list(await ledger.lease(database, resting=("one.example",))) == ["two.example"]
    assert list(await ledger.lease(database, resting=("one.example",))) == []
    assert list(await ledger.lease(database)) == ["one.example"]


async def test_a_reset_is_heard_once_by_each_listener(database: Database) -> None:
    """It forgets what is kept of the lane, and is told to whoever asks from a time before it."""
    await lanes.save_states(database, "one", {"default/google": {"identity": "default"}})
    start = await pauses.time_now(database)

    await pauses.reset_lane(database, "default/google", by="anna")

    found, heard_until = await pauses.load_resets(database, start)
    assert list(found) == ["default/google"]
    assert await pauses.load_resets(database, heard_until) == ([], heard_until)
    assert await lanes.load_states(database, "one") == {}
    await pauses.delete_old_resets(database)
    assert (await pauses.load_resets(database, start - timedelta(days=1)))[0] == ["default/google"]


@pytest.mark.parametrize("again", [False, True])
async def test_a_running_node_hears_at_once(database: Database, *, again: bool) -> None:
    """The notification reaches the connection that holds the lock, also one that was taken again."""
    lock = await NodeLock.acquire(database, "one")
    try:
        if again:
            lock.lost.set()
            await lock.resume(database)
            assert lock.heard.is_set()
            lock.heard.clear()
        await pauses.pause(database, PauseKind.INTAKE)
        await lock.heard.wait()
    finally:
        await lock.aclose()

"""The housekeeper deletes what is old, and nothing else."""

from datetime import timedelta

from tests.integration.store.ledger import submit
from validatord.loops.housekeeper import Housekeeper
from validatord.store import rejected, submissions
from validatord.store.database import Database


async def test_unfinished_and_young_requests_stay(database: Database) -> None:
    """What is not finished is never deleted, and a rejected job goes with the same age."""
    await submit(database, "a@one.example", "b@one.example")
    await rejected.add(database, "job", "submit", "unreadable", b"")
    housekeeper = Housekeeper(database, lambda: timedelta(0))

    assert await housekeeper.run_once() == 0

    assert await submissions.count_unfinished(database) == 2
    assert await rejected.list_newest(database) == []

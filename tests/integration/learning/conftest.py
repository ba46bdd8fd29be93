"""A small year of campaigns in a ledger."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tests.fakes.campaign_world import World, WorldSpec, make_world, store_world
from validatord.store.database import Database

SMALL = WorldSpec(seed=11, domains=300, mailboxes=6_000)


@dataclass(frozen=True)
class Year:
    """The world, its ledger, and where that is."""

    world: World
    database: Database
    dsn: str


@pytest.fixture
async def year(dsn: str) -> AsyncIterator[Year]:
    """A year whose accept-all domains differ, in a ledger of the test's own."""
    world = make_world(SMALL)
    database = await Database.open(dsn, pool_size=3)
    await store_world(database, world)
    yield Year(world, database, dsn)
    await database.aclose()

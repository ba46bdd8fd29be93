"""A client's day is never used beyond its cap."""

import asyncio
from datetime import date, timedelta

from tests.integration.store.ledger import look, submit
from validatord.store import caps
from validatord.store.database import Database

TODAY = date(2026, 5, 1)


async def test_the_cap_holds_for_many_at_once(database: Database) -> None:
    """Twenty who reserve at the same time get the cap together and no more."""
    await submit(database, "a@one.example")

    granted = await asyncio.gather(*(caps.reserve(database, "crm", TODAY, 7, 100) for _ in range(20)))

    assert sum(granted) == 100
    assert await caps.reserve(database, "crm", TODAY, 1, 100) == 0


async def test_what_is_given_back_can_be_used(database: Database) -> None:
    """A mailbox that was not asked costs nothing, and nothing is given back twice below zero."""
    await submit(database, "a@one.example")
    await caps.reserve(database, "crm", TODAY, 10, 10)

    await caps.give_back(database, "crm", TODAY, 4)

    assert await caps.reserve(database, "crm", TODAY, 10, 10) == 4
    await caps.give_back(database, "crm", TODAY, 50)
    assert await caps.reserve(database, "crm", TODAY, 20, 10) == 10


async def test_days_and_clients_are_counted_apart(database: Database) -> None:
    """The next day begins with the whole cap; old days are forgotten."""
    await submit(database, "a@one.example")
    await submit(database, "a@one.example", client="shop")
    assert await caps.reserve(database, "crm", TODAY, 5, 5) == 5

    assert await caps.reserve(database, "shop", TODAY, 5, 5) == 5
    assert await caps.reserve(database, "crm", TODAY + timedelta(days=1), 5, 5) == 5
    assert await caps.reserve(database, "crm", TODAY + timedelta(days=30), 5, 5) == 5

    days = await look(database, "SELECT day FROM client_days WHERE client = 'crm'")
    assert days == [{"day": TODAY + timedelta(days=30)}]


async def test_a_lowered_cap_grants_nothing_more(database: Database) -> None:
    """What is used already may be above a cap that a reload lowered."""
    await submit(database, "a@one.example")
    await caps.reserve(database, "crm", TODAY, 50, 100)

    assert await caps.reserve(database, "crm", TODAY, 5, 10) == 0

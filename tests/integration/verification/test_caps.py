"""Daily caps hold: RCPT to a domain, mailboxes for a client; what is over waits for the next day."""

from datetime import timedelta

from tests.integration.store.ledger import find_broken, look
from tests.integration.verification.world import World
from validatord.sandbox.spec import SandboxSpec
from validatord.store.database import Database


async def test_rcpt_to_a_domain(database: Database) -> None:
    """Ten a day, controls included, over visits and a restart; the rest is told why it waits."""
    async with World(
        database, SandboxSpec.of({"acme.example": "postfix"}), policy={"rcpt_per_domain_per_day": 10}
    ) as world:
        await world.submit(*(f"user{number}@acme.example" for number in range(25)))
        await world.run()
        assert world.total.commands["RCPT"] <= 10
        await world.restart()
        await world.run()
        assert world.total.commands["RCPT"] <= 10
        outcomes = await world.count_outcomes()
        assert set(outcomes) == {"valid accepted", "waits daily_cap"}
        assert outcomes["valid accepted"] >= 8

        tomorrow = (world.clock.now() + timedelta(days=1)).date()
        waiting = await look(database, "SELECT DISTINCT due_at::date AS day FROM requests WHERE state = 'queued'")
        assert [row["day"] for row in waiting] == [tomorrow]
        await world.finish()
        assert await world.count_outcomes() == {"valid accepted": 25}
        assert world.total.commands["RCPT"] == 26
        assert await find_broken(database) == []


async def test_a_tiny_cap_still_lets_somebody_be_asked(database: Database) -> None:
    """One RCPT a day is enough for one refusal a day."""
    async with World(
        database, SandboxSpec.of({"acme.example": "postfix"}), policy={"rcpt_per_domain_per_day": 1}
    ) as world:
        await world.submit("unknown1@acme.example", "unknown2@acme.example")
        await world.run()
        assert await world.count_outcomes() == {"invalid no_such_mailbox": 1, "waits daily_cap": 1}
        assert world.total.commands["RCPT"] == 1


async def test_mailboxes_for_a_client(database: Database) -> None:
    """A client's cap holds over all domains; another client's list goes on meanwhile."""
    domains = ("a.example", "b.example", "c.example")
    async with World(
        database, SandboxSpec.of(dict.fromkeys(domains, "postfix")), policy={"requests_per_client_per_day": 7}
    ) as world:
        await world.submit(*(f"user{number}@{domain}" for number in range(4) for domain in domains))
        await world.submit("user9@a.example", client="shop")
        await world.visit_all()

        assert await world.count_outcomes() == {"valid accepted": 8, "waits daily_cap": 5}
        assert await world.outcome("user9@a.example") == "valid accepted"
        await world.finish()
        assert await world.count_outcomes() == {"valid accepted": 13}
        assert await find_broken(database) == []


async def test_what_was_not_asked_costs_nothing(database: Database) -> None:
    """A visit that found the gate closed gives its share of the day back."""
    spec = SandboxSpec.of({"a.example": "blocked-greeting", "b.example": "postfix"})
    async with World(database, spec, policy={"requests_per_client_per_day": 10}) as world:
        await world.check("user1@a.example")
        await world.submit(*(f"user{number}@a.example" for number in range(2, 9)))
        await world.run()
        assert await look(database, "SELECT requests FROM client_days") == [{"requests": 1}]
        assert await world.check(*(f"user{number}@b.example" for number in range(9))) == ["valid accepted"] * 9


async def test_a_cap_of_the_provider_is_told_as_one(database: Database) -> None:
    """RCPT per day of a lane, from the table of providers: waits with the same reason."""
    table = '[providers.small]\nsuffixes = ["acme.example"]\nrcpt_per_day = 6\n'
    async with World(database, SandboxSpec.of({"acme.example": "postfix"}), providers=table) as world:
        await world.submit(*(f"user{number}@acme.example" for number in range(12)))
        await world.run()
        outcomes = await world.count_outcomes()
        assert set(outcomes) == {"valid accepted", "waits daily_cap"}
        assert world.total.commands["RCPT"] <= 6
        await world.finish()
        assert await world.count_outcomes() == {"valid accepted": 12}

"""What a thousand addresses of one domain cost the domain's host."""

from tests.integration.verification.world import World
from validatord.sandbox.spec import HostSpec, SandboxSpec
from validatord.store.database import Database

DAY = 24 * 3600.0


async def test_a_thousand_addresses_in_a_week(database: Database) -> None:
    """At most one control recipient in seven days, 0.1 connections and 0.7 round trips per address."""
    spec = SandboxSpec.of({"acme.example": HostSpec.of("postfix")})
    async with World(database, spec) as world:
        for day in range(5):
            kinds = [("unknown" if number % 5 == 0 else "user", number) for number in range(200)]
            await world.submit(*(f"{kind}{day}.{number}@acme.example" for kind, number in kinds))
            await world.run()
            await world.leap(DAY)

        assert await world.count_outcomes() == {"valid accepted": 800, "invalid no_such_mailbox": 200}
        assert sum(world.controls.values()) == 1
        assert world.total.connections <= 100
        assert world.total.flights <= 700
        assert world.total.commands["RCPT"] == 1001


async def test_a_thousand_addresses_where_everybody_is_accepted(database: Database) -> None:
    """Two shapes decide for all of them; hardly anybody is asked."""
    async with World(database, SandboxSpec.of({"acme.example": "accept-all"})) as world:
        await world.submit(*(f"user{number}@acme.example" for number in range(1000)))
        await world.run()

        assert await world.count_outcomes() == {"accept_all accept_all": 1000}
        assert sum(world.controls.values()) == 2
        assert world.total.connections == 1
        assert world.total.commands["RCPT"] < 10

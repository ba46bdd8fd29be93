"""What several receivers say about us together: block lists, and the way out."""

from tests.integration.verification.world import World
from validatord.sandbox.personality import Personality
from validatord.sandbox.spec import SandboxSpec
from validatord.store.database import Database

SPAMHAUS = "554 5.7.1 Service unavailable; Client host [{client}] blocked using zen.spamhaus.org"


def blocking(verb: str, text: str) -> Personality:
    return Personality("blocking", fixed=((verb, text),))


async def test_two_providers_that_name_the_same_list(database: Database, logged: list[str]) -> None:
    """Nothing goes out from a listed address any more, to nobody; an alarm says which list it is."""
    spec = SandboxSpec.of(
        {
            "a.example": blocking("CONNECT", SPAMHAUS),
            "b.example": blocking("RCPT", "550 5.7.1 <{rcpt}>: see https://www.spamhaus.org/query/ip/192.0.2.9"),
            "c.example": "postfix",
        }
    )
    async with World(database, spec) as world:
        await world.check("user1@a.example")
        assert world.tools.lanes.paused_identities == {}
        await world.check("user1@b.example")
        assert list(world.tools.lanes.paused_identities) == ["default"]
        assert any("block list" in line for line in logged)

        assert await world.check("user1@c.example") == ["waits None"]
        assert world.seen("mx1.c.example").connections == 0
        await world.restart()
        await world.leap(3600)
        await world.run()
        assert world.seen("mx1.c.example").connections == 0

        world.tools.lanes.resume_identity("default")
        await world.leap(24 * 3600)
        await world.run()
        assert await world.outcome("user1@c.example") == "valid accepted"


async def test_lists_of_their_own_pause_nobody_else(database: Database) -> None:
    """Each receiver's own list concerns that receiver."""
    spec = SandboxSpec.of({"a.example": "blocked-greeting", "b.example": "blocked-greeting", "c.example": "postfix"})
    async with World(database, spec) as world:
        assert await world.check("user1@a.example", "user1@b.example", "user1@c.example") == [
            "unknown sender_ip_blocked",
            "unknown sender_ip_blocked",
            "valid accepted",
        ]
        assert world.tools.lanes.paused_identities == {}


async def test_another_identity_is_not_paused(database: Database) -> None:
    """The list names one address; domains of the other identity go on, and none changes over."""
    domains = {f"acme-{number}.example": blocking("MAIL", SPAMHAUS) for number in range(12)}
    identities = [{"name": "one"}, {"name": "two"}]
    async with World(database, SandboxSpec.of(domains), identities=identities) as world:
        await world.submit(*(f"user1@{domain}" for domain in domains))
        await world.run()
        # Both are on the list by now, each after two of its own domains said so.
        assert sorted(world.tools.lanes.paused_identities) == ["one", "two"]
        assert world.total.connections == 4

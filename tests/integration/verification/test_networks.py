"""Hosts that wear their customers' names are counted by their network as well."""

from tests.integration.verification.world import World
from validatord.sandbox.spec import DomainSpec, HostSpec, SandboxSpec
from validatord.store.database import Database

DOMAINS = [f"acme-{number:02}.example" for number in range(12)]
COUNTED = {"is_network_counted": True, "sessions": 2}


async def visit_side_by_side(world: World) -> None:
    """Visit everything that is due, many at once, until all is done."""
    for _ in range(100):
        if not await world.visit_all():
            if not await world.count_unfinished():
                return
            await world.leap_to_due()
    raise AssertionError("the visits have no end")


async def test_a_pool_behind_vanity_names(database: Database) -> None:
    """Twelve domains, each with an MX host below its own name, all in one /24: two sessions at a time."""
    spec = SandboxSpec.of(dict.fromkeys(DOMAINS, HostSpec.of("postfix", latency_seconds=0.01)))
    async with World(database, spec, pacing=COUNTED) as world:
        await world.submit(*(f"{name}@{domain}" for domain in DOMAINS for name in ("user1", "unknown2", "user3")))
        await visit_side_by_side(world)

        assert await world.count_outcomes() == {"valid accepted": 24, "invalid no_such_mailbox": 12}
        assert world.total.most_sessions <= 2
        lane = world.tools.lanes.find("default/127.20.0.0/24")
        assert lane is not None
        assert lane.is_idle
        assert world.tools.pool.open_count(lane.name) == 0 or world.tools.pool.idle_count == 0


async def test_without_counting_networks_they_run_side_by_side(database: Database) -> None:
    """The same world with the setting off shows that it was the network's lane that held them back."""
    spec = SandboxSpec.of(dict.fromkeys(DOMAINS, HostSpec.of("postfix", latency_seconds=0.01)))
    async with World(database, spec, pacing={**COUNTED, "is_network_counted": False}) as world:
        await world.submit(*(f"user1@{domain}" for domain in DOMAINS))
        await visit_side_by_side(world)
        assert world.total.most_sessions > 2


async def test_a_provider_of_many_domains_is_not_counted_by_network(database: Database) -> None:
    """Hosts below a name of their own keep their sessions for the next domain."""
    host = "mx1.hoster.example"
    mx = ((10, host),)
    spec = SandboxSpec({host: HostSpec.of("postfix")}, {domain: DomainSpec(mx) for domain in DOMAINS})
    async with World(database, spec, pacing=COUNTED) as world:
        await world.submit(*(f"user1@{domain}" for domain in DOMAINS))
        await world.run()
        assert await world.count_outcomes() == {"valid accepted": 12}
        assert world.total.connections <= 2
        assert world.tools.lanes.find("default/127.20.0.0/24") is None


async def test_a_block_at_one_host_is_none_of_the_network(database: Database) -> None:
    """How one host of a network treats us says nothing about its neighbours."""
    spec = SandboxSpec.of({"angry.example": "blocked-greeting", "calm.example": "postfix"})
    async with World(database, spec, pacing=COUNTED) as world:
        assert await world.check("user1@angry.example", "user1@calm.example") == [
            "unknown sender_ip_blocked",
            "valid accepted",
        ]


async def test_a_rate_limit_is_the_networks(database: Database) -> None:
    """A pool that limits us is given its pause, under whatever name it is met next."""
    spec = SandboxSpec.of({"limited.example": "rate-limited", "next.example": "postfix"})
    async with World(database, spec, pacing=COUNTED) as world:
        await world.check("user1@limited.example")
        assert await world.check("user1@next.example") == ["waits None"]
        assert world.seen("mx1.next.example").connections == 0
        await world.finish()
        assert await world.outcome("user1@next.example") == "valid accepted"

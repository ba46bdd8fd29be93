"""A refusal that unlike domains of a provider get in the same words is about us: what it led to is taken back."""

import pytest

from tests.integration.store.ledger import find_broken
from tests.integration.verification.world import World
from validatord.sandbox.spec import DomainSpec, HostSpec, SandboxSpec
from validatord.store import submissions
from validatord.store.database import Database

HOST = "mx1.provider.example"


def at_one_provider(*domains: str) -> SandboxSpec:
    """Domains behind one host; whoever is called policy… is refused there without a reason, postmaster is not."""
    mx = ((10, HOST),)
    return SandboxSpec({HOST: HostSpec.of("postfix")}, {domain: DomainSpec(mx) for domain in domains})


async def test_the_third_domain_takes_the_verdicts_back(database: Database) -> None:
    """Two domains look like a missing mailbox each; with the third nobody is called invalid, and the lane is shut."""
    async with World(database, at_one_provider("a.example", "b.example", "c.example", "d.example")) as world:
        assert await world.check("policy1@a.example", "policy1@b.example") == ["invalid no_such_mailbox"] * 2

        assert await world.check("policy1@c.example") == ["waits policy_rejected"]

        assert await world.outcome("policy1@a.example") == "waits policy_rejected"
        assert await world.outcome("policy1@b.example") == "waits policy_rejected"
        assert (await world.finding("policy1@a.example")).status == "unknown"
        lane = world.tools.lanes.find("default/provider.example")
        assert lane is not None
        assert lane.breaker.cause == "sender_ip_blocked"
        assert await find_broken(database) == []
        connections = world.total.connections
        await world.check("user1@d.example")
        assert world.total.connections == connections


async def test_it_ends_when_the_schedule_is_used_up(database: Database) -> None:
    """A provider that goes on like this is not asked for ever: everybody is unknown in the end."""
    async with World(database, at_one_provider("a.example", "b.example", "c.example")) as world:
        await world.submit("policy1@a.example", "policy1@b.example", "policy1@c.example")
        await world.finish(most_waits=40)

        assert await world.count_outcomes() == {"unknown policy_rejected": 3}
        progress = await submissions.get_progress(database, "crm", "spring")
        assert progress is not None
        assert progress.finished_at is not None
        assert await find_broken(database) == []


async def test_a_provider_that_recovers_is_judged_by_what_it_says_then(database: Database) -> None:
    """Asked again hours later, a mailbox gets the verdict it deserves."""
    async with World(database, at_one_provider("a.example", "b.example", "c.example")) as world:
        await world.check("policy1@a.example", "policy1@b.example", "policy1@c.example")
        await world.sandbox.become(HOST, "accept-all")
        await world.finish()
        assert await world.count_outcomes() == {"accept_all accept_all": 3}


async def test_domains_that_tell_mailboxes_apart_are_no_evidence(database: Database) -> None:
    """Where somebody else of the same domain was accepted, the refusal is about the mailbox."""
    domains = ("a.example", "b.example", "c.example", "d.example")
    async with World(database, at_one_provider(*domains)) as world:
        await world.submit(*(f"{name}@{domain}" for domain in domains for name in ("policy1", "user2")))
        await world.run()
        assert await world.count_outcomes() == {"invalid no_such_mailbox": 4, "valid accepted": 4}


async def test_a_provider_that_takes_mail_from_us_is_not_shut(database: Database) -> None:
    """The verdicts are taken back all the same, but other domains of the provider go on."""
    async with World(database, at_one_provider("a.example", "b.example", "c.example", "d.example")) as world:
        assert await world.check("user1@d.example") == ["valid accepted"]
        await world.check("policy1@a.example", "policy1@b.example", "policy1@c.example")
        assert await world.outcome("policy1@a.example") == "waits policy_rejected"
        assert await world.check("user2@d.example") == ["valid accepted"]


@pytest.mark.parametrize("minutes", [4, 6])
async def test_only_the_last_minutes_count(database: Database, minutes: int) -> None:
    """Three domains within ten minutes are a pattern, three within twelve are not."""
    async with World(database, at_one_provider("a.example", "b.example", "c.example")) as world:
        for domain in ("a.example", "b.example", "c.example"):
            await world.check(f"policy1@{domain}")
            await world.leap(minutes * 60)
        taken_back = await world.outcome("policy1@a.example") == "waits policy_rejected"
        assert taken_back is (minutes == 4)


async def test_an_inferred_verdict_is_not_used_again(database: Database) -> None:
    """What may be taken back must not have spread to other lists meanwhile."""
    async with World(database, at_one_provider("a.example")) as world:
        assert await world.check("policy1@a.example", "unknown2@a.example") == ["invalid no_such_mailbox"] * 2
        assert (await world.finding("policy1@a.example")).fresh_until is None
        assert (await world.finding("unknown2@a.example")).fresh_until is not None

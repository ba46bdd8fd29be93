"""Hosts that say yes to everybody, sometimes, or to one at a time."""

from dataclasses import replace

import pytest

from tests.integration.verification.world import World
from validatord.sandbox.personalities import find_personality
from validatord.sandbox.personality import Greylist
from validatord.sandbox.spec import DomainSpec, HostSpec, SandboxSpec
from validatord.store.database import Database

HOUR = 3600.0


async def test_pitfall_07_says_yes_to_everybody(database: Database) -> None:
    """Both shapes of a made-up name accepted: nobody of the domain is called valid, and most are not even asked."""
    async with World(database, SandboxSpec.of({"acme.example": "accept-all"})) as world:
        names = [f"user{number}@acme.example" for number in range(30)]
        assert await world.check(*names) == ["accept_all accept_all"] * 30
        assert len(world.controls) == 2
        assert world.total.commands["RCPT"] <= 7


async def test_pitfall_08_greylist_for_the_control_recipient(database: Database) -> None:
    """The target passes, the made-up name is new to the greylist: undetermined, until that name passes as well."""
    async with World(database, SandboxSpec.of({"acme.example": "greylist"})) as world:
        assert await world.check("user1@acme.example") == ["waits greylisted"]
        await world.leap_to_due()
        await world.run()
        assert await world.outcome("user1@acme.example") == "waits accept_all_undetermined"
        await world.leap_to_due()
        await world.run()
        assert await world.outcome("user1@acme.example") == "valid accepted"


async def test_pitfall_09_the_made_up_name_stays_the_same(database: Database) -> None:
    """The greylist meets the same name again, also after a restart; a fresh one each time would never pass."""
    async with World(database, SandboxSpec.of({"acme.example": "greylist"})) as world:
        await world.submit("user1@acme.example")
        await world.run()
        await world.restart()
        waits = await world.finish()
        assert len(waits) == 2
        assert list(world.controls.values()) == [2]
        assert await world.outcome("user1@acme.example") == "valid accepted"


@pytest.mark.parametrize("personality", ["m365-new-sender", "outlook"])
async def test_pitfall_13_second_recipient_is_too_many(database: Database, personality: str) -> None:
    """`452 4.5.3` says nothing about a mailbox: alone, in the same session, and the provider is remembered."""
    host = "acme-example.mail.protection.outlook.com"
    spec = SandboxSpec({host: HostSpec.of(personality)}, {"acme.example": DomainSpec(((10, host),))})
    async with World(database, spec) as world:
        found = await world.check("user1@acme.example", "user2@acme.example", "unknown3@acme.example")

        assert found == ["valid accepted", "valid accepted", "invalid no_such_mailbox"]
        assert world.total.connections == 1
        refused = world.total.refusals
        await world.restart()
        assert await world.check("user4@acme.example", "user5@acme.example") == ["valid accepted"] * 2
        assert world.total.refusals == refused  # not one more 452


async def test_pitfall_14_one_domain_per_envelope(database: Database) -> None:
    """Two domains in one session, never in one envelope."""
    host = "mx1.google-like.example"
    mx = ((10, host),)
    domains = [f"acme-{number}.example" for number in range(4)]
    spec = SandboxSpec({host: HostSpec.of("google")}, {domain: DomainSpec(mx) for domain in domains})
    async with World(database, spec) as world:
        found = await world.check(*(f"user{number}@{domain}" for number in range(3) for domain in domains))

        assert found == ["valid accepted"] * 12
        assert world.total.connections == 1
        assert world.total.commands["MAIL"] == 4
        assert world.total.refusals == 4  # the control recipients, and nothing about multiple domains


@pytest.mark.parametrize("personality", ["yahoo", "qmail", "m365-open"])
async def test_pitfall_24_would_refuse_after_data(database: Database, personality: str) -> None:
    """Who accepts everybody at RCPT is accept_all; DATA is never sent to find out more."""
    async with World(database, SandboxSpec.of({"acme.example": personality})) as world:
        assert await world.check("user1@acme.example", "unknown2@acme.example") == ["accept_all accept_all"] * 2
        assert world.total.alarms == 0
        assert "DATA" not in world.total.commands


async def test_pitfall_31_says_yes_only_while_its_directory_is_down(database: Database) -> None:
    """A first `accepts all` holds a day, not a month: then the host is asked again and has recovered."""
    async with World(database, SandboxSpec.of({"acme.example": "accept-all"})) as world:
        assert await world.check("user1@acme.example") == ["accept_all accept_all"]
        await world.sandbox.become("mx1.acme.example", "postfix")
        await world.leap(23 * HOUR)
        connections = world.total.connections
        assert await world.check("user2@acme.example") == ["accept_all accept_all"]
        assert world.total.connections == connections

        await world.leap(2 * HOUR)
        assert await world.check("user3@acme.example", "unknown4@acme.example") == [
            "valid accepted",
            "invalid no_such_mailbox",
        ]


async def test_pitfall_31_agreeing_on_another_day_holds_a_week(database: Database) -> None:
    """The second observation on another day is believed for seven days."""
    async with World(database, SandboxSpec.of({"acme.example": "accept-all"})) as world:
        await world.check("user1@acme.example")
        await world.leap(25 * HOUR)
        await world.check("user2@acme.example")
        connections = world.total.connections
        await world.leap(6 * 24 * HOUR)
        await world.check("user3@acme.example")
        assert world.total.connections == connections
        await world.leap(2 * 24 * HOUR)
        await world.check("user4@acme.example")
        assert world.total.connections == connections + 1


async def test_pitfall_08_a_greylist_that_starts_over(database: Database) -> None:
    """Who comes too early begins anew there: the wait that the host names is kept."""
    strict = replace(find_personality("greylist-wait"), greylist=Greylist(delay_seconds=120, starts_over=True))
    async with World(database, SandboxSpec.of({"acme.example": strict})) as world:
        await world.submit("user1@acme.example")
        waits = await world.finish()
        assert waits[0] == pytest.approx(150, abs=2)
        assert await world.outcome("user1@acme.example") == "valid accepted"

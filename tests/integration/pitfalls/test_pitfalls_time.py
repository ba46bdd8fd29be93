"""Waits, budgets and retries: when a host is asked again, by whom, and when to stop asking."""

from dataclasses import replace

import pytest

from tests.integration.verification.world import World
from validatord.sandbox.personalities import find_personality
from validatord.sandbox.personality import Limits, Personality
from validatord.sandbox.spec import DomainSpec, HostSpec, SandboxSpec
from validatord.store.database import Database

SCHEDULE = [900.0, 7200.0, 28800.0]


@pytest.mark.parametrize("code", [450, 451, 452])
async def test_pitfall_04_transient_refusal(database: Database, code: int) -> None:
    """Asked again after 15 minutes, 2 hours and 8 hours, then unknown; never invalid."""
    host = Personality("for-now", fixed=(("RCPT", f"{code} 4.3.0 Error: queue file write error"),))
    async with World(database, SandboxSpec.of({"acme.example": host})) as world:
        await world.submit("user1@acme.example")
        assert await world.finish() == pytest.approx(SCHEDULE, abs=2)
        assert await world.outcome("user1@acme.example") == "unknown temporary_failure"
        assert (await world.request("user1@acme.example"))["attempt"] == 4


async def test_pitfall_21_too_many_refusals_in_a_session(database: Database) -> None:
    """A session ends at eight refusals, before the host slows down or hangs up; all are judged."""
    impatient = replace(find_personality("postfix"), limits=Limits(refusals_until_slow=8, refusals_until_421=9))
    async with World(database, SandboxSpec.of({"acme.example": impatient})) as world:
        found = await world.check(*(f"unknown{number}@acme.example" for number in range(30)))

        assert found == ["invalid no_such_mailbox"] * 30
        assert world.total.connections == 4
        assert world.total.refusals == 30


async def test_pitfall_22_too_many_other_commands(database: Database) -> None:
    """Twenty domains behind one host that allows ten commands besides mail: no session sends nine RSET."""
    host = "mx1.provider.example"
    mx = ((10, host),)
    domains = [f"acme-{number:02}.example" for number in range(20)]
    spec = SandboxSpec({host: HostSpec.of("exim")}, {domain: DomainSpec(mx) for domain in domains})
    async with World(database, spec) as world:
        found = await world.check(*(f"user1@{domain}" for domain in domains))

        assert found == ["valid accepted"] * 20
        assert 2 <= world.total.connections <= 4
        assert world.total.commands["RSET"] <= 8 * world.total.connections


async def test_pitfall_23_tarpit_of_each_refusal(database: Database) -> None:
    """Five seconds before each of eight refusals in one group: the deadline is for each reply, all are judged."""
    spec = replace(SandboxSpec.of({"acme.example": "exchange"}), speed=50)
    smtp = {"rcpt_timeout": "600ms", "rcpt_per_envelope": 8}
    async with World(database, spec, smtp=smtp) as world:
        found = await world.check(*(f"unknown{number}@acme.example" for number in range(8)))

        assert found == ["invalid no_such_mailbox"] * 8
        assert world.total.connections == 1


async def test_pitfall_25_will_forward_and_not_local(database: Database) -> None:
    """251 is a yes and 551 a no; nobody asks the host that the words name."""
    async with World(database, SandboxSpec.of({"acme.example": "postfix"})) as world:
        assert await world.check("forward1@acme.example", "moved2@acme.example") == [
            "valid forwarded",
            "invalid user_not_local",
        ]
        assert not [name for name in world.sandbox.counters.rcpts if name.endswith("@elsewhere.example")]
        assert "elsewhere.example" in (await world.finding("moved2@acme.example")).reply


async def test_pitfall_32_user_unknown_for_now(database: Database) -> None:
    """450 with "User unknown": neither invalid at once nor greylisted for ever, but weakly invalid after the repeat."""
    async with World(database, SandboxSpec.of({"acme.example": "soft-unknown"})) as world:
        assert await world.check("unknown1@acme.example") == ["waits no_such_mailbox_soft"]
        waits = await world.finish()
        assert sum(waits) >= 8 * 3600
        assert await world.outcome("unknown1@acme.example") == "invalid no_such_mailbox_soft"
        assert "low_confidence" in (await world.finding("unknown1@acme.example")).reasons


async def test_pitfall_39_retry_repeats_the_triplet(database: Database) -> None:
    """Same source address, same sender, same HELO, same host, even after the identities changed."""
    first = {"name": "first", "source_address": "127.0.0.2", "envelope_sender": "one@example.net"}
    second = {"name": "second", "source_address": "127.0.0.3", "envelope_sender": "two@example.net"}
    hosts = [f"mx{number}.acme.example" for number in range(1, 6)]
    spec = SandboxSpec(
        dict.fromkeys(hosts, HostSpec.of("greylist")), {"acme.example": DomainSpec(tuple((10, host) for host in hosts))}
    )
    async with World(database, spec, identities=[first]) as world:
        await world.submit("user1@acme.example")
        await world.run()
        await world.restart()
        world.change(identities=[second, first | {"envelope_sender": "other@example.net"}])

        await world.finish()

        assert await world.outcome("user1@acme.example") == "valid accepted"
        asked = [name for name, counters in world.sandbox.counters.hosts.items() if counters.connections]
        assert len(asked) == 1
        assert {client for client, _ in world.sandbox.counters.most_sessions_by_client} == {"127.0.0.2"}
        trace = (await world.finding("user1@acme.example")).smtp_trace
        assert (trace["identity"], trace["envelope_sender"]) == ("first", "one@example.net")

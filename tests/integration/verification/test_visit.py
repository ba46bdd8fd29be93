"""One visit: from a leased domain to a verdict in the ledger, in one conversation if it can be."""

from datetime import timedelta

import pytest

from tests.integration.store.ledger import find_broken, look
from tests.integration.verification.world import World
from validatord.errors import LeaseLost
from validatord.sandbox.spec import DomainSpec, HostSpec, SandboxSpec
from validatord.store import leases, submissions
from validatord.store.database import Database


async def test_a_visit_answers_all_mailboxes_of_a_domain(database: Database) -> None:
    """One connection, one envelope, one control recipient; the ledger's row says how it was found."""
    async with World(database, SandboxSpec.of({"acme.example": "postfix"})) as world:
        found = await world.check("user1@acme.example", "unknown2@acme.example", "full3@acme.example")

        assert found == ["valid accepted", "invalid no_such_mailbox", "risky mailbox_full"]
        assert (world.total.connections, world.total.commands["MAIL"], world.total.commands["RCPT"]) == (1, 1, 4)
        assert (world.total.alarms, world.total.complaints) == (0, {})
        finding = await world.finding("user1@acme.example")
        assert finding.mx_host == "mx1.acme.example"
        stages = [exchange["stage"] for exchange in finding.smtp_trace["exchanges"]]
        assert stages == ["connect", "ehlo", "mail", "rcpt", "rcpt"]
        assert await find_broken(database) == []


async def test_evidence_names_no_other_mailbox(database: Database) -> None:
    """What is kept about one mailbox holds no address of another but the control's."""
    async with World(database, SandboxSpec.of({"acme.example": "postfix"})) as world:
        await world.check("user1@acme.example", "unknown2@acme.example")
        assert "unknown2" not in str((await world.finding("user1@acme.example")).smtp_trace)
        assert "user1" not in str((await world.finding("unknown2@acme.example")).smtp_trace)


async def test_sessions_serve_the_next_domain(database: Database) -> None:
    """Ten domains of a provider over one connection."""
    host = "mx1.provider.example"
    mx = ((10, host),)
    domains = [f"acme-{number}.example" for number in range(8)]
    spec = SandboxSpec({host: HostSpec.of("postfix")}, {domain: DomainSpec(mx) for domain in domains})
    async with World(database, spec) as world:
        assert await world.check(*(f"user1@{domain}" for domain in domains)) == ["valid accepted"] * 8
        assert world.total.connections == 1


async def test_no_control_for_refused_mailboxes(database: Database) -> None:
    """Where nobody is accepted, nobody needs a made-up name."""
    async with World(database, SandboxSpec.of({"acme.example": "postfix"})) as world:
        await world.check("unknown1@acme.example", "unknown2@acme.example")
        assert world.controls == {}


async def test_an_address_in_two_lists_is_asked_once(database: Database) -> None:
    """Requests of several clients for one mailbox share an answer."""
    async with World(database, SandboxSpec.of({"acme.example": "postfix"})) as world:
        await world.submit("user1@acme.example")
        await world.submit("user1@acme.example", client="shop", submission="other")
        await world.run()
        assert await world.count_outcomes() == {"valid accepted": 2}
        assert world.sandbox.counters.rcpts["user1@acme.example"] == 1


async def test_domains_nobody_may_ask(database: Database) -> None:
    """Never-probe and opt-out lists hold at the visit as well: the list may have changed since the intake."""
    spec = SandboxSpec.of({"a.example": "postfix", "b.example": "postfix", "sub.c.example": "postfix"})
    policy = {"never_probe": ["a.example", ".c.example"], "opt_out": ["b.example"]}
    async with World(database, spec, policy=policy) as world:
        assert await world.check("user1@a.example", "user1@b.example", "user1@sub.c.example") == [
            "unknown never_probe",
            "unknown opted_out",
            "unknown never_probe",
        ]
        assert world.total.connections == 0
        assert not [name for name in world.sandbox.counters.queries if name.startswith("MX ")]


async def test_a_lost_lease_writes_nothing(database: Database) -> None:
    """Whoever lost the domain to another node drops what it found."""
    async with World(database, SandboxSpec.of({"acme.example": "postfix"})) as world:
        await world.submit("user1@acme.example")
        [work] = await world.lease()
        await database.fetch("UPDATE domain_queue SET leased_by = 'other'")
        with pytest.raises(LeaseLost):
            await world.visitor.visit(work, world.settings)
        assert await world.count_outcomes() == {"waits ": 1}
        assert await look(database, "SELECT 1 FROM email_validation") == []


async def test_what_is_learned_is_written_after_every_conversation(database: Database) -> None:
    """A visit that is cut in the middle has kept what it heard before."""
    async with World(database, SandboxSpec.of({"acme.example": "postfix"})) as world:
        await world.submit(*(f"user{number}@acme.example" for number in range(60)))
        [work] = await world.lease()
        await world.sandbox.become("mx1.acme.example", "shutdown")
        await world.visitor.visit(work, world.settings)
        outcomes = await world.count_outcomes()
        assert outcomes.pop("valid accepted") + sum(outcomes.values()) == 60


async def test_a_domain_is_due_when_its_gate_opens(database: Database) -> None:
    """A closed gate puts the domain back until then, and uses up no attempt."""
    async with World(database, SandboxSpec.of({"acme.example": "blocked-mail"})) as world:
        await world.check("user1@acme.example")
        await world.check("user2@acme.example")
        [row] = await look(database, "SELECT next_due - now() AS wait FROM domain_queue")
        assert timedelta(minutes=55) < row["wait"] < timedelta(minutes=61)
        assert (await world.request("user2@acme.example"))["attempt"] == 0


async def test_waiting_at_a_closed_gate_has_an_end(database: Database) -> None:
    """After `give_up_after` a mailbox that could not be asked is unknown, and says why."""
    async with World(
        database, SandboxSpec.of({"acme.example": "blocked-mail"}), retry={"give_up_after": "2h"}
    ) as world:
        await world.check("user1@acme.example", "user2@acme.example")
        await world.finish()
        assert (await world.outcome("user2@acme.example")).startswith("unknown")


async def test_giving_up_a_domain_that_cannot_be_visited(database: Database) -> None:
    """What is due ends as unknown with its own token, counted and complete."""
    async with World(database, SandboxSpec.of({"acme.example": "postfix"})) as world:
        await world.submit("user1@acme.example", "user2@acme.example")
        [work] = await world.lease()
        await world.visitor.give_up(work, world.settings)

        assert await world.count_outcomes() == {"unknown temporary_failure": 2}
        assert "visit_failed" in (await world.finding("user1@acme.example")).reasons
        progress = await submissions.get_progress(database, "crm", "spring")
        assert progress is not None
        assert progress.finished_at is not None
        assert await find_broken(database) == []
        assert await leases.reap(database) == 0


async def test_accept_all_learned_in_a_visit_answers_the_rest(database: Database) -> None:
    """The first conversation decides; nobody else of the domain is asked."""
    async with World(database, SandboxSpec.of({"acme.example": "accept-all"}), smtp={"rcpt_per_session": 4}) as world:
        await world.submit(*(f"user{number}@acme.example" for number in range(50)))
        await world.run()
        assert await world.count_outcomes() == {"accept_all accept_all": 50}
        assert world.total.connections == 1


async def test_several_conversations_side_by_side(database: Database) -> None:
    """`per_domain_concurrency` conversations with a big domain, as far as the lane allows."""
    spec = SandboxSpec.of({"acme.example": HostSpec.of("postfix", latency_seconds=0.01)})
    async with World(database, spec, pacing={"per_domain_concurrency": 3}) as world:
        await world.submit(*(f"user{number}@acme.example" for number in range(100)))
        await world.run()
        assert await world.count_outcomes() == {"valid accepted": 100}
        assert world.total.most_sessions == 3

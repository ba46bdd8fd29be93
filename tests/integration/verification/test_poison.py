"""What always fails, or never gets anywhere, comes to an end."""

from tests.integration.store.ledger import find_broken
from tests.integration.verification.world import World
from validatord.loops.dispatcher import Dispatcher, Hands
from validatord.sandbox.personalities import find_personality
from validatord.sandbox.personality import Personality
from validatord.sandbox.spec import SandboxSpec
from validatord.store import leases
from validatord.store.database import Database
from validatord.store.leases import DomainVisit


async def test_a_domain_whose_visits_always_fail(database: Database) -> None:
    """Five failed visits, then its requests end as unknown with their own token; other domains never notice."""
    async with World(database, SandboxSpec.of({"poison.example": "postfix", "good.example": "postfix"})) as world:

        async def visit(work: DomainVisit) -> None:
            if work.domain == "poison.example":
                raise RuntimeError("planted")
            await world.visitor.visit(work, world.settings)

        async def give_back(domain: str, _seconds: float) -> None:
            await leases.release(database, world.settings.service.node, world.epoch, [(domain, None, "")])

        async def give_up(work: DomainVisit) -> None:
            await world.visitor.give_up(work, world.settings)

        async def renew(_domains: object) -> None:
            return

        dispatcher = Dispatcher(Hands(world.lease, visit, give_up, renew, give_back), world.clock, lambda: 10)
        await world.submit("user1@poison.example", "user2@poison.example", "user1@good.example")
        for _ in range(6):
            await dispatcher.run_once()
            for task in list(dispatcher.active.values()):
                await task

        assert await world.count_outcomes() == {"unknown temporary_failure": 2, "valid accepted": 1}
        assert "visit_failed" in (await world.finding("user1@poison.example")).reasons
        assert dispatcher.counts.failures == 5
        assert dispatcher.counts.given_up == 2
        assert await find_broken(database) == []


async def test_a_host_that_allows_no_envelope_at_all(database: Database) -> None:
    """LIMITS MAILMAX=0 leaves nothing to be asked: two sessions are enough to know that."""
    host = Personality("stingy", keywords=("PIPELINING", "LIMITS MAILMAX=0"))
    async with World(database, SandboxSpec.of({"acme.example": host})) as world:
        [found] = await world.check("user1@acme.example")
        assert found.startswith(("waits", "valid"))
        assert world.total.connections <= 2


async def test_a_host_that_hangs_up_on_every_group(database: Database) -> None:
    """Once more without pipelining, then it is left alone until later."""
    async with World(database, SandboxSpec.of({"acme.example": "drop-rcpt"})) as world:
        assert await world.check("user1@acme.example") == ["waits connection_lost"]
        assert world.total.connections == 2


async def test_a_session_budget_of_one(database: Database) -> None:
    """The smallest budgets still get everybody asked."""
    smtp = {"rcpt_per_session": 1, "refusals_per_session": 1, "resets_per_session": 1, "rcpt_per_envelope": 1}
    async with World(database, SandboxSpec.of({"acme.example": find_personality("postfix")}), smtp=smtp) as world:
        await world.submit("unknown1@acme.example", "unknown2@acme.example", "user3@acme.example")
        await world.run()
        outcomes = [await world.outcome(f"unknown{number}@acme.example") for number in (1, 2)]
        assert outcomes == ["invalid no_such_mailbox"] * 2
        assert world.total.connections < 10

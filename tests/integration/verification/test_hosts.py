"""From one host to the next: equal ones, TLS that is wanted or broken, hosts that failed too often."""

from dataclasses import replace

import pytest

from tests.integration.verification.world import World
from validatord.sandbox.personalities import find_personality
from validatord.sandbox.personality import Personality, Phrases
from validatord.sandbox.spec import DomainSpec, SandboxSpec
from validatord.store.database import Database


def equals(*personalities: str | Personality) -> SandboxSpec:
    """One domain with hosts of the same preference."""
    spec = SandboxSpec.of({"acme.example": list(personalities)})
    mx = tuple((10, host) for _, host in spec.domains["acme.example"].mx)
    return replace(spec, domains={"acme.example": DomainSpec(mx)})


@pytest.mark.parametrize("seed", range(3))
async def test_relay_denied_by_one_of_two(database: Database, seed: int) -> None:
    """Before a domain is called not hosted, another host of equal preference is asked, in the same visit."""
    async with World(database, equals(*["relay-denied", "postfix"][:: 1 if seed % 2 else -1])) as world:
        assert await world.check("user1@acme.example", "unknown2@acme.example") == [
            "valid accepted",
            "invalid no_such_mailbox",
        ]
        assert world.visits == 1


async def test_relay_denied_by_both(database: Database) -> None:
    """Both deny it: once more after eight hours, since domains move, then invalid with low confidence."""
    async with World(database, equals("relay-denied", "relay-denied")) as world:
        assert await world.check("user1@acme.example") == ["waits relay_denied"]
        assert world.sandbox.counters.rcpts["user1@acme.example"] == 2
        assert await world.finish() == [pytest.approx(8 * 3600, abs=2)]
        assert await world.outcome("user1@acme.example") == "invalid relay_denied"
        assert "low_confidence" in (await world.finding("user1@acme.example")).reasons


async def test_relay_denied_and_nobody_else_there(database: Database) -> None:
    """If the other host cannot be reached, what the first one said is what there is to say."""
    async with World(database, equals("relay-denied", "refused")) as world:
        assert await world.check("user1@acme.example") == ["waits relay_denied"]
        await world.finish()
        assert await world.outcome("user1@acme.example") == "invalid relay_denied"


async def test_a_backup_that_denies_relaying_decides_nothing(database: Database) -> None:
    """A forgotten backup of a domain whose best host is down."""
    async with World(database, SandboxSpec.of({"acme.example": ["refused", "relay-denied"]})) as world:
        await world.submit("user1@acme.example")
        await world.finish()
        assert (await world.outcome("user1@acme.example")) == "unknown relay_denied"


async def test_tls_that_fails_is_tried_once(database: Database) -> None:
    """A broken handshake: in plain text at once, and remembered for the next visit."""
    async with World(database, SandboxSpec.of({"acme.example": "tls-broken"}), smtp={"tls": "opportunistic"}) as world:
        assert await world.check("user1@acme.example") == ["valid accepted"]
        assert world.total.connections == 2
        await world.leap(60)
        await world.tools.pool.close_expired()
        assert await world.check("user2@acme.example") == ["valid accepted"]
        assert world.total.connections == 3


async def test_tls_that_is_demanded_is_remembered(database: Database) -> None:
    """530 at MAIL: a new session with TLS at once; the next visit begins with it."""
    async with World(database, SandboxSpec.of({"acme.example": "tls-required"})) as world:
        assert await world.check("user1@acme.example") == ["valid accepted"]
        assert (world.total.connections, world.total.handshakes) == (2, 1)
        await world.leap(60)
        await world.tools.pool.close_expired()
        assert await world.check("user2@acme.example") == ["valid accepted"]
        assert (world.total.connections, world.total.handshakes) == (3, 2)


async def test_tls_demanded_by_a_recipient(database: Database) -> None:
    """A domain that insists on TLS at RCPT gets it in the same visit."""
    text = "450 4.7.1 Session encryption is required"
    host = replace(find_personality("tls-required"), phrases=Phrases(need_tls=text))
    async with World(database, SandboxSpec.of({"acme.example": host})) as world:
        assert await world.check("user1@acme.example") == ["valid accepted"]


async def test_a_host_that_failed_too_often_is_left_alone(database: Database) -> None:
    """Five failed visits close the host for three quarters of an hour; its mailboxes wait without an attempt."""
    async with World(database, SandboxSpec.of({"acme.example": "drop-mail"}), retry={"delays": ["1m"] * 9}) as world:
        await world.submit("user1@acme.example")
        await world.run()
        for _ in range(5):
            await world.leap(61)
            await world.run()
        connections = world.total.connections
        await world.leap(61)
        await world.run()
        assert world.total.connections == connections
        assert (await world.outcome("user1@acme.example")).startswith("waits")
        await world.leap(46 * 60)
        await world.run()
        assert world.total.connections > connections


async def test_a_pinned_backup_does_not_come_before_the_best_host(database: Database) -> None:
    """Greylisted by the backup while the best host was down: when that is back, it is asked first."""
    async with World(database, SandboxSpec.of({"acme.example": ["refused", "greylist"]})) as world:
        assert await world.check("user1@acme.example") == ["waits greylisted"]
        await world.sandbox.become("mx1.acme.example", "postfix")
        await world.finish()
        assert await world.outcome("user1@acme.example") == "valid accepted"
        assert (await world.finding("user1@acme.example")).mx_host == "mx1.acme.example"


async def test_the_alternative_sender_is_tried_once(database: Database) -> None:
    """Where the sender is refused, the other one of the identity is asked for in the same visit, and then no more."""
    picky = Personality("picky", fixed=(("MAIL", "550 5.1.8 <{sender}>: Sender address rejected: Domain not found"),))
    identity = {"alternative_sender": "other@example.org"}
    async with World(database, SandboxSpec.of({"acme.example": picky}), identities=[identity]) as world:
        assert await world.check("user1@acme.example") == ["unknown sender_rejected"]
        assert world.total.commands["MAIL"] == 2

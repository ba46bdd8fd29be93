"""Bytes, packets and closings: whatever happens on the wire, answers stay with their mailboxes."""

import asyncio
from dataclasses import replace

import pytest

from tests.fakes.mx_script import MXScript
from tests.integration.store.ledger import look
from tests.integration.verification.world import World
from validatord.errors import AddressSyntaxError
from validatord.mail.address import Mailbox
from validatord.mail.parse import parse_address
from validatord.sandbox.personalities import find_personality
from validatord.sandbox.personality import Waits
from validatord.sandbox.spec import DomainSpec, HostSpec, SandboxSpec
from validatord.store import submissions
from validatord.store.database import Database

MIXED = tuple(f"{kind}{number}" for number in range(3) for kind in ("user", "unknown"))
VERDICTS = {"user": "valid accepted", "unknown": "invalid no_such_mailbox"}


def at(domain: str, names: tuple[str, ...] = MIXED) -> list[str]:
    return [f"{name}@{domain}" for name in names]


def expected(names: tuple[str, ...] = MIXED) -> list[str]:
    return [VERDICTS[name.rstrip("0123456789")] for name in names]


@pytest.mark.parametrize("personality", ["mangled-split", "mangled-halves", "mangled-bare_lf", "postfix"])
async def test_pitfall_05_packets_mean_nothing(database: Database, personality: str) -> None:
    """One byte a packet, half a reply, many replies in one: each mailbox gets its own answer."""
    async with World(database, SandboxSpec.of({"acme.example": personality})) as world:
        assert await world.check(*at("acme.example")) == expected()
        assert world.total.connections == 1


async def test_pitfall_06_greeting_in_three_lines(database: Database) -> None:
    """Not a byte goes out before the last line of the greeting."""
    spec = replace(SandboxSpec.of({"acme.example": "drip-greeting"}), speed=20)
    async with World(database, spec) as world:
        assert await world.check("user1@acme.example") == ["valid accepted"]
        assert world.total.complaints == {}


async def test_pitfall_10_hangs_up_after_the_first_refusal(database: Database) -> None:
    """Who was answered is judged; the others are asked on a new connection, all in one visit."""
    async with World(database, SandboxSpec.of({"acme.example": "hangup"})) as world:
        assert await world.check(*at("acme.example")) == expected()
        assert world.visits == 1
        assert world.total.connections > 1


async def test_pitfall_11_shut_down_in_the_middle_of_a_group(database: Database) -> None:
    """421 answers nobody: the rest of the group is asked again, on another connection."""
    names = tuple(f"unknown{number}" for number in range(7))
    async with World(database, SandboxSpec.of({"acme.example": "shutdown"})) as world:
        assert await world.check(*at("acme.example", names)) == expected(names)
        assert world.total.connections == 3
        assert world.visits == 1
        assert world.total.complaints == {}


def test_pitfall_34_an_address_that_would_inject() -> None:
    """Whoever reads addresses lets none through that is more than one."""
    for text in ("user\r\nRCPT TO:<victim@other.example>@acme.example", "user>@acme.example", "a b@acme.example"):
        with pytest.raises(AddressSyntaxError):
            parse_address(text, allow_special_use=True)


async def test_pitfall_34_what_came_into_the_ledger_all_the_same(database: Database) -> None:
    """A mailbox that would inject is not put on the wire even if it stands in the ledger."""
    async with World(database, SandboxSpec.of({"acme.example": "postfix"})) as world:
        bad = [Mailbox("user\r\nRCPT TO:<user9@other.example>", "acme.example"), Mailbox("user>", "acme.example")]
        items = [submissions.ChunkItem(place, f"bad{place}", mailbox) for place, mailbox in enumerate(bad)]
        items.append(submissions.ChunkItem(2, "good", Mailbox("user1", "acme.example")))
        await submissions.add_chunk(database, submissions.Chunk("crm", "spring", 50, tuple(items)))

        await world.run()

        rows = await look(database, "SELECT status, reason FROM requests ORDER BY idx")
        assert [f"{row['status']} {row['reason']}" for row in rows] == ["unknown address_refused"] * 2 + [
            "valid accepted"
        ]
        assert set(world.sandbox.counters.rcpts) - set(world.controls) == {"user1@acme.example"}
        assert world.total.complaints == {}


async def test_pitfall_35_ehlo_is_not_known(database: Database) -> None:
    """HELO opens a session as good as any, one command at a time."""
    async with World(database, SandboxSpec.of({"acme.example": "helo-only"})) as world:
        assert await world.check(*at("acme.example")) == expected()
        assert world.total.commands["HELO"] == 1
        assert world.total.complaints == {}


@pytest.mark.parametrize("kind", ["long_line", "no_end", "many_lines", "junk", "code", "text"])
async def test_pitfall_36_no_end_of_a_reply(database: Database, kind: str) -> None:
    """What is no SMTP is cut at the cap, says nothing about anybody, and is tried once more at most."""
    spec = SandboxSpec.of({"acme.example": f"mangled-{kind}"})
    async with World(database, spec, smtp={"rcpt_timeout": "2s"}) as world:
        [found] = await world.check("user1@acme.example")
        assert found.startswith("waits")
        await world.finish()
        assert (await world.outcome("user1@acme.example")).startswith("unknown")


async def test_pitfall_37_a_held_session_was_ended_meanwhile(database: Database) -> None:
    """421 stands in the buffer of an idle session: the next domain gets a new one and its own answers."""
    host = "mx1.provider.example"
    impatient = replace(find_personality("postfix"), waits=Waits(idle=0.2))
    mx = ((10, host),)
    spec = SandboxSpec({host: HostSpec(impatient)}, {name: DomainSpec(mx) for name in ("one.example", "two.example")})
    async with World(database, spec) as world:
        assert await world.check("user1@one.example") == ["valid accepted"]
        assert world.tools.pool.idle_count == 1
        await asyncio.sleep(0.4)
        assert await world.check("unknown1@two.example", "user2@two.example") == [
            "invalid no_such_mailbox",
            "valid accepted",
        ]
        assert world.total.connections == 2


async def test_pitfall_37_the_word_came_just_now(database: Database) -> None:
    """A 421 that the kernel holds but nobody has read yet is found before the first byte of the next envelope."""
    async with MXScript() as host:
        spec = SandboxSpec(
            domains={name: DomainSpec(((10, "mx1.provider.example"),)) for name in ("one.example", "two.example")},
            records={("mx1.provider.example", "A"): ["127.0.0.1"]},
        )
        async with World(database, spec, smtp={"port": host.port}) as world:
            await world.check("user1@one.example")
            host.connections[0].writer.get_extra_info("socket")._sock.send(b"421 4.4.2 timeout\r\n")
            await world.check("user1@two.example")
            assert len(host.connections[0].commands) == 5
            assert host.connections[1].commands[0].startswith("EHLO")


async def test_pitfall_38_plaintext_after_the_go_ahead(database: Database) -> None:
    """An answer injected before the handshake is nobody's answer."""
    async with World(
        database, SandboxSpec.of({"acme.example": "tls-injection"}), smtp={"tls": "opportunistic"}
    ) as world:
        found = await world.check("unknown1@acme.example", "user1@acme.example")
        assert all(outcome.startswith("waits") for outcome in found)
        assert world.total.commands["RCPT"] == 0
        await world.finish()
        assert (await world.outcome("unknown1@acme.example")).startswith("unknown")

"""Pipelining, latency, and what the other side's books say about a client."""

import asyncio
import json

from tests.unit.sandbox.talk import SENDER, Talk, codes
from validatord.sandbox.internet import Sandbox
from validatord.sandbox.spec import HostSpec, SandboxSpec

MX = "mx1.a.example"


def one(personality: str, latency: float = 0.0) -> SandboxSpec:
    """A sandbox with a.example at a host of that personality."""
    return SandboxSpec.of({"a.example": HostSpec.of(personality, latency)})


async def test_replies_to_one_group_come_together() -> None:
    """A group costs the latency once, however many commands it has; one by one they cost it each."""
    async with Sandbox(one("postfix", 0.03)) as sandbox, await Talk.greet(sandbox, MX) as talk:
        now = asyncio.get_running_loop().time
        began = now()
        replies = await talk.rcpt(*(f"user{number}@a.example" for number in range(20)))
        grouped = now() - began
        for command in ("RSET", SENDER, "RCPT TO:<user1@a.example>"):
            await talk.say(command)

        assert codes(replies) == [250] * 20
        assert 0.03 <= grouped < 0.09 <= now() - began - grouped
        assert sandbox.counters.hosts[MX].flights == 5
        assert sandbox.counters.total.complaints == {}


async def test_replies_match_commands_over_any_packet_bounds() -> None:
    """Commands cut into single bytes are answered as if they had come whole."""
    async with Sandbox(one("postfix", 0.01)) as sandbox, await Talk.greet(sandbox, MX) as talk:
        for byte in f"{SENDER}\r\nRCPT TO:<user1@a.example>\r\nRCPT TO:<unknown1@a.example>\r\n".encode():
            talk.writer.write(bytes([byte]))
            await asyncio.sleep(0)

        assert codes([await talk.read() for _ in range(3)]) == [250, 250, 550]
        assert sandbox.counters.total.complaints == {}


async def test_pipelining_that_was_not_offered_is_a_complaint() -> None:
    """A group is a breach where EHLO did not offer it, and after HELO; one by one is not."""
    async with Sandbox(one("no-pipelining")) as sandbox:
        async with await Talk.greet(sandbox, MX) as talk:
            assert codes(await talk.rcpt("user1@a.example", "user2@a.example")) == [250, 250]
            assert sandbox.counters.total.complaints == {"pipelining_not_offered": 2}
            assert codes(await talk.say("RSET")) == [250]
        sandbox.counters.reset()
        await sandbox.become(MX, "postfix")
        async with await Talk.dial(sandbox, MX) as talk:
            await talk.read()
            await talk.say("HELO verify.example")
            await talk.rcpt("user1@a.example")

        assert sandbox.counters.total.complaints == {"pipelining_not_offered": 1}


async def test_commands_before_their_turn_are_complaints() -> None:
    """Talking before the greeting, or behind EHLO, is noted; the strict hang up over it."""
    async with Sandbox(one("postfix", 0.01)) as sandbox:
        async with await Talk.dial(sandbox, MX) as talk:
            talk.send("EHLO verify.example", SENDER)
            assert codes([await talk.read() for _ in range(3)]) == [220, 250, 250]
        await sandbox.become(MX, "exim")
        async with await Talk.dial(sandbox, MX) as talk:
            talk.send("EHLO verify.example")
            assert codes([await talk.read() for _ in range(2)]) == [220, 554]
            assert await talk.is_closed()

        # The line behind EHLO came before the greeting as well, and before pipelining was offered.
        assert sandbox.counters.total.complaints == {"before_greeting": 3}


async def test_a_group_must_end_at_commands_that_change_the_state() -> None:
    """RFC 2920 3.1: nothing may stand behind EHLO, NOOP or QUIT in a group."""
    async with Sandbox(one("postfix", 0.01)) as sandbox, await Talk.greet(sandbox, MX) as talk:
        await talk.say("NOOP", SENDER)
        await talk.say("EHLO verify.example", "RSET")
        await talk.say("RSET", "QUIT")

        assert sandbox.counters.total.complaints == {"pipelined_after_noop": 1, "pipelined_after_ehlo": 1}
        assert await talk.is_closed()


async def test_breaches_of_syntax_and_sequence_are_complaints() -> None:
    """Bad paths, unknown verbs, wrong order, bare line feeds and foreign domains are each noted by kind."""
    async with Sandbox(one("postfix")) as sandbox, await Talk.dial(sandbox, MX) as talk:
        await talk.read()
        assert codes(await talk.say(SENDER)) == [503]
        await talk.say("EHLO verify.example")
        assert codes(await talk.say("HELP")) == [502]
        assert codes(await talk.say("MAIL FROM: <probe@verify.example>")) == [501]
        assert codes(await talk.say("MAIL FROM:<a b@verify.example")) == [501]
        assert codes(await talk.say(SENDER)) == [250]
        assert codes(await talk.say(SENDER)) == [503]
        assert codes(await talk.say("RCPT TO:user1@a.example")) == [501]
        assert codes(await talk.say("RCPT TO:<user1@b.example>")) == [554]
        assert codes(await talk.say("RSET")) == [250]
        assert codes(await talk.say("RCPT TO:<user1@a.example>")) == [503]
        talk.writer.write(b"NOOP\n")
        assert codes([await talk.read()]) == [250]

        assert sandbox.counters.total.complaints == {
            "sequence": 3,
            "unknown_command": 1,
            "syntax": 3,
            "misdirected": 1,
            "bare_lf": 1,
        }


async def test_an_endless_line_is_cut() -> None:
    """A line beyond all bounds ends the connection."""
    async with Sandbox(one("postfix")) as sandbox, await Talk.greet(sandbox, MX) as talk:
        talk.writer.write(b"x" * 5000)

        assert await talk.is_closed()
        assert sandbox.counters.total.complaints == {"line_too_long": 1}


async def test_what_must_never_be_sent_raises_an_alarm() -> None:
    """DATA, BDAT, VRFY, EXPN and AUTH are refused and counted as alarms."""
    async with Sandbox(one("postfix")) as sandbox, await Talk.greet(sandbox, MX) as talk:
        for command in ("DATA", "BDAT 3", "VRFY user1", "EXPN all", "AUTH PLAIN"):
            assert codes(await talk.say(command)) == [502]

        assert sandbox.counters.total.alarms == 5


async def test_the_books_are_right() -> None:
    """Connections, sessions at once, commands, recipients and refusals are counted per host and in all."""
    spec = SandboxSpec.of({"a.example": ("postfix", "postfix"), "b.example": "postfix"})
    async with Sandbox(spec) as sandbox:
        async with await Talk.greet(sandbox, MX) as talk, await Talk.greet(sandbox, "mx2.a.example"):
            await talk.rcpt("User1@A.example", "unknown1@a.example", "unknown1@a.example")
            counters = sandbox.counters

            assert (counters.hosts[MX].connections, counters.hosts[MX].most_sessions) == (1, 1)
            assert (counters.total.connections, counters.total.sessions, counters.total.most_sessions) == (2, 2, 2)
            assert counters.total.commands == {"EHLO": 2, "MAIL": 1, "RCPT": 3}
            assert counters.rcpts == {"User1@a.example": 1, "unknown1@a.example": 2}
            assert (counters.hosts[MX].refusals, counters.total.refusals) == (2, 2)
            assert counters.most_sessions_by_client == {("127.0.0.1", "a.example"): 2}
        while sandbox.counters.total.sessions:
            await asyncio.sleep(0)
        assert sandbox.counters.total.most_sessions == 2


async def test_the_control_port_tells_and_resets() -> None:
    """One line of JSON per command; a reset starts at zero but knows the open sessions."""
    async with Sandbox(one("postfix")) as sandbox, await Talk.greet(sandbox, MX) as talk:
        await talk.rcpt("user1@a.example")
        reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.control_port)

        async def order(line: str) -> dict[str, object]:
            writer.write(f"{line}\n".encode())
            return json.loads(await reader.readline())

        told = await order("counters")
        assert told["rcpts"] == {"user1@a.example": 1}
        assert told["total"] == told["hosts"][MX]
        assert told["most_sessions_by_client"] == {"127.0.0.1 a.example": 1}
        assert await order("reset") == {"reset": True}
        told = await order("counters")
        assert (told["rcpts"], told["total"]["commands"]) == ({}, {})
        assert (told["total"]["connections"], told["total"]["sessions"], told["total"]["most_sessions"]) == (0, 1, 1)
        assert await order(f"become {MX} hangup") == {"host": MX, "personality": "hangup"}
        assert "error" in await order(f"become {MX} nonsense")
        assert "error" in await order("become nobody.example postfix")
        assert "error" in await order("dance")
        assert "error" in await order("")
        writer.close()

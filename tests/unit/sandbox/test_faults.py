"""MX hosts that refuse us or are broken: each shows exactly its own trouble."""

import asyncio
import ssl

import pytest

from tests.fakes.clock import FakeClock
from tests.unit.sandbox.talk import PATIENCE, SENDER, Talk, codes
from validatord.sandbox import faults, personalities
from validatord.sandbox.internet import Sandbox
from validatord.sandbox.spec import SandboxSpec

FAST = 10_000.0
MX = "mx1.a.example"


def one(personality: str) -> SandboxSpec:
    """A sandbox with a.example at a host of that personality."""
    return SandboxSpec.of({"a.example": personality}, speed=FAST)


@pytest.mark.parametrize(
    ("personality", "first", "lines"),
    [
        ("blocked-greeting", "554-mx1.a.example", 4),
        ("rejecting-greeting", "554 No SMTP service here", 1),
        ("busy-greeting", "421 4.7.0 mx1.a.example Error: too many connections from 127.0.0.1", 1),
    ],
)
async def test_a_refusing_greeting_ends_the_session(personality: str, first: str, lines: int) -> None:
    """The refusal stands in the greeting, whole, and the connection is closed behind it."""
    async with Sandbox(one(personality)) as sandbox, await Talk.dial(sandbox, MX) as talk:
        greeting = (await talk.read()).splitlines()

        assert (greeting[0], len(greeting)) == (first, lines)
        assert await talk.is_closed()


@pytest.mark.parametrize(
    ("personality", "reply"),
    [
        ("blocked-rcpt", "554 5.7.1 <user1@a.example>: Recipient address rejected: https://www.spamhaus.org/query/ip/"),
        ("rate-limited", "550 5.1.1 <user1@a.example> - 198.51.100.225 has sent to too many recipients this hour."),
        ("recipient-rate", "450 4.2.1 "),
        ("callback-failed", "550-Verification failed for <probe@verify.example>"),
        ("relay-denied", "554 5.7.1 <user1@a.example>: Relay access denied"),
        ("policy", "550 5.7.1 Message refused"),
        ("cannot-verify", "252 2.1.5"),
        ("temporary", "451 4.3.0"),
    ],
)
async def test_some_answer_every_recipient_alike(personality: str, reply: str) -> None:
    """The same reply goes to users, strangers and the postmaster, and each counts as asked."""
    names = ("user1@a.example", "unknown1@a.example", "postmaster@a.example")
    async with Sandbox(one(personality)) as sandbox, await Talk.greet(sandbox, MX) as talk:
        replies = await talk.rcpt(*names)

        assert replies[0].startswith(reply)
        assert len(set(codes(replies))) == 1
        assert sandbox.counters.rcpts == dict.fromkeys(names, 1)


@pytest.mark.parametrize(
    ("personality", "reply"),
    [
        ("sender-refused", "550 5.1.8 <probe@verify.example>"),
        ("blocked-mail", "553 5.7.1 [BL21]"),
        ("auth-required", "530 5.7.57"),
    ],
)
async def test_a_refused_sender_leaves_the_recipients_without_answer(personality: str, reply: str) -> None:
    """RCPT in the same group gets 503, which is no breach of the protocol by us."""
    async with Sandbox(one(personality)) as sandbox, await Talk.greet(sandbox, MX) as talk:
        replies = await talk.say(SENDER, "RCPT TO:<user1@a.example>", "RCPT TO:<user2@a.example>")

        assert replies[0].startswith(reply)
        assert codes(replies[1:]) == [503, 503]
        assert sandbox.counters.total.complaints == {}


async def test_hang_up_after_the_first_refusal() -> None:
    """The first unknown user is the last that is answered."""
    async with Sandbox(one("hangup")) as sandbox, await Talk.greet(sandbox, MX) as talk:
        assert codes(await talk.rcpt("user1@a.example", "unknown1@a.example", "user2@a.example")) == [250, 550, 0]


async def test_shutdown_in_the_middle_of_a_group() -> None:
    """A 421 stands where the answer should, and nothing comes after it."""
    async with Sandbox(one("shutdown")) as sandbox, await Talk.greet(sandbox, MX) as talk:
        names = [f"user{number}@a.example" for number in range(5)]

        assert codes(await talk.rcpt(*names)) == [250, 250, 250, 421, 0]


async def test_too_many_strangers_shut_the_door() -> None:
    """A guarded host turns a client away that asked for ten unknown users, in whatever session; others it greets."""
    async with Sandbox(one("guarded")) as sandbox:
        for group in range(2):
            async with await Talk.greet(sandbox, MX) as talk:
                await talk.rcpt(*(f"unknown{group}{number}@a.example" for number in range(5)))
        async with await Talk.dial(sandbox, MX) as talk:
            assert (await talk.read()).startswith("554 5.7.1 Service unavailable; Client host [127.0.0.1] blocked")
        async with await Talk.dial(sandbox, MX, source="127.0.0.2") as talk:
            assert (await talk.read()).startswith("220")


async def test_a_rate_is_counted_by_the_minute() -> None:
    """The twenty-first recipient of a minute has to wait for the next."""
    clock = FakeClock()
    spec = SandboxSpec.of({"a.example": "rate-counting"})
    async with Sandbox(spec, clock) as sandbox, await Talk.greet(sandbox, MX) as talk:
        assert codes(await talk.rcpt(*(f"user{number}@a.example" for number in range(21)))) == [250] * 20 + [450]
        await clock.advance(60)
        assert codes(await talk.say("RCPT TO:<user20@a.example>")) == [250]


async def test_one_session_at_a_time() -> None:
    """A second session of the same client is turned away while the first is open; another client's is not."""
    async with Sandbox(one("one-session")) as sandbox, await Talk.greet(sandbox, MX):
        async with await Talk.dial(sandbox, MX) as second:
            assert (await second.read()).startswith("421 4.7.0 mx1.a.example Error: too many connections")
        async with await Talk.greet(sandbox, MX, source="127.0.0.3"):
            assert sandbox.counters.most_sessions_by_client == {
                ("127.0.0.1", "a.example"): 2,
                ("127.0.0.3", "a.example"): 1,
            }


async def test_an_idle_session_gets_421_unasked() -> None:
    """Silence ends in an unsolicited 421 and a closed connection."""
    async with Sandbox(one("idle-421")) as sandbox, await Talk.greet(sandbox, MX) as talk:
        assert (await talk.read()).startswith("421 4.4.2")
        assert await talk.is_closed()


async def test_a_dripping_greeting_comes_line_by_line() -> None:
    """Between the lines of the greeting pass two seconds each."""
    spec = SandboxSpec.of({"a.example": "drip-greeting"}, speed=40)
    async with Sandbox(spec) as sandbox, await Talk.dial(sandbox, MX) as talk:
        began = asyncio.get_running_loop().time()
        first = await talk.reader.readline()
        soon = asyncio.get_running_loop().time() - began
        rest = await talk.read()

        assert first.startswith(b"220-")
        assert rest.startswith("220-")
        assert len(rest.splitlines()) == 2
        assert asyncio.get_running_loop().time() - began >= 0.1 > 2 * soon


async def test_a_tarpit_sends_byte_by_byte() -> None:
    """Each byte of a reply takes a second."""
    spec = SandboxSpec.of({"a.example": "drip-bytes"}, speed=1000)
    async with Sandbox(spec) as sandbox, await Talk.dial(sandbox, MX) as talk:
        began = asyncio.get_running_loop().time()
        greeting = await talk.read()

        assert greeting == "220 mx1.a.example ESMTP Postfix"
        assert asyncio.get_running_loop().time() - began >= 0.001 * len(greeting)


@pytest.mark.parametrize("personality", ["mangled-split", "mangled-halves", "mangled-bare_lf", "mangled-mixed_codes"])
async def test_odd_replies_can_still_be_read(personality: str) -> None:
    """Parts, bare line feeds and mixed codes leave the last line's code as it is."""
    async with Sandbox(one(personality)) as sandbox, await Talk.greet(sandbox, MX) as talk:
        assert codes(await talk.rcpt("user1@a.example", "unknown1@a.example")) == [250, 550]


@pytest.mark.parametrize(
    ("personality", "start"),
    [
        ("mangled-text", b"I am not a mail server\r\n"),
        ("mangled-code", b"999 "),
        ("mangled-junk", b"\x80\x81"),
        ("mangled-nul", b"250 \0\0\0"),
        ("mangled-no_text", b"250\r\n"),
        ("mangled-latin1", b"250 unzustellbar: Empf\xe4nger"),
        ("mangled-long_line", b"250 xxxx"),
        ("mangled-many_lines", b"250-more\r\n250-more\r\n"),
        ("mangled-doubled", b"250 2.1.5 Ok\r\n250 2.1.5 Ok\r\n"),
    ],
)
async def test_spoiled_replies(personality: str, start: bytes) -> None:
    """The reply to RCPT is spoiled in its own way, while MAIL is still answered properly."""
    async with Sandbox(one(personality)) as sandbox, await Talk.greet(sandbox, MX) as talk:
        assert codes(await talk.say(SENDER)) == [250]
        talk.send("RCPT TO:<user1@a.example>")

        async with asyncio.timeout(PATIENCE):
            assert await talk.reader.readexactly(len(start)) == start


async def test_a_reply_without_end() -> None:
    """A megabyte comes, and never a line feed."""
    async with Sandbox(one("mangled-no_end")) as sandbox, await Talk.greet(sandbox, MX) as talk:
        await talk.say(SENDER)
        talk.send("RCPT TO:<user1@a.example>")

        async with asyncio.timeout(PATIENCE):
            assert b"\n" not in await talk.reader.readexactly(1_000_004)


async def test_a_greeting_that_is_none() -> None:
    """What answers is no mail server at all."""
    async with Sandbox(one("mangled-greeting")) as sandbox, await Talk.dial(sandbox, MX) as talk:
        assert await talk.read() == "I am not a mail server"


@pytest.mark.parametrize("verb", ["EHLO", "MAIL", "RCPT"])
async def test_dropping_at_a_command(verb: str) -> None:
    """The connection ends where the answer to that command should be."""
    commands = ["EHLO verify.example", SENDER, "RCPT TO:<user1@a.example>"]
    async with Sandbox(one(f"drop-{verb.lower()}")) as sandbox, await Talk.dial(sandbox, MX) as talk:
        await talk.read()
        found = [codes(await talk.say(one))[0] for one in commands if not talk.reader.at_eof()]

        assert found == [250] * [one[:4] for one in commands].index(verb) + [0]


@pytest.mark.parametrize("verb", ["EHLO", "MAIL", "RCPT", "QUIT"])
async def test_hanging_at_a_command(verb: str) -> None:
    """That command is never answered, while the connection stays open."""
    commands = ["EHLO verify.example", SENDER, "RCPT TO:<user1@a.example>", "QUIT"]
    async with Sandbox(one(f"hang-{verb.lower()}")) as sandbox, await Talk.dial(sandbox, MX) as talk:
        await talk.read()
        last = [command[:4] for command in commands].index(verb)
        for command in commands[:last]:
            assert codes(await talk.say(command)) == [250]
        talk.send(commands[last])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(talk.reader.read(1), 0.05)

        assert sandbox.counters.total.sessions == 1


async def test_broken_tls() -> None:
    """A handshake may fail, be refused, or come with words slipped in; no session stays counted."""
    async with Sandbox(one("tls-broken")) as sandbox:
        async with await Talk.greet(sandbox, MX) as talk:
            assert codes(await talk.say("STARTTLS")) == [220]
            with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
                await talk.start_tls()
        await sandbox.become(MX, "tls-unavailable")
        async with await Talk.greet(sandbox, MX) as talk:
            assert codes(await talk.say("STARTTLS")) == [454]
        await sandbox.become(MX, "tls-injection")
        async with await Talk.greet(sandbox, MX) as talk:
            assert codes([*await talk.say("STARTTLS"), await talk.read()]) == [220, 250]
        await sandbox.become(MX, "tls-offered")
        async with await Talk.greet(sandbox, MX) as talk:
            talk.send("STARTTLS", "RSET")
            assert codes([await talk.read()]) == [220]
            talk.writer.write(b"no handshake at all\r\n")
            assert await talk.reader.read() != b"250"
        while sandbox.counters.total.sessions:
            await asyncio.sleep(0)

        assert sandbox.counters.total.complaints == {"pipelined_after_starttls": 1}


async def test_nobody_there() -> None:
    """Refused, silent and unreachable hosts are three different things."""
    spec = SandboxSpec.of({"a.example": "refused", "b.example": "silent", "c.example": "blackhole"})
    async with Sandbox(spec) as sandbox:
        with pytest.raises(ConnectionRefusedError):
            await Talk.dial(sandbox, "mx1.a.example")
        async with await Talk.dial(sandbox, "mx1.b.example") as talk:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(talk.reader.read(1), 0.05)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(Talk.dial(sandbox, "mx1.c.example"), 0.05)


async def test_a_host_may_change_while_running() -> None:
    """An outage begins and ends: sessions are cut, and afterwards everything is as before."""
    async with Sandbox(one("postfix")) as sandbox:
        async with await Talk.greet(sandbox, MX) as talk:
            await sandbox.become(MX, "refused")
            assert await talk.is_closed()
        with pytest.raises(ConnectionRefusedError):
            await Talk.dial(sandbox, MX)
        await sandbox.become(MX, "postfix")
        async with await Talk.greet(sandbox, MX) as talk:
            assert codes(await talk.rcpt("user1@a.example")) == [250]


def test_every_fault_says_what_must_come_of_it() -> None:
    """No fault lets a mailbox be called invalid for it, except where the domain is not served at all."""
    invalid = {one.name for one in faults.FAULTS for status, _ in one.expects if status == "invalid"}

    assert invalid == {"relay-denied"}
    assert len(personalities.CATALOGUE) == len({*personalities.CATALOGUE}) >= 60

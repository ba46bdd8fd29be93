"""MX hosts that work, each with the habits of its family."""

import asyncio

import pytest

from tests.fakes.clock import FakeClock
from tests.unit.sandbox.talk import SENDER, Talk, codes
from validatord.sandbox.internet import Sandbox
from validatord.sandbox.mailboxes import MailboxState
from validatord.sandbox.personality import Greylist, Personality
from validatord.sandbox.spec import DomainSpec, SandboxSpec

FAST = 10_000.0


def one(personality: str, **more: str) -> SandboxSpec:
    """A sandbox with a.example at a host of that personality."""
    return SandboxSpec.of({"a.example": personality, **more}, speed=FAST)


MX = "mx1.a.example"


@pytest.mark.parametrize(
    ("personality", "unknown"),
    [
        ("postfix", "550 5.1.1 <unknown1@a.example>: Recipient address rejected: User unknown in local recipient"),
        ("google", "550-5.1.1 The email account that you tried to reach does not exist."),
        ("outlook", "550 5.5.0 Requested action not taken: mailbox unavailable"),
        ("m365", "550 5.4.1 Recipient address rejected: Access denied."),
        ("gmx", "550 Requested action not taken: mailbox unavailable"),
        ("yandex", "550 5.7.1 No such user!"),
        ("exchange", "550 5.1.1 User unknown"),
        ("exim", "550 Unrouteable address"),
        ("sendmail", "550 5.1.1 <unknown1@a.example>... User unknown"),
    ],
)
async def test_each_family_refuses_strangers_in_its_own_words(personality: str, unknown: str) -> None:
    """An existing mailbox is accepted, an unknown one is refused with the family's text."""
    async with Sandbox(one(personality)) as sandbox, await Talk.greet(sandbox, MX) as talk:
        assert (await talk.rcpt("user1@a.example"))[0].startswith("250")
        await talk.say("RSET")

        assert (await talk.rcpt("unknown1@a.example"))[0].startswith(unknown)


@pytest.mark.parametrize("personality", ["accept-all", "yahoo", "qmail", "m365-open", "backup"])
async def test_some_accept_everybody(personality: str) -> None:
    """A host that accepts all says so to anybody's name, of its own domains."""
    async with Sandbox(one(personality)) as sandbox, await Talk.greet(sandbox, MX) as talk:
        assert codes(await talk.rcpt("unknown1@a.example", "qz3k7mmx2vb4ytha@a.example")) == [250, 250]


async def test_states_of_mailboxes_have_their_replies() -> None:
    """Full, disabled, rate-limited, forwarded and moved mailboxes are told apart by code."""
    names = ("full1", "brimful1", "disabled1", "busy1", "forward1", "moved1", "policy1")
    async with Sandbox(one("postfix")) as sandbox, await Talk.greet(sandbox, MX) as talk:
        replies = await talk.rcpt(*(f"{name}@a.example" for name in names))

        assert codes(replies) == [552, 452, 550, 450, 251, 551, 550]


async def test_a_domain_may_have_its_own_mailboxes() -> None:
    """What a domain says of a mailbox overrules the general rule."""
    spec = one("postfix")
    own = DomainSpec(spec.domains["a.example"].mx, mailboxes={"unknown1": MailboxState.ACCEPTED})
    spec = SandboxSpec(spec.hosts, {"a.example": own})
    async with Sandbox(spec) as sandbox, await Talk.greet(sandbox, MX) as talk:
        assert codes(await talk.rcpt("unknown1@a.example", "unknown2@a.example")) == [250, 550]


async def test_google_takes_one_domain_per_envelope() -> None:
    """A second domain in the envelope is refused for now; in its own envelope it is answered."""
    hosts = SandboxSpec.of({"a.example": "google"}, speed=FAST)
    spec = SandboxSpec(hosts.hosts, {**hosts.domains, "b.example": hosts.domains["a.example"]}, speed=FAST)
    async with Sandbox(spec) as sandbox, await Talk.greet(sandbox, MX) as talk:
        mixed = await talk.rcpt("user1@a.example", "user1@b.example")
        await talk.say("RSET")

        assert mixed[1].startswith("451-4.3.0 Multiple destination domains")
        assert codes(await talk.rcpt("user1@b.example")) == [250]


@pytest.mark.parametrize(("personality", "enhanced"), [("outlook", "452 4.5.3"), ("m365-new-sender", "452 4.5.3")])
async def test_microsoft_may_take_one_recipient_per_envelope(personality: str, enhanced: str) -> None:
    """The second recipient gets no answer about itself; asked alone it does."""
    async with Sandbox(one(personality)) as sandbox, await Talk.greet(sandbox, MX) as talk:
        crowded = await talk.rcpt("user1@a.example", "unknown2@a.example")
        await talk.say("RSET")

        assert crowded[1].startswith(enhanced)
        assert codes(await talk.rcpt("unknown2@a.example")) == [550]


async def test_limits_are_announced_and_kept() -> None:
    """RFC 9422: what LIMITS announces is what happens."""
    async with Sandbox(one("limits")) as sandbox, await Talk.greet(sandbox, MX) as talk:
        assert "LIMITS RCPTMAX=2" in (await talk.say("EHLO verify.example"))[0]
        assert codes(await talk.rcpt("user1@a.example", "user2@a.example", "user3@a.example")) == [250, 250, 452]


async def test_directory_based_edge_blocking_knows_no_postmaster() -> None:
    """The edge of Microsoft 365 refuses a postmaster whom nobody made."""
    async with Sandbox(one("m365")) as sandbox, await Talk.greet(sandbox, MX) as talk:
        assert codes(await talk.rcpt("postmaster@a.example")) == [550]


async def test_gmx_closes_after_an_error() -> None:
    """After the first refusal the connection is closed, without a word more."""
    async with Sandbox(one("gmx")) as sandbox, await Talk.greet(sandbox, MX) as talk:
        await talk.say(SENDER)

        assert codes(await talk.say("RCPT TO:<unknown1@a.example>")) == [550]
        assert await talk.is_closed()


async def test_exchange_keeps_refusals_waiting() -> None:
    """Five seconds before each refusal, added up within a group; accepted ones do not wait."""
    spec = SandboxSpec.of({"a.example": "exchange"}, speed=100)
    async with Sandbox(spec) as sandbox, await Talk.greet(sandbox, MX) as talk:
        clock = asyncio.get_running_loop().time
        began = clock()
        await talk.rcpt("user1@a.example")
        accepted = clock()
        await talk.say("RSET")
        await talk.rcpt("unknown1@a.example", "unknown2@a.example")

        assert accepted - began < 0.05
        assert clock() - accepted >= 0.1


async def test_exim_counts_resets() -> None:
    """The first RSET is free; the eleventh other command after it ends the session."""
    async with Sandbox(one("exim")) as sandbox, await Talk.greet(sandbox, MX) as talk:
        assert codes(await talk.say(*["RSET"] * 11)) == [250] * 11
        assert (await talk.say("RSET")) == ["554 Too many nonmail commands"]
        assert await talk.is_closed()


async def test_postfix_loses_patience_after_many_errors() -> None:
    """More than ten refusals slow every reply down, RSET or not; the twentieth brings 421 and the end."""
    spec = SandboxSpec.of({"a.example": "postfix-limits"}, speed=50)
    async with Sandbox(spec) as sandbox, await Talk.greet(sandbox, MX) as talk:
        clock = asyncio.get_running_loop().time
        began = clock()
        assert codes(await talk.rcpt(*(f"unknown{number}@a.example" for number in range(10)))) == [550] * 10
        quick = clock() - began
        await talk.say("RSET")
        replies = await talk.rcpt(*(f"unknown{number}@a.example" for number in range(10, 20)))

        assert codes(replies) == [550] * 10
        assert clock() - began - quick >= 0.2 > quick
        assert (await talk.read()).startswith("421 4.7.0")
        assert await talk.is_closed()


async def test_greylist_lets_the_same_triplet_pass_later() -> None:
    """First contact is refused for every name, the unknown too; the same again passes after the delay."""
    clock = FakeClock()
    spec = SandboxSpec.of({"a.example": "greylist"})
    async with Sandbox(spec, clock) as sandbox, await Talk.greet(sandbox, MX) as talk:
        both = ("user1@a.example", "unknown1@a.example")
        assert codes(await talk.rcpt(*both)) == [450, 450]
        await clock.advance(299)
        await talk.say("RSET")
        assert codes(await talk.rcpt(*both)) == [450, 450]
        await clock.advance(1)
        await talk.say("RSET")
        assert codes(await talk.rcpt(*both, "user2@a.example")) == [250, 550, 450]
        assert codes(await talk.say("RSET", "MAIL FROM:<other@verify.example>", "RCPT TO:<user1@a.example>"))[2] == 450


async def test_greylist_may_begin_again_with_an_early_retry() -> None:
    """Where the wait starts over, coming too early costs the whole delay again; the text says how long."""
    clock = FakeClock()
    spec = SandboxSpec.of(
        {"a.example": Personality("strict", greylist=Greylist(120, starts_over=True)), "b.example": "greylist-wait"}
    )
    async with Sandbox(spec, clock) as sandbox, await Talk.greet(sandbox, MX) as talk:
        found: list[int] = []
        for wait in (0, 60, 60, 120):
            await clock.advance(wait)
            found += codes(await talk.rcpt("user1@a.example"))
            await talk.say("RSET")
        async with await Talk.greet(sandbox, "mx1.b.example") as other:
            said = await other.rcpt("user1@b.example")

        assert found == [450, 450, 450, 250]
        assert said[0].endswith("try again in 120 seconds")


async def test_tls_is_real() -> None:
    """STARTTLS is offered once, the handshake works, and what was said before it is forgotten."""
    async with Sandbox(one("tls-required")) as sandbox, await Talk.greet(sandbox, MX) as talk:
        assert codes(await talk.say(SENDER)) == [530]
        assert codes(await talk.say("STARTTLS")) == [220]
        await talk.start_tls()
        assert codes(await talk.say(SENDER)) == [503]
        hello = (await talk.say("EHLO verify.example"))[0]

        assert "STARTTLS" not in hello
        assert codes(await talk.rcpt("user1@a.example", "unknown1@a.example")) == [250, 550]
        assert sandbox.counters.total.handshakes == 1


async def test_helo_is_enough_for_the_old() -> None:
    """A host that refuses EHLO takes HELO."""
    async with Sandbox(one("helo-only")) as sandbox, await Talk.dial(sandbox, MX) as talk:
        await talk.read()

        assert codes(await talk.say("EHLO verify.example")) == [502]
        assert codes(await talk.say("HELO verify.example")) == [250]
        assert codes(await talk.say(SENDER)) == [250]
        assert codes(await talk.say("RCPT TO:<user1@a.example>")) == [250]


async def test_the_null_sender_may_be_refused() -> None:
    """`<>` is refused where the host does not like it, a real sender is not."""
    async with Sandbox(one("null-sender-refused")) as sandbox, await Talk.greet(sandbox, MX) as talk:
        assert codes(await talk.say("MAIL FROM:<>", "RCPT TO:<user1@a.example>")) == [553, 503]
        assert codes(await talk.rcpt("user1@a.example")) == [250]
        assert sandbox.counters.total.complaints == {}


async def test_smtputf8_has_to_be_offered_and_used() -> None:
    """RFC 6531: a non-ASCII local part passes only with SMTPUTF8, and only where it is offered."""
    async with Sandbox(one("smtputf8", **{"b.example": "postfix"})) as sandbox:
        async with await Talk.greet(sandbox, MX) as talk:
            assert codes(await talk.rcpt("büro@a.example")) == [553]
            assert codes(await talk.say("RSET", SENDER + " SMTPUTF8", "RCPT TO:<büro@a.example>")) == [250, 250, 250]
        async with await Talk.greet(sandbox, "mx1.b.example") as talk:
            assert codes(await talk.say(SENDER + " SMTPUTF8")) == [501]
        assert sandbox.counters.total.complaints == {"smtputf8_missing": 1, "smtputf8_not_offered": 1}

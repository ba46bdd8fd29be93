"""Refusals of us, of our sender, or of anything but the mailbox: none may become a verdict about one."""

from dataclasses import replace

import pytest

from tests.integration.verification.world import SENDER, World
from validatord.sandbox.mailboxes import MailboxState
from validatord.sandbox.personalities import find_personality
from validatord.sandbox.spec import DomainSpec, HostSpec, SandboxSpec
from validatord.store.database import Database

POLICY = "550 5.4.1 Recipient address rejected: Access denied"


def one_provider(personality: str, *domains: str) -> SandboxSpec:
    """Domains that share the one MX host of a provider."""
    host = "mx1.provider.example"
    mx = ((10, host),)
    return SandboxSpec({host: HostSpec.of(personality)}, {domain: DomainSpec(mx) for domain in domains})


async def test_pitfall_01_blocked_at_the_greeting(database: Database) -> None:
    """A block at the greeting is no verdict, and nobody connects to that provider a second time."""
    async with World(database, one_provider("blocked-greeting", "one.example", "two.example")) as world:
        found = await world.check("user1@one.example", "user2@two.example")

        assert found == ["unknown sender_ip_blocked", "waits None"]
        assert world.total.connections == 1
        lane = world.tools.lanes.find("default/provider.example")
        assert lane is not None
        assert lane.breaker.cause == "sender_ip_blocked"
        # An hour later one address of one domain tries again.
        await world.leap_to_due()
        await world.run()
        assert await world.outcome("user2@two.example") == "unknown sender_ip_blocked"
        assert world.total.connections == 2


async def test_pitfall_02_recipient_address_rejected_with_a_block_list(database: Database) -> None:
    """The words "Recipient address rejected" before a block list's link are about our address."""
    async with World(database, SandboxSpec.of({"acme.example": "blocked-rcpt"})) as world:
        assert await world.check("user1@acme.example") == ["unknown sender_ip_blocked"]


async def test_pitfall_03_user_unknown_code_on_a_rate_limit(database: Database) -> None:
    """5.1.1 beside words about our rate: asked again, and the provider gets a pause."""
    async with World(database, SandboxSpec.of({"acme.example": "rate-limited"})) as world:
        assert await world.check("user1@acme.example") == ["waits rate_limited"]
        lane = world.tools.lanes.find("default/acme.example")
        assert lane is not None
        assert lane.retry_at() is not None
        await world.finish()
        assert await world.outcome("user1@acme.example") == "unknown rate_limited"


@pytest.mark.parametrize("personality", ["sender-refused", "auth-required"])
async def test_pitfall_12_refused_mail_with_pipelined_rcpt(database: Database, personality: str) -> None:
    """MAIL is refused and every RCPT behind it gets 503: one word about MAIL, none about anybody."""
    async with World(database, SandboxSpec.of({"acme.example": personality})) as world:
        found = await world.check(*(f"user{number}@acme.example" for number in range(4)))

        reason = {"sender-refused": "sender_rejected", "auth-required": "auth_required"}[personality]
        assert found == [f"unknown {reason}"] * 4
        assert world.total.commands["RCPT"] > 0
        stages = [exchange["stage"] for exchange in (await world.finding("user0@acme.example")).smtp_trace["exchanges"]]
        assert stages == ["connect", "ehlo", "mail"]


async def test_pitfall_26_cannot_verify(database: Database) -> None:
    """252 at RCPT is a 2xx that says nothing."""
    async with World(database, SandboxSpec.of({"acme.example": "cannot-verify"})) as world:
        assert await world.check("user1@acme.example") == ["unknown cannot_verify"]


async def test_pitfall_27_null_sender_refused(database: Database) -> None:
    """The null sender is refused as a sender; a real one, by default or as the alternative, goes through."""
    spec = SandboxSpec.of({"acme.example": "null-sender-refused"})
    async with World(database, spec, identities=[{"envelope_sender": ""}]) as world:
        assert await world.check("user1@acme.example") == ["unknown sender_rejected"]
        world.change(identities=[{"envelope_sender": "", "alternative_sender": SENDER}])
        assert await world.check("user2@acme.example") == ["valid accepted"]
        world.change(identities=[{}])
        assert await world.check("user3@acme.example") == ["valid accepted"]


async def test_pitfall_28_callback_to_our_sender_fails(database: Database, logged: list[str]) -> None:
    """A host that could not verify our sender says nothing about the mailbox; the second one raises an alarm."""
    async with World(
        database, SandboxSpec.of({"a.example": "callback-failed", "b.example": "sender-refused"})
    ) as world:
        assert await world.check("user1@a.example") == ["unknown sender_rejected"]
        assert not any("envelope sender" in line for line in logged)
        await world.check("user1@b.example")
        assert any("refuse our envelope sender" in line for line in logged)


async def test_pitfall_29_access_denied_by_somebody_else(database: Database) -> None:
    """Microsoft's words from elsewhere are a policy: postmaster decides whether they are about us."""
    spec = SandboxSpec.of(
        {
            "same.example": "m365-lookalike",
            "differs.example": replace(find_personality("m365-lookalike"), has_postmaster=True),
        }
    ).with_domain("none.example", replace(find_personality("postfix"), fixed=(("RCPT", POLICY),)))
    async with World(database, spec) as world:
        found = await world.check("unknown1@same.example", "unknown1@differs.example", "user1@none.example")

        assert found == ["unknown policy_rejected", "invalid no_such_mailbox", "unknown policy_rejected"]
        for domain in ("same.example", "differs.example", "none.example"):
            assert world.sandbox.counters.rcpts[f"postmaster@{domain}"] == 1
        assert "same_for_postmaster" in (await world.finding("unknown1@same.example")).reasons


async def test_pitfall_30_no_such_user_under_a_policy_code(database: Database) -> None:
    """5.7.1 with "No such user!" is a missing mailbox."""
    async with World(database, SandboxSpec.of({"acme.example": "yandex"})) as world:
        assert await world.check("unknown1@acme.example") == ["invalid no_such_mailbox"]


async def test_pitfall_33_an_address_that_sounds_like_a_block(database: Database) -> None:
    """The echoed address is no evidence: blocked.user and spamhaus are mailboxes like others."""
    names = ("blocked.user", "spamhaus", "listed.at.dnsbl", "policy-violation", "greylisted")
    spec = SandboxSpec.of({"acme.example": "postfix"})
    spec.domains["acme.example"] = replace(  # pyright: ignore[reportIndexIssue]
        spec.domains["acme.example"], mailboxes=dict.fromkeys(names, MailboxState.UNKNOWN)
    )
    async with World(database, spec) as world:
        found = await world.check(*(f"{name}@acme.example" for name in names))
        assert found == ["invalid no_such_mailbox"] * len(names)

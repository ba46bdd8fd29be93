"""Exim, with its shipped ACL and with what people add to it."""

import pytest

from tests.interop import exim
from tests.interop.complaints import ServerLog
from tests.interop.name_server import LISTED_ADDRESS
from tests.interop.probing import Prober

pytestmark = pytest.mark.usefixtures("of_exim")

VALID = ("valid", "accepted")
UNKNOWN_USER = ("invalid", "no_such_mailbox")
FULL = ("risky", "mailbox_full")
DISABLED = ("invalid", "mailbox_disabled")


async def test_mailboxes(prober: Prober) -> None:
    """The shipped ACL, with a quota that is looked at, and an envelope that may hold three recipients."""
    found = await prober.verify_mailboxes(
        exim.domain_of("plain"), "known", "unknown", "full", "disabled", "second", "later", "postmaster", "third"
    )

    assert found == {
        "known": VALID,
        "unknown": UNKNOWN_USER,
        "full": FULL,
        "disabled": DISABLED,
        "second": VALID,
        "third": VALID,
        "postmaster": VALID,
        "later": ("unknown", "temporary_failure"),
    }


async def test_callout_to_a_backend(prober: Prober) -> None:
    """A gateway that asks the backend during our RCPT hands its words on; they are about the mailbox all the same."""
    found = await prober.verify_mailboxes(exim.domain_of("callout"), "known", "unknown", "full", "disabled")

    assert found == {"known": VALID, "unknown": UNKNOWN_USER, "full": FULL, "disabled": DISABLED}


async def test_callout_to_our_sender(prober: Prober) -> None:
    """A host that asks our own MX host whether our envelope sender exists, and whether our PTR fits, is content."""
    found = await prober.verify_mailboxes(exim.domain_of("sender"), "known", "unknown")

    assert found == {"known": VALID, "unknown": UNKNOWN_USER}


async def test_a_sender_that_does_not_exist(prober: Prober, of_exim: ServerLog) -> None:
    """A refused callout to our sender says nothing about any mailbox."""
    of_exim.allowed_besides = "sender verify fail for"
    identity = {"envelope_sender": "nobody@validatord.example"}

    found = await prober.verify_mailboxes(exim.domain_of("sender"), "known", "unknown", identity=identity)

    assert found == dict.fromkeys(("known", "unknown"), ("unknown", "sender_rejected"))


async def test_an_alternative_sender(prober: Prober, of_exim: ServerLog) -> None:
    """Where the envelope sender is refused the alternative one is tried, and its answers count."""
    of_exim.allowed_besides = "sender verify fail for"
    identity = {
        "envelope_sender": "nobody@validatord.example",
        "alternative_sender": "probe@validatord.example",
    }

    found = await prober.verify_mailboxes(exim.domain_of("sender"), "known", "unknown", identity=identity)

    assert found == {"known": VALID, "unknown": UNKNOWN_USER}


async def test_a_helo_name_that_does_not_fit(prober: Prober, of_exim: ServerLog) -> None:
    """A refused EHLO is about us: no verdict."""
    of_exim.allowed_besides = r"rejected EHLO or HELO|no MAIL in SMTP connection .* C=EHLO,HELO,QUIT"
    identity = {"helo_name": "elsewhere.validatord.example"}

    found = await prober.verify_mailboxes(exim.domain_of("plain"), "known", "unknown", identity=identity)

    assert {status for status, _ in found.values()} == {"unknown"}


async def test_our_address_is_listed(prober: Prober) -> None:
    """A DNS list that has our address says nothing about any mailbox."""
    identity = {"source_address": LISTED_ADDRESS}

    found = await prober.verify_mailboxes(exim.domain_of("listing"), "known", "unknown", identity=identity)

    assert found == dict.fromkeys(("known", "unknown"), ("unknown", "sender_ip_blocked"))


async def test_host_that_hangs_up_on_refusals(prober: Prober, of_exim: ServerLog) -> None:
    """A host that drops the connection after three refusals: everybody gets an answer of their own all the same."""
    of_exim.allowed_besides = r"closed by DROP in ACL"
    names = [f"nobody{number}" for number in range(7)] + ["known", "second"]

    found = await prober.verify_mailboxes(exim.domain_of("dropping"), *names)

    assert found == dict.fromkeys(names, UNKNOWN_USER) | dict.fromkeys(names[7:], VALID)


async def test_tarpit(prober: Prober) -> None:
    """Refusals that take their time are waited for."""
    found = await prober.verify_mailboxes(exim.domain_of("tarpit"), "known", "unknown", "nobody", "second")

    assert found == {"known": VALID, "second": VALID, "unknown": UNKNOWN_USER, "nobody": UNKNOWN_USER}


async def test_greylist(prober: Prober) -> None:
    """Whom the greylist put off is asked again with the same triplet, and so is the control recipient."""
    found = await prober.verify_mailboxes(exim.domain_of("greylisted"), "known", "unknown")

    assert found == {"known": VALID, "unknown": UNKNOWN_USER}


@pytest.mark.parametrize("tls", ["opportunistic", "only_when_required"])
async def test_tls(prober: Prober, tls: str) -> None:
    """A host that wants TLS and says so in its own words gets TLS."""
    found = await prober.verify_mailboxes(exim.domain_of("encrypted"), "known", "unknown", smtp={"tls": tls})

    assert found == {"known": VALID, "unknown": UNKNOWN_USER}


async def test_no_recipient_checks(prober: Prober) -> None:
    """Where everything is accepted, nobody is called valid."""
    found = await prober.verify_mailboxes(exim.domain_of("all"), "known", "unknown")

    assert found == dict.fromkeys(("known", "unknown"), ("accept_all", "accept_all"))


async def test_long_list(prober: Prober) -> None:
    """Forty mailboxes within what Exim allows of commands that are no mail."""
    names = [f"nobody{number}" for number in range(37)] + ["known", "second", "third"]

    found = await prober.verify_mailboxes(exim.domain_of("plain"), *names)

    assert found == dict.fromkeys(names, UNKNOWN_USER) | dict.fromkeys(names[37:], VALID)


async def test_smtputf8(prober: Prober) -> None:
    """A local part outside ASCII is asked about where the host offers SMTPUTF8."""
    found = await prober.verify_mailboxes(exim.domain_of("plain"), "jörg", "jürgen")

    assert found == {"jörg": VALID, "jürgen": UNKNOWN_USER}

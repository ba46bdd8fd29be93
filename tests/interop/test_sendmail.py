"""Sendmail, with a pause before its greeting and a brake on refused recipients."""

import pytest

from tests.interop.complaints import ServerLog
from tests.interop.name_server import LISTED_ADDRESS
from tests.interop.probing import Prober
from tests.interop.sendmail import domain_of

pytestmark = pytest.mark.usefixtures("of_sendmail")

VALID = ("valid", "accepted")
UNKNOWN_USER = ("invalid", "no_such_mailbox")


@pytest.mark.parametrize("kind", ["plain", "offered"])
async def test_mailboxes(prober: Prober, kind: str) -> None:
    """Known and unknown users and those that the access map refuses, three to an envelope, with TLS and without."""
    found = await prober.verify_mailboxes(
        domain_of(kind), "known", "unknown", "full", "disabled", "second", "third", "postmaster"
    )

    assert found == {
        "known": VALID,
        "second": VALID,
        "third": VALID,
        "postmaster": VALID,
        "unknown": UNKNOWN_USER,
        "full": ("risky", "mailbox_full"),
        "disabled": ("invalid", "mailbox_disabled"),
    }


async def test_catch_all(prober: Prober) -> None:
    """A domain whose virtusertable takes everybody calls nobody valid, and still refuses whom the access map refuses."""
    found = await prober.verify_mailboxes(domain_of("all"), "known", "unknown", "disabled")

    assert found == {
        "known": ("accept_all", "accept_all"),
        "unknown": ("accept_all", "accept_all"),
        "disabled": ("invalid", "mailbox_disabled"),
    }


async def test_foreign_domain(prober: Prober) -> None:
    """A host that does not know the domain at all takes no mail for it: weak evidence, and no more than that."""
    found = await prober.verify_mailboxes(domain_of("foreign"), "known", "unknown")

    assert found == dict.fromkeys(("known", "unknown"), ("invalid", "relay_denied"))


async def test_our_address_is_listed(prober: Prober) -> None:
    """A DNS list that has our address says nothing about any mailbox."""
    identity = {"source_address": LISTED_ADDRESS}

    found = await prober.verify_mailboxes(domain_of("plain"), "known", "unknown", identity=identity)

    assert found == dict.fromkeys(("known", "unknown"), ("unknown", "sender_ip_blocked"))


async def test_a_sender_whose_domain_does_not_exist(prober: Prober, of_sendmail: ServerLog) -> None:
    """Who refuses our envelope sender's domain says nothing about any mailbox."""
    # RFC 2920 3.1: the RCPT of the group were under way already.
    of_sendmail.allowed_besides = "503 5.0.0 Need MAIL before RCPT"
    identity = {"envelope_sender": "probe@nowhere.example"}

    found = await prober.verify_mailboxes(domain_of("plain"), "known", "unknown", identity=identity)

    assert found == dict.fromkeys(("known", "unknown"), ("unknown", "sender_rejected"))


async def test_long_list(prober: Prober) -> None:
    """A dozen mailboxes, most of them unknown, each refusal slowed down."""
    names = [f"nobody{number}" for number in range(9)] + ["known", "second", "third"]

    found = await prober.verify_mailboxes(domain_of("plain"), *names)

    assert found == dict.fromkeys(names, UNKNOWN_USER) | dict.fromkeys(names[9:], VALID)

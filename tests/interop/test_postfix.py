"""Postfix, run in the ways it is met."""

import pytest

from tests.interop import postfix
from tests.interop.name_server import LISTED_ADDRESS
from tests.interop.probing import Prober

pytestmark = pytest.mark.usefixtures("of_postfix")

VALID = ("valid", "accepted")
UNKNOWN_USER = ("invalid", "no_such_mailbox")
FULL = ("risky", "mailbox_full")


@pytest.mark.parametrize("kind", ["local", "virtual", "alias", "relay", "unhurried"])
async def test_mailboxes(prober: Prober, kind: str) -> None:
    """Whatever table Postfix keeps its mailboxes in, and whether it takes commands in groups: the verdicts are right."""
    domain = postfix.BY_NAME[kind].domain

    found = await prober.verify_mailboxes(domain, "known", "unknown", "full", "disabled", "closed", "postmaster")

    assert found == {
        "known": VALID,
        "unknown": UNKNOWN_USER,
        "full": FULL,
        "disabled": ("invalid", "mailbox_disabled"),
        "closed": UNKNOWN_USER,  # "Access denied" to this one, and postmaster is let in
        "postmaster": VALID,
    }


async def test_moved(prober: Prober) -> None:
    """A mailbox in relocated_maps is gone from here, wherever it went."""
    found = await prober.verify_mailboxes("postfix-local.example", "moved")

    assert found == {"moved": UNKNOWN_USER}


async def test_soft_refusal_of_unknown_users(prober: Prober) -> None:
    """450 for an unknown user is no verdict the first time, and a weak one when it is said again and again."""
    found = await prober.verify(["known@postfix-soft.example", "unknown@postfix-soft.example"])

    assert {address.partition("@")[0]: answer.verdict for address, answer in found.items()} == {
        # The control recipient was put off as well: who is told apart here, nobody knows.
        "known": ("unknown", "accept_all_undetermined"),
        "unknown": ("invalid", "no_such_mailbox_soft"),
    }
    assert found["unknown@postfix-soft.example"].attempts > 1


async def test_postscreen(prober: Prober) -> None:
    """Postscreen's tests after the greeting cost every new client a second visit, and then no more."""
    domain = postfix.BY_NAME["screened"].domain

    found = await prober.verify_mailboxes(domain, "known", "unknown", "full")

    assert found == {"known": VALID, "unknown": UNKNOWN_USER, "full": FULL}


async def test_greylist(prober: Prober) -> None:
    """Whom the greylist put off is asked again with the same triplet, and so is the control recipient."""
    domain = postfix.BY_NAME["greylisted"].domain

    found = await prober.verify_mailboxes(domain, "known", "second", "unknown")

    assert found == {"known": VALID, "second": VALID, "unknown": UNKNOWN_USER}


@pytest.mark.parametrize("kind", ["single", "pair"])
async def test_recipient_limit(prober: Prober, kind: str) -> None:
    """A recipient too many is asked again alone in the same session; the limit says nothing about it."""
    domain = postfix.BY_NAME[kind].domain

    found = await prober.verify_mailboxes(domain, "known", "second", "third", "unknown")

    assert found == {"known": VALID, "second": VALID, "third": VALID, "unknown": UNKNOWN_USER}


async def test_no_recipient_checks(prober: Prober) -> None:
    """Without a table of mailboxes everything is accepted, and nobody is called valid."""
    domain = postfix.BY_NAME["all"].domain

    found = await prober.verify_mailboxes(domain, "known", "unknown", "full")

    assert found == {
        "known": ("accept_all", "accept_all"),
        "unknown": ("accept_all", "accept_all"),
        "full": FULL,
    }


@pytest.mark.parametrize("tls", ["opportunistic", "only_when_required"])
@pytest.mark.parametrize("kind", ["encrypted", "offered"])
async def test_tls(prober: Prober, kind: str, tls: str) -> None:
    """TLS that is offered is used, and TLS that is demanded is used whatever the settings say."""
    found = await prober.verify_mailboxes(postfix.BY_NAME[kind].domain, "known", "unknown", smtp={"tls": tls})

    assert found == {"known": VALID, "unknown": UNKNOWN_USER}


async def test_strict(prober: Prober) -> None:
    """A host that asks for a PTR, a HELO name that resolves, and a sender that its own probe finds."""
    domain = postfix.BY_NAME["strict"].domain

    found = await prober.verify_mailboxes(domain, "known", "unknown", "full")

    assert found == {"known": VALID, "unknown": UNKNOWN_USER, "full": FULL}


@pytest.mark.usefixtures("exim_log")
async def test_verifying_gateway(prober: Prober) -> None:
    """A gateway that has to ask its own backend first puts us off, and knows the answer the next time."""
    domain = postfix.BY_NAME["verifying"].domain

    found = await prober.verify_mailboxes(domain, "known", "unknown")

    assert found == {"known": VALID, "unknown": UNKNOWN_USER}


async def test_smtputf8(prober: Prober) -> None:
    """A local part outside ASCII is asked about where the host offers SMTPUTF8, and nowhere else."""
    found = await prober.verify(["jörg@postfix-local.example", "jörg@postfix-ascii.example"])

    assert found["jörg@postfix-local.example"].verdict == VALID
    assert found["jörg@postfix-ascii.example"].verdict == ("invalid", "smtputf8_unsupported")


async def test_our_address_is_listed(prober: Prober) -> None:
    """A DNS list that has our address says nothing about any mailbox."""
    domain = postfix.BY_NAME["listing"].domain

    identity = {"source_address": LISTED_ADDRESS}

    found = await prober.verify_mailboxes(domain, "known", "unknown", identity=identity)

    assert found == dict.fromkeys(("known", "unknown"), ("unknown", "sender_ip_blocked"))


async def test_our_sender_is_refused(prober: Prober) -> None:
    """A host that refuses our envelope sender says nothing about any mailbox; another sender of ours may do."""
    domain = postfix.BY_NAME["choosy"].domain

    found = await prober.verify_mailboxes(domain, "known", "unknown")

    assert found == dict.fromkeys(("known", "unknown"), ("unknown", "sender_rejected"))


async def test_foreign_domain(prober: Prober) -> None:
    """A host that does not know the domain at all takes no mail for it: weak evidence, and no more than that."""
    domain = postfix.BY_NAME["foreign"].domain

    found = await prober.verify_mailboxes(domain, "known", "unknown")

    assert found == dict.fromkeys(("known", "unknown"), ("invalid", "relay_denied"))


async def test_connection_limit(prober: Prober) -> None:
    """Twelve domains of one MX host that allows two connections: it never sees a third."""
    addresses = [f"{name}@{domain}" for domain in postfix.SHARED_DOMAINS for name in ("known", "unknown")]

    found = await prober.verify(addresses, pacing={"sessions": 2, "is_slow_start": False})

    assert {answer.verdict for address, answer in found.items() if address.startswith("known@")} == {VALID}
    assert {answer.verdict for address, answer in found.items() if address.startswith("unknown@")} == {UNKNOWN_USER}


async def test_long_list(prober: Prober) -> None:
    """Sixty mailboxes, most of them unknown, in as many sessions as manners demand: each gets its own answer."""
    names = [f"nobody{number}" for number in range(50)] + ["known", "second", "third", "full", "disabled"]

    found = await prober.verify_mailboxes("postfix-local.example", *names)

    assert {name for name, verdict in found.items() if verdict == UNKNOWN_USER} == set(names[:50])
    assert [found[name] for name in names[50:]] == [
        VALID,
        VALID,
        VALID,
        FULL,
        ("invalid", "mailbox_disabled"),
    ]

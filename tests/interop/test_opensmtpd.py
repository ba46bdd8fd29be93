"""OpenSMTPD, which takes one command at a time."""

from pathlib import Path

import pytest

from tests.interop.complaints import ServerLog
from tests.interop.jail import Jail
from tests.interop.opensmtpd import can_hold_tls, domain_of
from tests.interop.probing import Prober

pytestmark = pytest.mark.usefixtures("of_opensmtpd")

VALID = ("valid", "accepted")
UNKNOWN_USER = ("invalid", "no_such_mailbox")

# OpenSMTPD 6.8 with OpenSSL 3, as Debian 12 has it, offers STARTTLS and breaks every handshake.
_BROKEN_TLS = r'disconnected reason="io-error: error:\w+:'


@pytest.fixture(scope="module")
def has_tls(jail: Jail, port: int, opensmtpd_log: Path) -> bool:
    """Whether this OpenSMTPD can hold TLS with anybody."""
    return can_hold_tls(jail, port)


@pytest.mark.parametrize("kind", ["plain", "offered", "strict"])
async def test_mailboxes(prober: Prober, of_opensmtpd: ServerLog, has_tls: bool, kind: str) -> None:
    """Plain, with STARTTLS offered (and perhaps broken), and with filters that look at our PTR and HELO name."""
    of_opensmtpd.allowed_besides = "" if has_tls else _BROKEN_TLS

    found = await prober.verify_mailboxes(domain_of(kind), "known", "unknown", "full", "disabled", "postmaster")

    assert found == {
        "known": VALID,
        "unknown": UNKNOWN_USER,
        "full": ("risky", "mailbox_full"),
        "disabled": ("invalid", "mailbox_disabled"),
        "postmaster": VALID,
    }


@pytest.mark.parametrize("tls", ["opportunistic", "only_when_required"])
async def test_tls_required(prober: Prober, of_opensmtpd: ServerLog, has_tls: bool, tls: str) -> None:
    """530 to MAIL brings TLS, whatever the settings say; where the host cannot hold it, there is no verdict."""
    of_opensmtpd.allowed_besides = "" if has_tls else _BROKEN_TLS

    found = await prober.verify_mailboxes(
        domain_of("encrypted"), "known", "unknown", smtp={"tls": tls}, retry={"delays": ["1s"]}
    )

    needs_tls = ("unknown", "tls_required")
    assert found == ({"known": VALID, "unknown": UNKNOWN_USER} if has_tls else dict.fromkeys(found, needs_tls))


async def test_no_recipient_checks(prober: Prober) -> None:
    """A domain whose virtual table takes everybody calls nobody valid."""
    found = await prober.verify_mailboxes(domain_of("all"), "known", "unknown")

    assert found == dict.fromkeys(("known", "unknown"), ("accept_all", "accept_all"))


async def test_foreign_domain(prober: Prober) -> None:
    """OpenSMTPD says the same of a mailbox it does not know and of a domain it does not know: no mail is taken."""
    found = await prober.verify_mailboxes(domain_of("foreign"), "known")

    assert found == {"known": UNKNOWN_USER}


async def test_long_list(prober: Prober) -> None:
    """Thirty mailboxes one after the other, more than three of them in no envelope."""
    names = [f"nobody{number}" for number in range(27)] + ["known", "second", "third"]

    found = await prober.verify_mailboxes(domain_of("plain"), *names)

    assert found == dict.fromkeys(names, UNKNOWN_USER) | dict.fromkeys(names[27:], VALID)

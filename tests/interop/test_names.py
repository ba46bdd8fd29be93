"""What NSD says about a domain, and where that leads."""

import pytest

from tests.interop.probing import Prober

pytestmark = pytest.mark.usefixtures("of_postfix")

VALID = ("valid", "accepted")
UNKNOWN_USER = ("invalid", "no_such_mailbox")


async def test_domains_without_mail(prober: Prober) -> None:
    """No such domain, a null MX, neither MX nor address: decided without a connection."""
    found = await prober.verify(["a@nothere.example", "a@nullmx.example", "a@nomail.example"])

    assert {address: answer.verdict for address, answer in found.items()} == {
        "a@nothere.example": ("invalid", "domain_not_found"),
        "a@nullmx.example": ("invalid", "null_mx"),
        "a@nomail.example": ("invalid", "no_mail_host"),
    }


@pytest.mark.parametrize("domain", ["implicit.example", "bücher.example", "fallback.example"])
async def test_ways_to_a_host(prober: Prober, domain: str) -> None:
    """A domain that is its own MX host, one whose name is not ASCII, one whose best MX host is down."""
    found = await prober.verify_mailboxes(domain, "known", "unknown")

    assert found == {"known": VALID, "unknown": UNKNOWN_USER}


async def test_backup_that_takes_everything(prober: Prober) -> None:
    """Where the best MX host is down and the other one takes everything, nobody is called valid."""
    found = await prober.verify_mailboxes("fallback-open.example", "known", "unknown")

    assert {status for status, _ in found.values()} <= {"accept_all", "unknown"}

"""Which shared block list a reply names."""

import pytest

from validatord.mail.reply import Reply
from validatord.rules.blocklists import find_blocklist
from validatord.rules.reply_text import normalise_text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("5.7.1 Service unavailable; Client host [192.0.2.9] blocked using zen.spamhaus.org", "spamhaus"),
        ("5.7.1 Recipient address rejected: https://www.spamhaus.org/query/ip/192.0.2.9", "spamhaus"),
        ("Blocked - see https://www.spamcop.net/bl.shtml?192.0.2.9", "spamcop"),
        ("rejected because 192.0.2.9 is in a black list at b.barracudacentral.org", "barracuda"),
        ("5.7.1 Client host blocked using dnsbl.sorbs.net", "sorbs"),
        ("Your IP is listed, UCEPROTECT-Level1", "uceprotect"),
        ("421 listed by CBL, see http://cbl.abuseat.org/lookup.cgi?ip=192.0.2.9", "cbl"),
        ("554 192.0.2.9 listed at csi.cloudmark.com/reset-request", "cloudmark"),
    ],
)
def test_it_is_found_by_name_or_address(text: str, name: str) -> None:
    """By the zone, the site, or the name alone, whatever the case."""
    assert find_blocklist(normalise_text(Reply(554, (text,)), "spamhaus@example.com")) == name


@pytest.mark.parametrize(
    "text",
    [
        "IP address is block listed",
        "5.7.606 Access denied, banned sending IP [192.0.2.9]",
        "5.7.0 Blocked - see https://ipcheck.proofpoint.com/?ip=192.0.2.9",
        "550 5.7.1 <spamhaus@example.com>: your IP is banned here",
        "",
    ],
)
def test_a_receivers_own_list_is_none(text: str) -> None:
    """A block that holds at one receiver alone says nothing about others."""
    assert find_blocklist(normalise_text(Reply(554, (text,)), "spamhaus@example.com")) == ""


def test_any_line_may_name_it() -> None:
    """The words stand in the middle of a long reply as often as at its end."""
    reply = Reply(554, ("mx.example.com", "see www.spamhaus.org/sbl", "closing connection"))
    assert find_blocklist(normalise_text(reply, "")) == "spamhaus"

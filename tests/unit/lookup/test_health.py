"""SPF, DMARC and redundancy; names and listings of our own address."""

import pytest

from tests.fakes.dns import FakeDNS, Fault
from validatord import errors
from validatord.lookup.dnsbl import Listing, lookup_listings
from validatord.lookup.health import lookup_health
from validatord.lookup.resolver import Resolver
from validatord.lookup.reverse import ReverseReport, lookup_reverse
from validatord.mail.mx import MXAnswer, MXHost, MXOutcome

NAME = "example.com"
DMARC = "_dmarc.example.com"


async def test_records_are_given_as_published(server: FakeDNS, resolver: Resolver) -> None:
    """SPF and DMARC are found among other texts, whatever their case."""
    server.update({(NAME, "TXT"): ['"site=1"', '"V=SPF1 -all"'], (DMARC, "TXT"): ['"v=DMARC1; p=Reject"']})

    health = await lookup_health(resolver, NAME)

    assert (health.spf, health.dmarc) == ("V=SPF1 -all", "v=DMARC1; p=Reject")
    assert (health.dmarc_policy, health.dmarc_domain) == ("reject", NAME)
    assert (health.mx_count, health.is_redundant) == (0, False)


@pytest.mark.parametrize(
    ("record", "policy"), [("p=reject; sp=none", "none"), ("p=quarantine", "quarantine"), ("p=all", "")]
)
async def test_organizational_domain_speaks_for_the_others(
    server: FakeDNS, resolver: Resolver, record: str, policy: str
) -> None:
    """Without a record of its own a domain inherits DMARC, with the policy for sub-domains (RFC 7489 6.6.3)."""
    server.update({(DMARC, "TXT"): [f'"v=DMARC1; {record}"']})

    health = await lookup_health(resolver, "mail.eu.example.com")

    assert (health.dmarc_domain, health.dmarc_policy) == (NAME, policy)


@pytest.mark.parametrize(
    "script",
    [
        Fault.SERVFAIL,
        Fault.NO_ANSWER,
        ['"v=spf1 -all"', '"v=spf1 +all"'],
        ['"v=spf10 -all"'],
        ['"v=DMARC1; p=none"', '"v=DMARC1; p=reject"'],
        [],
    ],
    ids=str,
)
async def test_failure_and_ambiguity_are_none(server: FakeDNS, resolver: Resolver, script: Fault | list[str]) -> None:
    """No answer, two records or another version are no record, and no error."""
    server.update({(NAME, "TXT"): script, (DMARC, "TXT"): script})

    health = await lookup_health(resolver, NAME)

    assert (health.spf, health.dmarc, health.dmarc_policy) == (None, None, "")


async def test_long_record_is_cut(server: FakeDNS, resolver: Resolver) -> None:
    """What somebody publishes does not fill our ledger."""
    server.update({(NAME, "TXT"): ['"v=spf1 " ' + " ".join(['"' + "x" * 250 + '"'] * 8)]})

    health = await lookup_health(resolver, NAME)

    assert health.spf is not None
    assert len(health.spf) == 1000


@pytest.mark.parametrize(("second", "is_redundant"), [("192.0.2.2", False), ("198.51.100.2", True)])
async def test_two_hosts_are_redundant_in_two_networks(resolver: Resolver, second: str, is_redundant: bool) -> None:
    """Two hosts in one network fall together."""
    hosts = (MXHost("a.example.com", 10, ("192.0.2.1",)), MXHost("b.example.com", 20, (second,)))

    health = await lookup_health(resolver, NAME, answer=MXAnswer(NAME, MXOutcome.OK, hosts))

    assert (health.mx_count, health.is_redundant) == (2, is_redundant)


async def test_names_of_an_address_are_forward_confirmed(server: FakeDNS, resolver: Resolver) -> None:
    """Only a PTR name that leads back to the address counts; one that cannot be asked does not."""
    server.update(
        {
            ("7.2.0.192.in-addr.arpa", "PTR"): ["verify.example.net.", "lie.example.net.", "mute.example.net."],
            ("verify.example.net", "A"): ["192.0.2.8", "192.0.2.7"],
            ("lie.example.net", "A"): ["192.0.2.9"],
            ("mute.example.net", "A"): Fault.SERVFAIL,
        }
    )

    report = await lookup_reverse(resolver, "192.0.2.7")

    assert sorted(report.names) == ["lie.example.net", "mute.example.net", "verify.example.net"]
    assert report.confirmed == ("verify.example.net",)


async def test_address_of_either_family_may_have_no_name(server: FakeDNS, resolver: Resolver) -> None:
    """No PTR is a report, no answer a failure."""
    assert await lookup_reverse(resolver, "2001:db8::1") == ReverseReport("2001:db8::1")
    server.update({("7.2.0.192.in-addr.arpa", "PTR"): Fault.SERVFAIL})
    with pytest.raises(errors.LookupFailed):
        await lookup_reverse(resolver, "192.0.2.7")


async def test_block_lists_are_asked_and_read(server: FakeDNS, resolver: Resolver) -> None:
    """A code in 127/8 is a listing; a refusal, a dead list and silence are failures; NXDOMAIN is not listed."""
    reverse = "7.2.0.192"
    server.update(
        {
            (f"{reverse}.listed.example", "A"): ["127.0.0.2", "127.0.0.4"],
            (f"{reverse}.refusing.example", "A"): ["127.255.255.254"],
            (f"{reverse}.dead.example", "A"): ["192.0.2.1"],
            (f"{reverse}.mute.example", "A"): Fault.SERVFAIL,
        }
    )
    zones = ("listed.example", "refusing.example", "dead.example", "mute.example", "clean.example")

    listings = {listing.zone: listing for listing in await lookup_listings(resolver, "192.0.2.7", zones)}

    assert sorted(listings["listed.example"].codes) == ["127.0.0.2", "127.0.0.4"]
    assert [zone for zone in zones if listings[zone].is_listed] == ["listed.example"]
    assert [listings[zone].failure for zone in zones[1:4]] == ["refused", "not a block list", "servfail"]
    assert listings["clean.example"] == Listing("clean.example")


async def test_ipv6_address_is_asked_nibble_by_nibble(server: FakeDNS, resolver: Resolver) -> None:
    """IPv6 addresses are listed under their reversed nibbles (RFC 5782 2.4)."""
    name = ".".join("1" + "0" * 23 + "8bd01002") + ".listed.example"
    server.update({(name, "A"): ["127.0.0.2"]})

    assert (await lookup_listings(resolver, "2001:db8::1", ("listed.example",)))[0].is_listed

"""A resolver that finds nothing at all is our trouble and no verdict about anybody's domain."""

import random

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.dns import FakeDNS, Fault, Zone
from validatord.lookup.mx import MXLookup
from validatord.lookup.resolver import Resolver
from validatord.lookup.sanity import ResolverSanity
from validatord.mail.mx import MXOutcome
from validatord.settings import LookupSettings


def make(dns: FakeDNS, clock: FakeClock) -> tuple[MXLookup, ResolverSanity]:
    settings = LookupSettings(resolvers=(dns.endpoint,))
    resolver = Resolver(settings, clock)
    sanity = ResolverSanity(resolver, clock)
    return MXLookup(resolver, settings, clock, random.Random(1), sanity=sanity), sanity


async def test_nxdomain_is_believed_where_the_world_is_seen(clock: FakeClock) -> None:
    """A resolver that knows com may say that a domain does not exist; it is asked once for many domains."""
    async with FakeDNS({("com", "NS"): Zone(("a.gtld-servers.net.",))}) as dns:
        lookup, _ = make(dns, clock)

        for name in ("nowhere-one.com", "nowhere-two.com"):
            assert (await lookup.lookup(name)).outcome is MXOutcome.DOMAIN_NOT_FOUND
        assert dns.count("NS") == 1
        await lookup.aclose()


@pytest.mark.parametrize("fault", [None, Fault.SERVFAIL, Fault.REFUSED])
async def test_nxdomain_of_a_blind_resolver_is_no_answer(clock: FakeClock, fault: Fault | None) -> None:
    """Where not even com is found the look-up failed, and the trace says why."""
    zone = Zone(fault=fault)
    scripts = {} if fault is None else {("com", "NS"): zone, ("", "NS"): zone}
    async with FakeDNS(scripts) as dns:
        lookup, _ = make(dns, clock)

        answer = await lookup.lookup("nowhere.com")

        assert answer.outcome is MXOutcome.FAILED
        assert answer.failure == "resolver_blind"
        assert "the resolver is blind" in answer.trace[-1]
        await lookup.aclose()


async def test_sight_comes_back(clock: FakeClock) -> None:
    """A blind resolver is looked at again after half a minute, a seeing one after ten."""
    async with FakeDNS({}) as dns:
        _, sanity = make(dns, clock)
        assert not await sanity.is_seeing()
        dns.update({("com", "NS"): Zone(("a.gtld-servers.net.",))})
        assert not await sanity.is_seeing()

        await clock.advance(31)

        assert await sanity.is_seeing()
        assert repr(sanity) == "ResolverSanity(is_seeing=True)"

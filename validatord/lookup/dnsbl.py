"""Whether an address of ours stands on a DNS block list (RFC 5782)."""

import asyncio
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from validatord import errors
from validatord.lookup.resolver import Resolver

_CODES = ipaddress.IPv4Network("127.0.0.0/8")
# The large lists answer from here when they refuse the question: too many, or through a public resolver.
_REFUSALS = ipaddress.IPv4Network("127.255.255.0/24")


@dataclass(frozen=True, slots=True)
class Listing:
    """What one zone said: `codes` of a listing (none: not listed), or the `failure` to say anything."""

    zone: str
    codes: tuple[str, ...] = ()
    failure: str = ""

    @property
    def is_listed(self) -> bool:
        """Whether the zone lists the address."""
        return bool(self.codes)


async def lookup_listings(resolver: Resolver, address: str, zones: Sequence[str]) -> tuple[Listing, ...]:
    """Return what each zone says about the address, in the zones' order.

    Raises:
        ValueError: not an IP address.
    """
    # RFC 5782 2.1 and 2.4: the reversed address, as in the reverse tree but under the zone.
    reversed_labels = ipaddress.ip_address(address).reverse_pointer.rsplit(".", maxsplit=2)[0]
    return tuple(await asyncio.gather(*(_lookup_zone(resolver, reversed_labels, zone) for zone in zones)))


async def _lookup_zone(resolver: Resolver, reversed_labels: str, zone: str) -> Listing:
    try:
        values = (await resolver.query(f"{reversed_labels}.{zone}", "A")).values
    except errors.LookupFailed as failure:
        return Listing(zone, failure=failure.kind)
    codes = [ipaddress.IPv4Address(value) for value in values]
    if any(code in _REFUSALS for code in codes):
        return Listing(zone, failure="refused")
    if any(code not in _CODES for code in codes):
        # RFC 5782 5: a zone that was given up and now answers everything with a web server's address.
        return Listing(zone, failure="not a block list")
    return Listing(zone, tuple(map(str, codes)))

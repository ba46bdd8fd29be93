"""The names of an address, and whether they lead back to it: what receivers check of us first."""

import ipaddress
from dataclasses import dataclass

from validatord import errors
from validatord.lookup.resolver import Resolver

MAX_NAMES = 5


@dataclass(frozen=True, slots=True)
class ReverseReport:
    """`names` are the PTR names, `confirmed` those of them that resolve to the address (RFC 8601 2.7.3)."""

    address: str
    names: tuple[str, ...] = ()
    confirmed: tuple[str, ...] = ()


async def lookup_reverse(resolver: Resolver, address: str) -> ReverseReport:
    """Return the names of an address, forward-confirmed.

    Raises:
        LookupFailed: there is no answer about the PTR record.
        ValueError: not an IP address.
    """
    parsed = ipaddress.ip_address(address)
    names = (await resolver.query(parsed.reverse_pointer, "PTR")).values[:MAX_NAMES]
    rdtype = "A" if isinstance(parsed, ipaddress.IPv4Address) else "AAAA"
    confirmed = [name for name in names if str(parsed) in await _find_addresses(resolver, name, rdtype)]
    return ReverseReport(address, names, tuple(confirmed))


async def _find_addresses(resolver: Resolver, name: str, rdtype: str) -> frozenset[str]:
    try:
        return frozenset((await resolver.query(name, rdtype)).values)
    except errors.LookupFailed:
        return frozenset()

"""Which IP addresses a probe may connect to.

An MX record is written by strangers: without this judgement it would turn the daemon into a tool for
reaching loopback, private networks and metadata services on port 25. IPv6 forms that carry an IPv4
address inside are judged by what they carry. This decides about text; it never looks anything up.
"""

import functools
import ipaddress
from collections.abc import Sequence

from validatord import errors

AnyAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
AnyNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

# What `is_global` lets through or has changed its mind about between versions stands here by itself.
_NON_PUBLIC = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32"),
        *("::/128", "::1/128", "64:ff9b:1::/48", "100::/64", "2001::/32", "2001:db8::/32", "3fff::/20"),
        *("5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
    )
)
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")
_LAST_UNCARRIED = 0x01  # :: and ::1 are addresses of their own, not IPv4-compatible ones
_LOW_BITS = 0xFFFFFFFF


def is_public(address: str, *, deny: Sequence[str] = (), own: Sequence[str] = ()) -> bool:
    """Whether the address is globally routable unicast, not denied and not one of ours.

    Text that is no IP address, or one with a zone ("fe80::1%eth0"), is not public.
    """
    parsed = _parse(address)
    if parsed is None or is_denied(address, deny=deny, own=own):
        return False
    carried = _unwrap(parsed)
    if any(carried.version == network.version and carried in network for network in _NON_PUBLIC):
        return False
    return carried.is_global and not (carried.is_multicast or carried.is_reserved or carried.is_unspecified)


def is_denied(address: str, *, deny: Sequence[str] = (), own: Sequence[str] = ()) -> bool:
    """Whether the operator forbids the address, or it is one of ours, in any of its forms."""
    return _parse(address) is None or is_within(address, (*deny, *own))


def is_within(address: str, networks: Sequence[str]) -> bool:
    """Whether the address, in any of its forms, lies in one of the networks; text that is no address does not."""
    parsed = _parse(address)
    if parsed is None:
        return False
    forms = {parsed, _unwrap(parsed)}
    return any(
        form.version == network.version and form in network
        for network in parse_networks(tuple(networks))
        for form in forms
    )


@functools.lru_cache(maxsize=64)
def parse_networks(texts: tuple[str, ...]) -> tuple[AnyNetwork, ...]:
    """Read networks and single addresses; a tuple of texts is read once.

    Raises:
        ConfigurationError: names every text that is neither.
    """
    found: list[AnyNetwork] = []
    problems: list[str] = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text.strip(), strict=False))
        except ValueError:
            problems.append(f'"{text}" is neither an IP address nor a network')
    if problems:
        raise errors.ConfigurationError(problems)
    return tuple(found)


def _parse(address: str) -> AnyAddress | None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    # A zone means an interface of this machine: nothing DNS could say.
    return None if isinstance(parsed, ipaddress.IPv6Address) and parsed.scope_id else parsed


def _unwrap(address: AnyAddress) -> AnyAddress:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    # RFC 3056 2: the 32 bits after 2002::/16.
    if address in _SIX_TO_FOUR:
        return ipaddress.IPv4Address((int(address) >> 80) & _LOW_BITS)
    # RFC 4291 2.5.5 (mapped, compatible) and RFC 6052 2.1 (NAT64).
    carries = address in _MAPPED or address in _TRANSLATED or address in _COMPATIBLE
    if carries and int(address) > _LAST_UNCARRIED:
        return ipaddress.IPv4Address(int(address) & _LOW_BITS)
    return address

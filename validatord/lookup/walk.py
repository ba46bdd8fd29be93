"""The order in which a domain's hosts and addresses are tried."""

import ipaddress
import itertools
import random
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from validatord.mail.mx import MXAnswer, MXHost


class Stop(NamedTuple):
    """One address to try; `address` is what is connected to, `host_name` what it was found under."""

    host_name: str
    address: str
    preference: int


def order_hosts(
    answer: MXAnswer,
    rng: random.Random,
    *,
    ipv4_first: bool = True,
    max_addresses: int = 5,
    first: tuple[str, str] | None = None,
) -> list[Stop]:
    """Return the addresses in the order to try them, at most `max_addresses`.

    Better preferences come first, equal ones are shuffled (RFC 5321 5.1), the two families alternate.
    `first` is the host and address of the last attempt: a greylist may know us there and nowhere else. It
    counts only if it is part of this answer, since only these addresses were judged.
    """
    stops: list[Stop] = []
    for _, hosts in itertools.groupby(sorted(answer.hosts, key=_get_preference), key=_get_preference):
        stops += _order_equals(list(hosts), rng, ipv4_first=ipv4_first)
    if first is not None:
        # Stable: the very address, then others of that host, then the rest as they were.
        stops.sort(key=lambda stop: (stop[:2] != first, stop.host_name != first[0]))
    return stops[:max_addresses]


def _get_preference(host: MXHost) -> int:
    return host.preference


def _order_equals(hosts: Sequence[MXHost], rng: random.Random, *, ipv4_first: bool) -> list[Stop]:
    shuffled = rng.sample(hosts, len(hosts))
    columns = [
        [Stop(host.name, address, host.preference) for address in rng.sample(host.addresses, len(host.addresses))]
        for host in shuffled
    ]
    # One address of every host before the second of any: another host is the better second try.
    stops = _alternate(columns)
    families = [[stop for stop in stops if _is_ipv4(stop) is is_ipv4] for is_ipv4 in (ipv4_first, not ipv4_first)]
    return _alternate(families)


def _alternate(columns: Iterable[Sequence[Stop]]) -> list[Stop]:
    return [stop for row in itertools.zip_longest(*columns) for stop in row if stop is not None]


def _is_ipv4(stop: Stop) -> bool:
    return isinstance(ipaddress.ip_address(stop.address), ipaddress.IPv4Address)

"""The order of hosts and addresses."""

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from validatord.lookup.walk import Stop, order_hosts
from validatord.mail.mx import MXAnswer, MXHost, MXOutcome


def answer(*hosts: MXHost) -> MXAnswer:
    return MXAnswer("example.com", MXOutcome.OK, hosts)


def host(name: str, preference: int, *addresses: str) -> MXHost:
    return MXHost(name, preference, addresses)


def test_better_preference_comes_first() -> None:
    """No shuffle crosses preferences."""
    hosts = [host(f"mx{i}.example.com", i // 2, f"192.0.2.{i}") for i in range(8)]
    for seed in range(20):
        stops = order_hosts(answer(*reversed(hosts)), random.Random(seed), max_addresses=8)

        assert [stop.preference for stop in stops] == [0, 0, 1, 1, 2, 2, 3, 3]


def test_equal_hosts_and_addresses_of_a_host_are_shuffled() -> None:
    """Load is spread over equal hosts and over the addresses of one (RFC 5321 5.1)."""
    equal = answer(host("a.example.com", 10, "192.0.2.1", "192.0.2.2"), host("b.example.com", 10, "192.0.2.3"))
    firsts = Counter(order_hosts(equal, random.Random(seed))[0].address for seed in range(300))

    assert set(firsts) == {"192.0.2.1", "192.0.2.2", "192.0.2.3"}
    assert 100 < firsts["192.0.2.3"] < 200


def test_every_equal_host_is_tried_before_a_second_address_of_one() -> None:
    """Another host is a better second try than another address of the same."""
    many = host("many.example.com", 10, *(f"192.0.2.{i}" for i in range(8)))
    one = host("one.example.com", 10, "198.51.100.1")
    for seed in range(20):
        names = [stop.host_name for stop in order_hosts(answer(many, one), random.Random(seed))]

        assert set(names[:2]) == {"many.example.com", "one.example.com"}


def test_families_alternate_within_the_cap() -> None:
    """Both families get their turn, the preferred one first."""
    both = host("mx.example.com", 10, *(f"192.0.2.{i}" for i in range(6)), *(f"2001:db8::{i}" for i in range(6)))
    for is_first in (True, False):
        stops = order_hosts(answer(both), random.Random(1), ipv4_first=is_first)

        assert ["." in stop.address for stop in stops] == [is_first, not is_first, is_first, not is_first, is_first]


def test_last_attempt_is_repeated_first() -> None:
    """The host and address a greylist knows us from come first, even of worse preference."""
    hosts = answer(
        host("mx1.example.com", 10, "192.0.2.1"), host("mx2.example.com", 20, "192.0.2.2", "192.0.2.3", "192.0.2.4")
    )
    stops = order_hosts(hosts, random.Random(1), first=("mx2.example.com", "192.0.2.3"))

    assert stops[0] == Stop("mx2.example.com", "192.0.2.3", 20)
    assert {stop.host_name for stop in stops[:3]} == {"mx2.example.com"}
    assert stops[3] == Stop("mx1.example.com", "192.0.2.1", 10)


def test_address_that_is_not_in_the_answer_is_never_used() -> None:
    """A remembered address that was not judged this time does not come back; its host still goes first."""
    hosts = answer(host("mx1.example.com", 10, "192.0.2.1"), host("mx2.example.com", 10, "192.0.2.2"))
    for seed in range(10):
        stops = order_hosts(hosts, random.Random(seed), first=("mx2.example.com", "127.0.0.1"))

        assert [stop.address for stop in stops] == ["192.0.2.2", "192.0.2.1"]


def test_unknown_host_of_the_last_attempt_changes_nothing() -> None:
    """A host that is gone from the answer is not tried."""
    hosts = answer(host("mx1.example.com", 10, "192.0.2.1"))

    assert order_hosts(hosts, random.Random(1), first=("old.example.com", "192.0.2.9")) == [
        Stop("mx1.example.com", "192.0.2.1", 10)
    ]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.lists(st.ip_addresses().map(str), max_size=4, unique=True)), max_size=6),
    st.integers(1, 9),
    st.integers(),
)
def test_order_is_a_bounded_choice_of_what_the_answer_holds(
    hosts: list[tuple[int, list[str]]], cap: int, seed: int
) -> None:
    """Nothing is invented, nothing comes twice, and everything comes up to the cap."""
    built = answer(*(host(f"mx{i}.example.com", preference, *found) for i, (preference, found) in enumerate(hosts)))
    known = {Stop(item.name, address, item.preference) for item in built.hosts for address in item.addresses}

    stops = order_hosts(built, random.Random(seed), max_addresses=cap)

    assert set(stops) <= known
    assert len(stops) == len(set(stops)) == min(cap, len(known))

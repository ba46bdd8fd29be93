"""Which addresses may be connected to."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validatord import errors
from validatord.lookup.addresses import is_denied, is_public

NON_PUBLIC = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
    *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    *("224.0.0.0/4", "240.0.0.0/4", "::/128", "::1/128", "64:ff9b:1::/48", "100::/64", "2001::/32", "2001:db8::/32"),
    *("fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
]
FORMS = {
    "mapped": "::ffff:0:0",
    "compatible": "::",
    "translated": "64:ff9b::",
}


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.5", "192.168.1.1", "172.16.0.1", "100.64.0.1", "169.254.169.254", "192.0.0.8"),
        *("0.0.0.0", "224.0.0.1", "255.255.255.255", "198.18.0.1", "192.88.99.1", "192.0.2.1"),
        *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.5", "64:ff9b::7f00:1", "64:ff9b:1::808:808"),
        *("2002:7f00:1::", "2002:a00:5::1", "2001:0:808:808::1", "2001:db8::1", "fc00::1", "fd00:ec2::254", "fe80::1"),
        *("fe80::1%eth0", "2606:4700::1111%eth0", "fec0::1", "ff02::1", "100::1", "3fff::1", "5f00::1"),
        *(
            "",
            "localhost",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "1.2.3.4.5",
            "8.8.8.8 ",
            "[::1]",
            "8.8.8.8/32",
        ),
    ],
)
def test_non_public_addresses_in_every_form(address: str) -> None:
    """Loopback, private, special and unreadable addresses are refused, plain or wrapped into IPv6."""
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("8.8.8.8", "9.9.9.9", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "223.255.255.255"),
        *("2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"),
    ],
)
def test_public_addresses_pass(address: str) -> None:
    """Ordinary unicast addresses pass, next to the borders of the refused ranges too."""
    assert is_public(address)


@given(st.data())
def test_no_address_of_a_refused_range_passes(data: st.DataObject) -> None:
    """Every single address of the refused ranges is refused."""
    network = ipaddress.ip_network(data.draw(st.sampled_from(NON_PUBLIC)))
    offset = data.draw(st.integers(0, network.num_addresses - 1))

    assert not is_public(str(network[offset]))


@given(st.ip_addresses(v=4), st.sampled_from(sorted(FORMS)))
def test_wrapped_address_is_judged_by_what_it_carries(inner: ipaddress.IPv4Address, form: str) -> None:
    """An IPv4 address inside an IPv6 one is as public as it is alone."""
    wrapped = ipaddress.IPv6Address(int(ipaddress.IPv6Address(FORMS[form])) | int(inner))

    assert is_public(str(wrapped)) == is_public(str(inner))


@given(st.ip_addresses(v=4), st.integers(0, 2**80 - 1))
def test_six_to_four_address_is_judged_by_what_it_carries(inner: ipaddress.IPv4Address, rest: int) -> None:
    """A 6to4 address is as public as the IPv4 address in its middle."""
    wrapped = ipaddress.IPv6Address((0x2002 << 112) | (int(inner) << 80) | rest)

    assert is_public(str(wrapped)) == is_public(str(inner))


@given(st.ip_addresses())
def test_public_means_globally_routable_unicast(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """Nothing passes that Python itself calls private, loopback, link-local, multicast or unspecified."""
    if is_public(str(address)):
        is_special = address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified
        carries = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None
        assert not is_special
        assert carries or not address.is_private


@given(st.text(max_size=60))
def test_text_never_raises(text: str) -> None:
    """Whatever DNS or a ledger row holds is judged and not tripped over."""
    assert is_public(text) in {True, False}


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_denied_network_holds_for_every_form(inner: ipaddress.IPv4Address, length: int) -> None:
    """The operator's list refuses an address however it is dressed."""
    deny = (str(ipaddress.ip_network((inner, length), strict=False)),)
    mapped = ipaddress.IPv6Address(int(ipaddress.IPv6Address("::ffff:0:0")) | int(inner))

    assert is_denied(str(inner), deny=deny)
    assert not is_public(str(inner), deny=deny)
    assert not is_public(str(mapped), deny=deny)


def test_own_addresses_are_refused_and_others_not() -> None:
    """We do not connect to ourselves; a neighbour is somebody else."""
    assert not is_public("8.8.8.8", own=("8.8.8.8",))
    assert not is_public("2606:4700::1", own=("2606:4700::1",))
    assert is_public("8.8.8.9", own=("8.8.8.8",), deny=("9.0.0.0/8",))


def test_unreadable_deny_list_names_each_entry() -> None:
    """Every wrong entry of the list is named at once."""
    with pytest.raises(errors.ConfigurationError) as failure:
        is_denied("8.8.8.8", deny=("10.0.0.0/8", "ten", "300.0.0.0/8"))

    assert [problem.split('"')[1] for problem in failure.value.problems] == ["ten", "300.0.0.0/8"]

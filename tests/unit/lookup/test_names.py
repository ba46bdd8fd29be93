"""Which names can be an MX host."""

import pytest

from validatord.lookup.names import RESERVED_SUFFIXES, find_fault


@pytest.mark.parametrize(
    "name", ["mx.example.com", "MX1.Example.COM.", "mx_1.example.com", "xn--mx-xka.example.org", "4.example.net"]
)
def test_host_names_have_no_fault(name: str) -> None:
    """Letters, digits, hyphens and, as Postfix and Exim allow, underscores make a host name."""
    assert not find_fault(name)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("", "empty"),
        (".", "empty"),
        ("mx example.com", "no host name"),
        ("-mx.example.com", "no host name"),
        ("mx..example.com", "no host name"),
        ("mx\\032.example.com", "no host name"),
        ("ü.example.com", "no host name"),
        (".".join(["x" * 60] * 5), "no host name"),
        ("1.2.3.4", "a number, not a name"),
        ("0x7f.0x1", "a number, not a name"),
        ("2130706433", "a number, not a name"),
        ("localhost", "localhost"),
        ("mail.localhost.", "localhost"),
        ("localhost.localdomain", "localhost"),
        *((f"mx.{suffix}", "a reserved name") for suffix in sorted(RESERVED_SUFFIXES)),
    ],
)
def test_what_nobody_can_deliver_to_has_a_fault(name: str, fault: str) -> None:
    """Each kind of impossible host is named."""
    assert find_fault(name) == fault


def test_reserved_names_are_let_through_on_demand_only() -> None:
    """The sandbox may live under reserved names; localhost and numbers stay out."""
    assert not find_fault("mx.alpha.test", may_be_reserved=True)
    assert find_fault("mail.localhost", may_be_reserved=True)
    assert find_fault("127.0.0.1", may_be_reserved=True)


def test_our_own_name_is_a_fault() -> None:
    """A domain whose MX is ourselves is not probed."""
    assert find_fault("Verify.Example.NET.", own_names={"verify.example.net"}) == "our own name"

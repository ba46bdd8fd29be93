"""Reading server settings and the order of servers."""

import pytest

from tests.fakes.clock import FakeClock
from validatord import errors
from validatord.lookup.servers import Server, ServerRing, parse_server


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.1", Server("192.0.2.1", 53)),
        ("192.0.2.1:5353", Server("192.0.2.1", 5353)),
        ("2001:db8::1", Server("2001:db8::1", 53)),
        ("[2001:db8::1]", Server("2001:db8::1", 53)),
        ("[2001:DB8:0::1]:5353", Server("2001:db8::1", 5353)),
    ],
)
def test_servers_are_addresses_with_an_optional_port(text: str, server: Server) -> None:
    """Both families are read, with and without port; the text form leads back."""
    assert parse_server(text) == server
    assert parse_server(str(server)) == server


@pytest.mark.parametrize(
    "text", ["dns.example.com", "", "192.0.2.1:0", "192.0.2.1:70000", "192.0.2.1:x", "[192.0.2.1", "2001:db8::1]:53"]
)
def test_what_is_no_address_is_named(text: str) -> None:
    """A host name or a bad port is a configuration error that shows the text."""
    with pytest.raises(errors.ConfigurationError) as failure:
        parse_server(text)

    assert f'"{text}"' in str(failure.value)


async def test_order_rotates_and_puts_the_failed_last() -> None:
    """Each query starts with another server; one that failed comes last until its time is over."""
    clock = FakeClock()
    one, two, three = (Server(f"192.0.2.{i}") for i in (1, 2, 3))
    ring = ServerRing([one, two, three, one], clock)

    assert [ring.choose()[0] for _ in range(4)] == [one, two, three, one]
    ring.note_failure(two)
    assert ring.choose() == [three, one, two]
    assert repr(ring) == "ServerRing(servers=3, avoided=1)"
    await clock.advance(31)
    assert ring.choose() == [three, one, two]
    ring.note_failure(one)
    ring.note_answer(one)
    assert ring.choose() == [one, two, three]

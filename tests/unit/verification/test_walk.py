"""How far a walk over MX hosts has come, with several conversations side by side."""

from validatord.lookup.walk import Stop
from validatord.verification.walk import Trouble, Walk

_FIRST = Stop("mx1.example.net", "192.0.2.1", 10)
_SECOND = Stop("mx2.example.net", "192.0.2.2", 10)
_FIRST_AGAIN = Stop("mx1.example.net", "192.0.2.3", 10)
_BACKUP = Stop("mx3.example.net", "192.0.2.4", 20)


def test_two_conversations_that_met_the_same_trouble_leave_one_address() -> None:
    """What another conversation has left already is not left again."""
    walk = Walk([_FIRST, _SECOND], most_hosts=2)

    for failure in ("connect_timeout", "connect_failed"):
        walk.leave(Trouble(failure=failure), *_FIRST[:2])

    assert walk.stop == _SECOND
    assert walk.trouble.failure == "connect_timeout"


def test_the_last_address_may_be_left_twice() -> None:
    """At the end of the walk nothing is left that could be left."""
    walk = Walk([_FIRST], most_hosts=2)

    for _ in range(2):
        walk.leave(Trouble(), *_FIRST[:2])

    assert walk.stop is None


def test_a_host_is_left_with_all_its_addresses() -> None:
    """Without an address the whole host is meant."""
    walk = Walk([_FIRST, _FIRST_AGAIN, _SECOND], most_hosts=3)

    walk.leave(Trouble(), _FIRST.host_name)

    assert walk.stop == _SECOND
    assert walk.is_last_host


def test_a_host_that_was_left_is_not_left_again() -> None:
    """Who still spoke with a host that another conversation has left does not leave the next one."""
    walk = Walk([_FIRST, _SECOND], most_hosts=3)

    for _ in range(2):
        walk.leave(Trouble(), _FIRST.host_name, is_spoken=True)

    assert walk.stop == _SECOND
    assert walk.hosts_left == 1


def test_most_hosts_are_spoken_with() -> None:
    """After so many hosts that were spoken with nobody else is asked."""
    walk = Walk([_FIRST, _SECOND, _BACKUP], most_hosts=2)

    walk.leave(Trouble(), _FIRST.host_name, is_spoken=True)
    walk.leave(Trouble(), _SECOND.host_name, is_spoken=True)

    assert walk.stop is None

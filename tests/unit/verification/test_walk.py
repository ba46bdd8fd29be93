"""From one host to the next: what is left, what is equal, what is a backup."""

from validatord.lookup.walk import Stop
from validatord.verification.walk import Trouble, Walk

A1, A2 = Stop("a.example", "192.0.2.1", 10), Stop("a.example", "192.0.2.2", 10)
B, C = Stop("b.example", "192.0.2.3", 10), Stop("c.example", "192.0.2.4", 20)


def make_walk(*stops: Stop, most_hosts: int = 2, best: int = 10) -> Walk:
    return Walk(stops, most_hosts, best)


def test_a_failed_address_leads_to_the_next_one() -> None:
    """One address after the other, then nobody; the last trouble is kept."""
    walk = make_walk(A1, A2)
    walk.leave(Trouble(failure="connect_failed"), *A1[:2])
    assert walk.stop == A2
    walk.leave(Trouble(failure="connect_timeout"), *A2[:2])
    assert walk.stop is None
    assert walk.trouble.failure == "connect_timeout"


def test_a_host_that_refused_is_left_with_all_its_addresses() -> None:
    """What a host says holds for its other addresses."""
    walk = make_walk(A1, A2, B)
    walk.leave(Trouble(), "a.example")
    assert walk.stop == B


def test_only_so_many_hosts_are_spoken_with() -> None:
    """Two hosts that were spoken with and left are enough for one attempt."""
    walk = make_walk(A1, B, C)
    walk.leave(Trouble(), "a.example", is_spoken=True)
    assert walk.stop == B
    walk.leave(Trouble(), "b.example", is_spoken=True)
    assert walk.stop is None


def test_the_end_is_the_end() -> None:
    """A word about our address holds for all hosts of the provider."""
    walk = make_walk(A1, B, C)
    walk.end(Trouble())
    assert walk.stop is None
    assert not walk.has_equal_host


def test_equal_hosts() -> None:
    """Another host of the same preference, not another address, not a backup, and not beyond the most."""
    assert make_walk(A1, A2, B).has_equal_host
    assert not make_walk(A1, A2, C).has_equal_host
    assert not make_walk(A1, B, most_hosts=1).has_equal_host


def test_what_a_backup_is() -> None:
    """Worse than the best preference the domain names, also where the best host has no address at all."""
    walk = make_walk(A1, C)
    assert not walk.is_backup("a.example")
    assert walk.is_backup("c.example")
    assert make_walk(A1, best=5).is_backup("a.example")
    assert not walk.is_backup("unheard-of.example")


def test_a_held_session_moves_its_host_to_the_front() -> None:
    """Whoever is left is then the host that was spoken with."""
    walk = make_walk(A1, A2, B, C)
    walk.turn_to("b.example")
    assert list(walk.stops) == [B, A1, A2, C]
    walk.leave(Trouble(), "b.example")
    assert walk.stop == A1


def test_the_way_of_opening_is_each_hosts_own() -> None:
    """That one host wants no TLS and cannot pipeline is nothing the next one said."""
    walk = make_walk(A1, B)
    walk.use_tls, walk.may_pipeline = False, False
    walk.leave(Trouble(), *A1[:2])
    assert (walk.use_tls, walk.may_pipeline) == (None, True)


def test_the_last_host() -> None:
    """Several addresses of one host are one host."""
    assert make_walk(A1, A2).is_last_host
    assert not make_walk(A1, B).is_last_host


def test_a_host_is_left_once() -> None:
    """Of two conversations side by side that leave the same address, only the first moves the walk on."""
    walk = make_walk(A1, A2, B)
    walk.leave(Trouble(failure="first"), *A1[:2])
    walk.leave(Trouble(failure="second"), *A1[:2])
    assert (walk.stop, walk.trouble.failure) == (A2, "first")
    walk.leave(Trouble(), "b.example")
    assert walk.stop == A2

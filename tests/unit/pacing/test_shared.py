"""What lanes share: breakers of hosts and domains, listed identities, the tarpit budget, identities, backoff."""

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import FakeClock
from validatord.errors import GateClosed
from validatord.pacing.backoff import retry_due
from validatord.pacing.hosts import HostBreakers
from validatord.pacing.identity import choose_identity
from validatord.pacing.instants import from_wall, to_wall
from validatord.pacing.listing import Listings
from validatord.pacing.turn import TarpitBudget, Turn
from validatord.settings import IdentitySettings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DELAYS = (timedelta(minutes=15), timedelta(hours=2), timedelta(hours=8))


def make_hosts(clock: FakeClock, most_names: int = 100) -> HostBreakers:
    return HostBreakers(clock, failures_to_open=5, open_for=timedelta(minutes=45), most_names=most_names)


def fail(hosts: HostBreakers, name: str, times: int) -> None:
    for _ in range(times):
        hosts.observe(name, ok=False)


async def test_a_host_opens_after_failures_in_a_row() -> None:
    """Five in a row open it for 45 minutes; a success in between starts the count over."""
    clock = FakeClock()
    hosts = make_hosts(clock)
    fail(hosts, "mx.example.com", 4)
    hosts.observe("mx.example.com", ok=True)
    fail(hosts, "mx.example.com", 4)
    assert hosts.open_until("mx.example.com") is None
    fail(hosts, "mx.example.com", 1)
    assert hosts.open_until("mx.example.com") == clock.now() + timedelta(minutes=45)
    assert hosts.open_until("mx.example.net") is None
    assert repr(hosts) == "<HostBreakers 1 in trouble, 1 opened>"


async def test_failures_while_it_is_open_do_not_prolong_it() -> None:
    """Stragglers change nothing; after the open time a single failure opens it again, a success ends it."""
    clock = FakeClock()
    hosts = make_hosts(clock)
    fail(hosts, "example.com", 5)
    await clock.advance(2000)
    fail(hosts, "example.com", 3)
    assert hosts.open_until("example.com") == NOW + timedelta(minutes=45)
    await clock.advance(700)
    assert hosts.open_until("example.com") is None
    fail(hosts, "example.com", 1)
    assert hosts.open_until("example.com") == clock.now() + timedelta(minutes=45)
    hosts.observe("example.com", ok=True)
    assert hosts.open_until("example.com") is None


def test_hosts_in_trouble_are_bounded() -> None:
    """Whatever fails, no more names are kept than allowed; the longest quiet one goes first."""
    hosts = make_hosts(FakeClock(), most_names=3)
    for name in ("a", "b", "c", "a", "d"):
        fail(hosts, name, 3)
    fail(hosts, "b", 2)
    fail(hosts, "a", 1)
    assert hosts.open_until("a") is not None
    assert hosts.open_until("b") is None
    assert repr(hosts) == "<HostBreakers 3 in trouble, 1 opened>"


async def test_two_receivers_naming_one_list_pause_the_identity() -> None:
    """One receiver alone may err, the same one twice is still one, and two lists are two stories."""
    clock = FakeClock()
    listings = Listings(clock, pause=timedelta(hours=24))
    assert not listings.observe("first", "google", "zen.example")
    assert not listings.observe("first", "google", "zen.example")
    assert not listings.observe("first", "microsoft", "bl.example")
    assert not listings.observe("second", "microsoft", "zen.example")
    assert listings.paused == {}
    assert listings.observe("first", "microsoft", "zen.example")
    assert listings.paused == {"first": NOW + timedelta(hours=24)}
    assert listings.retry_in("first") == 86400
    assert listings.retry_in("second") is None
    assert not listings.observe("first", "yahoo", "zen.example")
    assert repr(listings) == "<Listings 5 sightings, 1 paused>"
    await clock.advance(86400)
    assert listings.paused == {}


async def test_sightings_more_than_an_hour_apart_do_not_add_up() -> None:
    """What one receiver said an hour ago is forgotten."""
    clock = FakeClock()
    listings = Listings(clock, pause=timedelta(hours=24))
    listings.observe("first", "google", "zen.example")
    await clock.advance(3601)
    assert not listings.observe("first", "microsoft", "zen.example")


def test_sightings_are_bounded() -> None:
    """A receiver that invents list names costs no memory."""
    listings = Listings(FakeClock(), pause=timedelta(hours=24))
    for index in range(3000):
        listings.observe("first", "hostile", f"list{index}.example")
    assert repr(listings) == "<Listings 1000 sightings, 0 paused>"


def test_an_operator_may_resume_an_identity() -> None:
    """After that it takes two fresh sightings to pause it again."""
    listings = Listings(FakeClock(), pause=timedelta(hours=24))
    listings.observe("first", "google", "zen.example")
    listings.observe("first", "microsoft", "zen.example")
    listings.observe("second", "yahoo", "zen.example")
    listings.resume("first")
    assert listings.retry_in("first") is None
    assert not listings.observe("first", "google", "zen.example")
    assert listings.observe("second", "google", "zen.example")


async def test_a_paused_identity_stays_paused_over_a_restart() -> None:
    """What is read back pauses until the same moment."""
    clock = FakeClock()
    listings = Listings(clock, pause=timedelta(hours=24))
    listings.observe("first", "google", "zen.example")
    listings.observe("first", "microsoft", "zen.example")
    await clock.advance(3600)
    other = Listings(clock, pause=timedelta(hours=24))
    for name, data in json.loads(json.dumps(listings.snapshot())).items():
        other.restore(name, data)
    assert other.paused == listings.paused == {"first": NOW + timedelta(hours=24)}


def test_the_tarpit_budget_holds() -> None:
    """No more slow turns than allowed; each is counted once and given back once."""
    budget = TarpitBudget(2)
    turns = [Turn("default/example.com", budget, lambda: False, is_trial=False) for _ in range(3)]
    assert [turn.mark_slow() for turn in turns] == [True, True, False]
    assert turns[0].mark_slow() is True
    assert repr(budget) == "<TarpitBudget 2 of 2>"
    for turn in turns:
        turn.end()
    assert repr(budget) == "<TarpitBudget 0 of 2>"
    assert turns[0].mark_slow() is False
    assert turns[2].mark_slow() is False
    assert repr(budget) == "<TarpitBudget 0 of 2>"


def test_a_turn_tells_when_to_stop() -> None:
    """A conversation ends when its lane was shut, or its turn is over."""
    shut: list[bool] = []
    turn = Turn("default/example.com", TarpitBudget(1), lambda: bool(shut), is_trial=True)
    assert not turn.should_stop
    shut.append(True)
    assert turn.should_stop
    shut.clear()
    turn.mark_slow()
    turn.end()
    assert turn.should_stop
    assert repr(turn) == "<Turn default/example.com trial slow over>"


IDENTITIES = tuple(IdentitySettings(name=name) for name in ("first", "second", "third"))


@given(st.text(min_size=1))
def test_a_domain_always_has_the_same_identity(domain: str) -> None:
    """The choice is a function of the domain, whatever the order of the identities is."""
    chosen = choose_identity(domain, IDENTITIES)
    assert choose_identity(domain, IDENTITIES[::-1]) == chosen


def test_domains_spread_over_the_identities_and_stay() -> None:
    """Each identity has its share, and one more identity moves no domain between the old ones."""
    domains = [f"d{index}.example" for index in range(600)]
    before = {domain: choose_identity(domain, IDENTITIES).name for domain in domains}
    assert all(150 < count < 250 for count in Counter(before.values()).values())
    more = (*IDENTITIES, IdentitySettings(name="fourth"))
    after = {domain: choose_identity(domain, more).name for domain in domains}
    moved = {domain for domain in domains if before[domain] != after[domain]}
    assert 0 < len(moved) < 240
    assert {after[domain] for domain in moved} == {"fourth"}


def test_a_pinned_identity_wins_while_it_exists() -> None:
    """A retry goes out from where the first attempt came; a name that is gone gives way."""
    for name in ("first", "second", "third"):
        assert choose_identity("example.com", IDENTITIES, name).name == name
    own = choose_identity("example.com", IDENTITIES)
    assert choose_identity("example.com", IDENTITIES, "removed") == own


def test_a_paused_identity_is_not_replaced() -> None:
    """Sending from another address instead would be block evasion: the domain waits."""
    until = NOW + timedelta(hours=3)
    own = choose_identity("example.com", IDENTITIES).name
    with pytest.raises(GateClosed) as raised:
        choose_identity("example.com", IDENTITIES, paused={own: until})
    assert raised.value.retry_at == until
    assert own in raised.value.cause
    others = {name: until for name in ("first", "second", "third") if name != own}
    assert choose_identity("example.com", IDENTITIES, paused=others).name == own
    with pytest.raises(GateClosed):
        choose_identity("example.com", IDENTITIES, next(iter(others)), others)


@given(st.integers(0, 5), st.integers())
def test_the_schedule_is_kept_within_its_spread(deferrals: int, seed: int) -> None:
    """Each wait is the schedule's, spread by the jitter; after the last there is none."""
    due = retry_due(NOW, deferrals, DELAYS, 0.2, random.Random(seed))
    if deferrals >= len(DELAYS):
        assert due is None
    else:
        assert due is not None
        assert DELAYS[deferrals] * 0.8 <= due - NOW <= DELAYS[deferrals] * 1.2


@given(st.integers(0, 100_000), st.integers())
def test_nobody_is_asked_before_the_wait_they_asked_for(seconds: int, seed: int) -> None:
    """A wait from the text is never shortened, except to the longest one allowed."""
    due = retry_due(NOW, 2, DELAYS, 0.2, random.Random(seed), timedelta(seconds=seconds))
    assert due is not None
    bounded = min(max(seconds, 60), 7200)
    assert bounded + 30 <= (due - NOW).total_seconds() <= (bounded + 30) * 1.2


def test_a_used_up_schedule_stays_used_up() -> None:
    """A receiver that always asks for more time does not get it for ever."""
    assert retry_due(NOW, 3, DELAYS, 0.2, random.Random(1), timedelta(seconds=300)) is None


async def test_moments_survive_as_wall_clock_times() -> None:
    """A moment read back is the same one; one without a zone is UTC."""
    clock = FakeClock()
    await clock.advance(100)
    assert from_wall(clock, to_wall(clock, 150.5), most_seconds=1000) == pytest.approx(150.5)
    assert from_wall(clock, "2026-01-01T00:00:30", most_seconds=1000) == pytest.approx(30)

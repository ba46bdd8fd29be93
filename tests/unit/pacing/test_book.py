"""The book knows every lane, forgets idle ones, and keeps what must not be forgotten."""

import asyncio
import json
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.clock import FakeClock, settle
from validatord.errors import GateClosed
from validatord.mail.probe import Signal
from validatord.mail.provider import MXProvider, Pace
from validatord.pacing.book import LaneBook
from validatord.pacing.breaker import State
from validatord.pacing.lane import Lane, lane_name
from validatord.pacing.limits import BookRules, LaneRules
from validatord.settings import PacingSettings

RULES = BookRules(lane=LaneRules(is_slow_start=False, jitter=0.0))


def make_book(clock: FakeClock, rules: BookRules = RULES) -> LaneBook:
    return LaneBook(clock, random.Random(1), rules)


def provider(key: str = "google", **pace: Any) -> MXProvider:
    return MXProvider(key, pace=Pace(**pace))


async def use(clock: FakeClock, book: LaneBook, seconds: float) -> None:
    """Let time pass, and have the book look around."""
    await clock.advance(seconds)
    book.get("default", provider(f"at {clock.monotonic()}"))


async def test_one_lane_per_identity_and_provider() -> None:
    """The same pair is the same lane; another identity or another provider is another."""
    book = make_book(FakeClock())
    lane = book.get("default", provider())
    assert book.get("default", provider()) is lane
    assert lane.name == lane_name("default", "google") == "default/google"
    assert book.find("default/google") is lane
    assert book.get("other", provider()) is not lane
    assert book.find("default/microsoft") is None


async def test_busy_names_the_lanes_without_room() -> None:
    """A lane whose visits are full, or whose gate is closed, is busy; by time alone it is not any more."""
    clock = FakeClock()
    book = make_book(clock)
    full = book.get("default", provider("full", sessions=1))
    closed = book.get("default", provider("closed"))
    book.get("default", provider("free"))
    full.enter_visit()
    full.enter_visit()
    closed.observe(Signal.BLOCKED_EARLY, "example.com")
    assert book.busy() == ["default/full", "default/closed"]
    assert repr(book) == "<LaneBook 3 lanes, 2 busy, <TarpitBudget 0 of 28>, <HostBreakers 0 in trouble, 0 opened>>"
    assert not book.changed.is_set()
    full.leave_visit()
    assert book.changed.is_set()
    await clock.advance(3600)
    assert book.busy() == []


async def test_a_new_pace_reaches_a_lane_in_use() -> None:
    """A provider whose pace was reloaded is asked at the new one."""
    book = make_book(FakeClock())
    assert book.get("default", provider(sessions=2)).slots == 2
    assert book.get("default", provider(sessions=5)).slots == 5


async def test_other_rules_hold_from_the_next_use_on() -> None:
    """Reloaded settings reach the shared parts at once and each lane when it is asked for."""
    clock = FakeClock()
    book = make_book(clock)
    lane = book.get("default", provider(sessions=4))
    settings = PacingSettings(
        global_concurrency=10, failures_to_open=1, open_for=timedelta(minutes=1), is_slow_start=True, jitter=0
    )
    book.apply(BookRules.of(settings))
    assert book.tarpits.limit == 3
    book.observe_host("mx.example.com", ok=False)
    assert book.host_open_until("mx.example.com") == clock.now() + timedelta(minutes=1)
    book.get("default", provider(sessions=9))
    assert lane.slots == 4


def test_there_is_always_a_place_for_one_slow_turn() -> None:
    """Thirty per cent of very few turns is still one."""
    assert BookRules(global_concurrency=1).most_slow_turns == 1
    assert BookRules(global_concurrency=100).most_slow_turns == 30


async def test_slow_turns_are_counted_over_all_lanes() -> None:
    """Tarpits of different providers share one budget."""
    book = make_book(FakeClock(), replace(RULES, global_concurrency=4))
    async with book.get("default", provider("a")).turn() as first, book.get("default", provider("b")).turn() as second:
        assert first.mark_slow()
        assert not second.mark_slow()
    async with book.get("default", provider("b")).turn() as third:
        assert third.mark_slow()
    assert book.tarpits.used == 0


async def test_a_host_is_told_through_the_lane() -> None:
    """Failures and answers of a named MX host feed its own breaker; what is about our address does not."""
    clock = FakeClock()
    book = make_book(clock)
    lane = book.get("default", provider())
    for _ in range(5):
        lane.observe(Signal.CONNECTION_FAILED, "example.com", "mx.example.com")
        lane.observe(Signal.REJECTED_SILENTLY, "example.com", "mx2.example.com")
    assert book.host_open_until("mx.example.com") is not None
    assert book.host_open_until("mx2.example.com") is None
    lane.observe(Signal.REFUSED_UNKNOWN, "example.com", "mx.example.com")
    assert book.host_open_until("mx.example.com") is None
    for _ in range(5):
        lane.observe(Signal.CONNECTION_FAILED, "example.com")
        book.observe_host("example.com", ok=False)
    assert book.host_open_until("example.com") is not None


async def test_a_listed_identity_stops_in_all_its_lanes() -> None:
    """Running conversations are told to stop, waiting ones are sent home, other identities go on."""
    book = make_book(FakeClock())
    lane = book.get("listed", provider(sessions=1))
    other = book.get("clean", provider(sessions=1))
    async with lane.turn() as turn:
        waiting = asyncio.create_task(wait_for_turn(lane))
        await settle()
        assert not book.observe_listing("listed", "google", "zen.example")
        assert book.observe_listing("listed", "microsoft", "zen.example")
        assert turn.should_stop
        with pytest.raises(GateClosed, match="identity_listed"):
            await waiting
    assert set(book.paused_identities) == {"listed"}
    assert lane.retry_at() == book.paused_identities["listed"]
    assert book.busy() == ["listed/google"]
    async with other.turn() as turn:
        assert not turn.should_stop
    book.resume_identity("listed")
    assert book.changed.is_set()
    assert lane.has_room()


@pytest.mark.parametrize("named", ["google", "default/google"])
async def test_a_lane_an_operator_paused_lets_nobody_in(named: str) -> None:
    """Whether it is named itself or by its provider: who speaks ends, who waits goes home, until it is resumed."""
    book = make_book(FakeClock())
    lane = book.get("default", provider(sessions=1))
    other = book.get("default", provider("other"))
    async with lane.turn() as turn:
        waiting = asyncio.create_task(wait_for_turn(lane))
        await settle()
        book.pause({named})
        assert turn.should_stop
        with pytest.raises(GateClosed, match="paused_by_operator"):
            await waiting
    assert book.list_paused() == {named, "default/google"}
    assert not lane.has_room()
    assert other.has_room()
    book.changed.clear()
    book.pause(())
    assert book.changed.is_set()
    assert lane.has_room()


async def test_a_reset_lane_goes_again_whatever_closed_it() -> None:
    """Its breaker is closed, its identity no longer counts as listed; a lane nobody knows is not reset."""
    book = make_book(FakeClock())
    lane = book.get("default", provider())
    lane.observe(Signal.BLOCKED_EARLY, "example.com")
    book.observe_listing("default", "google", "zen.example")
    book.observe_listing("default", "microsoft", "zen.example")
    assert lane.retry_at() is not None

    assert book.reset("default/google")

    assert lane.has_room()
    assert not book.paused_identities
    assert not book.reset("default/unknown")


async def wait_for_turn(lane: Lane) -> None:
    async with lane.turn():
        pass


async def test_idle_lanes_are_dropped() -> None:
    """A lane nobody uses for a while costs no memory; one that is used stays."""
    clock = FakeClock()
    book = make_book(clock)
    used = book.get("default", provider("used"))
    used.enter_visit()
    for index in range(50):
        book.get("default", provider(f"idle{index}"))
    await use(clock, book, 300)
    assert book.find("default/used") is used
    assert book.find("default/idle0") is None
    assert repr(book).startswith("<LaneBook 2 lanes")


async def test_the_book_looks_around_only_now_and_then() -> None:
    """Looking for idle lanes does not cost time with each new lane."""
    clock = FakeClock()
    book = make_book(clock, replace(RULES, sweep_every=timedelta(hours=1)))
    book.get("default", provider("idle"))
    await use(clock, book, 3000)
    assert book.find("default/idle") is not None


async def test_a_closed_lane_is_not_dropped() -> None:
    """While a gate is closed its lane stays, so that the dispatcher passes it over."""
    clock = FakeClock()
    book = make_book(clock)
    book.get("default", provider("blocked")).observe(Signal.BLOCKED_EARLY, "example.com")
    await use(clock, book, 3000)
    assert book.busy() == ["default/blocked"]


async def test_a_lane_with_fresh_evidence_is_kept_for_an_hour() -> None:
    """A first block must not be forgotten before a second one could follow."""
    clock = FakeClock()
    book = make_book(clock)
    book.get("default", provider("doubtful")).observe(Signal.BLOCKED, "example.com")
    await use(clock, book, 1800)
    lane = book.get("default", provider("doubtful"))
    lane.observe(Signal.BLOCKED, "example.com")
    assert lane.breaker.state is State.OPEN
    book.get("default", provider("other")).observe(Signal.REJECTED_SILENTLY, "example.com")
    await use(clock, book, 7200)
    assert book.find("default/other") is None


async def test_a_dropped_lane_comes_back_as_it_was() -> None:
    """The step on the ladder survives being dropped."""
    clock = FakeClock()
    book = make_book(clock)
    lane = book.get("default", provider())
    lane.observe(Signal.BLOCKED_EARLY, "example.com")
    await use(clock, book, 3600)
    async with lane.turn():
        lane.observe(Signal.SUCCESS, "example.com")
    await use(clock, book, 600)
    assert book.find("default/google") is None
    assert "default/google" in book.snapshot()
    again = book.get("default", provider())
    assert again is not lane
    again.observe(Signal.BLOCKED_EARLY, "example.com")
    assert again.retry_at() == clock.now() + timedelta(hours=4)


async def test_what_is_kept_of_dropped_lanes_is_bounded() -> None:
    """However many lanes have something to remember, only so many are remembered."""
    clock = FakeClock()
    book = make_book(clock, replace(RULES, most_kept=5))
    for index in range(20):
        book.get("default", provider(f"p{index}")).is_one_rcpt_per_envelope = True
    await use(clock, book, 600)
    assert len(book.snapshot()) == 5


async def test_a_restart_forgets_nothing_that_matters() -> None:
    """Open breakers and listed identities are read back from JSON; lanes with nothing to tell are not written."""
    clock = FakeClock()
    book = make_book(clock)
    book.get("default", provider("blocked")).observe(Signal.BLOCKED_EARLY, "example.com")
    book.get("default", provider("fine"))
    book.observe_listing("listed", "google", "zen.example")
    book.observe_listing("listed", "microsoft", "zen.example")
    written = json.loads(json.dumps(book.snapshot()))
    assert set(written) == {"default/blocked", "identity:listed"}
    await clock.advance(60)
    other = make_book(clock)
    other.restore(written)
    assert other.busy() == ["default/blocked"]
    assert other.paused_identities == book.paused_identities
    lane = other.get("default", provider("blocked", sessions=7))
    assert lane.retry_at() == book.get("default", provider("blocked")).retry_at()
    assert lane.share.identity == "default"


async def test_an_unreadable_snapshot_begins_anew() -> None:
    """What cannot be read neither stops the daemon nor closes a lane."""
    book = make_book(FakeClock())
    odd = {"is_one_rcpt_per_envelope": True, "breaker": {"levels": "no"}}
    book.restore({"default/google": {"identity": "default"}, "default/odd": odd, "identity:default": {}})
    assert book.busy() == []
    assert book.get("default", provider()).has_room()

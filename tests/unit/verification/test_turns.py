"""The lanes of a visit, taken in one order, and the watch over slow receivers."""

import asyncio
import math
import random
from datetime import timedelta
from typing import Any, cast

import pytest

from tests.fakes.clock import FakeClock, settle
from tests.unit.verification.made import DOMAIN, make_answer, make_visit
from validatord.errors import GateClosed
from validatord.mail.probe import Signal
from validatord.mail.provider import MXProvider, Pace
from validatord.pacing.book import LaneBook
from validatord.pacing.lane import Lane
from validatord.pacing.limits import BookRules
from validatord.settings import Settings
from validatord.smtp.dialogue import Session
from validatord.verification.turns import Crowded, Lanes

QUICK = Settings.of(
    smtp={"rcpt_timeout": "200ms"},
    pacing={"is_slow_start": False, "session_interval": "0s", "rcpt_per_minute": 1e6, "jitter": 0.0, "sessions": 2},
)
PACE = Pace(sessions=1, session_interval=timedelta(), rcpt_per_minute=math.inf)


class Bench:
    """A book of lanes on a fake clock; tarpits are counted on the loop's own time."""

    def __init__(self, tarpits: int = 1) -> None:
        self.clock = FakeClock()
        rules = BookRules.of(QUICK.pacing)
        self.book = LaneBook(self.clock, random.Random(1), rules)
        self.book.tarpits.limit = tarpits

    def find(self, domain: str = DOMAIN, host: str = "", **more: Any) -> Lanes:
        """Find the lanes of a domain, by default with a host below its own name."""
        key = host.partition(".")[2] or domain
        provider = MXProvider(key, pace=PACE)
        mx = make_answer((10, host or f"mx1.{domain}"))
        visit = make_visit(domain=domain, settings=QUICK, mx=mx, provider=provider, **more)
        return Lanes.of(visit, self.book.get("default", provider), self.book, self.clock)


def names(lanes: Lanes) -> list[str]:
    return [lane.name for lane in lanes.all]


def test_a_host_below_the_domains_own_name_has_two_lanes() -> None:
    """The network's comes first by its name; a hoster's host has one lane; the setting switches it off."""
    at = Bench()
    assert names(at.find()) == ["default/192.0.2.0/24", "default/acme.example"]
    assert names(at.find("mail.acme.example")) == ["default/mail.acme.example"]
    assert names(at.find(host="mx1.hoster.example")) == ["default/hoster.example"]
    off = QUICK.model_copy(update={"pacing": QUICK.pacing.model_copy(update={"is_network_counted": False})})
    visit = make_visit(settings=off)
    assert Lanes.of(visit, at.book.get("default", visit.provider), at.book, at.clock).network is None


async def test_nobody_waits_in_a_circle() -> None:
    """Many domains of one network, each with a lane of its own: all get their turns, two at a time."""
    at, most, running = Bench(), 0, 0
    rng = random.Random(3)

    async def converse(lanes: Lanes) -> None:
        nonlocal most, running
        async with lanes.turn(rng.choice([25, 50, 75])):
            running += 1
            most = max(most, running)
            await asyncio.sleep(rng.random() / 1000)
            running -= 1

    lanes = [at.find(f"{rng.choice('abcz')}{number % 7}.example") for number in range(60)]
    async with asyncio.timeout(10):
        await asyncio.gather(*(converse(each) for each in lanes))
    assert most == 2
    assert all(lane.is_idle for each in lanes for lane in each.all)


def test_a_visit_is_counted_in_both_lanes_or_in_none() -> None:
    """A full network says when to come again; a full provider does not: the leasing knows it."""
    at = Bench()
    entered = [at.find(f"{name}.example") for name in "abc"]
    for lanes in entered:
        lanes.enter_visit()
    late = at.find("d.example")
    with pytest.raises(Crowded) as crowded:
        late.enter_visit()
    assert crowded.value.retry_at == at.clock.now() + timedelta(seconds=3)
    assert late.provider.visits == 0
    entered[0].leave_visit()
    late.enter_visit()
    assert late.provider.visits == 1


def test_a_closed_gate_says_why() -> None:
    """The breaker's cause, not that there is no room."""
    at = Bench()
    lanes = at.find()
    lanes.provider.observe(Signal.BLOCKED_EARLY, DOMAIN)
    with pytest.raises(GateClosed, match="sender_ip_blocked") as closed:
        lanes.enter_visit()
    assert not isinstance(closed.value, Crowded)
    assert lanes.network is not None
    assert lanes.network.visits == 0


@pytest.mark.parametrize(
    ("signal", "is_heard"),
    [(Signal.BLOCKED_EARLY, False), (Signal.CONNECTION_FAILED, False), (Signal.RATE_LIMITED, True)],
)
def test_what_a_network_hears(signal: Signal, is_heard: bool) -> None:
    """That it limits us, not how one of its hosts treats us."""
    lanes = Bench().find()
    for _ in range(6):
        lanes.observe(signal, DOMAIN)
    assert lanes.network is not None
    assert (lanes.network.retry_at() is not None) is is_heard


def test_unknown_users_of_one_host_are_none_of_the_network() -> None:
    """The guard against unknown users is each receiver's own."""
    lanes = Bench().find()
    for _ in range(30):
        lanes.observe(Signal.REFUSED_UNKNOWN, DOMAIN)
    assert lanes.network is not None
    assert lanes.network.retry_at() is None
    assert lanes.provider.retry_at() is not None


async def test_a_conversation_ends_when_its_lane_is_shut() -> None:
    """Somebody else was told that we are blocked: no further group goes out."""
    lanes = Bench().find(host="mx1.hoster.example")
    async with lanes.turn(50) as talk:
        await talk.pace_rcpt(5)
        lanes.provider.observe(Signal.BLOCKED_EARLY, DOMAIN)
        with pytest.raises(GateClosed, match="shut"):
            await talk.pace_rcpt(5)
        await talk.pace_control(1)  # what was answered already is still to be judged


class Aborting:
    """A session that notes its end."""

    is_aborted = False

    def abort(self) -> None:
        self.is_aborted = True


async def wait_for_slow(lanes: Lanes) -> None:
    await asyncio.sleep(lanes.slow_seconds * 1.5)


async def test_a_slow_receiver_takes_a_place_of_the_slow() -> None:
    """Marked after a quarter of the deadline, free again at the end; our own waits do not count."""
    at = Bench(tarpits=1)
    lanes = at.find()
    async with lanes.turn(50) as talk:
        talk.listen()
        talk.pause()
        await wait_for_slow(lanes)
        assert at.book.tarpits.used == 0
        await talk.pace_rcpt(1)
        await wait_for_slow(lanes)
        assert at.book.tarpits.used == 1
        talk.check()
    assert at.book.tarpits.used == 0


async def test_without_a_place_a_conversation_is_cut() -> None:
    """An open session is aborted, so that what it answered stays; while it is being opened, the opening ends."""
    at = Bench(tarpits=0)
    lanes, session = at.find(), Aborting()
    async with lanes.turn(50) as talk:
        talk.session = cast("Session", session)
        talk.listen()
        await wait_for_slow(lanes)
        assert session.is_aborted
        with pytest.raises(GateClosed, match="too many slow") as closed:
            talk.check()
    assert closed.value.retry_at == at.clock.now() + timedelta(minutes=15)

    async def open_slowly() -> None:
        async with lanes.turn(50) as talk:
            talk.listen()
            await asyncio.sleep(10)

    with pytest.raises(GateClosed, match="too many slow"):
        await open_slowly()
    assert all(lane.is_idle for lane in lanes.all)


async def test_a_cancelled_wait_takes_no_turn() -> None:
    """Whoever is cancelled between the two lanes leaves the first one as it was."""
    at = Bench()
    lanes, other = at.find("a.example"), at.find("a.example")
    async with lanes.turn(50):

        async def enter() -> None:
            async with other.turn(50):
                pass

        waiting = asyncio.create_task(enter())
        await settle()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert lanes.network is not None
        assert lanes.network.running == 1
    idle: list[Lane] = [*lanes.all, *other.all]
    assert all(lane.is_idle for lane in idle)

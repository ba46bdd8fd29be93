"""Held sessions: who gets them, who counts as open, when they go."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.fakes.clock import FakeClock, settle
from tests.fakes.mx_script import HANG, MXScript
from tests.unit.smtp.talk import IDENTITY, MAIL, make_settings, rcpt
from validatord.smtp.dialogue import Session
from validatord.smtp.pool import SessionPool
from validatord.smtp.session import open_session

LANE = "here/example"
IDLE = timedelta(seconds=4)


class Bench:
    """A pool, a clock and a scripted host."""

    def __init__(self, host: MXScript) -> None:
        self.host = host
        self.clock = FakeClock()
        self.pool = SessionPool(self.clock, IDLE)

    async def open(self, host_name: str = "mx.example.com", lane: str = LANE, **changes: object) -> Session:
        """Open a session the way a visit does."""
        self.pool.opened(lane)
        return await open_session(self.host.target(host_name), IDENTITY, make_settings(**changes), self.clock)


@contextlib.asynccontextmanager
async def bench(script: dict | None = None) -> AsyncIterator[Bench]:
    """Set up a bench and close its pool at the end."""
    async with MXScript(script) as host:
        found = Bench(host)
        try:
            yield found
        finally:
            await found.pool.aclose()


async def test_a_session_is_given_back_and_taken_again() -> None:
    """The same session serves the next visit to one of its lane's hosts."""
    async with bench() as at:
        session = await at.open()
        at.pool.give_back(LANE, session)
        assert repr(at.pool) == "<SessionPool open=1 idle=1 closing=0>"
        assert at.pool.take_idle("other lane", ["mx.example.com"]) is None
        assert at.pool.take_idle(LANE, ["mx.example.net"]) is None
        assert at.pool.take_idle(LANE, ["mx.example.net", "mx.example.com"]) is session
        assert at.pool.take_idle(LANE, ["mx.example.com"]) is None
        assert at.pool.open_count(LANE) == 1
        at.pool.give_back(LANE, session)
    assert len(at.host.connections) == 1
    assert at.pool.open_count(LANE) == 0


async def test_the_host_named_first_comes_first() -> None:
    """The order of the MX hosts decides among idle sessions, then the age."""
    async with bench() as at:
        sessions = [await at.open(name) for name in ("b.example", "a.example", "a.example")]
        for session in sessions:
            at.pool.give_back(LANE, session)
        taken = [at.pool.take_idle(LANE, ["a.example", "b.example"]) for _ in range(3)]
        assert taken == [sessions[1], sessions[2], sessions[0]]
        for session in sessions:
            at.pool.give_back(LANE, session)


async def test_an_expired_session_is_not_given_out() -> None:
    """After `idle_timeout` a session says QUIT instead."""
    async with bench() as at:
        at.pool.give_back(LANE, await at.open())
        await at.clock.advance(3.9)
        taken = at.pool.take_idle(LANE, ["mx.example.com"])
        assert taken is not None
        at.pool.give_back(LANE, taken)
        await at.clock.advance(4)
        assert at.pool.take_idle(LANE, ["mx.example.com"]) is None
        assert at.pool.open_count(LANE) == 1  # until the other side closed
        await at.pool.close_expired()
        assert at.pool.open_count(LANE) == 0
    assert at.host.seen[-1] == "QUIT"


async def test_close_expired_leaves_the_young_alone() -> None:
    """Only what was idle too long goes."""
    async with bench() as at:
        at.pool.give_back(LANE, await at.open())
        await at.clock.advance(3)
        at.pool.give_back(LANE, await at.open())
        await at.clock.advance(2)
        await at.pool.close_expired()
        assert (at.pool.idle_count, at.pool.open_count(LANE)) == (1, 1)


@pytest.mark.parametrize("word", [b"421 4.4.2 timeout\r\n", b"x"])
async def test_a_session_that_spoke_meanwhile_is_not_given_out(word: bytes) -> None:
    """Pitfall 37: unsolicited bytes, even unread ones, end an idle session."""
    async with bench() as at:
        at.pool.give_back(LANE, await at.open())
        at.host.connections[0].writer.get_extra_info("socket")._sock.send(word)
        assert at.pool.take_idle(LANE, ["mx.example.com"]) is None
        await settle()
        assert at.pool.open_count(LANE) == 1
        await at.clock.advance(0.25)
        assert at.pool.open_count(LANE) == 0


async def test_a_session_that_the_host_closed_counts_no_more() -> None:
    """The count follows the connection, without anybody asking."""
    async with bench() as at:
        at.pool.give_back(LANE, await at.open())
        at.host.connections[0].writer.close()
        await settle()
        assert (at.pool.open_count(LANE), at.pool.idle_count) == (0, 0)


async def test_a_session_lost_in_use_counts_until_given_back() -> None:
    """A session taken again and then lost is counted out once."""
    async with bench() as at:
        at.pool.give_back(LANE, await at.open())
        session = at.pool.take_idle(LANE, ["mx.example.com"])
        assert session is not None
        at.host.connections[0].writer.close()
        await settle()
        assert at.pool.open_count(LANE) == 1
        at.pool.give_back(LANE, session)
        assert (at.pool.open_count(LANE), at.pool.idle_count) == (0, 0)


async def test_a_used_up_session_is_sent_away() -> None:
    """What is not reusable says QUIT at once and counts until the other side closed."""
    async with bench({"RCPT": "550 no"}) as at:
        session = await at.open(refusals_per_session=1)
        await session.group([MAIL, *rcpt("a")])
        at.pool.give_back(LANE, session)
        assert repr(at.pool) == "<SessionPool open=1 idle=0 closing=1>"
        await session.close()
        assert at.pool.open_count(LANE) == 0
    assert at.host.seen[-1] == "QUIT"


async def test_a_host_that_does_not_close_counts_two_seconds() -> None:
    """A connection counts as open for the receiver until it closed, at most `quit_timeout`."""
    async with bench({"QUIT": HANG}) as at:
        session = await at.open(quit_timeout=0.05)
        session.retire()
        at.pool.give_back(LANE, session)
        await settle()
        assert at.pool.open_count(LANE) == 1
        await session.close()
        assert at.pool.open_count(LANE) == 1
        has_room = asyncio.create_task(at.pool.make_room(LANE, 1))
        await at.clock.advance(0.24)
        assert not has_room.done()
        await at.clock.advance(0.01)
        assert await has_room
        assert at.pool.open_count(LANE) == 0


async def test_a_connection_we_dropped_counts_until_the_host_knows() -> None:
    """A quarter of a second after our own end, at most to the end of the pool."""
    clock = FakeClock()
    pool = SessionPool(clock, IDLE)
    pool.opened(LANE)
    pool.cut(LANE)
    assert repr(pool) == "<SessionPool open=1 idle=0 closing=1>"
    assert (await asyncio.gather(pool.make_room(LANE, 2), clock.advance(0)))[0]
    await clock.advance(0.25)
    assert repr(pool) == "<SessionPool open=0 idle=0 closing=0>"
    pool.opened(LANE)
    pool.cut(LANE)
    await pool.aclose()
    assert repr(pool) == "<SessionPool open=0 idle=0 closing=0>"


async def test_make_room_closes_the_oldest_idle_ones() -> None:
    """Just as many go as are in the way; those in use stay."""
    async with bench() as at:
        used = await at.open()
        idle = [await at.open(name) for name in ("a.example", "b.example", "c.example")]
        for session in idle:
            at.pool.give_back(LANE, session)
        assert await at.pool.make_room(LANE, 4)
        assert [session.state for session in idle] == ["closed", "open", "open"]
        assert await at.pool.make_room(LANE, 4)
        assert at.pool.open_count(LANE) == 3
        assert not await at.pool.make_room(LANE, 1)
        assert at.pool.open_count(LANE) == 1
        at.pool.give_back(LANE, used)


async def test_make_room_touches_no_other_lane() -> None:
    """Lanes are counted apart."""
    async with bench() as at:
        at.pool.give_back("other", await at.open(lane="other"))
        assert await at.pool.make_room(LANE, 1)
        assert at.pool.idle_count == 1


async def test_two_who_make_room_wait_for_the_same_closing() -> None:
    """Room asked for twice does not close twice as much."""
    async with bench() as at:
        for name in ("a.example", "b.example"):
            at.pool.give_back(LANE, await at.open(name))
        assert await asyncio.gather(at.pool.make_room(LANE, 2), at.pool.make_room(LANE, 2)) == [True, True]
        assert at.pool.open_count(LANE) == 1


async def test_one_closing_is_room_for_one() -> None:
    """Of two who waited for the same closing, the one who comes second has another idle session closed."""
    async with bench() as at:
        for name in ("a.example", "b.example"):
            at.pool.give_back(LANE, await at.open(name))

        async def enter() -> bool:
            has_room = await at.pool.make_room(LANE, 2)
            at.pool.opened(LANE)
            return has_room

        assert await asyncio.gather(enter(), enter()) == [True, True]
        assert (at.pool.open_count(LANE), at.pool.idle_count) == (2, 0)


async def test_a_session_given_back_while_the_pool_closes() -> None:
    """It says goodbye like the others, and a second closing waits for it."""
    async with bench({"QUIT": HANG}) as at:
        used, idle = await at.open("a.example", quit_timeout=0.2), await at.open("b.example", quit_timeout=0.02)
        at.pool.give_back(LANE, idle)
        closing = asyncio.create_task(at.pool.aclose())
        await settle()
        at.pool.give_back(LANE, used)
        await closing
        assert (idle.state, repr(at.pool)) == ("closed", "<SessionPool open=1 idle=0 closing=1>")

        await at.pool.aclose()

        assert (used.state, repr(at.pool)) == ("closed", "<SessionPool open=0 idle=0 closing=0>")


async def test_the_pool_is_bounded() -> None:
    """Beyond its size the oldest session of all lanes goes."""
    async with MXScript() as host:
        at = Bench(host)
        at.pool = SessionPool(at.clock, IDLE, most_idle=2)
        for lane in ("first", "second", "third"):
            session = await at.open(lane=lane)
            at.pool.give_back(lane, session)
            await at.clock.advance(0.1)
        assert at.pool.idle_count == 2
        assert at.pool.take_idle("first", ["mx.example.com"]) is None
        await at.pool.aclose()


async def test_a_closed_pool_holds_nothing() -> None:
    """After `aclose` sessions given back are sent away."""
    async with bench() as at:
        session = await at.open()
        await at.pool.aclose()
        at.pool.give_back(LANE, session)
        assert at.pool.idle_count == 0
        await session.close()
        assert at.pool.open_count(LANE) == 0


async def test_bookkeeping_of_what_did_not_come_about() -> None:
    """A connection that failed is counted out by hand, and never below nothing."""
    pool = SessionPool(FakeClock(), IDLE)
    pool.opened(LANE)
    pool.opened(LANE)
    pool.closed(LANE)
    assert pool.open_count(LANE) == 1
    pool.closed(LANE)
    pool.closed(LANE)
    assert pool.open_count(LANE) == 0
    assert repr(pool) == "<SessionPool open=0 idle=0 closing=0>"

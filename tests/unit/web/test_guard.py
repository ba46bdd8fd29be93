"""Connections that are slow in bad faith are cut; those that are slow because of us are not."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from tests.fakes.clock import FakeClock
from validatord.settings import WebSettings
from validatord.web.guard import Guard, Guards


class Wire(asyncio.Transport):
    """A transport that remembers, and whose other side takes only what it is told to."""

    def __init__(self, address: str = "192.0.2.1") -> None:
        super().__init__({"peername": (address, 4711)})
        self.written = b""
        self.left = 0
        self.is_cut = self.is_closed = False
        self.reads = True

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return self.left

    def is_reading(self) -> bool:
        return self.reads

    def abort(self) -> None:
        self.is_cut = True

    def close(self) -> None:
        self.is_closed = True


class Desk:
    """Guards under a clock of the test's own."""

    def __init__(self, **limits: Any) -> None:
        self.clock = FakeClock()
        self.limits = WebSettings(**limits)
        self.guards = Guards(lambda: self.limits, self.clock)

    def connect(self, address: str = "192.0.2.1") -> tuple[Guard, Wire]:
        wire = Wire(address)
        guard = self.guards.wrap(asyncio.Protocol())
        guard.connection_made(wire)
        return guard, wire

    async def pass_seconds(self, seconds: int) -> None:
        for _ in range(seconds):
            await self.clock.advance(1)
            self.guards.cut_slow()


def request(*, is_whole: bool) -> Any:
    """A request whose body has arrived, or has not."""
    return cast("Any", SimpleNamespace(content=SimpleNamespace(is_eof=lambda: is_whole)))


async def test_silence() -> None:
    """A connection that never says anything is cut after the time for headers."""
    desk = Desk()
    _, wire = desk.connect()

    await desk.pass_seconds(10)
    early = wire.is_cut
    await desk.pass_seconds(1)

    assert (early, wire.is_cut) == (False, True)


async def test_headers_byte_by_byte() -> None:
    """A byte now and then does not put the end of the headers off."""
    desk = Desk()
    guard, wire = desk.connect()

    for _ in range(11):
        guard.data_received(b"x")
        await desk.pass_seconds(1)

    assert wire.is_cut


async def test_a_body_byte_by_byte() -> None:
    """A body that moves slower than the least rate is cut, one that keeps up is not."""
    desk = Desk()
    slow, slow_wire = desk.connect()
    good, good_wire = desk.connect()
    slow.begin(request(is_whole=False))
    good.begin(request(is_whole=False))

    for _ in range(30):
        slow.data_received(b"x")
        good.data_received(b"x" * 1000)
        await desk.pass_seconds(1)

    assert (slow_wire.is_cut, good_wire.is_cut) == (True, False)


async def test_our_own_slowness() -> None:
    """While we do not read, or the body has arrived, nobody is slow but us."""
    desk = Desk()
    unread, unread_wire = desk.connect()
    whole, whole_wire = desk.connect()
    unread_wire.reads = False
    unread.begin(request(is_whole=False))
    whole.begin(request(is_whole=True))

    await desk.pass_seconds(600)

    assert (unread_wire.is_cut, whole_wire.is_cut) == (False, False)


async def test_a_reader_that_does_not_read() -> None:
    """An answer that is taken slower than the least rate is cut off, one that is taken steadily is not."""
    desk = Desk()
    stuck, stuck_wire = desk.connect()
    steady, steady_wire = desk.connect()
    for guard, wire in ((stuck, stuck_wire), (steady, steady_wire)):
        guard.begin(request(is_whole=True))
        wire.left = 500_000
        guard.pause_writing()

    for _ in range(25):
        steady_wire.left -= 2_000
        await desk.pass_seconds(1)

    assert (stuck_wire.is_cut, steady_wire.is_cut) == (True, False)


async def test_between_requests() -> None:
    """A connection that rests after an answer is left to the idle time-out; its next headers have their time again."""
    desk = Desk()
    guard, wire = desk.connect()
    guard.begin(request(is_whole=True))
    guard.end()

    await desk.pass_seconds(60)
    resting = wire.is_cut
    guard.data_received(b"GET")
    await desk.pass_seconds(11)

    assert (resting, wire.is_cut) == (False, True)


def test_too_many() -> None:
    """One connection too many is told so and closed; when another ends there is room again."""
    desk = Desk(max_connections=2)
    first, _ = desk.connect("192.0.2.1")
    desk.connect("192.0.2.2")

    _, late = desk.connect("192.0.2.3")
    first.connection_lost(None)
    _, later = desk.connect("192.0.2.4")

    assert (late.is_closed, b" 503 " in late.written, later.is_closed) == (True, True, False)
    assert desk.guards.refused == 1


def test_too_many_of_one_address() -> None:
    """One address has its share; this machine and trusted proxies stand for many."""
    desk = Desk(max_connections_per_address=1, trusted_proxies=("198.51.100.0/24",))

    found = [desk.connect(address)[1].is_closed for address in ("192.0.2.1", "192.0.2.1", "127.0.0.1", "127.0.0.1")]
    behind = [desk.connect("198.51.100.7")[1].is_closed for _ in range(2)]

    assert found == [False, True, False, False]
    assert behind == [False, False]

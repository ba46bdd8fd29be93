"""Slow connections are cut: the HTTP library has no limit of time for headers, for bodies, or for slow readers.

Each connection goes through a `Guard`, which counts bytes and hands everything on. Once a second all are
looked at: headers must be complete in time, a body must move at a least rate both ways while we are ready
to take or give it. Connections are counted, in all and of each address.
"""

import asyncio
import ipaddress
import socket
from collections import Counter
from collections.abc import Callable
from typing import cast

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from validatord.clock import Clock
from validatord.settings import WebSettings

_LOOK_SECONDS = 1.0
_MOST_UNSENT = 131_072  # bytes
_FULL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Guard(asyncio.Protocol):
    """One connection."""

    def __init__(self, inner: asyncio.Protocol, owner: "Guards") -> None:
        self._inner = inner
        self._owner = owner
        self.transport: asyncio.Transport | None = None
        self.address = ""
        self.is_busy = False  # a request is being answered
        self.request: web.Request | None = None
        self.waits_since: float | None = None  # the first byte, or the connection, without complete headers
        self.received = 0
        self._seen = (0.0, 0)  # when a body was last found moving fast enough, and how far it was
        self._written = (0.0, 0)  # the same of what we send: when, and how much was left
        self._is_paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand on, unless there are too many."""
        self.transport = cast("asyncio.Transport", transport)
        peer = self.transport.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        if not self._owner.add(self):
            self.transport.write(_FULL)
            self.transport.close()
            self.transport = None
            return
        self.waits_since = self._owner.clock.monotonic()
        _queue_little(self.transport)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Count and hand on."""
        if self.transport is None:
            return
        self.received += len(data)
        if not self.is_busy and self.waits_since is None:
            self.waits_since = self._owner.clock.monotonic()
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Hand on."""
        return self._inner.eof_received() if self.transport is not None else None

    def pause_writing(self) -> None:
        """Remember since when the other side does not read."""
        self._is_paused = True
        self._written = (self._owner.clock.monotonic(), self._left_to_write())
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Hand on."""
        self._is_paused = False
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand on and forget."""
        if self._owner.remove(self):
            self._inner.connection_lost(exc)

    def begin(self, request: web.Request) -> None:
        """A request's headers are complete."""
        self.is_busy, self.request, self.waits_since = True, request, None
        self._seen = (self._owner.clock.monotonic(), self.received)

    def end(self) -> None:
        """It was answered."""
        self.is_busy, self.request = False, None

    def is_too_slow(self, now: float, limits: WebSettings) -> bool:
        """Whether the other side keeps us waiting in bad faith, or is gone."""
        if not self.is_busy:
            waits = self.waits_since
            if waits is not None and now - waits > limits.header_timeout.total_seconds():
                return True
        elif self._reads_too_slowly(now, limits):
            return True
        return self._is_paused and self._takes_too_slowly(now, limits)

    def _reads_too_slowly(self, now: float, limits: WebSettings) -> bool:
        is_reading = self.transport is not None and self.transport.is_reading()
        is_whole = self.request is None or self.request.content.is_eof()
        at, received = self._seen
        stall = limits.stall_timeout.total_seconds()
        if is_whole or not is_reading or self.received - received >= limits.least_rate * stall:
            self._seen = (now, self.received)
            return False
        return now - at > stall

    def _takes_too_slowly(self, now: float, limits: WebSettings) -> bool:
        at, left = self._written
        stall = limits.stall_timeout.total_seconds()
        if left - self._left_to_write() >= limits.least_rate * stall:
            self._written = (now, self._left_to_write())
            return False
        return now - at > stall

    def _left_to_write(self) -> int:
        return self.transport.get_write_buffer_size() if self.transport is not None else 0

    def cut(self) -> None:
        """End the connection now."""
        if self.transport is not None:
            self.transport.abort()


class Guards:
    """All connections of the door."""

    def __init__(self, settings: Callable[[], WebSettings], clock: Clock) -> None:
        self.clock = clock
        self.cut = 0  # how many were cut for slowness
        self.refused = 0  # how many were one too many
        self._settings = settings
        self._guards: dict[asyncio.BaseTransport, Guard] = {}
        self._addresses: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._guards)

    def wrap(self, inner: asyncio.Protocol) -> Guard:
        """Return the protocol for a new connection."""
        return Guard(inner, self)

    def add(self, guard: Guard) -> bool:
        """Count a connection; False where it is one too many."""
        limits = self._settings()
        is_counted = not _is_exempt(guard.address, limits.trusted_proxies)
        is_one_too_many = is_counted and self._addresses[guard.address] >= limits.max_connections_per_address
        if guard.transport is None or is_one_too_many or len(self._guards) >= limits.max_connections:
            self.refused += 1
            return False
        self._guards[guard.transport] = guard
        self._addresses[guard.address] += 1
        return True

    def remove(self, guard: Guard) -> bool:
        """Count it no more; False where it never was."""
        if guard.transport is None or self._guards.pop(guard.transport, None) is None:
            return False
        self._addresses[guard.address] -= 1
        if not self._addresses[guard.address]:
            del self._addresses[guard.address]
        return True

    async def watch(self) -> None:
        """Cut slow connections, until cancelled."""
        while True:
            await self.clock.sleep(_LOOK_SECONDS)
            self.cut_slow()

    def cut_slow(self) -> None:
        """Cut the connections that are too slow now."""
        now, limits = self.clock.monotonic(), self._settings()
        for guard in list(self._guards.values()):
            if guard.is_too_slow(now, limits):
                self.cut += 1
                guard.cut()

    def cut_all(self) -> None:
        """End every connection: the door is closed."""
        for guard in list(self._guards.values()):
            guard.cut()

    @property
    def mark_busy(self) -> Middleware:
        """The outermost middleware: it knows when headers are complete, and when an answer is sent."""

        @web.middleware
        async def mark(request: web.Request, handler: Handler) -> web.StreamResponse:
            guard = self._guards.get(request.transport) if request.transport is not None else None
            if guard is None:
                return await handler(request)
            guard.begin(request)
            try:
                return await handler(request)
            finally:
                guard.end()

        return mark


def _queue_little(transport: asyncio.Transport) -> None:
    """Have the kernel ask for more in small steps.

    It queues megabytes otherwise and is silent until a third of them is gone: then somebody who reads 50 KB a
    second looks like somebody who reads nothing.
    """
    connection = transport.get_extra_info("socket")
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if connection is not None and option is not None and connection.family != socket.AF_UNIX:
        connection.setsockopt(socket.IPPROTO_TCP, option, _MOST_UNSENT)


def _is_exempt(address: str, trusted: tuple[str, ...]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return True  # a socket without addresses
    return parsed.is_loopback or any(parsed in ipaddress.ip_network(network, strict=False) for network in trusted)

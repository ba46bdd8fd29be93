"""One connection as an asyncio protocol: groups of commands out, replies in, strictly in order.

Nothing here raises at the caller for what the other side does. The first breakdown is kept in
`failure`, closes the connection, and answers every later `reply` with None. More replies than
commands means that nobody knows which reply belongs to which command: then none is believed.
"""

import asyncio
import select
import socket
import ssl
from collections import deque
from collections.abc import Callable

from validatord.errors import Disconnected, ProtocolViolation, ReplyTimeout, SessionFailed, TLSFailed
from validatord.mail.reply import Reply
from validatord.smtp import commands
from validatord.smtp.reply_parser import KEPT_TEXT, MAX_REPLY, ReplyParser
from validatord.smtp.tls import TLSLayer

_BUFFER = 4096
_CLOSING = 421  # RFC 5321 3.8: may come at any time, then the host closes


class Wire(asyncio.BufferedProtocol):
    """The protocol of one connection; it expects the greeting first."""

    def __init__(self) -> None:
        self.failure: SessionFailed | None = None
        self._loop = asyncio.get_running_loop()
        self._buffer = memoryview(bytearray(_BUFFER))
        self._parser = ReplyParser()
        self._replies: deque[Reply] = deque()
        self._expected = 1  # the greeting
        self._transport: asyncio.Transport | None = None
        self._has_surplus = False  # more replies than commands
        self._tls: TLSLayer | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._is_closing = False
        self._quit_timer: asyncio.TimerHandle | None = None
        self._is_handshaking = False
        self._is_fresh_tls = False  # nothing was sent since the handshake
        self._closed = asyncio.Event()
        self._has_other_ended = False
        self._on_closed: list[Callable[[], None]] = []

    def __repr__(self) -> str:
        state = "closed" if self._closed.is_set() else "closing" if self._is_closing else "open"
        return f"<Wire {state} expected={self._expected} unread={len(self._replies)} tls={self.tls_version or '-'}>"

    @property
    def is_closed(self) -> bool:
        """Whether the connection is gone."""
        return self._closed.is_set()

    @property
    def is_closed_by_other(self) -> bool:
        """Whether the other side ended the connection, so that it counts it no more."""
        return self.is_closed and self._has_other_ended

    @property
    def is_closing(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._is_closing

    @property
    def is_out_of_step(self) -> bool:
        """Whether a surplus reply makes it unknown which reply belongs to which command."""
        return self._has_surplus and isinstance(self.failure, ProtocolViolation)

    @property
    def tls_version(self) -> str:
        """The TLS version in use, or empty."""
        return self._tls.version if self._tls is not None else ""

    # --- called by the session ---------------------------------------------------------------

    def check_idle(self) -> bool:
        """Whether the connection stands and the other side has said nothing unasked, not even in the kernel."""
        if self.failure is not None or self._is_closing or self._transport is None or self._expected:
            return False
        if self._replies or not self._parser.is_empty:
            self.fail(ProtocolViolation("something was said without a command"))
        # RFC 8446 4.6.1: after the handshake the other side may send session tickets, unasked and silent.
        elif not self._is_fresh_tls and _is_readable(self._transport):
            self.fail(Disconnected("the other side spoke or closed while nothing was asked"))
        return self.failure is None

    def send(self, lines: list[str]) -> None:
        """Write a group of commands at once; call `reply` as many times.

        Raises:
            ValueError: a line may not go out; nothing was written.
        """
        data = commands.encode_group(lines)
        if self.failure is None and not self._is_closing:
            self._expected += len(lines)
            self._is_fresh_tls = False
            self._write(data)

    async def reply(self, timeout_seconds: float, *, whole: bool = False) -> Reply | None:
        """Return the next reply, or None when `failure` says why there is none.

        `whole`: keep all of its text, not only the first KiB.
        """
        self._parser.kept_text = MAX_REPLY if whole else KEPT_TEXT
        if not self._replies and self.failure is None:
            await self._wait(timeout_seconds, ReplyTimeout("no reply in time"))
        return self._replies.popleft() if self._replies else None

    async def start_tls(self, layer: TLSLayer, timeout_seconds: float) -> bool:
        """Hold the TLS handshake; false when `failure` says why there is no TLS.

        Whatever stands in the buffer now was sent in plaintext after the go-ahead: an injection.
        """
        # RFC 3207 4.2: nothing obtained before the handshake may survive it.
        if self._has_surplus or self._replies or not self._parser.is_empty:
            self.failure = ProtocolViolation("plaintext after the go-ahead for STARTTLS")
            self.abort()
        if self.failure is not None or self._transport is None:
            return False
        self._tls = layer
        self._advance(layer, b"")
        if self.failure is None and not layer.is_established:
            self._is_handshaking = True
            await self._wait(timeout_seconds, TLSFailed("no TLS handshake in time"))
            self._is_handshaking = False
        self._is_fresh_tls = self.failure is None
        return self._is_fresh_tls

    def fail(self, failure: SessionFailed) -> None:
        """Keep the first breakdown and drop the connection at once."""
        if self.failure is None:
            self.failure = failure
        self.abort()
        self._wake()

    def abort(self) -> None:
        """Drop the connection without a word."""
        self._is_closing = True
        if self._transport is not None:
            self._transport.abort()

    def quit(self, timeout_seconds: float) -> None:
        """Say QUIT and give the other side that long to close; returns at once."""
        if self._is_closing or self._transport is None:
            return
        self._is_closing = True
        self._write(commands.encode("QUIT"))
        self._quit_timer = self._loop.call_later(timeout_seconds, self._transport.abort)

    async def wait_closed(self) -> None:
        """Wait until the connection is gone."""
        if self._transport is not None:
            await self._closed.wait()

    def when_closed(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the connection is gone; at once if it is."""
        if self._closed.is_set():
            callback()
        else:
            self._on_closed.append(callback)

    # --- called by asyncio -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport of the new connection."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 a TCP connection
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the small buffer that bounds one read."""
        del sizehint
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read into the buffer."""
        data = bytes(self._buffer[:nbytes])
        if self._is_closing:
            self._ignore(data)
            return
        if self._tls is not None:
            data = self._advance(self._tls, data)
        if data:
            self._read(data)
        if self._tls is not None and self._tls.is_ended:
            self.fail(Disconnected("the other side ended TLS"))
        self._wake()

    def eof_received(self) -> bool:
        """Let the transport close: nobody speaks on after the end."""
        self._has_other_ended = True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who waits that the connection is gone."""
        if self._quit_timer is not None:
            self._quit_timer.cancel()
        self._has_other_ended = self._has_other_ended or exc is not None
        if self.failure is None:
            is_handshaking = self._tls is not None and not self._tls.is_established
            gone = TLSFailed if is_handshaking else Disconnected
            self.failure = gone(f"the other side closed the connection ({exc or 'end of file'})")
        self._is_closing = True
        self._closed.set()
        self._wake()
        for callback in self._on_closed:
            callback()
        self._on_closed.clear()

    # --- inside ------------------------------------------------------------------------------

    def _ignore(self, data: bytes) -> None:
        """The answer to QUIT changes nothing; only the end of TLS is an end that TCP may not show."""
        if self._tls is None or self._transport is None:
            return
        try:
            self._tls.feed(data)
        except ssl.SSLError:
            self._transport.abort()
        if self._tls.is_ended:
            self._transport.close()

    def _read(self, data: bytes) -> None:
        try:
            for reply in self._parser.feed(data):
                self._take(reply)
        except ProtocolViolation as violation:
            self.fail(violation)

    def _take(self, reply: Reply) -> None:
        """Match the reply with the oldest command that waits for one."""
        if self.failure is not None:
            return
        if self._expected:
            self._expected -= 1
            self._replies.append(reply)
            return
        self._has_surplus = True
        if reply.code == _CLOSING:
            self.fail(Disconnected("the other side ended the session with 421"))
        else:
            self._replies.clear()
            self.fail(ProtocolViolation("more replies than commands", str(reply)[:120]))

    def _advance(self, layer: TLSLayer, data: bytes) -> bytes:
        """Run `data` through TLS and send what TLS has to say; return the plaintext."""
        found = b""
        try:
            if data:
                found = layer.feed(data)
            else:
                layer.handshake()
        except ssl.SSLError as error:
            self.fail(TLSFailed(f"TLS failed: {error.reason or error}"))
        answer = layer.outgoing()
        if answer and self._transport is not None and self.failure is None:
            self._transport.write(answer)
        return found

    def _write(self, data: bytes) -> None:
        """The only way commands reach the transport."""
        assert self._transport is not None  # noqa: S101 nobody sends before connect
        try:
            self._transport.write(data if self._tls is None else self._tls.encrypt(data))
        except ssl.SSLError as error:
            self.fail(TLSFailed(f"TLS failed: {error.reason or error}"))

    async def _wait(self, timeout_seconds: float, expired: SessionFailed) -> None:
        """Wait for a reply, the handshake or a failure; then fail with `expired`."""
        self._waiter = self._loop.create_future()
        timer = self._loop.call_later(max(0.0, timeout_seconds), self._expire, self._waiter, expired)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _expire(self, waiter: asyncio.Future[None], expired: SessionFailed) -> None:
        if not waiter.done():  # else the reply came in the same turn of the loop
            self.fail(expired)

    def _wake(self) -> None:
        # Bytes without a reply in them, such as TLS 1.3's session tickets, wake nobody who waits for a reply.
        is_shaken = self._is_handshaking and self._tls is not None and self._tls.is_established
        is_ready = self._replies or self.failure is not None or is_shaken
        if is_ready and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _is_readable(transport: asyncio.Transport) -> bool:
    """Whether bytes or the end wait in the kernel, which the event loop has not fetched yet."""
    held: socket.socket | None = transport.get_extra_info("socket")
    if held is None or held.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(held.fileno(), select.POLLIN)
    return bool(poll.poll(0))

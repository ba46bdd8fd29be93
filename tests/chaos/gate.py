"""A gate between the daemon and a server: it lets pass, refuses, drops, stalls, slows, or cuts after so many bytes.

The gate listens on loopback and runs in the test's own process, so that a test moves it at the very
moment it wants. A connection that is cut ends with a reset, as one does whose other end has died.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Self

_LOOPBACK = "127.0.0.1"
_PIECE = 65_536
# RFC 793: with a linger time of zero a close is a reset.
_LINGER = struct.pack("ii", 1, 0)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Address = tuple[str, int]


class Way(StrEnum):
    """Which way bytes go."""

    TO_SERVER = "to_server"
    TO_DAEMON = "to_daemon"


class Mode(StrEnum):
    """What a gate does with connections, those that are open included."""

    PASS = "pass"
    DROP = "drop"  # taken and reset
    STALL = "stall"  # open, and no byte passes


# Looks at every piece; a number cuts the connection after so many bytes of it, None lets it pass.
Cut = Callable[[Way, bytes], int | None]


def after_bytes(count: int, way: Way = Way.TO_DAEMON) -> Cut:
    """Cut once so many bytes have gone that way, over all connections."""
    left = count

    def look(direction: Way, piece: bytes) -> int | None:
        nonlocal left
        if direction is not way:
            return None
        left -= len(piece)
        return len(piece) + left if left <= 0 else None

    return look


def after_words(words: bytes, *, times: int = 1) -> Cut:
    """Cut right after these words went out to the server, so many times; no answer to them comes back."""
    left = times

    def look(direction: Way, piece: bytes) -> int | None:
        nonlocal left
        if direction is not Way.TO_SERVER or not left or words not in piece:
            return None
        left -= 1
        return len(piece)

    return look


class Gate:
    """Stands before a server: a unix socket, an address, or (None) the address that was called, on another port."""

    def __init__(self, server: Path | Address | int) -> None:
        self._server = server
        self._listener: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self._moved = asyncio.Event()
        self._mode = Mode.PASS
        self.host = _LOOPBACK if not isinstance(server, int) else "0.0.0.0"
        self.port = 0
        self.delay = 0.0
        self.cut: Cut | None = None
        self.cuts = 0
        self.connections = 0

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()

    # --- moving it -----------------------------------------------------------------------------

    async def open(self) -> None:
        """Let everything pass, as fast as it comes."""
        self.delay, self.cut = 0.0, None
        self._move(Mode.PASS)
        if self._listener is None:
            self._listener = await asyncio.start_server(self._serve, self.host, self.port)
            self.port = self._listener.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Nobody listens here any more; what was open is reset."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        await self._reset()

    async def drop(self) -> None:
        """Reset what is open and whatever comes."""
        self._move(Mode.DROP)
        await self._reset()

    def stall(self) -> None:
        """Let no byte pass; connections are taken and stay open."""
        self._move(Mode.STALL)

    def slow(self, seconds: float) -> None:
        """Hold every piece back for so long, in both directions."""
        self.delay = seconds

    def _move(self, mode: Mode) -> None:
        self._mode = mode
        self._moved.set()
        self._moved = asyncio.Event()

    async def _reset(self) -> None:
        for link in list(self._links):
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    # --- one connection ------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        link = asyncio.current_task()
        assert link is not None
        self._links.add(link)
        server: asyncio.StreamWriter | None = None
        try:
            if self._mode is Mode.DROP:
                return
            answers, server = await self._connect(writer)
            over = asyncio.Event()
            pumps = [
                asyncio.ensure_future(self._pump(reader, server, Way.TO_SERVER, over)),
                asyncio.ensure_future(self._pump(answers, writer, Way.TO_DAEMON, over)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass  # the server is not there, or the gate was moved: the daemon sees a reset
        finally:
            self._links.discard(link)
            for end in (writer, server):
                if end is not None:
                    _abort(end)

    async def _connect(self, writer: asyncio.StreamWriter) -> Streams:
        if isinstance(self._server, Path):
            return await asyncio.open_unix_connection(str(self._server))
        if isinstance(self._server, int):
            return await asyncio.open_connection(writer.get_extra_info("sockname")[0], self._server)
        return await asyncio.open_connection(*self._server)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way, over: asyncio.Event
    ) -> None:
        while piece := await reader.read(_PIECE):
            while self._mode is Mode.STALL:
                await self._moved.wait()
            if self.delay:
                await asyncio.sleep(self.delay)
            kept = self.cut(way, piece) if self.cut is not None else None
            if over.is_set():
                return  # the other way was cut: nothing may come back
            if kept is not None:
                over.set()
            writer.write(piece if kept is None else piece[:kept])
            await writer.drain()
            if kept is not None:
                self.cuts += 1
                # The server must have read it: a reset would throw away what still lies in its buffer.
                await _wait_until_sent(writer)
                return
        # A server takes its end of the stream as the end of the session.
        with contextlib.suppress(OSError):
            writer.write_eof()
        await _wait_until_sent(writer)


async def _wait_until_sent(writer: asyncio.StreamWriter) -> None:
    transport = writer.transport
    while transport.get_write_buffer_size() and not transport.is_closing():
        await asyncio.sleep(0)
    await asyncio.sleep(0.02)


def _abort(writer: asyncio.StreamWriter) -> None:
    found = writer.get_extra_info("socket")
    with contextlib.suppress(OSError, AttributeError):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    writer.transport.abort()


class NameGate:
    """Stands before a name server: UDP and TCP on one port; `is_silent` answers nothing, `delay` answers late."""

    def __init__(self, server: Address) -> None:
        self._server = server
        self._stream = Gate(server)
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: set[asyncio.DatagramTransport] = set()
        self.is_silent = False
        self.delay = 0.0
        self.change: Callable[[bytes], bytes] | None = None
        self.questions = 0

    @property
    def address(self) -> str:
        """host:port."""
        return f"{_LOOPBACK}:{self._stream.port}"

    async def __aenter__(self) -> Self:
        await self._stream.open()
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen again on the same port."""
        await self._stream.open()
        if self._transport is None:
            loop = asyncio.get_running_loop()
            local = (_LOOPBACK, self._stream.port)
            self._transport, _ = await loop.create_datagram_endpoint(lambda: _Questions(self), local_addr=local)

    async def stop(self) -> None:
        """Nobody listens: a question is answered by the machine, that there is nobody."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()
        for waiting in list(self._waiting):
            waiting.abort()
        await self._stream.refuse()

    async def ask(self, question: bytes, answer: Callable[[bytes], None]) -> None:
        """Hand a question on and give its answer back, late or changed."""
        self.questions += 1
        if self.is_silent:
            return
        loop = asyncio.get_running_loop()

        def give(data: bytes) -> None:
            changed = self.change(data) if self.change is not None else data
            loop.call_later(self.delay, answer, changed)

        transport, _ = await loop.create_datagram_endpoint(lambda: _Answers(give), remote_addr=self._server)
        self._waiting.add(transport)
        transport.sendto(question)
        loop.call_later(_ANSWER_SECONDS, transport.close)
        loop.call_later(_ANSWER_SECONDS, self._waiting.discard, transport)


_ANSWER_SECONDS = 5.0


class _Questions(asyncio.DatagramProtocol):
    def __init__(self, gate: NameGate) -> None:
        self._gate = gate
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        def answer(found: bytes) -> None:
            if self._transport is not None and not self._transport.is_closing():
                self._transport.sendto(found, addr)

        task = asyncio.ensure_future(self._gate.ask(data, answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Answers(asyncio.DatagramProtocol):
    def __init__(self, give: Callable[[bytes], None]) -> None:
        self._give = give

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._give(data)

"""One TCP connection of an MX host: bytes in, bytes out, and when.

Replies to one burst of commands leave together after the host's latency, as over a long line; what a
personality adds in waiting comes on top, reply by reply. All waits are divided by the sandbox's speed.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import cast

from validatord.sandbox import mangle
from validatord.sandbox.dialogue import Dialogue
from validatord.sandbox.personality import TLS, Listener, Personality
from validatord.sandbox.scene import After, Answer

# RFC 5321 4.5.3.1.4 allows 512; extensions make it longer.
_LONGEST_LINE = 4096
# RFC 2920 3.1: nothing may follow these before they are answered.
_ENDS_A_GROUP = frozenset({"EHLO", "HELO", "STARTTLS", "DATA", "VRFY", "EXPN", "NOOP", "QUIT", "TURN", "AUTH"})
_LONGEST_HANDSHAKE_SECONDS = 30.0
_HANDSHAKE_FAILURE = bytes.fromhex("15030300020228")  # RFC 8446 6: a fatal alert
# Long enough for the parts of a spoiled reply to travel apart.
_BETWEEN_PARTS = 0.001


@dataclass(slots=True)
class Piece:
    """Bytes that go out in one go, `wait` seconds after the piece before."""

    wait: float
    data: bytes
    after: After = After.GO_ON


@dataclass(frozen=True, slots=True)
class Wiring:
    """What every connection of one host shares: its latency, the speed of time, and its TLS."""

    personality: Personality
    latency: float
    speed: float
    tls: Callable[[], ssl.SSLContext]
    open_dialogue: Callable[[str], Dialogue]  # client address → the conversation
    closed: Callable[["Connection", str], None]


class Connection(asyncio.Protocol):
    """One connection, from accept to close."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._outbox: deque[Piece] = deque()
        self._buffer = b""
        self._owed = ""  # the last command whose reply is still under way
        self._is_greeted = False
        self._is_over = False
        self._has_left = False
        self._is_refusing_tls = False
        self._timer: asyncio.TimerHandle | None = None
        self._upgrade: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport
        self._dialogue: Dialogue
        self._client = ""

    # --- asyncio calls these --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)
        self._client = str(transport.get_extra_info("peername")[0])
        self._dialogue = self._wiring.open_dialogue(self._client)
        if self._wiring.personality.listener is not Listener.SILENT:
            self._send(self._dialogue.greet(), "CONNECT")
            self._advance()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 asyncio hands it in
        """Forget what was still to be said."""
        self._end()
        self._leave()

    def data_received(self, data: bytes) -> None:
        """Answer every whole line."""
        if self._is_refusing_tls:
            self._transport.write(_HANDSHAKE_FAILURE)
            self._finish(After.CLOSE)
            return
        self._buffer += data
        if self._upgrade is None:  # else the first words under TLS came before `_shake_hands` went on
            self._take_lines()

    def abort(self) -> None:
        """Close without a word."""
        self._end()
        self._transport.abort()

    def _leave(self) -> None:
        # asyncio does not tell the protocol of a connection that is lost within the TLS handshake.
        if not self._has_left:
            self._has_left = True
            self._wiring.closed(self, self._client)

    # --- lines in ---------------------------------------------------------------------------------------

    def _take_lines(self) -> None:
        while not self._is_over and (end := self._buffer.find(b"\n")) >= 0:
            raw, self._buffer = self._buffer[: end + 1], self._buffer[end + 1 :]
            self._take(raw)
        if self._outbox and self._timer is None:
            self._advance()
        if len(self._buffer) > _LONGEST_LINE:
            self._dialogue.scene.tally.complaint("line_too_long")
            self.abort()

    def _take(self, raw: bytes) -> None:
        tally = self._dialogue.scene.tally
        if not raw.endswith(b"\r\n"):
            tally.complaint("bare_lf")
        line = raw.rstrip(b"\r\n").decode("utf-8", "replace")
        answer = self._check_turn()
        if not self._owed and self._is_greeted:
            tally.flight()
        verb = line[:8].partition(" ")[0].strip().upper()
        self._send(answer or self._dialogue.handle(line), verb)

    def _check_turn(self) -> Answer | None:
        """Complain about a command that did not wait for what it had to wait for."""
        if not self._is_greeted:
            return self._dialogue.out_of_turn("before_greeting")
        if self._owed and not self._dialogue.may_pipeline:
            return self._dialogue.out_of_turn("pipelining_not_offered")
        if self._owed in _ENDS_A_GROUP:
            return self._dialogue.out_of_turn("pipelined_after_" + self._owed.lower())
        return None

    # --- bytes out --------------------------------------------------------------------------------------

    def _send(self, answer: Answer, verb: str) -> None:
        """Put an answer behind what is still under way; `_advance` sends it."""
        is_idle = not self._owed
        self._owed = verb or "?"
        self._outbox.extend(self._cut(answer, verb, self._wiring.latency if is_idle else 0.0))
        if self._timer is not None and is_idle:
            self._timer.cancel()
            self._timer = None

    def _cut(self, answer: Answer, verb: str, latency: float) -> Iterable[Piece]:
        """Cut an answer into the pieces in which this personality sends it."""
        personality, waits = self._wiring.personality, self._wiring.personality.waits
        reply = answer.text.replace("\n", "\r\n").encode() + b"\r\n" if answer.text else b""
        kind = personality.mangle if verb in personality.mangled else ""
        parts, between = mangle.mangle(kind, reply), _BETWEEN_PARTS
        if verb == "CONNECT" and waits.greeting_line:
            parts, between = reply.splitlines(keepends=True), waits.greeting_line
        elif waits.byte:
            parts, between = mangle.mangle("split", reply), waits.byte
        pieces = [Piece(between, part) for part in parts] or [Piece(0, b"")]
        pieces[0].wait = latency + answer.wait
        pieces[-1].after = answer.after
        return pieces

    def _advance(self) -> None:
        """Write what is due; come back when the next piece is."""
        self._timer = None
        due: list[bytes] = []
        after = After.GO_ON
        while self._outbox and after is After.GO_ON:
            piece = self._outbox[0]
            if piece.wait > 0:
                wait, piece.wait = piece.wait, 0.0
                self._timer = asyncio.get_running_loop().call_later(wait / self._wiring.speed, self._advance)
                break
            self._outbox.popleft()
            due.append(piece.data)
            after = piece.after
        if any(due):
            self._transport.write(b"".join(due))
        if after is not After.GO_ON:
            self._finish(after)
        elif self._timer is None:
            self._rest()

    def _rest(self) -> None:
        """Everything is said: the client's turn, and the clock of its silence runs."""
        self._owed, self._is_greeted = "", True
        if idle := self._wiring.personality.waits.idle:
            self._timer = asyncio.get_running_loop().call_later(idle / self._wiring.speed, self._say_idle)

    def _say_idle(self) -> None:
        self._timer = None
        self._send(self._dialogue.idle(), "")
        self._advance()

    def _finish(self, after: After) -> None:
        if after is After.TLS:
            self._start_tls()
            return
        self._end()
        if after is After.CLOSE:
            self._transport.close()

    def _end(self) -> None:
        self._is_over = True
        self._outbox.clear()
        self._buffer = b""
        if self._timer is not None:
            self._timer.cancel()
        if self._upgrade is not None:
            self._upgrade.cancel()

    # --- TLS --------------------------------------------------------------------------------------------

    def _start_tls(self) -> None:
        if self._buffer:
            # RFC 3207 4.2: what came in the clear behind STARTTLS must not count as said under TLS.
            self._dialogue.scene.tally.complaint("plaintext_after_starttls")
            self._buffer = b""
        self._outbox.clear()
        if self._wiring.personality.tls is TLS.BROKEN:
            self._is_refusing_tls = True
            return
        self._transport.pause_reading()
        self._upgrade = asyncio.get_running_loop().create_task(self._shake_hands(), name="sandbox-starttls")

    async def _shake_hands(self) -> None:
        loop, secured = asyncio.get_running_loop(), None
        try:
            # A reset in the middle is not reported by every Python; hence a time of our own.
            async with asyncio.timeout(_LONGEST_HANDSHAKE_SECONDS):
                secured = await loop.start_tls(self._transport, self, self._wiring.tls(), server_side=True)
        except OSError:  # among them TimeoutError and every SSLError
            self.abort()
        finally:
            if secured is None:
                self._leave()
        if secured is not None:
            self._transport, self._upgrade = secured, None
            self._dialogue.tls_established()
            self._rest()
            self._take_lines()

"""An open session: commands out, exchanges back, and an account of what the host has put up with.

Every reply is data. A breakdown is not raised here: it stands as `failure` in the exchanges that got
no reply and in `Session.failure`, and the session is dead from there on.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from validatord import crash, metrics
from validatord.clock import Clock
from validatord.errors import Disconnected, SessionFailed
from validatord.mail.reply import Reply
from validatord.mail.transcript import Exchange, Transcript
from validatord.mail.verdict import Stage
from validatord.settings import IdentitySettings, SMTPSettings
from validatord.smtp.account import Account
from validatord.smtp.capabilities import Capabilities
from validatord.smtp.tls import TLSLayer
from validatord.smtp.wire import Wire

CLOSING = 421  # RFC 5321 3.8
Command = tuple[Stage, str]


class Endpoint(Protocol):
    """What `open_session` must know of a target."""

    @property
    def host_name(self) -> str:
        """The MX host."""
        ...

    @property
    def address(self) -> str:
        """The IP address that was checked."""
        ...

    @property
    def port(self) -> int:
        """The TCP port."""
        ...


class Session:
    """An open session; made by `open_session` alone."""

    def __init__(
        self, target: Endpoint, identity: IdentitySettings, settings: SMTPSettings, clock: Clock, wire: Wire
    ) -> None:
        self.host_name = target.host_name
        self.address = target.address
        self.identity = identity
        self.settings = settings
        self.capabilities = Capabilities()
        self.is_pipelining = False
        self.refusal: Exchange | None = None
        self.opening: list[Exchange] = []
        self.account = Account(settings)
        self._clock = clock
        self._wire = wire
        self._started = clock.monotonic()
        self._is_retired = False
        self._deadlines = _deadlines(settings)

    def __repr__(self) -> str:
        tls = self.tls or "-"
        return f"<Session {self.host_name} [{self.address}] {self.state} {self.account} tls={tls}>"

    # --- what it is ----------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """One word: open, envelope, retired, closing, failed or closed."""
        if self._wire.is_closed:
            return "closed"
        if self._wire.is_closing:
            return "failed" if self._wire.failure is not None else "closing"
        if self._is_retired:
            return "retired"
        return "envelope" if self.is_envelope_open else "open"

    @property
    def failure(self) -> SessionFailed | None:
        """The breakdown that ended the session, if one did."""
        return self._wire.failure

    @property
    def is_closed_by_host(self) -> bool:
        """Whether the host ended the connection itself; else it may count it for a moment longer than we do."""
        return self._wire.is_closed_by_other

    @property
    def tls(self) -> str:
        """The TLS version in use, or empty."""
        return self._wire.tls_version

    @property
    def age_seconds(self) -> float:
        """Seconds since the connect."""
        return self._clock.monotonic() - self._started

    @property
    def round_trips(self) -> int:
        """Groups sent."""
        return self.account.round_trips

    @property
    def commands(self) -> int:
        """Commands sent."""
        return self.account.commands

    @property
    def rcpt_count(self) -> int:
        """RCPT sent."""
        return self.account.rcpts

    @property
    def refusals(self) -> int:
        """RCPT refused."""
        return self.account.refusals

    @property
    def resets(self) -> int:
        """RSET sent."""
        return self.account.resets

    @property
    def is_reusable(self) -> bool:
        """Whether another envelope may begin here: alive, silent, and no budget used up."""
        return not self._is_retired and self.refusal is None and not self.spent_budgets() and self.check_idle()

    @property
    def is_envelope_open(self) -> bool:
        """Whether a MAIL was accepted and no RSET has undone it."""
        return self.account.is_envelope_open

    def spent_budgets(self) -> tuple[str, ...]:
        """Name the budgets that are used up (refusals, rcpt, tarpit, time, resets, mail)."""
        return self.account.spent(self.capabilities.limits, self._left_seconds)

    def check_idle(self) -> bool:
        """Whether nothing was said unasked and nothing broke; else the session is dead from here on."""
        return self._wire.check_idle()

    def transcript(self, envelope_sender: str, exchanges: Sequence[Exchange] = ()) -> Transcript:
        """Return the opening of the session and then `exchanges` as evidence."""
        return Transcript(
            mx_host=self.host_name,
            mx_address=self.address,
            identity=self.identity.name,
            helo_name=self.identity.helo_name,
            envelope_sender=envelope_sender,
            tls=self.tls,
            exchanges=(*self.opening, *exchanges),
        )

    # --- what it does --------------------------------------------------------------------------

    async def listen(self) -> Exchange:
        """Read the greeting, all lines of it, before a byte goes out (RFC 5321 3.1)."""
        return await self._read((Stage.CONNECT, ""))

    async def secure(self) -> bool:
        """Hold the TLS handshake after the host's go-ahead; false when `failure` says why not."""
        # RFC 3207 4.2: what the host said before counts for nothing now.
        self.capabilities = Capabilities()
        layer = TLSLayer(self.host_name)
        return await self._wire.start_tls(layer, min(self._deadlines[Stage.STARTTLS], self._left_seconds))

    async def group(self, group: Sequence[Command]) -> list[Exchange]:
        """Send commands in one go where the host pipelines, else one by one; an exchange for each.

        After a breakdown or a 421 the session is dead and what got no reply carries its `failure`.
        If the host sent more replies than commands, no exchange of the group has a reply.

        Raises:
            ValueError: a line that may not go out; nothing was sent.
        """
        if self.is_pipelining:
            return await self._exchange(group)
        found: list[Exchange] = []
        for command in group:
            found += await self._exchange([command])
        return found

    def retire(self) -> None:
        """Never use this session for another envelope."""
        self._is_retired = True

    def begin_close(self) -> None:
        """Say QUIT; the other side may take `quit_timeout` to close, then the connection is dropped."""
        self._is_retired = True
        self._wire.quit(self._deadlines[Stage.QUIT])

    async def close(self) -> None:
        """Say QUIT and wait until the connection is gone, at most `quit_timeout`."""
        self.begin_close()
        await self._wire.wait_closed()

    def abort(self) -> None:
        """Drop the connection at once."""
        self._is_retired = True
        self._wire.abort()

    def when_closed(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the connection is gone."""
        self._wire.when_closed(callback)

    # --- how -----------------------------------------------------------------------------------

    async def _exchange(self, group: Sequence[Command]) -> list[Exchange]:
        """One write, then as many replies as commands."""
        if not self.check_idle():
            return [self._unanswered(command) for command in group]
        self._wire.send([line for _, line in group])
        self.account.sent([stage for stage, _ in group])
        if group[-1][0] is Stage.RCPT:
            crash.point("visit.rcpt_sent")
        found: list[Exchange] = []
        try:
            for command in group:
                found.append(await self._read(command))
                if _is_closing(found[-1].reply):
                    break
        except BaseException:
            self.abort()  # replies are still under way: nobody can use this session again
            raise
        if self._wire.is_out_of_step:
            found.clear()
        return found + [self._unanswered(command) for command in group[len(found) :]]

    async def _read(self, command: Command) -> Exchange:
        """The reply to one command, measured from the reply before it."""
        stage, line = command
        began = self._clock.monotonic()
        reply = await self._wire.reply(self._patience(stage), whole=stage is Stage.EHLO)
        seconds = self._clock.monotonic() - began
        metrics.observe_reply(stage, reply.code if reply is not None else 0, seconds)
        if reply is None:
            return self._unanswered(command)
        self.account.answered(stage, reply, seconds)
        if _is_closing(reply):
            self._wire.fail(Disconnected("the other side ended the session with 421"))
        return Exchange(stage, line, reply, at=self.age_seconds)

    def _unanswered(self, command: Command) -> Exchange:
        kind = self.failure.kind if self.failure is not None else SessionFailed.kind
        return Exchange(command[0], command[1], None, failure=kind, at=self.age_seconds)

    def _patience(self, stage: Stage) -> float:
        """Seconds to wait for this reply: its own deadline, but never past the session's."""
        return min(self._deadlines[stage], self._left_seconds)

    @property
    def _left_seconds(self) -> float:
        return self.settings.session_timeout.total_seconds() - self.age_seconds


def _deadlines(settings: SMTPSettings) -> dict[Stage, float]:
    """Seconds for each reply; RFC 5321 4.5.3.2 has longer ones, but a timeout here is never a verdict."""
    found = {
        Stage.CONNECT: settings.greeting_timeout,
        Stage.EHLO: settings.ehlo_timeout,
        Stage.STARTTLS: settings.ehlo_timeout,
        Stage.MAIL: settings.mail_timeout,
        Stage.RCPT: settings.rcpt_timeout,
        Stage.RSET: settings.rset_timeout,
        Stage.QUIT: settings.quit_timeout,
    }
    return {stage: duration.total_seconds() for stage, duration in found.items()}


def _is_closing(reply: Reply | None) -> bool:
    return reply is not None and reply.code == CLOSING

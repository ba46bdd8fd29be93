"""The walk over a domain's MX hosts: from one to the next on connection-level trouble only (RFC 5321 5.1).

Opens the next session, or takes one that another visit left open, and remembers what went wrong with
the hosts before it: where nobody answers at all, the last trouble is what there is to report.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from validatord.errors import ConnectFailed, ConnectTimeout, GateClosed, SessionFailed, TLSFailed
from validatord.lookup.walk import Stop
from validatord.mail.probe import Signal
from validatord.mail.reply import Reply
from validatord.mail.transcript import Exchange, Transcript
from validatord.mail.verdict import Meaning, ReplyReading, Stage
from validatord.pacing.lane import Lane
from validatord.rules.replies import read_reply
from validatord.smtp.dialogue import Session
from validatord.smtp.session import Target, open_session
from validatord.verification.context import Tools, Visit

_SOON = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a host could not be spoken with."""

    stage: Stage = Stage.CONNECT
    failure: str = "connect_failed"
    reply: Reply | None = None
    reading: ReplyReading | None = None
    transcript: Transcript = field(default_factory=Transcript)


@dataclass(slots=True)
class Walk:
    """How far the walk has come, and how the next session is to be opened."""

    stops: Sequence[Stop]
    most_hosts: int
    position: int = 0
    hosts_left: int = 0  # hosts that were spoken with and left all the same
    has_failed_better: bool = False  # a host of better preference could not be spoken with
    trouble: Trouble = field(default_factory=Trouble)
    stalls: int = 0
    repairs: int = 0
    sender: str = ""
    use_tls: bool | None = None
    may_pipeline: bool = True

    @property
    def stop(self) -> Stop | None:
        """The host and address to speak with next, or None at the end."""
        return self.stops[self.position] if self.position < len(self.stops) else None

    @property
    def is_last_host(self) -> bool:
        """Whether no other host comes after the one the walk has reached."""
        left = self.stops[self.position :]
        return len({stop.host_name for stop in left}) <= 1

    def leave(self, trouble: Trouble, *, whole_host: bool = False, is_spoken: bool = False) -> None:
        """Note the trouble and go to the next address, or past all addresses of this host."""
        self.trouble = trouble
        left = self.stops[self.position]
        self.position += 1
        self.hosts_left += is_spoken
        if self.hosts_left >= self.most_hosts:
            self.position = len(self.stops)
        while whole_host and self.stop is not None and self.stop.host_name == left.host_name:
            self.position += 1
        if self.stop is not None and self.stop.preference > left.preference:
            self.has_failed_better = True
        self.use_tls, self.may_pipeline = None, True

    def end(self, trouble: Trouble) -> None:
        """Ask nobody any more: what was said holds for every host of this provider."""
        self.trouble = trouble
        self.position = len(self.stops)


async def open_next(walk: Walk, visit: Visit, lane: Lane, tools: Tools) -> Session | None:
    """Return a session with the first host that can be spoken with, or None at the end of the walk.

    Raises:
        GateClosed: this hour's new sessions are used up.
    """
    while (stop := walk.stop) is not None:
        if (open_until := tools.lanes.host_open_until(stop.host_name)) is not None:
            if walk.is_last_host:
                # Not asked, so no attempt is used up: it waits like at any closed gate.
                raise GateClosed(f"host {stop.host_name}: failed too often", open_until)
            walk.leave(Trouble(), whole_host=True)
            continue
        session = _take_idle(walk, lane, tools) or await _open(walk, stop, visit, lane, tools)
        if session is not None:
            return session
    return None


def _take_idle(walk: Walk, lane: Lane, tools: Tools) -> Session | None:
    """Take a held session with any host of the preference the walk has reached."""
    stop = walk.stop
    if stop is None or walk.use_tls or not walk.may_pipeline:
        return None
    names = [other.host_name for other in walk.stops[walk.position :] if other.preference == stop.preference]
    return tools.pool.take_idle(lane.name, names)


async def _open(walk: Walk, stop: Stop, visit: Visit, lane: Lane, tools: Tools) -> Session | None:
    """Open a session, or note why not and move the walk on."""
    await lane.pace_session()
    if not await tools.pool.make_room(lane.name, lane.slots):
        # The lane shrank while others still speak: their end makes room.
        raise GateClosed(f"lane {lane.name}: shrunk", tools.clock.now() + _SOON)
    tools.pool.opened(lane.name)
    try:
        session = await _connect(walk, stop, visit, tools)
    except BaseException as error:
        if isinstance(error, ConnectFailed | ConnectTimeout):
            tools.pool.closed(lane.name)
        else:
            tools.pool.cut(lane.name)
        if not isinstance(error, SessionFailed):
            raise
        _note_failure(walk, stop, error, visit, lane)
        return None
    if session.refusal is None:
        return session
    tools.pool.give_back(lane.name, session)
    _note_refusal(walk, session, session.refusal, visit, lane)
    return None


async def _connect(walk: Walk, stop: Stop, visit: Visit, tools: Tools) -> Session:
    target = Target(stop.host_name, stop.address, visit.settings.smtp.port)
    smtp = visit.settings.smtp
    return await open_session(
        target, visit.identity, smtp, tools.clock, use_tls=walk.use_tls, allow_pipelining=walk.may_pipeline
    )


def _note_failure(walk: Walk, stop: Stop, failed: SessionFailed, visit: Visit, lane: Lane) -> None:
    if isinstance(failed, TLSFailed) and walk.use_tls is None:
        walk.use_tls = False  # RFC 7435: opportunistic; once in plain text on the same host
        return
    if not failed.is_ours:
        lane.observe(Signal.CONNECTION_FAILED, visit.domain, stop.host_name)
    exchanges = failed.exchanges or (Exchange(Stage.CONNECT, "", None, failure=failed.kind),)
    transcript = Transcript(
        mx_host=stop.host_name,
        mx_address=stop.address,
        identity=visit.identity.name,
        helo_name=visit.identity.helo_name,
        exchanges=exchanges,
    )
    stage = exchanges[-1].stage
    walk.leave(Trouble(stage=stage, failure=failed.kind, transcript=transcript))


def _note_refusal(walk: Walk, session: Session, refusal: Exchange, visit: Visit, lane: Lane) -> None:
    """A host that refuses at greeting or EHLO: the next one, unless it said that it is about our address."""
    reply = refusal.reply
    if reply is None:
        walk.leave(Trouble(refusal.stage, refusal.failure or "disconnected", transcript=session.transcript("")))
        return
    reading = read_reply(reply, refusal.stage, mx_host=session.host_name)
    trouble = Trouble(refusal.stage, "", reply, reading, session.transcript(""))
    for signal in early_signals(refusal.stage, reply, reading):
        lane.observe(signal, visit.domain, session.host_name)
    if reading.meaning in {Meaning.SENDER_IP_BLOCKED, Meaning.RATE_LIMITED}:
        walk.end(trouble)
    else:
        walk.leave(trouble, whole_host=True)


def early_signals(stage: Stage, reply: Reply, reading: ReplyReading) -> tuple[Signal, ...]:
    """Return what the lane is told about a refusal before RCPT: once a session, not once a mailbox."""
    if reading.meaning is Meaning.SENDER_IP_BLOCKED:
        return (Signal.BLOCKED_EARLY,)
    if reading.meaning is Meaning.RATE_LIMITED:
        return (Signal.RATE_LIMITED,)
    if stage is Stage.CONNECT and reply.is_permanent:
        return (Signal.REJECTED_SILENTLY,)
    return ()

"""The walk over a domain's MX hosts: from one to the next on connection-level trouble only (RFC 5321 5.1).

Opens the next session, or takes one that another visit left open, and remembers what went wrong with
the hosts before it: where nobody answers at all, the last trouble is what there is to report.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from validatord import crash
from validatord.errors import ConnectFailed, ConnectTimeout, GateClosed, SessionFailed, TLSFailed
from validatord.lookup.walk import Stop
from validatord.mail.probe import Signal
from validatord.mail.reply import Reply
from validatord.mail.transcript import Exchange, Transcript
from validatord.mail.verdict import Meaning, ReplyReading, Stage
from validatord.rules.replies import read_reply
from validatord.smtp.dialogue import Session
from validatord.smtp.session import Target, open_session
from validatord.verification.alarms import note_refusal
from validatord.verification.context import Tools, Visit
from validatord.verification.turns import Talk

_SOON = timedelta(seconds=1)
_OUR_TROUBLE = timedelta(seconds=15)  # no files, no memory, a source address that is not ours


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
    """How far the walk has come, and how the next session is to be opened.

    `best_preference`: the best of all hosts the domain names, also of those that are no stop.
    Conversations side by side share the walk: what one of them has left is not left again.
    """

    stops: Sequence[Stop]
    most_hosts: int
    best_preference: int | None = None
    position: int = 0
    hosts_left: int = 0  # hosts that were spoken with and left all the same
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

    @property
    def has_equal_host(self) -> bool:
        """Whether another host of the same preference may still be asked."""
        here = self.stop
        if here is None or self.hosts_left + 1 >= self.most_hosts:
            return False
        left = self.stops[self.position :]
        return any(stop.preference == here.preference and stop.host_name != here.host_name for stop in left)

    def is_backup(self, host_name: str) -> bool:
        """Whether a host is of worse preference than the best that the domain names."""
        preferences = [stop.preference for stop in self.stops if stop.host_name == host_name]
        return self.best_preference is not None and bool(preferences) and min(preferences) > self.best_preference

    def turn_to(self, host_name: str) -> None:
        """Put a host of the preference the walk has reached first among its equals."""
        left = self.stops[self.position :]
        chosen = [stop for stop in left if stop.host_name == host_name]
        rest = [stop for stop in left if stop.host_name != host_name]
        self.stops = [*self.stops[: self.position], *chosen, *rest]

    def leave(self, trouble: Trouble, host_name: str, address: str = "", *, is_spoken: bool = False) -> None:
        """Note the trouble of an address, or without one of a whole host, and go past it.

        Where the walk has left it already, nothing changes.
        """
        left = self.stop
        if left is None or left.host_name != host_name or address not in {"", left.address}:
            return
        self.trouble = trouble
        self.position += 1
        self.hosts_left += is_spoken
        if self.hosts_left >= self.most_hosts:
            self.position = len(self.stops)
        while not address and self.stop is not None and self.stop.host_name == host_name:
            self.position += 1
        self.use_tls, self.may_pipeline = None, True

    def end(self, trouble: Trouble) -> None:
        """Ask nobody any more: what was said holds for every host of this provider."""
        self.trouble = trouble
        self.position = len(self.stops)


async def open_next(walk: Walk, visit: Visit, talk: Talk, tools: Tools) -> Session | None:
    """Return a session with the first host that can be spoken with, or None at the end of the walk.

    Raises:
        GateClosed: this hour's new sessions are used up.
    """
    while (stop := walk.stop) is not None:
        if (open_until := tools.lanes.host_open_until(stop.host_name)) is not None:
            if walk.is_last_host:
                # Not asked, so no attempt is used up: it waits like at any closed gate.
                raise GateClosed(f"host {stop.host_name}: failed too often", open_until)
            walk.leave(Trouble(), stop.host_name)
            continue
        session = _take_idle(walk, talk, tools) or await _open(walk, stop, visit, talk, tools)
        if session is not None:
            return session
    return None


def part(session: Session, talk: Talk, tools: Tools) -> None:
    """Give a session back: to whoever needs one next, or, where its network counts it too, to nobody."""
    lanes = talk.lanes
    if lanes.network is not None:
        session.retire()
        tools.pool.give_back(lanes.network.name, session)
    tools.pool.give_back(lanes.provider.name, session)


def _take_idle(walk: Walk, talk: Talk, tools: Tools) -> Session | None:
    """Take a held session with any host of the preference the walk has reached."""
    stop = walk.stop
    if stop is None or walk.use_tls or not walk.may_pipeline:
        return None
    names = [other.host_name for other in walk.stops[walk.position :] if other.preference == stop.preference]
    session = tools.pool.take_idle(talk.lanes.provider.name, names)
    if session is not None:
        walk.turn_to(session.host_name)
    return session


async def _open(walk: Walk, stop: Stop, visit: Visit, talk: Talk, tools: Tools) -> Session | None:
    """Open a session, or note why not and move the walk on."""
    await _make_room(talk, tools)
    was_undecided = walk.use_tls is None
    try:
        session = await _connect(walk, stop, visit, tools)
    except BaseException as error:
        _count_out(error, talk, tools)
        if not isinstance(error, SessionFailed):
            raise
        if isinstance(error, TLSFailed) and was_undecided:
            walk.use_tls = False  # RFC 7435: opportunistic; once in plain text on the same host
            tools.memory.note_tls(stop.host_name, wanted=False)
        else:
            _note_failure(walk, stop, error, visit, talk, tools)
        return None
    finally:
        talk.pause()
    crash.point("visit.connected")
    tools.memory.note_greeting(visit.identity.name)
    if session.refusal is None:
        return session
    part(session, talk, tools)
    _note_refusal(walk, session, session.refusal, visit, talk, tools)
    return None


async def _make_room(talk: Talk, tools: Tools) -> None:
    """Wait until one more session may be opened, and count it."""
    await talk.pace_session()
    talk.pause()
    lanes = talk.lanes.all
    while not all(tools.pool.open_count(lane.name) < lane.slots for lane in lanes):
        for lane in lanes:
            if not await tools.pool.make_room(lane.name, lane.slots):
                # The lane shrank while others still speak: their end makes room.
                raise GateClosed(f"lane {lane.name}: shrunk", tools.clock.now() + _SOON)
    for lane in lanes:
        tools.pool.opened(lane.name)
    talk.listen()


def _count_out(error: BaseException, talk: Talk, tools: Tools) -> None:
    """Count out a session that did not come about; what was connected, the other side may count a while longer."""
    count_out = tools.pool.closed if isinstance(error, ConnectFailed | ConnectTimeout) else tools.pool.cut
    for lane in talk.lanes.all:
        count_out(lane.name)


async def _connect(walk: Walk, stop: Stop, visit: Visit, tools: Tools) -> Session:
    smtp = visit.settings.smtp
    use_tls = walk.use_tls if walk.use_tls is not None else tools.memory.find_tls(stop.host_name)
    return await open_session(
        Target(stop.host_name, stop.address, smtp.port),
        visit.identity,
        smtp,
        tools.clock,
        use_tls=use_tls,
        allow_pipelining=walk.may_pipeline,
    )


def _note_failure(walk: Walk, stop: Stop, failed: SessionFailed, visit: Visit, talk: Talk, tools: Tools) -> None:
    if any(exchange.reply is not None for exchange in failed.exchanges):
        tools.memory.note_greeting(visit.identity.name)
    elif not failed.is_ours:
        tools.memory.note_silence(visit.identity.name, stop.host_name)
    if not failed.is_ours:
        talk.lanes.observe(Signal.CONNECTION_FAILED, visit.domain, stop.host_name)
    exchanges = failed.exchanges or (Exchange(Stage.CONNECT, "", None, failure=failed.kind),)
    transcript = Transcript(
        mx_host=stop.host_name,
        mx_address=stop.address,
        identity=visit.identity.name,
        helo_name=visit.identity.helo_name,
        exchanges=exchanges,
    )
    stage = exchanges[-1].stage
    walk.leave(Trouble(stage=stage, failure=failed.kind, transcript=transcript), stop.host_name, stop.address)
    if failed.is_ours and walk.stop is None:
        # Nobody was asked, and no host has a part in it: that uses no attempt up.
        raise GateClosed(f"identity {visit.identity.name}: no way out of here", tools.clock.now() + _OUR_TROUBLE)


def _note_refusal(walk: Walk, session: Session, refusal: Exchange, visit: Visit, talk: Talk, tools: Tools) -> None:
    """A host that refuses at greeting or EHLO: the next one, unless it said that it is about our address."""
    reply = refusal.reply
    if reply is None:
        cut = Trouble(refusal.stage, refusal.failure or "disconnected", transcript=session.transcript(""))
        walk.leave(cut, session.host_name, session.address)
        return
    reading = read_reply(reply, refusal.stage, mx_host=session.host_name)
    trouble = Trouble(refusal.stage, "", reply, reading, session.transcript(""))
    for signal in early_signals(refusal.stage, reply, reading):
        talk.lanes.observe(signal, visit.domain, session.host_name)
    note_refusal(reply, reading, visit, tools)
    if reading.meaning in {Meaning.SENDER_IP_BLOCKED, Meaning.RATE_LIMITED}:
        walk.end(trouble)
    else:
        walk.leave(trouble, session.host_name)


def early_signals(stage: Stage, reply: Reply, reading: ReplyReading) -> tuple[Signal, ...]:
    """Return what the lane is told about a refusal before RCPT: once a session, not once a mailbox."""
    if reading.meaning is Meaning.SENDER_IP_BLOCKED:
        return (Signal.BLOCKED_EARLY,)
    if reading.meaning is Meaning.RATE_LIMITED:
        return (Signal.RATE_LIMITED,)
    if stage is Stage.CONNECT and reply.is_permanent:
        return (Signal.REJECTED_SILENTLY,)
    return ()

"""Sessions held for the next visit, and the count of open ones per lane.

A receiver counts a connection until it is closed, so we do too: a session counts from `opened` until
the connection is gone, also while it is idle or saying goodbye, and for a moment longer where it was we
who closed it: the other side must hear of that first. Whoever wants a session calls `make_room`, then
`take_idle` or `opened` + `open_session`; afterwards `give_back`, whatever state the session is in, or
`closed` if none came about. All changes of state are synchronous.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from validatord.clock import Clock
from validatord.smtp.dialogue import Session

_MOST_IDLE = 256
# More than a way across the world: until then the other side may not know that we closed.
_LINGER_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class _Idle:
    session: Session
    since: float


@dataclass(frozen=True, slots=True, eq=False)
class _Parting:
    """A connection on its way out: first it is gone, then the other side knows."""

    gone: asyncio.Event = field(default_factory=asyncio.Event)
    counted_out: asyncio.Event = field(default_factory=asyncio.Event)


class SessionPool:
    """Idle sessions by lane, oldest first."""

    def __init__(self, clock: Clock, idle_timeout: timedelta, *, most_idle: int = _MOST_IDLE) -> None:
        self._clock = clock
        self._idle_seconds = idle_timeout.total_seconds()
        self._most_idle = most_idle
        self._idle: dict[str, deque[_Idle]] = {}
        self._open: Counter[str] = Counter()
        self._closing: dict[str, dict[_Parting, None]] = {}  # the oldest first
        self._lingering: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def __repr__(self) -> str:
        closing = sum(map(len, self._closing.values()))
        return f"<SessionPool open={self._open.total()} idle={self.idle_count} closing={closing}>"

    @property
    def idle_count(self) -> int:
        """Sessions that wait for a visit."""
        return sum(map(len, self._idle.values()))

    def apply(self, idle_timeout: timedelta) -> None:
        """Hold idle sessions for so long from now on."""
        self._idle_seconds = idle_timeout.total_seconds()

    @property
    def total_open(self) -> int:
        """Connections that receivers may still count, of all lanes."""
        return self._open.total()

    def open_count(self, lane: str) -> int:
        """Connections of the lane that the receiver may still count."""
        return self._open[lane]

    def opened(self, lane: str) -> None:
        """Count a connection that is about to be opened."""
        self._open[lane] += 1

    def closed(self, lane: str) -> None:
        """Count out a connection that did not come about, or that the other side has closed."""
        self._open[lane] -= 1
        if self._open[lane] <= 0:
            del self._open[lane]

    def cut(self, lane: str) -> None:
        """Count out, a moment later, a connection that we dropped without `give_back`."""
        parting = self._begin_parting(lane)
        self._end_parting(lane, parting, is_known=False)

    def take_idle(self, lane: str, host_names: Sequence[str]) -> Session | None:
        """Return a live idle session with one of these hosts, the first host named first, or None."""
        held = self._idle.get(lane, deque())
        for host_name in host_names:
            for idle in [idle for idle in held if idle.session.host_name == host_name]:
                held.remove(idle)
                if not self._is_expired(idle) and idle.session.is_reusable:
                    self._forget_empty(lane)
                    return idle.session
                self._part(lane, idle.session)
        self._forget_empty(lane)
        return None

    def give_back(self, lane: str, session: Session) -> None:
        """Take a session back: held if it may be used again, else sent away with QUIT."""
        if self._is_closed or not session.is_reusable:
            self._part(lane, session)
            return
        self._idle.setdefault(lane, deque()).append(_Idle(session, self._clock.monotonic()))
        session.when_closed(lambda: self._drop(lane, session))
        if self.idle_count > self._most_idle:
            lane, idle = min(((lane, held[0]) for lane, held in self._idle.items()), key=lambda pair: pair[1].since)
            self._dismiss(lane, [idle])

    async def make_room(self, lane: str, limit: int) -> bool:
        """Close idle sessions of the lane, oldest first, until fewer than `limit` are open.

        Waits for the other side to close, at most the session's `quit_timeout`; false if too many are in
        use.
        """
        while self._open[lane] >= limit:
            # Anew each time: whoever waited for the same closing may have taken its place.
            surplus = self._open[lane] - limit + 1 - len(self._closing.get(lane, ()))
            self._dismiss(lane, list(self._idle.get(lane, ()))[: max(0, surplus)])
            if not self._closing.get(lane):
                break
            await next(iter(self._closing[lane])).counted_out.wait()
        return self._open[lane] < limit

    async def close_expired(self) -> None:
        """Send away what was idle too long or died meanwhile, and wait until it is gone."""
        for lane, held in list(self._idle.items()):
            self._dismiss(lane, [idle for idle in held if self._is_expired(idle) or not idle.session.is_reusable])
        await self._wait_closed()

    async def aclose(self) -> None:
        """Send all idle sessions away and hold none any more.

        What is in use may still be given back, and is sent away then; whoever has seen to that calls again.
        """
        self._is_closed = True
        for lane, held in list(self._idle.items()):
            self._dismiss(lane, list(held))
        await self._wait_closed()
        for task in self._lingering:
            task.cancel()
        for lane, leaving in list(self._closing.items()):
            for parting in [parting for parting in leaving if parting.gone.is_set()]:
                self._count_out(lane, parting)

    # --- inside ------------------------------------------------------------------------------------

    def _is_expired(self, idle: _Idle) -> bool:
        return self._clock.monotonic() - idle.since >= self._idle_seconds

    def _drop(self, lane: str, session: Session) -> None:
        """Count out a session whose host closed it while it was idle; one in use is not our business."""
        for idle in [idle for idle in self._idle.get(lane, ()) if idle.session is session]:
            self._idle[lane].remove(idle)
            self.closed(lane)
        self._forget_empty(lane)

    def _dismiss(self, lane: str, leaving: Iterable[_Idle]) -> None:
        for idle in leaving:
            self._idle[lane].remove(idle)
            self._part(lane, idle.session)
        self._forget_empty(lane)

    def _part(self, lane: str, session: Session) -> None:
        """Say goodbye; the session counts until its connection is gone and the other side knows it."""
        parting = self._begin_parting(lane)
        session.begin_close()
        session.when_closed(lambda: self._end_parting(lane, parting, is_known=session.is_closed_by_host))

    def _begin_parting(self, lane: str) -> _Parting:
        parting = _Parting()
        self._closing.setdefault(lane, {})[parting] = None
        return parting

    def _end_parting(self, lane: str, parting: _Parting, *, is_known: bool) -> None:
        """Our side is closed; `is_known`: so is the other."""
        parting.gone.set()
        if is_known or self._is_closed:
            self._count_out(lane, parting)
            return
        task = asyncio.get_running_loop().create_task(self._linger(lane, parting), name="linger")
        self._lingering.add(task)
        task.add_done_callback(self._lingering.discard)

    async def _linger(self, lane: str, parting: _Parting) -> None:
        await self._clock.sleep(_LINGER_SECONDS)
        self._count_out(lane, parting)

    def _count_out(self, lane: str, parting: _Parting) -> None:
        parting.counted_out.set()
        self._closing[lane].pop(parting, None)
        if not self._closing[lane]:
            del self._closing[lane]
        self.closed(lane)

    def _forget_empty(self, lane: str) -> None:
        if lane in self._idle and not self._idle[lane]:
            del self._idle[lane]

    async def _wait_closed(self) -> None:
        for parting in [parting for leaving in self._closing.values() for parting in leaving]:
            await parting.gone.wait()

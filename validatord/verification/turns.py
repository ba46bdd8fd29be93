"""Step 3 of a visit: the lanes its conversations go through, and the turn that each of them takes.

A host under its own domain's name may be one of a pool that wears a thousand names, so it is counted by
its network as well: its conversations take a turn of both lanes, always in the same order. A receiver that
lets us wait holds a turn marked as slow; of these there are only so many.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from validatord.clock import Clock
from validatord.errors import GateClosed
from validatord.lookup.provider import network_key
from validatord.mail.probe import Signal
from validatord.mail.provider import MXProvider, Pace
from validatord.mail.suffix import find_registrable_domain
from validatord.pacing.book import LaneBook
from validatord.pacing.breaker import ANSWERS
from validatord.pacing.lane import Lane
from validatord.pacing.turn import Turn
from validatord.settings import Settings
from validatord.smtp.dialogue import Session
from validatord.verification.context import Visit

# Whoever finds the network's lane full comes again this much later: no other domain tells it when.
_CROWDED_WAIT = timedelta(seconds=3)
# A receiver that takes longer than this share of `rcpt_timeout` over an answer does it on purpose.
_SLOW_SHARE = 0.25
# What counts against a whole network: how much it takes, not how one host of it treats us.
_HEARD_BY_NETWORK = ANSWERS | {Signal.RATE_LIMITED}


class Crowded(GateClosed):
    """The gate is open, but others are first."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """The provider's lane, and the network's where there is one."""

    provider: Lane
    network: Lane | None
    clock: Clock
    slow_seconds: float
    slow_wait: timedelta

    @classmethod
    def of(cls, visit: Visit, provider: Lane, book: LaneBook, clock: Clock) -> "Lanes":
        """Find the lanes a visit needs."""
        settings = visit.settings
        return cls(
            provider=provider,
            network=_find_network_lane(visit, book) if settings.pacing.is_network_counted else None,
            clock=clock,
            slow_seconds=settings.smtp.rcpt_timeout.total_seconds() * _SLOW_SHARE,
            slow_wait=settings.retry.delays[0],
        )

    @property
    def all(self) -> tuple[Lane, ...]:
        """In the order in which everybody takes their turns, so that nobody waits in a circle."""
        found = (self.provider,) if self.network is None else (self.provider, self.network)
        return tuple(sorted(found, key=lambda lane: lane.name))

    def enter_visit(self) -> None:
        """Count a visit that began.

        Raises:
            GateClosed: the gate is closed; or only Crowded, as there is no room for one more.
        """
        for lane in self.all:
            _check_gate(lane)
            if not lane.has_room():
                # Of the provider's lane the leasing knows whether it has room, of a network's it does not.
                wait = _CROWDED_WAIT if lane is self.network else timedelta()
                raise Crowded(f"lane {lane.name}: no room", self.clock.now() + wait)
        for lane in self.all:
            lane.enter_visit()

    def leave_visit(self) -> None:
        """Count it out again."""
        for lane in self.all:
            lane.leave_visit()

    def observe(self, signal: Signal, domain: str, mx_host: str = "") -> None:
        """Tell the lanes how the receiver treated us."""
        self.provider.observe(signal, domain, mx_host)
        if self.network is not None and signal in _HEARD_BY_NETWORK:
            heard = Signal.RATE_LIMITED if signal is Signal.RATE_LIMITED else Signal.SUCCESS
            self.network.observe(heard, domain)

    @contextlib.asynccontextmanager
    async def turn(self, priority: int) -> AsyncGenerator["Talk"]:
        """Hold one conversation.

        Raises:
            GateClosed: the gate is closed, or closes meanwhile; or the receiver is slow and too many are.
        """
        async with contextlib.AsyncExitStack() as stack:
            turns = [await stack.enter_async_context(lane.turn(priority)) for lane in self.all]
            limit = asyncio.timeout(None)
            talk = Talk(self, turns, limit)
            try:
                async with limit:
                    yield talk
            except TimeoutError:
                talk.check()
                raise
            finally:
                talk.pause()


class Talk:
    """One conversation's turns, its pace, and the watch over a receiver that keeps us waiting."""

    def __init__(self, lanes: Lanes, turns: Sequence[Turn], limit: asyncio.Timeout) -> None:
        self.lanes = lanes
        self._turns = turns
        self.session: Session | None = None
        self._limit = limit
        self._timer: asyncio.TimerHandle | None = None
        self._is_cut = False

    @property
    def is_trial(self) -> bool:
        """Whether a breaker is half-open: ask for one mailbox only."""
        return any(turn.is_trial for turn in self._turns)

    async def pace_session(self) -> None:
        """Wait until a new session may be opened."""
        self.pause()
        for lane in self.lanes.all:
            await lane.pace_session()
        self.listen()

    async def pace_rcpt(self, count: int) -> None:
        """Wait until so many targets may be sent; GateClosed if a lane was shut meanwhile."""
        self.pause()
        for lane, turn in zip(self.lanes.all, self._turns, strict=True):
            await lane.pace_rcpt(count)
            if turn.should_stop:
                raise GateClosed(f"lane {lane.name}: shut", lane.retry_at() or self.lanes.clock.now())
        self.listen()

    async def pace_control(self, count: int) -> None:
        """Wait until so many controls may be sent."""
        self.pause()
        for lane in self.lanes.all:
            await lane.pace_control(count)
        self.listen()

    def listen(self) -> None:
        """It is the receiver's word now."""
        self.pause()
        self._timer = asyncio.get_running_loop().call_later(self.lanes.slow_seconds, self._find_slow)

    def pause(self) -> None:
        """It is ours."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def check(self) -> None:
        """Raise GateClosed if the conversation was cut since the receiver is slow and too many are."""
        if self._is_cut:
            lanes = self.lanes
            raise GateClosed(f"lane {lanes.provider.name}: too many slow", lanes.clock.now() + lanes.slow_wait)

    def _find_slow(self) -> None:
        self._timer = None
        if self._turns[0].mark_slow():
            return
        self._is_cut = True
        if self.session is not None:
            self.session.abort()  # what it has answered so far stays
        else:
            self._limit.reschedule(asyncio.get_running_loop().time())


def _check_gate(lane: Lane) -> None:
    retry_at = lane.retry_at()
    if retry_at is not None:
        is_day_over = not lane.breaker.cause and lane.speed.rcpt_retry_in is not None
        cause = "rcpt_per_day" if is_day_over else lane.breaker.cause or "closed"
        raise GateClosed(f"lane {lane.name}: {cause}", retry_at)


def _find_network_lane(visit: Visit, book: LaneBook) -> Lane | None:
    """Return the lane of the first address's network, for a host below the domain's own name."""
    if visit.mx is None or visit.provider.key != find_registrable_domain(visit.domain):
        return None
    address = next((address for host in visit.mx.hosts for address in host.addresses), "")
    if not address:
        return None
    return book.get(visit.identity.name, MXProvider(network_key(address), pace=_pace_of_network(visit.settings)))


def _pace_of_network(settings: Settings) -> Pace:
    pacing = settings.pacing
    return Pace(
        sessions=pacing.sessions,
        session_interval=pacing.session_interval,
        rcpt_per_minute=pacing.rcpt_per_minute,
        unknown_ratio=1.0,  # whom the hosts of a network know is each host's own business
        rcpt_per_envelope=settings.smtp.rcpt_per_envelope,
    )

"""All lanes of a process, and what they share: slow turns, listed identities, hosts that do not answer.

It opens a lane when it is first asked for and drops it when nobody used it for long; what must not be
forgotten is kept aside. An operator's word reaches the lanes through it.
"""

import asyncio
import contextlib
import functools
import random
from collections import OrderedDict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from loguru import logger

from validatord.clock import Clock
from validatord.mail.probe import Signal
from validatord.mail.provider import MXProvider, Pace
from validatord.pacing.hosts import HostBreakers
from validatord.pacing.lane import UNREADABLE, Lane, lane_name
from validatord.pacing.limits import BookRules
from validatord.pacing.listing import Listings
from validatord.pacing.turn import Closing, LaneShare, PausedLanes, TarpitBudget
from validatord.pacing.way_out import SOON, WayOut

_IDENTITY_PREFIX = "identity:"  # of the snapshots that are no lane's


class LaneBook:
    """All lanes of this process, and what they share; lanes nobody uses are dropped.

    `changed` is set when room appears in a lane. Room that appears by time alone (a breaker's open
    time has passed) sets nothing: ask `busy` again.
    """

    def __init__(self, clock: Clock, rng: random.Random, rules: BookRules | None = None) -> None:
        self._clock, self._rng = clock, rng
        self._rules = rules or BookRules()
        self.changed = asyncio.Event()
        self.tarpits = TarpitBudget(self._rules.most_slow_turns)
        self._closing = Closing()
        self._paused = PausedLanes()
        self._ways_out: dict[str, WayOut] = {}  # by identity
        self._listings = Listings(clock, pause=self._rules.listing_pause)
        self._hosts = HostBreakers(
            clock,
            failures_to_open=self._rules.failures_to_open,
            open_for=self._rules.open_for,
            most_names=self._rules.most_names,
        )
        self._lanes: dict[str, Lane] = {}
        self._kept: OrderedDict[str, Mapping[str, Any]] = OrderedDict()  # snapshots of dropped lanes
        self._swept_at = clock.monotonic()

    def __repr__(self) -> str:
        return f"<LaneBook {len(self._lanes)} lanes, {len(self.busy())} busy, {self.tarpits}, {self._hosts}>"

    def apply(self, rules: BookRules) -> None:
        """Go on under other rules; each lane takes them over when it is next asked for."""
        self._rules = rules
        self.tarpits.limit = rules.most_slow_turns
        self._listings.pause = rules.listing_pause
        self._hosts.failures_to_open, self._hosts.open_for = rules.failures_to_open, rules.open_for

    def get(self, identity_name: str, provider: MXProvider) -> Lane:
        """Return the lane of an identity at a provider, with the provider's pace of now."""
        name = lane_name(identity_name, provider.key)
        lane = self._lanes.get(name)
        if lane is None:
            self._sweep()
            lane = self._open_lane(name, identity_name, provider.pace)
        lane.apply(provider.pace, self._rules.lane)
        lane.touch()
        return lane

    def find(self, name: str) -> Lane | None:
        """Return the lane of that name, if it is in use."""
        return self._lanes.get(name)

    def busy(self) -> list[str]:
        """Return the names of the lanes that can take no further visit now."""
        return [name for name, lane in self._lanes.items() if not lane.has_room()]

    def close(self) -> None:
        """Let nobody in any more, for good; who speaks ends after the next answers."""
        self._closing.begin()
        for lane in self._lanes.values():
            lane.refresh()

    def _open_lane(self, name: str, identity_name: str, pace: Pace) -> Lane:
        share = LaneShare(
            identity_name,
            self.tarpits,
            self._listings,
            self._hosts,
            self.changed.set,
            self._closing,
            self._paused,
            functools.partial(self._hear, identity_name),
        )
        lane = self._lanes[name] = Lane(name, pace, self._clock, self._rng, self._rules.lane, share)
        kept = self._kept.pop(name, None)
        if kept is not None:
            with contextlib.suppress(*UNREADABLE):
                lane.restore(kept)
        return lane

    def _sweep(self) -> None:
        """Drop the lanes nobody used for long, and keep aside what they must not forget."""
        now = self._clock.monotonic()
        if now - self._swept_at < self._rules.sweep_every.total_seconds():
            return
        self._swept_at = now
        for name in [name for name, lane in self._lanes.items() if self._is_droppable(lane, now - lane.used_at)]:
            lane = self._lanes.pop(name)
            if lane.is_worth_keeping:
                self._kept[name] = lane.snapshot()
        while len(self._kept) > self._rules.most_kept:
            self._kept.popitem(last=False)

    def _is_droppable(self, lane: Lane, idle_seconds: float) -> bool:
        if not lane.is_idle or idle_seconds < self._rules.idle_after.total_seconds() or lane.retry_at() is not None:
            return False
        return not lane.breaker.has_evidence or idle_seconds >= self._rules.forget_after.total_seconds()

    def _hear(self, identity_name: str, lane_name: str, domain: str, signal: Signal) -> bool:
        """Hear what a lane hears; True: nobody can be reached, so its gate is to be tried again soon."""
        way_out = self._ways_out.setdefault(identity_name, WayOut(self._clock))
        if way_out.hear(lane_name, domain, signal):
            about = logger.bind(identity=identity_name)
            if way_out.is_cut:
                about.warning("no receiver can be reached: our network seems cut; all are tried again soon")
                for lane in self._lanes.values():
                    if lane.share.identity == identity_name:
                        lane.breaker.shorten(SOON)
            else:
                about.info("receivers can be reached again")
            self._hosts.shorten(SOON if any(other.is_cut for other in self._ways_out.values()) else None)
        return way_out.is_cut

    # --- what an operator says ----------------------------------------------------------------

    def list_paused(self) -> frozenset[str]:
        """Return the names of all lanes in use that an operator has paused, and those paused by name."""
        return self._paused.names | {name for name in self._lanes if self._paused.has(name)}

    def pause(self, names: Collection[str]) -> None:
        """Shut exactly these lanes until told otherwise; a provider's key alone means it for every identity."""
        if frozenset(names) == self._paused.names:
            return
        self._paused.names = frozenset(names)
        for lane in self._lanes.values():
            lane.refresh()
        self.changed.set()

    def reset(self, name: str) -> bool:
        """Let a lane go again whatever closed it, a block list included; False: no such lane is in use."""
        lane = self._lanes.get(name)
        if lane is None:
            return self._kept.pop(name, None) is not None
        self._listings.resume(lane.share.identity)
        lane.reset()
        self.changed.set()
        return True

    # --- across lanes -------------------------------------------------------------------------

    def observe_host(self, name: str, ok: bool) -> None:
        """Hear that a conversation with an MX host, or with a whole domain, came about or did not."""
        self._hosts.observe(name, ok=ok)

    def host_open_until(self, name: str) -> datetime | None:
        """Return until when an MX host or domain should be left alone, or None."""
        return self._hosts.open_until(name)

    def observe_listing(self, identity: str, provider_key: str, dnsbl: str) -> bool:
        """Hear that a provider named a block list our address is on; True if that pauses the identity now."""
        if not self._listings.observe(identity, provider_key, dnsbl):
            return False
        for lane in self._lanes.values():
            lane.refresh()
        return True

    def list_lanes(self) -> list[tuple[str, Lane]]:
        """Return every lane in use with its name."""
        return sorted(self._lanes.items())

    @property
    def paused_identities(self) -> dict[str, datetime]:
        """The identities found listed, and until when nothing goes out from them."""
        return self._listings.paused

    def resume_identity(self, name: str) -> None:
        """Let an identity go again: an operator says that it is off the list."""
        self._listings.resume(name)
        self.changed.set()

    # --- what survives ------------------------------------------------------------------------

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """Return, JSON-ready and by name, everything that a restart must not forget."""
        found = {name: dict(data) for name, data in self._kept.items()}
        found |= {name: lane.snapshot() for name, lane in self._lanes.items() if lane.is_worth_keeping}
        found |= {_IDENTITY_PREFIX + name: data for name, data in self._listings.snapshot().items()}
        return found

    def restore(self, data: Mapping[str, Mapping[str, Any]]) -> None:
        """Read what `snapshot` wrote; lanes take the provider's pace over when they are next asked for."""
        for name, found in data.items():
            if name.startswith(_IDENTITY_PREFIX):
                with contextlib.suppress(*UNREADABLE):
                    self._listings.restore(name.removeprefix(_IDENTITY_PREFIX), found)
            else:
                self._kept[name] = found
                self._open_lane(name, str(found.get("identity", "")), Pace())

"""Whether it is we who are cut off: several receivers cannot be reached, and nobody answers in between.

What that says is about our own network. Gates that close for it are tried again soon, since all of them
open at the same moment: when the network is back.
"""

from datetime import timedelta

from validatord.clock import Clock
from validatord.mail.probe import Signal
from validatord.pacing.breaker import ANSWERS

SOON = timedelta(seconds=15)
_MANY = 3  # lanes, and domains: fewer may well be down by themselves
_WITHIN_SECONDS = 120.0


class WayOut:
    """What one identity heard of its receivers since the last answer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failed: dict[str, tuple[str, float]] = {}  # lane → domain, when
        self.is_cut = False

    def __repr__(self) -> str:
        return f"<WayOut {'cut' if self.is_cut else 'open'}, {len(self._failed)} lanes failed>"

    def hear(self, lane_name: str, domain: str, signal: Signal) -> bool:
        """Hear how a receiver treated us; True if that cuts us off, or brings us back, right now."""
        was = self.is_cut
        if signal in ANSWERS:
            self._failed.clear()
            self.is_cut = False
        elif signal is Signal.CONNECTION_FAILED and not was:
            now = self._clock.monotonic()
            self._failed[lane_name] = (domain, now)
            lately = [domain for domain, at in self._failed.values() if now - at < _WITHIN_SECONDS]
            self.is_cut = len(lately) >= _MANY and len(set(lately)) >= _MANY
            if len(lately) < len(self._failed):
                self._failed = {lane: it for lane, it in self._failed.items() if now - it[1] < _WITHIN_SECONDS}
        return was is not self.is_cut

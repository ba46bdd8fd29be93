"""Which of our identities is on a block list: two receivers naming the same list within an hour.

A listed identity is paused as a whole. Its domains wait; they are not sent from another address of
ours, which would be block evasion.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from validatord.clock import Clock
from validatord.pacing.instants import from_wall, to_wall

_WITHIN_SECONDS = 3600.0
_MOST_SIGHTINGS = 1000


class Listings:
    """Sightings of block lists, and the identities that are paused for them."""

    def __init__(self, clock: Clock, *, pause: timedelta) -> None:
        self._clock = clock
        self.pause = pause
        self._sightings: dict[tuple[str, str, str], float] = {}  # identity, DNSBL, provider → when
        self._paused: dict[str, tuple[float, str]] = {}  # identity → until, DNSBL

    def __repr__(self) -> str:
        return f"<Listings {len(self._sightings)} sightings, {len(self.paused)} paused>"

    @property
    def paused(self) -> dict[str, datetime]:
        """The paused identities, and until when."""
        now, wall = self._clock.monotonic(), self._clock.now()
        return {name: wall + timedelta(seconds=until - now) for name, (until, _) in self._paused.items() if until > now}

    def retry_in(self, identity: str) -> float | None:
        """Return the seconds until the identity may go again, or None."""
        if identity not in self._paused:
            return None
        remaining = self._paused[identity][0] - self._clock.monotonic()
        return remaining if remaining > 0 else None

    def observe(self, identity: str, provider_key: str, dnsbl: str) -> bool:
        """Hear that a provider named a block list; True if that pauses the identity now."""
        now = self._clock.monotonic()
        self._forget(now)
        self._sightings[identity, dnsbl, provider_key] = now
        count = sum(key[:2] == (identity, dnsbl) for key in self._sightings)
        if count < 2 or self.retry_in(identity) is not None:  # noqa: PLR2004 one receiver alone may err
            return False
        self._paused[identity] = (now + self.pause.total_seconds(), dnsbl)
        return True

    def resume(self, identity: str) -> None:
        """Let an identity go again: an operator says that it is off the list."""
        self._paused.pop(identity, None)
        self._sightings = {key: at for key, at in self._sightings.items() if key[0] != identity}

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """Return the paused identities by name, JSON-ready."""
        return {
            name: {"until": to_wall(self._clock, self._paused[name][0]), "dnsbl": self._paused[name][1]}
            for name in self.paused
        }

    def restore(self, identity: str, data: Mapping[str, Any]) -> None:
        """Read what `snapshot` wrote of one identity."""
        until = from_wall(self._clock, str(data["until"]), most_seconds=self.pause.total_seconds())
        self._paused[identity] = (until, str(data["dnsbl"]))

    def _forget(self, now: float) -> None:
        for key in [key for key, at in self._sightings.items() if now - at > _WITHIN_SECONDS]:
            del self._sightings[key]
        while len(self._sightings) >= _MOST_SIGHTINGS:
            del self._sightings[next(iter(self._sightings))]

"""Breakers of single MX hosts and of single domains, kept in a bounded map.

Only names that failed lately are kept: the first success drops a name. The provider's breaker is
another matter and stands in `breaker`.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from validatord.clock import Clock


@dataclass(slots=True)
class _Trouble:
    failures: int = 0
    open_until: float | None = None


class HostBreakers:
    """Opens a name after so many failures in a row; after the open time one more failure opens it again.

    Beyond `most_names` the name that failed longest ago is forgotten.
    """

    def __init__(self, clock: Clock, *, failures_to_open: int, open_for: timedelta, most_names: int) -> None:
        self._clock = clock
        self.failures_to_open = failures_to_open
        self.open_for = open_for
        self._most_names = most_names
        self._most: timedelta | None = None
        self._troubles: OrderedDict[str, _Trouble] = OrderedDict()

    def __repr__(self) -> str:
        count = sum(trouble.open_until is not None for trouble in self._troubles.values())
        return f"<HostBreakers {len(self._troubles)} in trouble, {count} opened>"

    def observe(self, name: str, *, ok: bool) -> None:
        """Hear that a conversation with a host or domain came about, or did not."""
        if ok:
            self._troubles.pop(name, None)
            return
        trouble = self._troubles.setdefault(name, _Trouble())
        self._troubles.move_to_end(name)
        trouble.failures += 1
        if trouble.failures >= self.failures_to_open and self._remaining(trouble) <= 0:
            open_for = self.open_for if self._most is None else min(self._most, self.open_for)
            trouble.open_until = self._clock.monotonic() + open_for.total_seconds()
        while len(self._troubles) > self._most_names:
            self._troubles.popitem(last=False)

    def shorten(self, within: timedelta | None) -> None:
        """Open for so long at most from now on, those that are open included; None: as long as usual."""
        self._most = within
        if within is not None:
            latest = self._clock.monotonic() + within.total_seconds()
            for trouble in self._troubles.values():
                if trouble.open_until is not None:
                    trouble.open_until = min(trouble.open_until, latest)

    def open_until(self, name: str) -> datetime | None:
        """Return until when nobody should go there, or None."""
        trouble = self._troubles.get(name)
        if trouble is None or (remaining := self._remaining(trouble)) <= 0:
            return None
        return self._clock.now() + timedelta(seconds=remaining)

    def _remaining(self, trouble: _Trouble) -> float:
        return 0.0 if trouble.open_until is None else trouble.open_until - self._clock.monotonic()

"""How fast submissions go: what is seen of each between two questions, and by that when it will end."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from validatord.store.submissions import Progress

_MOST = 10_000
_SHORTEST = 5.0  # seconds between two looks that say something about the speed
_LONGEST = 600.0  # older looks are forgotten
_FURTHEST = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class _Look:
    at: float
    finished: int


@dataclass(frozen=True, slots=True)
class Rate:
    """Finished requests a minute, and when the last will be; None where nothing can be said."""

    per_minute: float
    expected_end: datetime | None


class Rates:
    """Remembers when submissions were looked at and how far they were."""

    def __init__(self) -> None:
        self._looks: OrderedDict[int, tuple[_Look, _Look]] = OrderedDict()

    def measure(self, progress: Progress, *, at: float, now: datetime) -> Rate:
        """Return the rate since an earlier look, or since the beginning where there was none."""
        left = progress.requests - progress.finished
        per_second = self._measure(progress, at, now)
        if not left:
            return Rate(round(per_second * 60, 1), None)
        if not per_second:
            return Rate(0.0, None)
        end = now + min(timedelta(seconds=min(left / per_second, _FURTHEST.total_seconds())), _FURTHEST)
        # What waits for a time cannot end before it.
        return Rate(round(per_second * 60, 1), max(end, progress.next_due) if progress.next_due else end)

    def _measure(self, progress: Progress, at: float, now: datetime) -> float:
        look = _Look(at, progress.finished)
        known = self._looks.get(progress.submission_id)
        older, newer = known or (look, look)
        if at - newer.at >= _SHORTEST:
            older, newer = (newer, look) if at - older.at > _LONGEST else (older, look)
        self._looks[progress.submission_id] = (older, newer)
        self._looks.move_to_end(progress.submission_id)
        while len(self._looks) > _MOST:
            self._looks.popitem(last=False)
        if at - older.at >= _SHORTEST:
            return max(0, progress.finished - older.finished) / (at - older.at)
        began = progress.created_at or now
        return progress.finished / max(1.0, (now - began).total_seconds())

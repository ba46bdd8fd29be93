"""A line in the log every so many verdicts: how many, of which status, how fast; for whoever reads logs alone."""

from collections import Counter
from collections.abc import Callable

from loguru import logger

from validatord.clock import Clock
from validatord.store.records import VisitRecord


class Tally:
    """Counts verdicts; `every` is asked each time, since it may be reloaded, and 0 says nothing."""

    def __init__(self, clock: Clock, every: Callable[[], int]) -> None:
        self._every = every
        self._clock = clock
        self._total = 0
        self._since = clock.monotonic()
        self._by_status: Counter[str] = Counter()

    def hear(self, record: VisitRecord) -> None:
        """Count the verdicts of a record that is committed."""
        every = self._every()
        for _, finding, *_ in record.finished:
            self._total += 1
            self._by_status[finding.status] += 1
            if every and self._by_status.total() >= every:
                self._say()

    def _say(self) -> None:
        now = self._clock.monotonic()
        seconds, count = now - self._since, self._by_status.total()
        rate = round(count / seconds, 1) if seconds > 0 else count
        logger.bind(processed=self._total, last=count, per_second=rate, **self._by_status).info("metrics")
        self._since = now
        self._by_status.clear()

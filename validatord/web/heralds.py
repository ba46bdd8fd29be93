"""Who waits for a submission to end is told by whoever wrote its end, in this process.

Another node may write it, so nobody waits by this alone: it only makes the wait short.
"""

import asyncio
from collections import defaultdict
from collections.abc import Generator, Iterable
from contextlib import contextmanager

from validatord.clock import Clock


class Herald:
    """Tells those who wait for submissions."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: defaultdict[int, set[asyncio.Event]] = defaultdict(set)

    def __len__(self) -> int:
        return sum(len(events) for events in self._waiting.values())

    def tell(self, submission_ids: Iterable[int]) -> None:
        """Say that something of these submissions was written."""
        if self._waiting:
            for submission_id in submission_ids:
                for event in self._waiting.get(submission_id, ()):
                    event.set()

    @contextmanager
    def watch(self, submission_id: int) -> Generator["Watch"]:
        """Be told about a submission from now on; ask the ledger only afterwards, and nothing is missed."""
        event = asyncio.Event()
        self._waiting[submission_id].add(event)
        try:
            yield Watch(event, self._clock)
        finally:
            self._waiting[submission_id].discard(event)
            if not self._waiting[submission_id]:
                del self._waiting[submission_id]


class Watch:
    """Waits for news of one submission."""

    def __init__(self, event: asyncio.Event, clock: Clock) -> None:
        self._event = event
        self._clock = clock

    async def wait(self, seconds: float) -> bool:
        """Wait for news, or for so long; return whether there were any."""
        told, timer = asyncio.ensure_future(self._event.wait()), asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({told, timer}, return_when=asyncio.FIRST_COMPLETED)
            return self._event.is_set()
        finally:
            told.cancel()
            timer.cancel()
            self._event.clear()

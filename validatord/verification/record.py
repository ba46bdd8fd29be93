"""Step 7 of a visit: write what was learned, many visits in one transaction.

Visits hand in their records and wait until they are committed; the recorder writes when enough rows
have gathered or the oldest has waited long enough. While PostgreSQL is away it keeps what it has and
tries again: the visits wait, so memory is bounded by their number.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from validatord import crash, metrics
from validatord.clock import Clock
from validatord.errors import LeaseLost, StoreAway
from validatord.mail.request import Priority
from validatord.store.records import VisitRecord

# Long enough not to hammer a server that starts, short enough to be back within a second or two.
_URGENT = Priority.CRITICAL.weight
_AWAY_WAITS = (0.1, 0.2, 0.5, 1.0)

Write = Callable[[Sequence[VisitRecord]], Awaitable[frozenset[str]]]


@dataclass(slots=True)
class _Waiting:
    record: VisitRecord
    done: asyncio.Future[None]


def count_rows(record: VisitRecord) -> int:
    """How many request rows a record writes; at least one, for its release."""
    return max(1, len(record.finished) + len(record.deferred) + len(record.handed_over))


class Recorder:
    """Batches the records of all visits: at most `flush_rows` rows or `flush_seconds` of waiting."""

    def __init__(self, write: Write, clock: Clock, *, flush_rows: int, flush_seconds: float) -> None:
        self._write = write
        self._clock = clock
        self._flush_rows = flush_rows
        self._flush_seconds = flush_seconds
        self._waiting: list[_Waiting] = []
        self._rows = 0
        self._arrived = asyncio.Event()
        self._full = asyncio.Event()
        self._is_closing = False
        self._urgent_domains: set[str] = set()
        self.listeners: list[Callable[[VisitRecord], None]] = []  # told of each record once it is committed

    def __repr__(self) -> str:
        return f"<Recorder {len(self._waiting)} records, {self._rows} rows waiting>"

    @property
    def waiting_rows(self) -> int:
        """Outcomes that are not committed yet."""
        return self._rows

    def apply(self, *, flush_rows: int, flush_seconds: float) -> None:
        """Write in other portions from now on."""
        self._flush_rows, self._flush_seconds = flush_rows, flush_seconds

    async def record(self, record: VisitRecord) -> None:
        """Hand in a record and wait until it is committed.

        Raises:
            LeaseLost: the domain belongs to somebody else by now; nothing of the record was written.
        """
        waiting = _Waiting(record, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._rows += count_rows(record)
        self._arrived.set()
        crash.point("record.buffered")
        if self._rows >= self._flush_rows or self._is_urgent(record):
            self._full.set()
        await waiting.done

    async def run(self) -> None:
        """Write until `close`; what waits then is still written."""
        while not (self._is_closing and not self._waiting):
            await self._arrived.wait()
            if not self._is_closing and not self._full.is_set():
                await self._gather()
            await self._flush()

    def close(self) -> None:
        """Write what is left without waiting for more, then let `run` return."""
        self._is_closing = True
        self._arrived.set()
        self._full.set()

    async def _gather(self) -> None:
        """Give others the chance to join this write."""
        timer = asyncio.ensure_future(self._clock.sleep(self._flush_seconds))
        full = asyncio.ensure_future(self._full.wait())
        try:
            await asyncio.wait({timer, full}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (timer, full):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    def _take(self) -> list[_Waiting]:
        taken: list[_Waiting] = []
        rows = 0
        while self._waiting and (not taken or rows + count_rows(self._waiting[0].record) <= self._flush_rows):
            taken.append(self._waiting.pop(0))
            rows += count_rows(taken[-1].record)
        self._rows -= rows
        if not self._waiting and not self._is_closing:
            self._arrived.clear()
        if self._rows < self._flush_rows and not self._is_closing:
            self._full.clear()
        return taken

    async def _flush(self) -> None:
        taken = self._take()
        if taken:
            await self._write_all(taken)

    async def _write_all(self, taken: list[_Waiting]) -> None:
        try:
            lost = await self._write_patiently([item.record for item in taken])
        except asyncio.CancelledError:
            for item in taken:
                item.done.cancel()
            raise
        except Exception as error:  # noqa: BLE001 the error goes to the visit that caused it
            await self._isolate(taken, error)
        else:
            for item in taken:
                self._settle(item, lost)

    def _is_urgent(self, record: VisitRecord) -> bool:
        """Whether somebody waits for it at this moment, or may wait for the domain: whoever asks once asks again."""
        requests = (item[0] for item in (*record.finished, *record.deferred, *record.handed_over))
        is_urgent = record.domain in self._urgent_domains or any(request.priority >= _URGENT for request in requests)
        if record.release:
            self._urgent_domains.discard(record.domain)
        elif is_urgent:
            self._urgent_domains.add(record.domain)
        return is_urgent

    def _settle(self, item: _Waiting, lost: frozenset[str]) -> None:
        if item.done.done():
            return
        if item.record.domain in lost:
            item.done.set_exception(LeaseLost(f"{item.record.domain} is leased by somebody else now"))
            return
        _tell(item.record)
        for listener in self.listeners:
            listener(item.record)
        item.done.set_result(None)

    async def _isolate(self, taken: list[_Waiting], error: Exception) -> None:
        """Find the record that cannot be written, so that the others of its batch are."""
        if len(taken) == 1:
            if not taken[0].done.done():
                taken[0].done.set_exception(error)
            return
        for item in taken:
            await self._write_all([item])

    async def _write_patiently(self, records: Sequence[VisitRecord]) -> frozenset[str]:
        for attempt in range(10_000):
            began = self._clock.monotonic()
            try:
                lost = await self._write(records)
            except StoreAway:
                metrics.count_store_failure("write")
                await self._clock.sleep(_AWAY_WAITS[min(attempt, len(_AWAY_WAITS) - 1)])
            else:
                metrics.observe_write(self._clock.monotonic() - began, sum(map(_count_written, records)))
                return lost
        msg = "PostgreSQL stayed away"
        raise StoreAway(msg)


def _count_written(record: VisitRecord) -> int:
    return len(record.finished) + len(record.deferred) + len(record.handed_over)


def _tell(record: VisitRecord) -> None:
    """Count what is committed."""
    provider = metrics.provider_of_lane(record.lane)
    for _, finding, *_ in record.finished:
        metrics.count_verdict(finding.status, finding.reason, provider)
    for _, deferral in record.deferred:
        metrics.count_deferral(deferral.reason, provider)
    for _ in record.handed_over:
        metrics.count_handover(provider)

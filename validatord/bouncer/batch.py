"""The story of one batch. Every call of `advance` takes one durable step, from whatever the ledger says.

    planned      1  create    the intent is committed, then sent ONCE          → submitted
    submitted    2  poll      until the provider says that it is complete      → ready
    ready        3  download  the results are stored as they came              → downloaded
    downloaded   4  ingest    verdicts, counters, queue: one transaction       → ingested
    ingested     5  delete    the provider forgets it, after a while           → cleaned

    submit_unknown   nobody knows whether a create was taken: no code ever repeats it, an operator decides
    lost             the provider does not know the batch, twice and some time apart
    cancelling       an operator wants it ended early; then as submitted
    parked           set aside, with a dead letter

A read that fails changes no batch: it waits and is tried again. Only a definite no lets a create be sent again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from loguru import logger

from validatord import crash
from validatord.bouncer import account, rows, wire
from validatord.bouncer.client import Access, Download
from validatord.bouncer.context import Tools, is_key_refused, obey_limit, stop
from validatord.bouncer.ingest import find_wait, ingest
from validatord.bouncer.limiter import Act
from validatord.bouncer.wire import Kind
from validatord.errors import (
    BouncerError,
    BouncerOutOfCredits,
    BouncerRateLimited,
    BouncerRejected,
    BouncerUnavailable,
    BouncerUnclear,
    StoreAway,
)
from validatord.settings import Settings
from validatord.store import bouncer_batches, bouncer_queue
from validatord.store.bouncer_batches import Batch, Trouble

Value = TypeVar("Value")

_PLANNED, _CANCELLING, _LOST = "planned", "cancelling", "lost"
_ACTS = {"submitted": Act.STATUS, _CANCELLING: Act.STATUS, "ready": Act.DOWNLOAD, "ingested": Act.DELETE}
# How many of each act may be under way: money one at a time.
_AT_ONCE = {_PLANNED: 1, "submitted": 10, _CANCELLING: 10, "ready": 3, "downloaded": 1, "ingested": 3}
_LATER_POLL = 4  # times the interval: what stands behind another batch does not move
_LONGEST_POLL = timedelta(minutes=5)
_JITTER = 0.2
_AWAY_SECONDS = 0.2
_WORTH_A_LOOK = 10  # failures in a row
_BELIEVED_EMPTY = 3  # empty downloads in a row


class BatchStory:
    """Advances batches; holds nothing that must survive."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._gates = {state: asyncio.Semaphore(most) for state, most in _AT_ONCE.items()}
        self._steps: dict[str, Callable[[Batch, Settings], Awaitable[None]]] = {
            _PLANNED: self._create,
            "submitted": self._poll,
            _CANCELLING: self._cancel,
            "ready": self._download,
            "downloaded": self._ingest,
            "ingested": self._delete,
        }
        self.heads: frozenset[int] = frozenset()

    async def advance(self, batch: Batch, settings: Settings) -> None:
        """Take the next step of a batch; its outcome is in the ledger when this returns."""
        async with self._gates[batch.state]:
            try:
                await self._steps[batch.state](batch, settings)
            except BouncerError as error:
                await self._postpone(batch, error, settings)

    async def step_back(self, batch: Batch, settings: Settings) -> None:
        """Take a step that failed in a way nobody thought of again later, and later each time."""
        trouble = Trouble("internal_error", "see the log")
        wait = find_wait(batch.retry_count, settings)
        await bouncer_batches.postpone_step(self._tools.database, batch.id, batch.state, trouble, wait)
        self._tools.errors[trouble.kind] += 1

    # --- 1  create -----------------------------------------------------------------------------

    async def _create(self, batch: Batch, settings: Settings) -> None:
        tools = self._tools
        emails = await bouncer_batches.load_payload(tools.database, batch.id)
        if wire.hash_payload(emails) != batch.payload_hash:
            await self._park(batch, Trouble("intent_broken", "the members are not what was planned"))
            return
        before = await account.read_credits(tools, batch.tier, settings.bouncer)
        if before is not None and before < batch.quantity:
            said = f"{before} credits are left, {batch.quantity} are needed"
            await account.pause(tools, batch.tier, account.NO_CREDITS, said, settings.bouncer)
            return
        await tools.limiter.take(Act.CREATE, settings.bouncer)
        crash.point("bouncer.before_intent")
        create = await bouncer_batches.begin_create(tools.database, batch.id, before)
        if create is None:
            return  # another one is under way, or nobody knows what became of it
        crash.point("bouncer.after_intent")
        await self._send(batch, create, emails, settings)

    async def _send(self, batch: Batch, create: int, emails: list[str], settings: Settings) -> None:
        tools = self._tools
        access = Access.of(settings.bouncer, batch.tier)
        callback = f"{settings.bouncer.callback_url}{batch.intent.hex}" if settings.bouncer.callback_url else ""
        try:
            ref, report = await tools.client.create(access, emails, callback)
        except BouncerUnclear as error:
            trouble = tools.hear(error)
            await self._insist(lambda: bouncer_batches.record_unknown(tools.database, batch.id, create, trouble))
            _alarm_unknown(batch, trouble)
            return
        except BouncerError as error:
            await self._hear_no(batch, create, error, settings)
            return
        tools.breaker.hear_answer()
        crash.point("bouncer.after_answer")
        wait = self._find_poll_wait(batch, settings)
        is_ours = await self._insist(
            lambda: bouncer_batches.record_created(tools.database, batch.id, create, ref, report, wait)
        )
        crash.point("bouncer.after_created")
        event = logger.bind(batch=batch.id, ref=ref, addresses=batch.quantity, duplicates=report.duplicates)
        if not is_ours:
            event.error("bouncer took a batch that was given up meanwhile: look at its results by hand")
        elif report.duplicates:
            event.warning("bouncer batch created; bouncer sees doubles where we see none")
        else:
            event.info("bouncer batch created")

    async def _hear_no(self, batch: Batch, create: int, error: BouncerError, settings: Settings) -> None:
        """The batch was surely not made: it is planned again, and what stands in the way is dealt with."""
        tools, bouncer = self._tools, settings.bouncer
        trouble = tools.hear(error)
        wait = find_wait(batch.retry_count, settings) if trouble.is_failure else bouncer.retry_wait
        await self._insist(lambda: bouncer_batches.record_not_created(tools.database, batch.id, create, trouble, wait))
        if isinstance(error, BouncerRateLimited):
            await obey_limit(tools, Act.CREATE, error, bouncer)
        elif isinstance(error, BouncerOutOfCredits):
            await account.pause(tools, batch.tier, account.NO_CREDITS, str(error), bouncer)
        elif is_key_refused(error) and isinstance(error, BouncerRejected):
            await stop(tools, batch.tier, error, bouncer)
        elif isinstance(error, BouncerRejected) and error.kind == Kind.PERMANENT_FAILURE:
            await self._park(batch, trouble)
        elif isinstance(error, BouncerRejected):
            await account.pause(tools, batch.tier, account.MISCONFIGURED, str(error), bouncer)

    async def _park(self, batch: Batch, trouble: Trouble) -> None:
        if await bouncer_queue.park_batch(self._tools.database, batch.id, _PLANNED, trouble):
            logger.bind(batch=batch.id, said=trouble.message).error("bouncer batch parked")

    # --- 2  poll -------------------------------------------------------------------------------

    async def _poll(self, batch: Batch, settings: Settings) -> None:
        tools = self._tools
        await tools.limiter.take(Act.STATUS, settings.bouncer)
        report = await tools.client.read_status(
            Access.of(settings.bouncer, batch.tier), _ref(batch), with_stats=batch.id in self.heads
        )
        tools.breaker.hear_answer()
        crash.point("bouncer.after_poll")
        wait = timedelta(0) if report.is_complete else self._find_poll_wait(batch, settings)
        await bouncer_batches.record_status(tools.database, batch.id, report, wait)
        if report.status.casefold() not in wire.KNOWN_STATUSES and report.status != batch.status:
            logger.bind(batch=batch.id, status=report.status).warning("bouncer says a status we do not know")

    def _find_poll_wait(self, batch: Batch, settings: Settings) -> timedelta:
        interval = settings.bouncer.poll_interval
        if self.heads and batch.id not in self.heads:
            interval = max(interval, min(interval * _LATER_POLL, _LONGEST_POLL))
        return interval * (1 + self._tools.rng.uniform(0, _JITTER))

    async def _cancel(self, batch: Batch, settings: Settings) -> None:
        tools = self._tools
        if batch.finish_ts is None:
            await tools.limiter.take(Act.DELETE, settings.bouncer)
            if await tools.client.finish(Access.of(settings.bouncer, batch.tier), _ref(batch)):
                tools.breaker.hear_answer()
                wait = self._find_poll_wait(batch, settings)
                await bouncer_batches.record_finish(tools.database, batch.id, wait)
                logger.bind(batch=batch.id).info("bouncer ends the batch early")
                return
        # It does not run: not yet, or not any more. Only a poll can tell.
        await self._poll(batch, settings)

    # --- 3  download ---------------------------------------------------------------------------

    async def _download(self, batch: Batch, settings: Settings) -> None:
        tools = self._tools
        await tools.limiter.take(Act.DOWNLOAD, settings.bouncer)
        found = await tools.client.download(Access.of(settings.bouncer, batch.tier), _ref(batch))
        tools.breaker.hear_answer()
        crash.point("bouncer.after_download")
        count = await self._count_rows(found)
        if not count and not _may_be_empty(batch):
            raise BouncerUnavailable("a complete batch without a single row", Kind.EMPTY)
        await bouncer_batches.record_download(tools.database, batch.id, found.parts, found.size, found.sha256)
        crash.point("bouncer.after_stored")

    async def _count_rows(self, found: Download) -> int:
        try:
            return await asyncio.to_thread(rows.count_rows, found.parts)
        except wire.Unreadable as error:
            raise BouncerUnavailable(str(error), Kind.UNREADABLE) from None

    # --- 4  ingest -----------------------------------------------------------------------------

    async def _ingest(self, batch: Batch, settings: Settings) -> None:
        crash.point("bouncer.before_ingest")
        await ingest(self._tools, batch, settings)
        crash.point("bouncer.after_ingest")

    # --- 5  delete -----------------------------------------------------------------------------

    async def _delete(self, batch: Batch, settings: Settings) -> None:
        tools = self._tools
        await tools.limiter.take(Act.DELETE, settings.bouncer)
        crash.point("bouncer.before_delete")
        await tools.client.delete(Access.of(settings.bouncer, batch.tier), _ref(batch))
        tools.breaker.hear_answer()
        crash.point("bouncer.after_delete")
        await bouncer_batches.record_cleaned(tools.database, batch.id)
        crash.point("bouncer.after_cleaned")

    # --- when a step did not succeed -----------------------------------------------------------

    async def _postpone(self, batch: Batch, error: BouncerError, settings: Settings) -> None:
        """Leave the batch where it is and say when it is tried again; only "there is none" counts against it."""
        tools, bouncer = self._tools, settings.bouncer
        trouble = tools.hear(error)
        wait = find_wait(batch.retry_count, settings)
        if isinstance(error, BouncerRateLimited):
            wait = await obey_limit(tools, _ACTS.get(batch.state, Act.CREDITS), error, bouncer)
        elif isinstance(error, BouncerRejected):
            if is_key_refused(error):
                await stop(tools, batch.tier, error, bouncer)
                trouble = Trouble(trouble.kind, trouble.message, is_failure=False)
            elif error.kind in {Kind.NOT_FOUND, Kind.REMOVED} and batch.state != _PLANNED:
                await self._note_missing(batch, trouble, settings)
                return
            elif error.kind == Kind.NOT_READY and batch.state == "ready":
                await bouncer_batches.reopen_batch(tools.database, batch.id, self._find_poll_wait(batch, settings))
                return
        await bouncer_batches.postpone_step(tools.database, batch.id, batch.state, trouble, wait)
        if trouble.is_failure and batch.retry_count + 1 == _WORTH_A_LOOK:
            await bouncer_queue.add_dead_letter(tools.database, batch.id, trouble)
            logger.bind(batch=batch.id, state=batch.state, kind=trouble.kind, said=trouble.message).warning(
                "bouncer step fails again and again; going on trying"
            )
        logger.bind(batch=batch.id, state=batch.state, kind=trouble.kind, said=trouble.message).debug(
            "bouncer step postponed"
        )

    async def _note_missing(self, batch: Batch, trouble: Trouble, settings: Settings) -> None:
        bouncer = settings.bouncer
        state = await bouncer_batches.note_missing(
            self._tools.database,
            batch.id,
            trouble,
            lost_after=bouncer.lost_after,
            wait=min(bouncer.poll_interval, bouncer.lost_after),
        )
        if state == _LOST:
            await bouncer_queue.add_dead_letter(self._tools.database, batch.id, Trouble(_LOST, trouble.message))
            logger.bind(batch=batch.id, ref=batch.batch_id).error(
                "bouncer does not know the batch any more: adopt, resubmit or abandon it"
            )

    async def _insist(self, write: Callable[[], Awaitable[Value]]) -> Value:
        """Write down what only this process knows, however long PostgreSQL is away."""
        while True:
            try:
                return await write()
            except StoreAway:
                await self._tools.clock.sleep(_AWAY_SECONDS)


def _ref(batch: Batch) -> str:
    """The provider's name of the batch; the ledger does not let one without it come so far."""
    return batch.batch_id or ""


def _may_be_empty(batch: Batch) -> bool:
    """Whether no row at all may be the truth: nothing was charged, and it was said more than once."""
    return batch.cancel_ts is not None or (batch.credits == 0 and batch.retry_count >= _BELIEVED_EMPTY)


def _alarm_unknown(batch: Batch, trouble: Trouble) -> None:
    logger.bind(batch=batch.id, addresses=batch.quantity, said=trouble.message).error(
        "bouncer may or may not have taken the batch; nothing is bought until somebody says: adopt, resubmit or abandon"
    )

"""Step 5 of a batch: from a stored download to verdicts, in one transaction or not at all.

Reading rows and making findings happens in slices off the event loop. What did not come back is sorted by
what it may have cost: an address that may have been paid for is not bought again by itself.
"""

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from loguru import logger

from validatord import crash
from validatord.bouncer import rows, translate, wire
from validatord.bouncer.context import Tools
from validatord.bouncer.translate import Rules
from validatord.bouncer.wire import Kind
from validatord.settings import Settings
from validatord.store import bouncer_batches, bouncer_ingest
from validatord.store.bouncer_batches import Batch, Trouble
from validatord.store.bouncer_ingest import Answered, Incoming, Ingest, Reuse, RowCounts
from validatord.store.outcomes import Finished
from validatord.store.rows import Columns

_SLICE = 500  # rows at a time: a hundredth of a second each
_PAGE = 150
_FREE_DOWNLOADS = 3  # before a row that was paid for and is not there is given up


class _DownloadAgain(Exception):
    """Leaves the transaction, which undoes it; nothing more."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.message)
        self.trouble = trouble


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What is read before the transaction begins."""

    text: str
    deep_clients: list[str]


async def ingest(tools: Tools, batch: Batch, settings: Settings) -> RowCounts | None:
    """Take a download in; None where it did not do and is to be downloaded again."""
    try:
        prepared = _Prepared(await _load_text(tools, batch), await _list_deep(tools, batch, settings))
        async with bouncer_ingest.open_ingest(tools.database, batch.id) as work:
            return await _ingest(work, prepared, settings) if work is not None else None
    except (wire.Unreadable, _DownloadAgain) as error:
        trouble = error.trouble if isinstance(error, _DownloadAgain) else Trouble(Kind.UNREADABLE, str(error))
        tools.errors[trouble.kind] += 1
        await bouncer_batches.discard_download(tools.database, batch.id, trouble, find_wait(batch.downloads, settings))
        logger.bind(batch=batch.id, said=trouble.message).warning("bouncer results do not do; downloading again")
        return None


def find_wait(failures: int, settings: Settings) -> timedelta:
    """Return the wait after so many failures in a row."""
    bouncer = settings.bouncer
    return min(bouncer.max_retry_wait, bouncer.retry_wait * 2 ** min(failures, 20))


async def _ingest(work: Ingest, prepared: _Prepared, settings: Settings) -> RowCounts:
    batch = work.batch
    # 1  every row into the ledger
    await _copy(work, prepared.text)
    crash.point("bouncer.rows_copied")
    # 2  one result per member
    counts = await work.merge(_reuse_of(settings))
    is_paid = _check_missing(batch, counts)
    # 3  verdicts
    await _finish(work, settings)
    crash.point("bouncer.verdicts_written")
    # 4  what remains
    await work.queue_deep(prepared.deep_clients)
    await work.complete()
    await _dispose_of_missing(work, settings, is_paid=is_paid)
    # 5  counters and state
    await work.close(counts, settings.bouncer.keep_results)
    crash.point("bouncer.before_ingest_commit")
    _tell(batch, counts)
    return counts


async def _load_text(tools: Tools, batch: Batch) -> str:
    parts: list[bytes] = []
    while (part := await bouncer_batches.get_part(tools.database, batch.id, len(parts))) is not None:
        parts.append(part)
    return await asyncio.to_thread(rows.unpack, parts)


async def _copy(work: Ingest, text: str) -> None:
    reader = enumerate(rows.iterate_rows(text))
    while incoming := await asyncio.to_thread(_read_slice, reader, work.batch.id):
        await work.copy(incoming)


def _read_slice(reader: Iterator[tuple[int, Any]], batch: int) -> list[Incoming]:
    return [rows.read_row(raw, batch, seq) for seq, raw in rows.breathe(itertools.islice(reader, _SLICE))]


def _check_missing(batch: Batch, counts: RowCounts) -> bool:
    """Return whether a missing row may have been paid for; a fresh download may still bring it."""
    missing = counts.missing - counts.quarantined
    if missing <= 0 or batch.cancel_ts is not None:
        return False
    may_be_paid = batch.credits is not None and batch.credits > counts.charged
    if may_be_paid and batch.downloads <= _FREE_DOWNLOADS:
        raise _DownloadAgain(Trouble("rows_missing", f"{missing} rows are missing that may have been paid for"))
    return may_be_paid


async def _finish(work: Ingest, settings: Settings) -> None:
    rules = Rules(settings.score, settings.freshness)
    after = ("", 0)
    while found := await work.fetch_answered(after, _PAGE):
        after = (found[-1]["email"], found[-1]["queue_id"])
        await work.finish(await asyncio.to_thread(_judge, found, rules))


def _judge(found: Sequence[Columns], rules: Rules) -> list[Finished]:
    return make_findings([bouncer_ingest.read_answered(row) for row in rows.breathe(found)], rules)


def _reuse_of(settings: Settings) -> Reuse:
    fresh = settings.freshness
    return Reuse(fresh.valid, fresh.invalid, fresh.risky, fresh.accept_all)


def make_findings(answered: Sequence[Answered], rules: Rules) -> list[Finished]:
    """Make the outcome of each request from its answer and its own finding."""
    return [
        Finished(
            item.request,
            translate.merge(translate.read_answer(item.result), item.own, rules),
            item.request.attempt,
        )
        for item in rows.breathe(answered)
    ]


async def _list_deep(tools: Tools, batch: Batch, settings: Settings) -> list[str]:
    if batch.tier != "main" or not settings.bouncer.deep_api_key.get_secret_value():
        return []
    clients = await bouncer_batches.list_clients(tools.database, batch.id)
    return [client for client in clients if tools.policy_of(client).bouncer.is_deep]


async def _dispose_of_missing(work: Ingest, settings: Settings, *, is_paid: bool) -> None:
    if is_paid:
        await work.park_missing("paid_but_missing", 0)
    elif work.batch.cancel_ts is None:
        await work.park_missing("missing_repeatedly", settings.bouncer.missing_retries)
    await work.requeue_missing(is_counted=work.batch.cancel_ts is None)


def _tell(batch: Batch, counts: RowCounts) -> None:
    event = logger.bind(batch=batch.id, answered=counts.answered, charged=counts.charged, credits=batch.credits)
    if counts.missing or counts.foreign or counts.doubled or counts.quarantined:
        event = event.bind(
            missing=counts.missing, foreign=counts.foreign, doubled=counts.doubled, quarantined=counts.quarantined
        )
        event.warning("bouncer batch ingested, with oddities")
    else:
        event.info("bouncer batch ingested")

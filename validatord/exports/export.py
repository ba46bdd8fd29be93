"""The story of an export.

1. Open the client's results under its policy of this moment.
2. Fetch a page by its range of keys: one short statement, no transaction stays open.
3. Keep what is wanted, as it is labelled.
4. Encode, pack, hand on; the next page is fetched when that was taken.

So at most one page is in memory, however slow whoever reads, and an export that broke off goes on after the
last `index` that arrived.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from validatord.exports.columns import domain_of, to_values
from validatord.exports.forms import CSVEncoder, Encoder, Form, NDJSONEncoder
from validatord.exports.parquet import ParquetEncoder
from validatord.mail.request import RequestState
from validatord.mail.verdict import Status
from validatord.store.submissions import ResultRow

PAGE = 2000  # rows in memory at once, besides what Parquet collects for a row group
_GZIP = 31  # zlib's window bits for a gzip stream
_LAST = 2**31 - 1


class Pages(Protocol):
    """Results by their place, labelled; `intake.results.Results` is one."""

    async def fetch_page(self, submission_id: int, after_idx: int, limit: int) -> list[ResultRow]:
        """Return requests after a place (-1: from the first)."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an export holds and looks like; an empty set of words leaves its condition out.

    `after` and `until` are places: those with after < index <= until. `has_header` None means a header unless
    the export goes on after a place. `has_bom` None means a byte order mark in the form for spreadsheets.
    """

    form: Form = Form.CSV
    statuses: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    with_unfinished: bool = False
    after: int = -1
    until: int = _LAST
    has_bom: bool | None = None
    has_header: bool | None = None
    is_packed: bool = False

    @property
    def is_gzip(self) -> bool:
        """Whether the stream is packed; Parquet packs by itself."""
        return self.is_packed and self.form is not Form.PARQUET

    def takes(self, row: ResultRow) -> bool:
        """Whether a row is wanted, under the label its client sees."""
        if row.state != RequestState.DONE.value:
            return self.with_unfinished and not self.statuses and self._fits(row)
        return (not self.statuses or row.status in self.statuses) and self._fits(row)

    def _fits(self, row: ResultRow) -> bool:
        return (not self.reasons or (row.reason or row.deferral_reason) in self.reasons) and (
            not self.domains or domain_of(row) in self.domains
        )


def choose_statuses(
    asked: Sequence[str], usual: Sequence[str], *, include_accept_all: bool | None = None
) -> frozenset[str]:
    """Return the statuses of an export: those asked for, else the client's usual ones, else all (an empty set).

    `include_accept_all` adds or takes out `accept_all`; None leaves it as it is.
    """
    chosen = set(asked or usual)
    if include_accept_all is None or (include_accept_all and not chosen):
        return frozenset(chosen)
    if include_accept_all:
        return frozenset(chosen | {Status.ACCEPT_ALL.value})
    return frozenset((chosen or {status.value for status in Status}) - {Status.ACCEPT_ALL.value})


def stream(pages: Pages, submission_id: int, wanted: Wanted) -> AsyncGenerator[bytes]:
    """Return an export in pieces; the next page is read when a piece was taken.

    Raises:
        ConfigurationError: Parquet is asked for and not installed.
    """
    pieces = _encode(pages, submission_id, wanted, make_encoder(wanted))
    return _pack(pieces) if wanted.is_gzip else pieces


async def _pack(pieces: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    packer = zlib.compressobj(6, wbits=_GZIP)
    async for piece in pieces:
        # So a stream that breaks off can be read up to there, and every piece leaves at once.
        yield packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH)
    yield packer.flush()


async def _encode(pages: Pages, submission_id: int, wanted: Wanted, encoder: Encoder) -> AsyncGenerator[bytes]:
    yield encoder.begin()
    async for rows in _keep(pages, submission_id, wanted):
        # In a thread: a page takes some milliseconds, and a row group of Parquet some tens.
        yield await asyncio.to_thread(encoder.encode, [to_values(row) for row in rows])
    yield await asyncio.to_thread(encoder.end)


async def _keep(pages: Pages, submission_id: int, wanted: Wanted) -> AsyncGenerator[list[ResultRow]]:
    after = wanted.after
    while after < wanted.until:
        page = await pages.fetch_page(submission_id, after, PAGE)
        if not page:
            return
        after = page[-1].idx
        yield [row for row in page if row.idx <= wanted.until and wanted.takes(row)]


def make_encoder(wanted: Wanted) -> Encoder:
    """Return what writes the wanted form.

    Raises:
        ConfigurationError: Parquet is asked for and not installed.
    """
    has_header = wanted.after < 0 if wanted.has_header is None else wanted.has_header
    if wanted.form is Form.NDJSON:
        return NDJSONEncoder()
    if wanted.form is Form.PARQUET:
        return ParquetEncoder()
    is_safe = wanted.form is Form.CSV
    has_bom = is_safe and wanted.after < 0 if wanted.has_bom is None else wanted.has_bom
    return CSVEncoder(is_safe=is_safe, has_bom=has_bom, has_header=has_header)


def find_form(path: str) -> tuple[Form, bool]:
    """Return the form, and whether it is packed, that the name of a file speaks of; CSV where it says nothing."""
    name, is_packed = (path[:-3], True) if path.endswith(".gz") else (path, False)
    if name.endswith((".ndjson", ".jsonl")):
        return Form.NDJSON, is_packed
    return (Form.PARQUET if name.endswith(".parquet") else Form.CSV), is_packed

"""An export holds what is wanted, in the form wanted, and goes on where it broke off."""

import asyncio
import csv
import gzip
import io
import tracemalloc
from typing import Any
from uuid import UUID

import orjson
import pytest

from tests.fakes.results import FakePages, make_row
from validatord.errors import ConfigurationError
from validatord.exports import export, parquet
from validatord.exports.columns import COLUMNS
from validatord.exports.export import PAGE, Wanted, choose_statuses, find_form, stream
from validatord.exports.forms import Form
from validatord.store.submissions import ResultRow

_STATUSES = ("valid", "invalid", "accept_all", "risky", "unknown")


def _mixed(idx: int) -> ResultRow:
    """Statuses in turn; every seventh request is not finished."""
    if idx % 7 == 6:
        return make_row(idx, state="queued", status=None, reason=None, deferral_reason="greylisted", checked_at=None)
    status = _STATUSES[idx % 5]
    return make_row(idx, status=status, reason="mailbox_full" if status == "risky" else "accepted")


async def run(pages: FakePages, **wanted: Any) -> bytes:
    """Return a whole export."""
    return b"".join([piece async for piece in stream(pages, 1, Wanted(**wanted))])


async def rows_of(pages: FakePages, **wanted: Any) -> list[dict[str, Any]]:
    """Return the rows of an export as JSON lines."""
    data = await run(pages, form=Form.NDJSON, **wanted)
    return [orjson.loads(line) for line in data.splitlines()]


async def test_columns() -> None:
    """Every form has the same columns in the same order, with values of their kind."""
    contact = UUID("00000000-0000-4000-8000-000000000001")
    pages = FakePages(1, lambda idx: make_row(idx, contact_id=contact))
    (row,) = await rows_of(pages)
    text = (await run(pages, form=Form.CSV_RAW)).decode()

    assert tuple(row) == COLUMNS
    assert text.splitlines()[0] == ",".join(COLUMNS)
    assert row["contact_id"] == str(contact)
    assert (row["domain"], row["reasons"], row["is_free"], row["due_at"]) == (
        *("domain0.example", ["accepted", "mx_found"], True, None),
    )


async def test_filters() -> None:
    """By status as it is shown, by reason, by domain; what is not finished only where it is asked for."""
    pages = FakePages(700, _mixed)
    finished = await rows_of(pages)
    some = await rows_of(pages, statuses=frozenset({"valid", "risky"}))

    assert len(finished) == 600
    assert {row["status"] for row in some} == {"valid", "risky"}
    assert {row["status"] for row in await rows_of(pages, reasons=frozenset({"mailbox_full"}))} == {"risky"}
    assert {row["domain"] for row in await rows_of(pages, domains=frozenset({"domain7.example"}))} == {
        "domain7.example"
    }
    everything = await rows_of(pages, with_unfinished=True)
    waiting = [row for row in everything if row["state"] == "queued"]
    assert (len(everything), len(waiting)) == (700, 100)
    assert {(row["status"], row["deferral_reason"]) for row in waiting} == {(None, "greylisted")}
    assert all(row["state"] == "done" for row in await rows_of(pages, statuses=frozenset({"unknown"})))


@pytest.mark.parametrize(
    ("asked", "usual", "include", "expected"),
    [
        ((), (), None, set()),
        ((), (), True, set()),
        ((), (), False, set(_STATUSES) - {"accept_all"} | {"free_provider"}),
        ((), ("valid",), None, {"valid"}),
        ((), ("valid",), True, {"valid", "accept_all"}),
        ((), ("valid", "accept_all"), False, {"valid"}),
        (("risky",), ("valid",), None, {"risky"}),
        (("risky", "accept_all"), (), False, {"risky"}),
    ],
)
def test_statuses(asked: tuple[str, ...], usual: tuple[str, ...], include: bool | None, expected: set[str]) -> None:
    """Statuses asked for win over the client's usual ones; the switch adds or takes out accept_all."""
    assert choose_statuses(asked, usual, include_accept_all=include) == expected


@pytest.mark.parametrize("form", [Form.NDJSON, Form.CSV, Form.CSV_RAW])
async def test_goes_on(form: Form) -> None:
    """What broke off goes on after the last place that arrived: the pieces together are the whole."""
    whole = await run(FakePages(5000, _mixed), form=form)
    first = await run(FakePages(5000, _mixed), form=form, until=1234)
    second = await run(FakePages(5000, _mixed), form=form, after=1234)

    assert first + second == whole
    assert first
    assert second


async def test_pages_by_key() -> None:
    """Pages are read by ranges of keys, one at a time, each when the one before was taken."""
    pages = FakePages(PAGE * 3)
    pieces = stream(pages, 1, Wanted(Form.NDJSON))
    counts = [len(pages.reads) async for _ in pieces]

    assert pages.reads == [(-1, PAGE), (PAGE - 1, PAGE), (2 * PAGE - 1, PAGE), (3 * PAGE - 1, PAGE)]
    assert counts == [0, 1, 2, 3, 4]


async def test_no_range_is_no_read() -> None:
    """An empty range reads nothing."""
    pages = FakePages(10)

    assert await run(pages, form=Form.NDJSON, after=5, until=5) == b""
    assert pages.reads == []


async def test_gzip() -> None:
    """Packed is the same, and what arrived of a stream that broke off can be read."""
    plain = await run(FakePages(5000), form=Form.CSV)
    pieces = [piece async for piece in stream(FakePages(5000), 1, Wanted(Form.CSV, is_packed=True))]

    assert gzip.decompress(b"".join(pieces)) == plain
    with gzip.open(io.BytesIO(b"".join(pieces[:2]))) as torn:
        assert plain.startswith(torn.read1(10_000_000))


@pytest.mark.parametrize(
    ("wanted", "begins"),
    [
        ({}, b"\xef\xbb\xbfindex,"),
        ({"has_bom": False}, b"index,"),
        ({"form": Form.CSV_RAW}, b"index,"),
        ({"form": Form.CSV_RAW, "has_bom": True}, b"\xef\xbb\xbfindex,"),
        ({"has_header": False, "has_bom": False}, b"0,user0@"),
        ({"after": 0}, b"1,user1@"),
        ({"after": 0, "has_header": True}, b"index,"),
    ],
)
async def test_beginning(wanted: dict[str, Any], begins: bytes) -> None:
    """For spreadsheets a byte order mark stands in front, and a header; neither where an export goes on."""
    assert (await run(FakePages(3), **wanted)).startswith(begins)


async def test_parquet() -> None:
    """Parquet holds the same rows as JSON lines, in row groups of a bounded size, with types of their own."""
    pq = pytest.importorskip("pyarrow.parquet")
    count = parquet._ROWS_PER_GROUP * 2 + 5
    data = await run(FakePages(count, _mixed), form=Form.PARQUET, with_unfinished=True)
    file = pq.ParquetFile(io.BytesIO(data))

    assert [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)] == [20_000, 20_000, 5]
    assert tuple(file.schema_arrow.names) == COLUMNS
    assert str(file.schema_arrow.field("checked_at").type) == "timestamp[us, tz=UTC]"
    expected = await rows_of(FakePages(count, _mixed), with_unfinished=True)
    found = file.read().to_pylist()
    times = ("checked_at", "due_at", "finished_at")
    assert [{**row, **{name: row[name] and row[name].isoformat() for name in times}} for row in found] == expected


async def test_parquet_of_nothing() -> None:
    """An export without rows is a file without rows, not a broken one."""
    pq = pytest.importorskip("pyarrow.parquet")

    assert pq.read_table(io.BytesIO(await run(FakePages(0), form=Form.PARQUET))).num_rows == 0


async def test_without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pyarrow is not installed Parquet is refused at once, with what to install."""
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)

    with pytest.raises(ConfigurationError, match=r"validatord\[parquet\]"):
        stream(FakePages(1), 1, Wanted(Form.PARQUET))


@pytest.mark.parametrize("form", list(Form))
async def test_flat_memory(form: Form) -> None:
    """A reader as slow as it likes: memory depends on the page, not on the length (L10 in small)."""
    if form is Form.PARQUET:
        pytest.importorskip("pyarrow")

    async def peak(count: int) -> int:
        tracemalloc.start()
        async for _ in stream(FakePages(count), 1, Wanted(form)):
            await asyncio.sleep(0)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    pages = 30 if form is Form.PARQUET else 6
    short, long = await peak(PAGE * pages // 3), await peak(PAGE * pages)

    assert long < short * 1.5


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.csv", (Form.CSV, False)),
        ("a.csv.gz", (Form.CSV, True)),
        ("a.ndjson", (Form.NDJSON, False)),
        ("a.jsonl.gz", (Form.NDJSON, True)),
        ("a.parquet", (Form.PARQUET, False)),
        ("-", (Form.CSV, False)),
    ],
)
def test_form_of_a_name(path: str, expected: tuple[Form, bool]) -> None:
    """The name of a file says its form."""
    assert find_form(path) == expected


def test_csv_is_rfc_4180() -> None:
    """Lines end with CR LF, quotes are doubled."""
    encoder = export.make_encoder(Wanted(Form.CSV_RAW))
    row = dict.fromkeys(COLUMNS) | {"address": 'a "b",c'}

    assert encoder.encode([row]) == b',"a ""b"",c"' + b"," * (len(COLUMNS) - 2) + b"\r\n"
    assert next(csv.reader(io.StringIO(encoder.encode([row]).decode())))[1] == 'a "b",c'

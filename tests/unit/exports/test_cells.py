"""Cells that are safe in a spreadsheet, and can be read back."""

import csv
import io
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.results import FakePages, make_row
from validatord.exports import cells
from validatord.exports.export import Wanted, stream
from validatord.exports.forms import Form

NASTY = (
    "=1+1",
    "+1@one.example",
    "-1@one.example",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    '"=1+1"',
    "'=1+1",
    "''=1",
    " =1",
    "\N{NO-BREAK SPACE}=1",
    "\N{FULLWIDTH EQUALS SIGN}1",
    '=HYPERLINK("https://one.example";"look")',
    'a "quoted" text',
    "two\nlines",
    "two\r\nlines",
    "semi;colon, comma",
    "\N{RIGHT-TO-LEFT OVERRIDE}moc.elpmaxe",
    "\u05d0@one.example",
    "ä@one.example",
    "''",
    "'",
    "plain",
    "",
)


async def read_rows(form: Form, texts: tuple[str, ...]) -> list[dict[str, str]]:
    """Export rows that hold the texts as replies and read them back with Python's csv."""
    pages = FakePages(len(texts), lambda idx: make_row(idx, reply=texts[idx]))
    data = b"".join([piece async for piece in stream(pages, 1, Wanted(form))])
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


async def test_raw_is_as_it_is() -> None:
    """The raw form gives every text back to Python unchanged."""
    found = await read_rows(Form.CSV_RAW, NASTY)

    assert [row["reply"] for row in found] == list(NASTY)


async def test_safe_can_be_undone() -> None:
    """In the form for spreadsheets no cell begins with a trigger, and what was put in front can be taken away."""
    found = await read_rows(Form.CSV, NASTY)

    assert [cells.read_safe(row["reply"]) for row in found] == list(NASTY)
    assert [cell for row in found for cell in row.values() if begins_like_a_formula(cell)] == []


def begins_like_a_formula(cell: str) -> bool:
    """Whether the first sign that counts, behind blanks and quotes that might be dropped, begins a formula."""
    return cell.lstrip(' "\N{NO-BREAK SPACE}')[:1] in tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


@given(st.text() | st.text("=+-@\t\r\n'\" \uff1d"))
def test_any_text(text: str) -> None:
    """Whatever the text: the cell is no formula, and the text comes back."""
    safe = cells.to_safe(text)

    assert not begins_like_a_formula(safe)
    assert cells.read_safe(safe) == text


@pytest.mark.parametrize("length", [32_766, 32_767, 32_768, 100_000])
def test_long_cells(length: int) -> None:
    """A cell is never longer than a spreadsheet holds; what is cut ends with an ellipsis."""
    safe = cells.to_safe("x" * length)

    assert len(safe) == min(length, 32_767)
    assert safe.endswith("…") is (length > 32_767)
    assert len(cells.to_safe("=" * length)) <= 32_767


async def test_long_cells_stay_raw() -> None:
    """The raw form cuts nothing."""
    (row,) = await read_rows(Form.CSV_RAW, ("x" * 40_000,))

    assert len(row["reply"]) == 40_000


def test_values() -> None:
    """Lists are joined by blanks, yes and no are words, nothing is an empty cell, NUL never stands in a file."""
    assert [cells.to_text(value) for value in (["a", "b"], True, False, None, 7, "a\0b")] == [
        *("a b", "true", "false", "", "7", "ab")
    ]


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed here")
async def test_libreoffice_reads_the_same(tmp_path: Path) -> None:
    """LibreOffice shows the texts, computes none of them, and writes back what it read."""
    texts = tuple(text for text in NASTY if "\r" not in text)
    pages = FakePages(len(texts), lambda idx: make_row(idx, reply=texts[idx]))
    path = tmp_path / "results.csv"
    path.write_bytes(b"".join([piece async for piece in stream(pages, 1, Wanted(Form.CSV))]))
    # 44 comma, 34 quote, 76 UTF-8, from line 1; no formulas in, values out as shown.
    filters = [
        "--infilter=CSV:44,34,76,1",
        "--convert-to",
        "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false",
    ]
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    command = ["soffice", profile, "--headless", *filters, "--outdir", str(tmp_path / "out"), str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=50)
    shown = (tmp_path / "out" / "results.csv").read_text(encoding="utf-8-sig")

    found = [row["reply"] for row in csv.DictReader(io.StringIO(shown, newline=""))]
    assert [cells.read_safe(cell) for cell in found] == list(texts)

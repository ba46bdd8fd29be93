"""Reads lists of addresses: one a line, CSV with a named or guessed column from any encoding, or NDJSON.

Nothing is refused here: what cannot be an address becomes a row all the same and gets its clear reason
from the syntax check, so that nothing of a list is lost by one bad line. Memory stays flat.
"""

import codecs
import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Protocol, cast

import orjson

from validatord.errors import ConfigurationError

# Far above any address (RFC 5321 allows 254 octets) and any sane CSV row.
MAX_LINE = 64 * 1024
_CUT_ADDRESS = 400
_HEADERS = re.compile(
    r"^(e[-_ ]?mail|mail|e[-_ ]?mail[-_ ]?address(es)?|mail[-_ ]?address|address|adresse?|correo)$", re.IGNORECASE
)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Readable(Protocol):
    """Where bytes come from: a file, or an upload."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes; none at the end."""
        ...


@dataclass(frozen=True, slots=True)
class InputRow:
    """One row of a list: where it stood, and the text that should be an address."""

    line: int
    address: str
    contact_id: str = ""


def read_addresses(stream: Readable, *, column: str = "", name: str = "input") -> Iterator[InputRow]:
    """Yield the rows of a list; empty lines are skipped.

    Raises:
        ConfigurationError: `column` is named but not there.
    """
    lines = enumerate(decode_lines(stream), start=1)
    head = list(islice(((number, line) for number, line in lines if line.strip()), 1))
    if not head:
        return
    layout = _guess_layout(head[0][1], column, name)
    rows = chain([] if layout.has_header else head, lines)
    if layout.delimiter:
        yield from _read_csv(rows, layout)
    else:
        yield from (InputRow(number, _cut(line.strip())) for number, line in rows if line.strip())


@dataclass(frozen=True, slots=True)
class Head:
    """What the first line of a list says: the names of its columns, and which holds the addresses; none: no header."""

    columns: tuple[str, ...] = ()
    chosen: str = ""


def read_head(stream: Readable) -> Head:
    """Return what a list calls its columns, and the one that is taken unless another is named."""
    line = next((line for line in decode_lines(stream) if line.strip()), "")
    layout = _guess_layout(line, "", "list")
    if not line.strip() or not layout.delimiter:
        return Head()
    cells = tuple(cell.strip() for cell in next(csv.reader([_join(line)], delimiter=layout.delimiter)))
    # A first line with an address in it is no header; else somebody may mean any of its columns.
    if not layout.has_header and any("@" in cell for cell in cells):
        return Head()
    return Head(cells, cells[layout.column])


def read_ndjson(stream: Readable) -> Iterator[InputRow]:
    """Yield a row per line: a JSON text, or an object with `email` and perhaps `contact_id`; empty lines are skipped.

    A line that is neither becomes a row whose address is the line itself: it is no mailbox, and its answer says so.
    """
    for number, line in enumerate(_split_bytes(iter(lambda: stream.read(65_536), b"")), start=1):
        if line.strip():
            yield _read_object(number, line)


def _read_object(number: int, line: bytes) -> InputRow:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        value = None
    if isinstance(value, str):
        return InputRow(number, _cut(value.strip()))
    member = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    email = member.get("email")
    if not isinstance(email, str):
        return InputRow(number, _cut(_decode(line.strip())))
    contact = member.get("contact_id") or member.get("contactId") or ""
    return InputRow(number, _cut(email.strip()), str(contact)[:_CUT_ADDRESS])


@dataclass(frozen=True, slots=True)
class _Layout:
    delimiter: str = ""
    column: int = 0
    contact_column: int = -1
    has_header: bool = False


def decode_lines(stream: Readable) -> Iterator[str]:
    """Yield lines without their ends; UTF-8 first, Windows-1252 for a line that is not."""
    first = stream.read(4)
    for bom, encoding in _BOMS:
        if first.startswith(bom):
            raw = chain([first[len(bom) :]], iter(lambda: stream.read(65_536), b""))
            yield from _split(codecs.iterdecode(raw, encoding, errors="replace"))
            return
    yield from (_decode(line) for line in _split_bytes(chain([first], iter(lambda: stream.read(65_536), b""))))


def _decode(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")


def _split_bytes(blocks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        yield from (line[:MAX_LINE].rstrip(b"\r") for line in lines)
        # A line without an end must not grow in memory; what is cut off is no address anyway.
        rest = rest[: MAX_LINE + 1]
    if rest:
        yield rest[:MAX_LINE].rstrip(b"\r")


def _split(blocks: Iterable[str]) -> Iterator[str]:
    rest = ""
    for block in blocks:
        *lines, rest = (rest + block).split("\n")
        yield from (line[:MAX_LINE].rstrip("\r") for line in lines)
        rest = rest[: MAX_LINE + 1]
    if rest:
        yield rest[:MAX_LINE].rstrip("\r")


def _guess_layout(head: str, column: str, name: str) -> _Layout:
    delimiter = max(",;\t", key=head.count)
    if not head.count(delimiter):
        if column and head.strip().lower() != column.lower():
            raise ConfigurationError(
                [f'{name}: there is no column "{column}" (the first line is "{head.strip()[:80]}")']
            )
        return _Layout(has_header=bool(_HEADERS.match(head.strip())) or bool(column))
    cells = [cell.strip() for cell in next(csv.reader([_join(head)], delimiter=delimiter))]
    lowered = [cell.lower() for cell in cells]
    contact = next((i for i, cell in enumerate(lowered) if cell in {"contact_id", "contactid"}), -1)
    if column:
        if column.lower() not in lowered:
            raise ConfigurationError([f'{name}: there is no column "{column}"; there are: {", ".join(cells)[:200]}'])
        return _Layout(delimiter, lowered.index(column.lower()), contact, has_header=True)
    named = [i for i, cell in enumerate(cells) if _HEADERS.match(cell)]
    if named:
        return _Layout(delimiter, named[0], contact, has_header=True)
    with_at = [i for i, cell in enumerate(cells) if "@" in cell]
    return _Layout(delimiter, with_at[0] if with_at else 0)


def _read_csv(rows: Iterable[tuple[int, str]], layout: _Layout) -> Iterator[InputRow]:
    position = 0

    def texts() -> Iterator[str]:
        nonlocal position
        for number, line in rows:
            position = number
            yield _join(line) + "\n"

    csv.field_size_limit(MAX_LINE * 16)
    try:
        for cells in csv.reader(texts(), delimiter=layout.delimiter):
            if not any(cell.strip() for cell in cells):
                continue
            address = cells[layout.column].strip() if layout.column < len(cells) else ""
            contact = cells[layout.contact_column].strip() if 0 <= layout.contact_column < len(cells) else ""
            yield InputRow(position, _cut(address), contact)
    except csv.Error as error:
        # A quotation mark that is never closed swallows what follows: better to say so than to lose it.
        raise ConfigurationError([f"before line {position + 1}: {error}"]) from error


def _join(line: str) -> str:
    """A carriage return within a line is damage, at which the reader of CSV would stop."""
    return line.replace("\r", " ")


def _cut(address: str) -> str:
    return address if len(address) <= _CUT_ADDRESS else address[:_CUT_ADDRESS] + "…"

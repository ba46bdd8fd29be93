"""The forms of an export: each turns rows into bytes, a page at a time, and keeps nothing."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import orjson

from validatord.exports import cells
from validatord.exports.columns import COLUMNS

Values = dict[str, Any]
_BOM = b"\xef\xbb\xbf"


class Form(StrEnum):
    """What an export may look like."""

    CSV = "csv"
    CSV_RAW = "csv-raw"
    NDJSON = "ndjson"
    PARQUET = "parquet"

    @property
    def content_type(self) -> str:
        """What HTTP calls it."""
        return {
            Form.CSV: "text/csv",
            Form.CSV_RAW: "text/csv",
            Form.NDJSON: "application/x-ndjson",
            Form.PARQUET: "application/vnd.apache.parquet",
        }[self]

    @property
    def ending(self) -> str:
        """How the name of its file ends."""
        return "csv" if self is Form.CSV_RAW else self.value


class Encoder(Protocol):
    """Turns rows into bytes; `begin` comes first, `end` last."""

    def begin(self) -> bytes:
        """Return what stands before the first row."""
        ...

    def encode(self, rows: Sequence[Values]) -> bytes:
        """Return rows; some of them may come with a later call."""
        ...

    def end(self) -> bytes:
        """Return what is left."""
        ...


@dataclass(frozen=True, slots=True)
class CSVEncoder:
    """RFC 4180 in UTF-8: `is_safe` for spreadsheets, otherwise every text as it is."""

    is_safe: bool
    has_bom: bool
    has_header: bool

    def begin(self) -> bytes:
        """Return the byte order mark and the header."""
        header = self._write([COLUMNS]) if self.has_header else b""
        return _BOM + header if self.has_bom else header

    def encode(self, rows: Sequence[Values]) -> bytes:
        """Return rows."""
        return self._write([[self._cell(row[name]) for name in COLUMNS] for row in rows])

    def end(self) -> bytes:
        """Nothing comes after the last row."""
        return b""

    def _cell(self, value: object) -> str:
        text = cells.to_text(value)
        return cells.to_safe(text) if self.is_safe and isinstance(value, str | list) else text

    @staticmethod
    def _write(table: Sequence[Sequence[str]]) -> bytes:
        text = io.StringIO()
        csv.writer(text).writerows(table)
        return text.getvalue().encode("utf-8", "replace")


class NDJSONEncoder:
    """One JSON object a line, every text as it is."""

    def begin(self) -> bytes:
        """Nothing comes before the first row."""
        return b""

    def encode(self, rows: Sequence[Values]) -> bytes:
        """Return rows."""
        return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)

    def end(self) -> bytes:
        """Nothing comes after the last row."""
        return b""

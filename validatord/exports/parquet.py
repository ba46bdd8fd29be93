"""Parquet, the one home of pyarrow: row groups of a bounded size, written as they fill.

pyarrow is the extra `parquet`; without it this module still imports, and the form is refused with a sentence.
"""

import importlib
from collections.abc import Sequence
from typing import Any

from validatord.errors import ConfigurationError
from validatord.exports.columns import COLUMNS
from validatord.exports.forms import Values

_ROWS_PER_GROUP = 20_000
_INTEGERS = {"index": "int32", "confidence": "int16", "attempts": "int32"}
_TIMES = ("due_at", "checked_at", "finished_at")


class _Sink:
    """A file that is emptied by whoever reads it; pyarrow only writes and asks where it is."""

    def __init__(self) -> None:
        self.closed = False
        self._parts: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> int:
        """Take bytes."""
        part = bytes(data)
        self._parts.append(part)
        self._size += len(part)
        return len(part)

    def tell(self) -> int:
        """Say how many bytes came."""
        return self._size

    def flush(self) -> None:
        """There is nothing behind this."""

    def close(self) -> None:
        """Take no more."""
        self.closed = True

    def take(self) -> bytes:
        """Return what came since the last time."""
        found = b"".join(self._parts)
        self._parts.clear()
        return found


class ParquetEncoder:
    """Rows as one Parquet file; texts compressed, times as UTC timestamps in microseconds."""

    def __init__(self) -> None:
        arrow, parquet = _load()
        self._arrow = arrow
        self._sink = _Sink()
        self._schema = arrow.schema([(name, _type_of(arrow, name)) for name in COLUMNS])
        self._writer = parquet.ParquetWriter(self._sink, self._schema, compression="zstd")
        self._rows: list[Values] = []

    def begin(self) -> bytes:
        """Return the mark that a Parquet file begins with."""
        return self._sink.take()

    def encode(self, rows: Sequence[Values]) -> bytes:
        """Return row groups that are full now."""
        self._rows += rows
        while len(self._rows) >= _ROWS_PER_GROUP:
            self._write(self._rows[:_ROWS_PER_GROUP])
            del self._rows[:_ROWS_PER_GROUP]
        return self._sink.take()

    def end(self) -> bytes:
        """Return the last row group and the footer."""
        if self._rows:
            self._write(self._rows)
            self._rows = []
        self._writer.close()
        return self._sink.take()

    def _write(self, rows: Sequence[Values]) -> None:
        batch = self._arrow.RecordBatch.from_pylist(list(rows), schema=self._schema)
        self._writer.write_table(self._arrow.Table.from_batches([batch]), row_group_size=_ROWS_PER_GROUP)


def _load() -> tuple[Any, Any]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise ConfigurationError(["Parquet needs the extra: pip install 'validatord[parquet]'"]) from None


def _type_of(arrow: Any, name: str) -> Any:
    if name in _INTEGERS:
        return arrow.type_for_alias(_INTEGERS[name])
    if name in _TIMES:
        return arrow.timestamp("us", tz="UTC")
    if name.startswith("is_"):
        return arrow.bool_()
    return arrow.list_(arrow.string()) if name == "reasons" else arrow.string()

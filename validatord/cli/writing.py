"""Writes results as CSV or JSON lines, row by row.

In CSV a cell that a spreadsheet would take for a formula gets an apostrophe in front; JSON lines carry
everything as it is.
"""

import csv
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import orjson

from validatord.errors import ConfigurationError
from validatord.exports import cells
from validatord.store.submissions import ResultRow

FIELDS = (
    "email",
    "status",
    "reason",
    "reasons",
    "confidence",
    "flags",
    "suggestion",
    "mx_host",
    "reply",
    "attempts",
    "checked_at",
    "due_at",
    "source",
)


class Writer(Protocol):
    """Takes results one by one."""

    def write(self, row: dict[str, Any]) -> None:
        """Write one result."""
        ...


def to_public(row: ResultRow) -> dict[str, Any]:
    """Return a result under its public names, in their order."""
    flags = [name for name in ("disposable", "role", "free") if getattr(row, f"is_{name}")]
    return {
        "email": row.address,
        "status": row.status or "unknown",
        "reason": row.reason or row.deferral_reason or "not_tried",
        "reasons": list(row.reasons),
        "confidence": row.confidence,
        "flags": flags,
        "suggestion": row.suggestion or "",
        "mx_host": row.mx_host or "",
        "reply": row.reply or "",
        "attempts": row.attempts,
        "checked_at": row.checked_at.isoformat(timespec="seconds") if row.checked_at else "",
        "due_at": row.due_at.isoformat(timespec="seconds") if row.due_at else "",
        "source": row.source or "",
    }


class CSVWriter:
    """RFC 4180 with a header; lists are joined by a blank."""

    def __init__(self, stream: IO[str]) -> None:
        self._rows = csv.writer(stream)
        self._rows.writerow(FIELDS)

    def write(self, row: dict[str, Any]) -> None:
        """Write one result."""
        self._rows.writerow([_cell(row[name]) for name in FIELDS])


class JSONLinesWriter:
    """One JSON object a line."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, row: dict[str, Any]) -> None:
        """Write one result."""
        self._stream.write(orjson.dumps(row).decode() + "\n")


def _cell(value: object) -> str:
    """Return a cell on one line, for programs that read line by line."""
    return cells.to_safe(cells.to_text(value).replace("\r", " ").replace("\n", " "))


def check_writable(path: str) -> None:
    """Raise ConfigurationError where no results can be written; what is there stays as it is."""
    if path in {"", "-"}:
        return
    try:
        with Path(path).open("a", encoding="utf-8"):
            return
    except OSError as error:
        raise ConfigurationError([f"{path}: {error.strerror}"]) from error


@contextmanager
def open_writer(path: str, form: str = "") -> Generator[Writer]:
    """Open `path` ("-" is standard output) for results; the form follows the ending unless given."""
    chosen = form or ("jsonl" if path.endswith((".jsonl", ".ndjson", ".json")) else "csv")
    make = JSONLinesWriter if chosen == "jsonl" else CSVWriter
    if path in {"", "-"}:
        yield make(sys.stdout)
        sys.stdout.flush()
        return
    try:
        with Path(path).open("w", encoding="utf-8", newline="") as stream:
            yield make(stream)
    except OSError as error:
        raise ConfigurationError([f"{path}: {error.strerror}"]) from error

"""Cells of CSV: as they are, or safe for a spreadsheet.

A spreadsheet takes a cell that begins with one of a few signs for a formula, quoted or not, and some look
behind blanks and quotes. Local parts may begin with such signs, and replies are written by strangers. An
apostrophe in front makes it text; `read_safe` takes it away again.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

_TRIGGERS = (
    "=+-@\t\r\n\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)
_SKIPPED = " '\"\N{NO-BREAK SPACE}\N{ZERO WIDTH NO-BREAK SPACE}\N{ZERO WIDTH SPACE}"
# What the common spreadsheets hold in one cell; they cut, or refuse the file.
LONGEST = 32_767
_CUT = "\N{HORIZONTAL ELLIPSIS}"


def to_text(value: object) -> str:
    """Return a value as the text of a cell: lists joined by blanks, yes and no as true and false."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, list | tuple):
        return " ".join(str(item) for item in cast("Sequence[Any]", value))
    return str(value).replace("\0", "")


def to_safe(text: str) -> str:
    """Return a text as a cell that no spreadsheet takes for a formula, short enough for one."""
    safe = f"'{text}" if is_formula(text) else text
    return safe if len(safe) <= LONGEST else safe[: LONGEST - 1] + _CUT


def read_safe(cell: str) -> str:
    """Return the text that `to_safe` made a cell of (what was cut stays cut)."""
    return cell[1:] if cell.startswith("'") and is_formula(cell[1:]) else cell


def is_formula(text: str) -> bool:
    """Whether a spreadsheet may take a text for a formula."""
    inner = text.lstrip(_SKIPPED)
    return inner != "" and inner[0] in _TRIGGERS

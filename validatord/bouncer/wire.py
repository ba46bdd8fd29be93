"""What goes over the wire and what comes back: bodies, and the class of every answer. Pure, no I/O.

An answer is judged by its HTTP status first, since the status inside error bodies is sometimes text,
sometimes a number and sometimes wrong; but a 2xx body with an `error` in it is a failure all the same.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, cast

import orjson

from validatord.errors import ValidatordError
from validatord.store.bouncer_batches import StatusReport
from validatord.store.values import clean_text

KNOWN_STATUSES = frozenset({"queued", "processing", "completed"})
_COMPLETE = "completed"
_TEXT_LIMIT = 300
_LARGEST_INTEGER = 2**31 - 1
_SANE_WAIT = (1, 600)  # seconds of a Retry-After that is believed
_LARGEST_REF = 200
_HTTP_OK, _HTTP_REDIRECT, _HTTP_BAD, _HTTP_SERVER = 200, 300, 400, 500


class Unreadable(ValidatordError):
    """A body that is not what it must be; nothing of it may be believed."""


class Kind(StrEnum):
    """The classes of what can go wrong, as they are counted."""

    RATE_LIMIT = "rate_limit"
    PAYMENT_REQUIRED = "payment_required"
    UNAUTHORISED = "unauthorised"
    NOT_FOUND = "not_found"
    NOT_READY = "not_ready"
    REMOVED = "removed"
    NOT_DELETABLE = "not_deletable"
    NOT_RUNNING = "not_running"
    REDIRECT = "redirect"
    PERMANENT_FAILURE = "permanent_failure"
    API_ERROR = "api_error"
    NETWORK_ERROR = "network_error"
    UNREADABLE = "unreadable"
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    AMBIGUOUS = "ambiguous"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is no success: its class, the HTTP status, and what it said."""

    kind: Kind
    http_status: int
    message: str


# --- requests ------------------------------------------------------------------------------------


def make_payload(emails: Sequence[str]) -> bytes:
    """Write the body of a create: objects, not texts."""
    return orjson.dumps([{"email": email} for email in emails])


def hash_payload(emails: Sequence[str]) -> str:
    """Return what the ledger holds of the addresses and their order."""
    return hashlib.sha256("\n".join(emails).encode()).hexdigest()


# --- answers -------------------------------------------------------------------------------------


def classify(http_status: int, body: bytes) -> Refusal | None:
    """Return what kind of refusal an answer is; None for a success."""
    found = _read_object(body)
    message = _describe(found, body)
    if http_status < _HTTP_REDIRECT:
        if "error" not in found:
            return None
        # A success that says it is none: the status inside is all there is to go by.
        inner = as_integer(found.get("status")) or 0
        http_status = inner if _HTTP_BAD <= inner < 600 else _HTTP_SERVER  # noqa: PLR2004 the end of the 5xx
    return Refusal(_find_kind(http_status, message.casefold()), http_status, message)


def _find_kind(http_status: int, said: str) -> Kind:
    if not _HTTP_BAD <= http_status < _HTTP_SERVER:
        return Kind.REDIRECT if http_status < _HTTP_BAD else Kind.API_ERROR
    # Both stood under 403 once, and may again.
    if http_status == 429 or (http_status == 403 and "too many requests" in said):  # noqa: PLR2004
        return Kind.RATE_LIMIT
    if http_status == 402 or (http_status == 403 and "credits left" in said):  # noqa: PLR2004
        return Kind.PAYMENT_REQUIRED
    if http_status == 405:  # noqa: PLR2004 a state, told apart by its message only
        return _find_conflict(said)
    if http_status == 400 and "has to be running" in said:  # noqa: PLR2004
        return Kind.NOT_RUNNING
    kinds = {401: Kind.UNAUTHORISED, 403: Kind.UNAUTHORISED, 404: Kind.NOT_FOUND}
    return kinds.get(http_status, Kind.PERMANENT_FAILURE)


def _find_conflict(said: str) -> Kind:
    if "not completed" in said:
        return Kind.NOT_READY
    if "have been removed" in said:
        return Kind.REMOVED
    return Kind.NOT_DELETABLE if "cannot be deleted" in said else Kind.PERMANENT_FAILURE


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except ValueError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _describe(found: dict[str, Any], body: bytes) -> str:
    parts = [str(found[name]) for name in ("error", "message") if found.get(name)]
    text = ": ".join(parts) if parts else body[:_TEXT_LIMIT].decode("utf-8", "replace")
    return " ".join(clean_text(text).split())[:_TEXT_LIMIT]


def read_wait(value: str | None, date: str | None) -> float | None:
    """Return the seconds a Retry-After asks for, None where it asks for nothing sane.

    A date is measured against the answer's own, never against our clock.
    """
    if not value:
        return None
    try:
        seconds = float(value) if value.strip().isascii() and value.strip().isdigit() else _until(value, date)
    except (ValueError, TypeError, OverflowError):
        return None
    return seconds if seconds is not None and _SANE_WAIT[0] <= seconds <= _SANE_WAIT[1] else None


def _until(value: str, date: str | None) -> float | None:
    return (parsedate_to_datetime(value) - parsedate_to_datetime(date)).total_seconds() if date else None


def read_created(body: bytes) -> tuple[str, StatusReport]:
    """Read the answer to a create: the provider's name of the batch.

    Raises:
        Unreadable: there is none; whether a batch was made is not known.
    """
    found = _read_object(body)
    ref = found.get("batchId")
    if not isinstance(ref, str) or not 0 < len(ref) <= _LARGEST_REF or clean_text(ref) != ref:
        raise Unreadable("the answer to a create names no batch")
    return ref, _read_report(found)


def read_status(body: bytes, ref: str) -> StatusReport:
    """Read the answer to a poll.

    Raises:
        Unreadable: it is none, or about another batch.
    """
    found = _read_object(body)
    if not isinstance(found.get("status"), str) or found.get("batchId", ref) != ref:
        raise Unreadable("the answer to a poll says nothing about the batch")
    return _read_report(found)


def _read_report(found: dict[str, Any]) -> StatusReport:
    status = str(found.get("status") or "")
    return StatusReport(
        status=status[:100],
        is_complete=status.casefold() == _COMPLETE,
        processed=as_integer(found.get("processed")),
        credits=as_integer(found.get("credits")),
        duplicates=as_integer(found.get("duplicates")),
        quantity=as_integer(found.get("quantity")),
    )


def read_credits(body: bytes) -> int:
    """Read how many credits are left.

    Raises:
        Unreadable: it does not say.
    """
    found = as_integer(_read_object(body).get("credits"))
    if found is None:
        raise Unreadable("the answer does not say how many credits are left")
    return found


def as_integer(value: object) -> int | None:
    """Return a number of a sane size, None for anything else; texts of digits count."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10:  # noqa: PLR2004
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and abs(value) <= _LARGEST_INTEGER else None

"""What arrives in arq jobs, read into values; whoever wrote it may have been wrong in every way.

`read_job` makes a call out of the bytes of a job and never raises: what cannot be read becomes a call of
`reject`, with the reason. Nothing is ever unpickled. `read_chunk` and `read_events` check the arguments.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import orjson

from validatord.errors import ValidatordError
from validatord.intake import events
from validatord.intake.events import EventReading
from validatord.mail.request import Priority

REJECT = "reject"
MOST_ADDRESSES = 10_000
_LONGEST_CLIENT, _LONGEST_SUBMISSION = 100, 200  # as in the ledger
_LARGEST_INDEX = 2**31 - 1 - MOST_ADDRESSES
_SHOWN_PROBLEMS = 5
_KEPT = 2000  # bytes of a payload that are kept for a person to look at
_CHUNK_KEYS = frozenset(
    {"client", "submission", "first_index", "addresses", "contact_ids", "priority", "expected", "campaign_at"}
)
_PICKLE = b"\x80"


class Unreadable(ValidatordError):
    """The payload is not what it should be; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class SubmittedChunk:
    """A part of a submission as it came in: `addresses` are texts, None where there was something else.

    `first_index` is the place of the first one in the submission; `contact_ids` is empty or as long as
    `addresses`. `is_revalidation` asks again whatever is known, `campaign_at` what is out of date by then.
    """

    client: str
    submission: str
    addresses: tuple[str | None, ...]
    first_index: int = 0
    contact_ids: tuple[UUID | None, ...] = ()
    priority: Priority = Priority.NORMAL
    expected: int | None = None
    is_revalidation: bool = False
    campaign_at: datetime | None = None


def read_job(data: bytes, functions: frozenset[str]) -> dict[str, Any]:
    """Return the call that a job's bytes ask for, in the form arq wants it."""
    try:
        job = orjson.loads(data)
    except orjson.JSONDecodeError:
        what = "pickle, which is never read; use orjson on both sides" if data[:1] == _PICKLE else "no JSON"
        return _reject("", f"the payload is {what}", data)
    if not isinstance(job, dict):
        return _reject("", "the payload is no arq job", data)
    job = cast("dict[str, Any]", job)
    name = job.get("f")
    if not isinstance(name, str) or name not in functions:
        return _reject(str(name)[:100], "no such function here", data)
    if job.get("a") or not isinstance(job.get("k"), dict):
        return _reject(name, "arguments are passed by name", data)
    return {"f": name, "a": (job["k"], data[:_KEPT]), "k": {}, "t": None, "et": _read_time(job.get("et"))}


def _reject(function: str, reason: str, data: bytes) -> dict[str, Any]:
    return {"f": REJECT, "a": (function, reason, data[:_KEPT]), "k": {}, "t": None, "et": _read_time(None)}


def _read_time(value: object) -> int:
    """Milliseconds since 1970; a foreign clock may say anything, and arq counts with it."""
    now = int(time.time() * 1000)
    return value if isinstance(value, int) and 0 < value < now else now


def read_chunk(arguments: dict[str, Any], *, is_revalidation: bool = False) -> SubmittedChunk:
    """Read the arguments of `submit` and `revalidate`.

    Raises:
        Unreadable: naming the argument that is wrong.
    """
    unknown = sorted(set(arguments) - _CHUNK_KEYS)
    if unknown:
        raise Unreadable(f"unknown argument {unknown[0][:100]!r}")
    addresses = _read_list(arguments, "addresses", MOST_ADDRESSES)
    if not addresses:
        raise Unreadable("addresses: is empty")
    ids = _read_list(arguments, "contact_ids", MOST_ADDRESSES) if arguments.get("contact_ids") is not None else []
    if ids and len(ids) != len(addresses):
        raise Unreadable("contact_ids: are not as many as addresses")
    return SubmittedChunk(
        client=_read_name(arguments, "client", _LONGEST_CLIENT),
        submission=_read_name(arguments, "submission", _LONGEST_SUBMISSION),
        addresses=tuple(address if isinstance(address, str) else None for address in addresses),
        first_index=_read_number(arguments, "first_index") or 0,
        contact_ids=tuple(_read_uuid(value, f"contact_ids[{place}]") for place, value in enumerate(ids)),
        priority=_read_priority(arguments.get("priority", Priority.NORMAL.value)),
        expected=_read_number(arguments, "expected"),
        campaign_at=_read_instant(arguments.get("campaign_at"), "campaign_at"),
        is_revalidation=is_revalidation,
    )


def read_events(arguments: dict[str, Any], received_at: datetime) -> EventReading:
    """Read the arguments of `record_events`; an event without a time happened when the job was sent.

    Raises:
        Unreadable: there is no list, or no event in it that could be read.
    """
    reading = events.read_events(_read_list(arguments, "events", events.MOST_EVENTS), received_at)
    if reading.problems and not reading.events:
        raise Unreadable("; ".join(reading.problems[:_SHOWN_PROBLEMS]))
    return reading


def _read_list(arguments: dict[str, Any], key: str, most: int) -> list[Any]:
    value = arguments.get(key)
    if not isinstance(value, list):
        raise Unreadable(f"{key}: must be a list")
    if len(cast("list[Any]", value)) > most:
        raise Unreadable(f"{key}: more than {most} in one job; send them in several")
    return cast("list[Any]", value)


def _read_name(arguments: dict[str, Any], key: str, longest: int) -> str:
    value = arguments.get(key)
    if not isinstance(value, str) or not 1 <= len(value) <= longest or "\0" in value:
        raise Unreadable(f"{key}: must be a text of 1 to {longest} characters")
    return value


def _read_number(arguments: dict[str, Any], key: str) -> int | None:
    value = arguments.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST_INDEX:
        raise Unreadable(f"{key}: must be a number from 0 to {_LARGEST_INDEX}")
    return value


def _read_uuid(value: object, where: str) -> UUID | None:
    if value is None:
        return None
    try:
        return UUID(value) if isinstance(value, str) else UUID("")
    except ValueError:
        raise Unreadable(f"{where}: is no UUID") from None


def _read_priority(value: object) -> Priority:
    try:
        return Priority(value)
    except ValueError:
        raise Unreadable(f"priority: is none of {', '.join(Priority)}") from None


def _read_instant(value: object, where: str) -> datetime | None:
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise Unreadable(f"{where}: is no ISO 8601 time with a zone")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise Unreadable(f"{where}: lies outside of the calendar") from None

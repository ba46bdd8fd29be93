"""What campaigns told, on its way in: read into values, kept once, and put to use at once.

Shared by all doors (arq, HTTP, CSV). A bad event is named and left out; the others are kept. Telling the
same event again changes nothing. A hard bounce overrides an accepted verdict in the same transaction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

from validatord.errors import AddressSyntaxError
from validatord.mail.parse import parse_address
from validatord.mail.request import Finding, History
from validatord.rules import rejudge as rules
from validatord.settings import Settings
from validatord.store import events as store
from validatord.store import rejudge
from validatord.store.database import Database
from validatord.store.events import EVENT_TYPES, Event

MOST_EVENTS = 10_000  # in one call
_FUTURE = timedelta(days=1)  # foreign clocks go wrong by hours, not by days
_AT_ONCE = 2000  # events in one transaction
_BAD = frozenset({"hard_bounce", "complaint"})
_GOOD = frozenset({"open", "click", "reply"})


@dataclass(slots=True)
class EventReading:
    """The events that could be read, and what is wrong with each of the others: "events[3].email: …"."""

    events: list[Event] = field(default_factory=list[Event])
    problems: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class RecordedEvents:
    """How many events were new, how many known already, and how many stored verdicts they changed."""

    added: int = 0
    known: int = 0
    rejudged: int = 0

    def __add__(self, other: "RecordedEvents") -> "RecordedEvents":
        return RecordedEvents(self.added + other.added, self.known + other.known, self.rejudged + other.rejudged)


class BadEvent(ValueError):
    """One event cannot be read: which member of it, and why."""

    def __init__(self, member: str, problem: str) -> None:
        super().__init__(problem)
        self.member = member


def read_events(items: Sequence[object], received_at: datetime) -> EventReading:
    """Read JSON objects with `email`, `event_type`, perhaps `event_at` (ISO 8601 with a zone) and `campaign_id`.

    An event without a time happened when it was received.
    """
    reading = EventReading()
    for place, item in enumerate(items):
        try:
            reading.events.append(_read_item(item, received_at))
        except BadEvent as error:
            where = f"events[{place}].{error.member}" if error.member else f"events[{place}]"
            reading.problems.append(f"{where}: {error}")
    return reading


async def record_events(database: Database, told: Iterable[Event], settings: Settings, now: datetime) -> RecordedEvents:
    """Keep events; when this returns they are committed, and verdicts they override are changed.

    Raises:
        StoreAway: PostgreSQL is not there; tell them again, nothing is kept twice.
    """
    total = RecordedEvents()
    # In one order everywhere, so that two who tell the same events wait for each other instead of for ever.
    ordered = sorted(told, key=lambda event: (event.email, event.event_type, event.event_at))
    for start in range(0, len(ordered), _AT_ONCE):
        total += await _record(database, ordered[start : start + _AT_ONCE], settings, now)
    return total


async def _record(database: Database, told: Sequence[Event], settings: Settings, now: datetime) -> RecordedEvents:
    async with database.transaction() as connection:
        new = await store.insert_events(connection, told)
        bad = {event.email for event in new if event.event_type in _BAD}
        good = {event.email for event in new if event.event_type in _GOOD}
        changed = await rejudge.rejudge(connection, bad, good, make_judge(settings, now)) if bad or good else 0
    return RecordedEvents(len(new), len(told) - len(new), changed)


def make_judge(settings: Settings, now: datetime) -> rejudge.Judge:
    """Return what judges a stored verdict again under these settings."""

    def judge(finding: Finding, history: History) -> Finding | None:
        return rules.rejudge(finding, history, settings, now)

    return judge


def read_email(text: object) -> str:
    """Return the mailbox an event is about, in the form the ledger has it.

    Raises:
        BadEvent: it is none.
    """
    if not isinstance(text, str):
        raise BadEvent("email", "must be a text")
    try:
        return str(parse_address(text.strip(), allow_special_use=True))
    except AddressSyntaxError as error:
        raise BadEvent("email", str(error)) from None


def check_instant(at: datetime, now: datetime) -> datetime:
    """Return a time in UTC.

    Raises:
        BadEvent: it lies outside of the calendar, or ahead of us.
    """
    try:
        found = at.astimezone(UTC)
    except OverflowError:
        raise BadEvent("event_at", "lies outside of the calendar") from None
    if found > now + _FUTURE:
        raise BadEvent("event_at", "lies in the future")
    return found


def _read_item(item: object, received_at: datetime) -> Event:
    if not isinstance(item, dict):
        raise BadEvent("", "is no object")
    event = cast("dict[str, Any]", item)
    email = read_email(event.get("email"))
    kind = event.get("event_type")
    if kind not in EVENT_TYPES:
        raise BadEvent("event_type", f"is none of {', '.join(EVENT_TYPES)}")
    return Event(
        email, str(kind), _read_instant(event.get("event_at"), received_at), _read_uuid(event.get("campaign_id"))
    )


def _read_instant(value: object, received_at: datetime) -> datetime:
    if value is None:
        return received_at
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise BadEvent("event_at", "is no ISO 8601 time with a zone")
    return check_instant(at, received_at)


def _read_uuid(value: object) -> UUID | None:
    if value is None:
        return None
    try:
        return UUID(value) if isinstance(value, str) else UUID("")
    except ValueError:
        raise BadEvent("campaign_id", "is no UUID") from None

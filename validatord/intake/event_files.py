"""Events out of CSV: which column is what, and each row as an event or as a line that says what is wrong with it.

Reads in a stream: memory stays flat however long the file. Mail services name columns and kinds each in
their own way; the common names are known, others are mapped by whoever imports.
"""

import csv
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo

from validatord.errors import ConfigurationError
from validatord.intake.events import BadEvent, check_instant, read_email
from validatord.intake.reading import MAX_LINE, Readable, decode_lines
from validatord.store.events import EVENT_TYPES, Event

MEMBERS = ("email", "event_type", "event_at", "campaign_id")
_SHOWN = 60
_FOLD = re.compile(r"[\s_-]+")
_COLUMNS = {
    "email": ("email", "emailaddress", "mail", "recipient", "address", "to", "rcpt", "subscriber"),
    "event_type": ("eventtype", "event", "type", "kind", "bouncetype", "status"),
    "event_at": ("eventat", "timestamp", "time", "date", "datetime", "occurredat", "createdat", "eventtime", "ts"),
    "campaign_id": ("campaignid", "campaign", "mailingid", "mailing", "newsletter"),
}
_KINDS = {
    **{kind.replace("_", ""): kind for kind in EVENT_TYPES},
    **dict.fromkeys(("hard", "permanent", "hardbounced", "permanentbounce", "permanentfailure"), "hard_bounce"),
    **dict.fromkeys(("soft", "transient", "softbounced", "deferred", "temporaryfailure"), "soft_bounce"),
    **dict.fromkeys(("opened", "opens", "uniqueopen"), "open"),
    **dict.fromkeys(("clicked", "clicks", "uniqueclick"), "click"),
    **dict.fromkeys(("replied", "replies", "answer"), "reply"),
    **dict.fromkeys(("spam", "spamreport", "spamcomplaint", "abuse", "complained", "complaints"), "complaint"),
}
_SECONDS, _MILLISECONDS = 10, 13  # digits of a time since 1970, until the year 2286
_NAMESPACE = uuid.UUID("8b7ab8c6-5a43-5d0f-9a0e-6f2f3f3c1d55")  # of campaigns that are named by a text


@dataclass(frozen=True, slots=True)
class ImportRules:
    """How a file is read: columns by member where they are not guessed, and what holds for every row.

    `kinds` maps words of the file, folded, to event types. `zone` is that of times without one.
    """

    columns: Mapping[str, str] = field(default_factory=dict[str, str])
    kinds: Mapping[str, str] = field(default_factory=dict[str, str])
    event_type: str = ""
    event_at: datetime | None = None
    zone: tzinfo | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is left out: its line, the column as the file calls it, and why."""

    line: int
    column: str
    problem: str


def fold(word: str) -> str:
    """Return a word the way columns and kinds are compared."""
    return _FOLD.sub("", word.strip().casefold())


def read_event_rows(stream: Readable, rules: ImportRules, now: datetime, name: str) -> Iterator[Event | BadRow]:
    """Yield every row as an event or as what is wrong with it.

    Raises:
        ConfigurationError: the file has no header, or not the columns that are needed.
    """
    position = 0

    def lines() -> Iterator[str]:
        nonlocal position
        for number, line in enumerate(decode_lines(stream), start=1):
            position = number
            yield line.replace("\r", " ") + "\n"  # within a line it is damage, and csv would stop at it

    source = lines()
    head = next((line for line in source if line.strip()), "")
    delimiter = max(",;\t", key=head.count)
    titles = [title.strip() for cells in csv.reader([head], delimiter=delimiter) for title in cells]
    places = _find_columns(titles, rules, name)
    csv.field_size_limit(MAX_LINE * 16)
    rows = csv.reader(source, delimiter=delimiter)
    try:
        for cells in rows:
            if any(cell.strip() for cell in cells):
                yield _read_row(cells, places, titles, rules, now, position)
    except csv.Error as error:
        # A quotation mark that is never closed swallows what follows: better to say so than to lose it.
        raise ConfigurationError([f"{name}: before line {position + 1}: {error}"]) from error


def _find_columns(titles: Sequence[str], rules: ImportRules, name: str) -> dict[str, int]:
    folded = [fold(title) for title in titles]
    found: dict[str, int] = {}
    problems: list[str] = []
    for member in MEMBERS:
        wanted = rules.columns.get(member, "")
        known = (fold(wanted),) if wanted else _COLUMNS[member]
        place = next((folded.index(title) for title in known if title in folded), -1)
        if place >= 0:
            found[member] = place
        elif wanted or (member != "campaign_id" and not _is_given(member, rules)):
            what = f'"{wanted}"' if wanted else f"for {member}"
            problems.append(f"{name}: there is no column {what}; there are: {', '.join(titles)[:200] or 'none'}")
    if problems:
        raise ConfigurationError(problems)
    return found


def _is_given(member: str, rules: ImportRules) -> bool:
    return (member == "event_type" and bool(rules.event_type)) or (member == "event_at" and rules.event_at is not None)


def _read_row(
    cells: Sequence[str],
    places: Mapping[str, int],
    titles: Sequence[str],
    rules: ImportRules,
    now: datetime,
    line: int,
) -> Event | BadRow:
    def get(member: str) -> str:
        place = places.get(member, len(cells))
        return cells[place].strip() if place < len(cells) else ""

    try:
        return Event(
            read_email(get("email")),
            _read_kind(get("event_type"), rules),
            _read_time(get("event_at"), rules, now),
            _read_campaign(get("campaign_id")),
        )
    except BadEvent as error:
        place = places.get(error.member)
        return BadRow(line, titles[place] if place is not None else error.member, str(error))


def _read_kind(text: str, rules: ImportRules) -> str:
    if rules.event_type:
        return rules.event_type
    kind = rules.kinds.get(fold(text)) or _KINDS.get(fold(text))
    if kind is None:
        raise BadEvent("event_type", f'"{text[:_SHOWN]}" is no kind of event; map it with --map')
    return kind


def _read_time(text: str, rules: ImportRules, now: datetime) -> datetime:
    if not text and rules.event_at is not None:
        return rules.event_at
    if text.isascii() and text.isdigit() and len(text) in {_SECONDS, _MILLISECONDS}:
        seconds = int(text) / (1000 if len(text) == _MILLISECONDS else 1)
        return check_instant(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds), now)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadEvent("event_at", f'"{text[:_SHOWN]}" is no ISO 8601 time, nor seconds since 1970') from None
    if at.tzinfo is None:
        if rules.zone is None:
            raise BadEvent("event_at", f'"{text[:_SHOWN]}" has no time zone; name it with --timezone')
        at = at.replace(tzinfo=rules.zone)
    return check_instant(at, now)


def _read_campaign(text: str) -> uuid.UUID | None:
    """A campaign that is no UUID gets one made from its name, always the same."""
    if not text:
        return None
    try:
        return uuid.UUID(text)
    except ValueError:
        return uuid.uuid5(_NAMESPACE, text)

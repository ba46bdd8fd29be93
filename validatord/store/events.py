"""What campaigns told about mailboxes (`email_events`), and its sums by domain and week (`domain_events`)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from validatord.mail.request import DomainWeek, History
from validatord.store import queries
from validatord.store.database import Database, Queryable
from validatord.store.rows import columns_of
from validatord.store.values import clean_text

_SQL = queries.load("events")

EVENT_TYPES = ("hard_bounce", "soft_bounce", "open", "click", "reply", "complaint")
_FIELDS = {
    "hard_bounce": "hard_bounces",
    "soft_bounce": "soft_bounces",
    "open": "opens",
    "click": "clicks",
    "reply": "replies",
    "complaint": "complaints",
}
_WEEK_FIELDS = {**_FIELDS, **dict.fromkeys(("open", "click", "reply"), "signs_of_life")}
_MOST_TIMES = 20  # of each kind: older ones have faded beside them
_MOST_WEEKS = 104


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a message: one of `EVENT_TYPES`."""

    email: str
    event_type: str
    event_at: datetime
    campaign_id: UUID | None = None


async def add_events(database: Database, events: Sequence[Event]) -> int:
    """Keep events and return how many were new."""
    async with database.transaction() as connection:
        return len(await insert_events(connection, events))


async def insert_events(connection: Queryable, events: Sequence[Event]) -> list[Event]:
    """Keep events inside a transaction of the caller, count them for their domains, and return the new ones."""
    if not events:
        return []
    table = [(clean_text(event.email), event.event_type, event.event_at, event.campaign_id) for event in events]
    rows = await connection.fetch(_SQL["add_events"], *columns_of(table, 4))
    new = [Event(row["email"], row["event_type"], row["event_at"]) for row in rows]
    counts = Counter((_domain_of(event.email), _monday_of(event.event_at), event.event_type) for event in new)
    if counts:
        await connection.execute(_SQL["count_events"], *columns_of([(*key, n) for key, n in counts.items()], 4))
    return new


async def load_histories(source: Database | Queryable, emails: Sequence[str]) -> dict[str, History]:
    """Return the histories of those mailboxes that have one, or whose domain has one, under the text asked by."""
    if not emails:
        return {}
    folded = {email: email.lower() for email in emails}
    rows = await source.fetch(_SQL["load_histories"], list(set(folded.values())), _MOST_TIMES)
    weeks = await _load_weeks(source, {_domain_of(email) for email in folded})
    times: dict[str, dict[str, tuple[datetime, ...]]] = {}
    for row in rows:
        times.setdefault(row["email"], {})[_FIELDS[row["event_type"]]] = tuple(row["times"])
    found: dict[str, History] = {}
    for email, key in folded.items():
        domain = _domain_of(key)
        if key in times or domain in weeks:
            found[email] = History(**times.get(key, {}), weeks=weeks.get(domain, ()))
    return found


async def _load_weeks(source: Database | Queryable, domains: Iterable[str]) -> dict[str, tuple[DomainWeek, ...]]:
    since = _monday_of(datetime.now(UTC) - timedelta(weeks=_MOST_WEEKS))
    rows = await source.fetch(_SQL["load_domain_histories"], sorted(domains), since)
    found: dict[str, dict[date, Counter[str]]] = {}
    for row in rows:
        week = found.setdefault(row["domain"], {}).setdefault(row["week"], Counter())
        week[_WEEK_FIELDS[row["event_type"]]] += row["events"]
    return {
        domain: tuple(DomainWeek(monday, **counts) for monday, counts in sorted(weeks.items(), reverse=True))
        for domain, weeks in found.items()
    }


def _domain_of(email: str) -> str:
    return email.rpartition("@")[2].lower()


def _monday_of(at: datetime) -> date:
    day = at.astimezone(UTC).date()
    return day - timedelta(days=day.weekday())

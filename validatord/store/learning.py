"""What training reads: verdicts by ranges of their key, and what campaigns told of them; never all at once.

The newest verdict on an address counts; one that a later verification replaced is gone with its evidence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from validatord.store import models, queries
from validatord.store.database import Database
from validatord.store.models import StoredVerdict

_SQL = queries.load("learning")


@dataclass(frozen=True, slots=True)
class Page:
    """A range of addresses, from after `first` to `last`, and how many verdicts stand in it."""

    first: str
    last: str
    verdicts: int


@dataclass(frozen=True, slots=True)
class ListNews:
    """A list's mailboxes of one status, and how many of them a campaign brought news of."""

    submission_id: int
    status: str
    mailboxes: int
    with_news: int


async def find_page(database: Database, after: str, size: int) -> Page | None:
    """Return the page behind an address, or None at the end."""
    row = await database.fetch_row(_SQL["end_of_page"], after, size)
    if row is None or row["last_email"] is None:
        return None
    return Page(after, row["last_email"], row["verdicts"])


async def load_page(database: Database, page: Page, since: datetime, until: datetime) -> list[StoredVerdict]:
    """Return the undecided verdicts of a page made after `since` and not after `until`, one per address."""
    found = await database.fetch(_SQL["load_page"], page.first, page.last, since, until)
    return [models.verdict_of(row) for row in found]


async def load_events(
    database: Database, emails: Sequence[str], until: datetime
) -> dict[str, list[tuple[str, datetime]]]:
    """Return what campaigns told until a moment, oldest first, by address in lower case."""
    found: dict[str, list[tuple[str, datetime]]] = {}
    for row in await database.fetch(_SQL["load_events"], list({email.lower() for email in emails}), until):
        found.setdefault(row["email"], []).append((row["event_type"], row["event_at"]))
    return found


async def load_weeks(database: Database, domains: Sequence[str]) -> dict[str, list[tuple[date, str, int]]]:
    """Return what campaigns told of domains: Monday, kind and number of events."""
    found: dict[str, list[tuple[date, str, int]]] = {}
    for row in await database.fetch(_SQL["load_weeks"], list(set(domains))):
        found.setdefault(row["domain"], []).append((row["week"], row["event_type"], row["events"]))
    return found


async def load_lists(database: Database, verdicts: Sequence[tuple[str, datetime]]) -> list[set[int]]:
    """Return on which submissions' lists each address was when it got its verdict."""
    found: list[set[int]] = [set() for _ in verdicts]
    columns = [[email for email, _ in verdicts], [moment for _, moment in verdicts]]
    for row in await database.fetch(_SQL["load_lists"], list(range(len(verdicts))), *columns):
        place: int = row["place"]
        found[place].add(row["submission_id"])
    return found


async def load_domain_records(
    database: Database, moments: Sequence[tuple[str, datetime]], half_life: timedelta
) -> list[tuple[float, float, float]]:
    """Return for each domain how many of its mailboxes had bounced, shown life and been verified before its moment."""
    found = [(0.0, 0.0, 0.0)] * len(moments)
    columns = [[domain for domain, _ in moments], [moment for _, moment in moments]]
    for row in await database.fetch(_SQL["load_domain_records"], list(range(len(moments))), *columns, half_life):
        found[row["place"]] = (row["bounced"], row["alive"], row["verified"])
    return found


async def find_last_request(database: Database) -> int:
    """Return the highest number of a request."""
    return await database.fetch_value(_SQL["last_request"])


async def count_list_news(database: Database, after: int, last: int, window: timedelta) -> list[ListNews]:
    """Return the news of lists, as far as their requests lie in a range of numbers."""
    found = await database.fetch(_SQL["count_list_news"], after, last, window)
    return [ListNews(row["submission_id"], row["status"], row["mailboxes"], row["with_news"]) for row in found]

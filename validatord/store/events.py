"""What campaigns told about mailboxes (`email_events`): bounces, opens, replies."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from validatord.mail.request import History
from validatord.store import queries
from validatord.store.database import Database, Queryable
from validatord.store.values import clean_text

_SQL = queries.load("events")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a message: hard_bounce, soft_bounce, open or reply."""

    email: str
    event_type: str
    event_at: datetime
    campaign_id: UUID | None = None


async def add_events(database: Database, events: Sequence[Event]) -> int:
    """Keep events and return how many were new."""
    rows = [(clean_text(event.email), event.event_type, event.event_at, event.campaign_id) for event in events]
    columns = [[row[place] for row in rows] for place in range(4)]
    return len(await database.fetch(_SQL["add_events"], *columns))


async def load_histories(source: Database | Queryable, emails: Sequence[str]) -> dict[str, History]:
    """Return the histories of those mailboxes that have one, under the text they were asked by."""
    if not emails:
        return {}
    folded = {email: email.lower() for email in emails}
    rows = await source.fetch(_SQL["load_histories"], list(set(folded.values())))
    found = {
        row["email"]: History(row["hard_bounces"], row["soft_bounces"], row["opens"], row["replies"]) for row in rows
    }
    return {email: found[key] for email, key in folded.items() if key in found}

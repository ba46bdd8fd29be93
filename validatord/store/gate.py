"""What the send gate counts in a submission."""

from dataclasses import dataclass
from datetime import datetime

from validatord.mail.request import LabelKey
from validatord.store import queries, rows
from validatord.store.database import Database

_SQL = queries.load("gate")


@dataclass(frozen=True, slots=True)
class Campaign:
    """A submission, and when it will be sent to, if anybody said so; `requests` counts announced ones, too."""

    submission_id: int
    requests: int
    finished: int
    campaign_at: datetime | None


@dataclass(frozen=True, slots=True)
class Kind:
    """The finished requests that a policy cannot tell apart."""

    key: LabelKey
    requests: int
    at_small_domains: int
    outdated: int


async def get_campaign(database: Database, client: str, submission: str) -> Campaign | None:
    """Return a submission, or None where there is none of that name."""
    row = await database.fetch_row(_SQL["get_campaign"], client, submission)
    if row is None:
        return None
    return Campaign(row["id"], max(row["requests"], row["expected"] or 0), row["finished"], row["campaign_at"])


async def count_kinds(
    database: Database, submission_id: int, small_domain: int, older_than: datetime
) -> tuple[Kind, ...]:
    """Return finished requests by kind; a domain with at most `small_domain` requests is small. Reads them all."""
    found = await database.fetch(_SQL["count_for_gate"], submission_id, small_domain, older_than)
    return tuple(
        Kind(rows.label_key_of(row), row["requests"], row["at_small_domains"], row["outdated"]) for row in found
    )

"""Domains that look disposable by what campaigns told: most of the mailboxes we wrote to there are gone."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from validatord.store import queries
from validatord.store.database import Database

_SQL = queries.load("proposals")
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """From when on a domain is proposed: mailboxes told about, share of them that bounced, how far back (days)."""

    mailboxes: int
    share: float
    days: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """One domain: mailboxes something was told about, those that hard-bounced last, those that showed life since."""

    domain: str
    mailboxes: int
    bounced: int
    alive: int
    last_at: datetime
    mx_hosts: tuple[str, ...] = ()


async def find(database: Database, wanted: Wanted) -> list[Proposal]:
    """Return domains most of whose mail came back, the worst first; what to do with them is a person's decision."""
    since = timedelta(days=wanted.days)
    rows = await database.fetch(_SQL["find_bouncing_domains"], wanted.mailboxes, wanted.share, since, _MOST)
    return [
        Proposal(
            row["domain"], row["mailboxes"], row["bounced"], row["alive"], row["last_at"], tuple(row["mx_hosts"] or ())
        )
        for row in rows
    ]

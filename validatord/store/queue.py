"""The queue as a whole, for people: how much waits, whose it is, why it waits, what nobody takes up by itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from validatord.mail.verdict import Reason
from validatord.store import queries
from validatord.store.database import Database

_SQL = queries.load("queue")
_MOST_LANES = 20
# Nobody may ask, or somebody did not want to know any more.
_NOT_ASKED = tuple(reason.value for reason in (Reason.NEVER_PROBE, Reason.OPTED_OUT, Reason.ERASED, Reason.CANCELLED))


@dataclass(frozen=True, slots=True)
class Share:
    """Unfinished requests of a client under one priority of its submissions."""

    client: str
    priority: int
    requests: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Requests that wait for the same reason; `next_due` is None where somebody else has them."""

    reason: str
    requests: int
    next_due: datetime | None


@dataclass(frozen=True, slots=True)
class QueueStats:
    """What waits.

    `domains_due` lists the lanes with the most domains due now; a lane that is not known yet is empty.
    """

    shares: tuple[Share, ...]
    waiting: tuple[Waiting, ...]
    domains: int
    domains_due: int
    domains_leased: int
    oldest_due: datetime | None
    lanes: Mapping[str, int]
    rejected_jobs: int
    bouncer_letters: int

    @property
    def unfinished(self) -> int:
        """All unfinished requests: what the water marks are about."""
        return sum(share.requests for share in self.shares)


@dataclass(frozen=True, slots=True)
class Undecided:
    """Which requests that ended as `unknown` are meant: all, or those of a client, a submission, for a reason."""

    client: str | None = None
    submission: str | None = None
    reason: str | None = None


async def find_undecided(database: Database, wanted: Undecided, after_id: int, limit: int) -> list[int]:
    """Return the numbers of requests that ended as `unknown`, above a number; not of those nobody may ask about."""
    how = (wanted.client, wanted.submission, wanted.reason, limit)
    return [row["id"] for row in await database.fetch(_SQL["find_undecided"], after_id, list(_NOT_ASKED), *how)]


async def get_stats(database: Database) -> QueueStats:
    """Count what waits; every figure is of its own moment."""
    shares = await database.fetch(_SQL["count_by_client"])
    waiting = await database.fetch(_SQL["count_waiting"])
    lanes = await database.fetch(_SQL["count_lanes"], _MOST_LANES)
    domains = await database.fetch_row(_SQL["count_domains"])
    dead = await database.fetch_row(_SQL["count_dead"])
    assert domains is not None  # noqa: S101 counts are always one row
    assert dead is not None  # noqa: S101
    return QueueStats(
        shares=tuple(Share(row["client"], row["priority"], row["requests"]) for row in shares),
        waiting=tuple(Waiting(row["reason"], row["requests"], row["next_due"]) for row in waiting),
        domains=domains["waiting"],
        domains_due=domains["due"],
        domains_leased=domains["leased"],
        oldest_due=domains["oldest_due"],
        lanes={row["lane"]: row["domains"] for row in lanes},
        rejected_jobs=dead["rejected_jobs"],
        bouncer_letters=dead["bouncer_letters"],
    )

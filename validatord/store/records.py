"""What visits learned, written in one transaction: verdicts, deferrals, handovers, facts, releases.

Fenced: of a domain whose lease belongs to somebody else by now nothing is written. Repeatable: a write
that raised may have been stored, and writing it again changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from validatord import crash
from validatord.mail.request import DomainFacts, Finding, VerificationRequest
from validatord.mail.verdict import Deferral
from validatord.store import domains, leases, outcomes
from validatord.store.database import Database, Queryable
from validatord.store.outcomes import Deferred, Finished, HandedOver

__all__ = ["Deferred", "Finished", "HandedOver", "VisitRecord", "list_submissions", "write_records"]


@dataclass(frozen=True, slots=True)
class VisitRecord:
    """Everything one visit, or a part of it, has to write.

    `release` ends the lease; the domain is then due with its earliest request, but not before `not_before`.
    """

    domain: str
    lane: str = ""  # empty: not known
    finished: tuple[Finished | tuple[VerificationRequest, Finding, int], ...] = ()
    deferred: tuple[Deferred | tuple[VerificationRequest, Deferral], ...] = ()
    handed_over: tuple[HandedOver | tuple[VerificationRequest, Finding], ...] = ()
    facts: DomainFacts | None = None
    release: bool = False
    not_before: datetime | None = None


def list_submissions(record: VisitRecord) -> frozenset[int]:
    """Return the submissions that a record says something about."""
    return frozenset(item[0].submission_id for item in (*record.finished, *record.deferred, *record.handed_over))


async def write_records(database: Database, node: str, epoch: int, records: Sequence[VisitRecord]) -> frozenset[str]:
    """Write the records of many visits and return the domains whose lease was lost.

    Raises `StoreAway`; then the whole write may be repeated.
    """
    wanted = {record.domain for record in records}
    async with database.transaction() as connection:
        held = await leases.lock_leases(connection, node, epoch, wanted)
        await _write(connection, [record for record in records if record.domain in held])
        crash.point("record.before_commit")
    crash.point("record.after_commit")
    return frozenset(wanted - held)


async def _write(connection: Queryable, records: Sequence[VisitRecord]) -> None:
    await outcomes.defer(connection, [item for record in records for item in record.deferred])
    await outcomes.hand_over(connection, [item for record in records for item in record.handed_over])
    new = await outcomes.finish(connection, [item for record in records for item in record.finished])
    await domains.save_facts(connection, [record.facts for record in records if record.facts is not None])
    await outcomes.count(connection, new)
    # By domain: a visit may hand in several records, and only one release of a domain is a release.
    releases = {record.domain: (record.domain, record.not_before, record.lane) for record in records if record.release}
    await leases.release_locked(connection, list(releases.values()))

"""Words for the ledger's tests: submit, lease, finish, and look at what is there."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from validatord.mail.address import Mailbox
from validatord.mail.request import Finding, VerificationRequest
from validatord.store import leases, records, submissions
from validatord.store.database import Database
from validatord.store.nodes import NodeLock
from validatord.store.records import Finished, VisitRecord
from validatord.store.submissions import Chunk, ChunkItem, ChunkResult

NODE = "one"
CHECKED_AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
INVARIANTS = {
    "a submission's counts are those of its requests": """
        SELECT s.id FROM submissions AS s WHERE (s.requests, s.finished) IS DISTINCT FROM (
            SELECT (count(*), count(*) FILTER (WHERE r.state = 'done')) FROM requests AS r WHERE r.submission_id = s.id
        )""",
    "a submission is complete when all its requests are": """
        SELECT s.id FROM submissions AS s
        WHERE s.requests > 0
            AND (s.finished_at IS NOT NULL) <> (s.finished = s.requests AND s.requests >= coalesce(s.expected, 0))""",
    "counts by outcome are those of the requests": """
        WITH counted AS (
            SELECT submission_id, status, reason, confidence, is_disposable, is_role, is_free, requests
            FROM submission_counts WHERE requests > 0
        ), there AS (
            SELECT submission_id, status, reason, confidence, is_disposable, is_role, is_free, count(*)
            FROM requests WHERE state = 'done' GROUP BY 1, 2, 3, 4, 5, 6, 7
        )
        (SELECT * FROM counted EXCEPT SELECT * FROM there) UNION ALL (SELECT * FROM there EXCEPT SELECT * FROM counted)""",
    "contributions add up to the confidence": """
        SELECT r.id FROM requests AS r WHERE r.contributions <> '[]'::jsonb AND r.confidence <> (
            SELECT sum((c.value ->> 1)::integer) FROM jsonb_array_elements(r.contributions) AS c
        )""",
    "what is queued is due in its domain, not later than itself or the domain's own wait": """
        SELECT r.id FROM requests AS r LEFT JOIN domain_queue AS q ON r.domain = q.domain
        WHERE r.state = 'queued' AND q.leased_until IS NULL
            AND (q.next_due IS NULL OR q.next_due > greatest(r.due_at, q.not_before))""",
    "every finished mailbox has its verdict": """
        SELECT r.id FROM requests AS r WHERE r.state = 'done' AND r.email IS NOT NULL AND NOT EXISTS (
            SELECT FROM email_validation AS v
            WHERE v.email = r.email AND v.contact_id IS NOT DISTINCT FROM r.contact_id
        )""",
}


def make_item(idx: int, address: str, **more: Any) -> ChunkItem:
    """Make an item from `local@domain`."""
    local_part, _, domain = address.rpartition("@")
    return ChunkItem(idx, address, Mailbox(local_part, domain), **more)


def make_chunk(*addresses: str, start: int = 0, **more: Any) -> Chunk:
    """Make a chunk of a client's submission."""
    items = tuple(make_item(idx, address) for idx, address in enumerate(addresses, start))
    return Chunk(**{"client": "crm", "submission": "spring", "priority": 50, "items": items, **more})


async def submit(database: Database, *addresses: str, **more: Any) -> ChunkResult:
    """Submit addresses as one chunk."""
    return await submissions.add_chunk(database, make_chunk(*addresses, **more))


def make_finding(status: str = "valid", reason: str = "accepted", **more: Any) -> Finding:
    """Make a verdict."""
    usual = {"reasons": (reason, "mx_found"), "confidence": 95, "checked_at": CHECKED_AT}
    return Finding(status=status, reason=reason, **{**usual, **more})


async def lease(database: Database, epoch: int = 1, **more: Any) -> dict[str, leases.DomainVisit]:
    """Lease what is due, by domain."""
    usual: dict[str, Any] = {"node": NODE, "limit": 100, "per_domain": 100, "per_lane": 100}
    spec = leases.LeaseSpec(epoch=epoch, **{**usual, "lease": timedelta(minutes=2), **more})
    return {visit.domain: visit for visit in await leases.lease_domains(database, spec)}


async def start_node(database: Database, node: str = NODE) -> int:
    """Be a node for the purposes of a test, without holding its lock; return the epoch."""
    lock = await NodeLock.acquire(database, node)
    await lock.aclose()
    return lock.epoch


def finish_all(visit: leases.DomainVisit, finding: Finding | None = None, **more: Any) -> VisitRecord:
    """Make the record of a visit that found every mailbox."""
    finished = tuple(Finished(request, finding or make_finding(), 1) for request in visit.requests)
    return VisitRecord(visit.domain, finished=finished, **{"release": True, **more})


async def write(database: Database, *written: VisitRecord, epoch: int = 1, node: str = NODE) -> frozenset[str]:
    """Write records."""
    return await records.write_records(database, node, epoch, written)


def addresses_of(requests: Iterable[VerificationRequest]) -> list[str]:
    """Return the addresses of requests in their order."""
    return [request.address for request in requests]


async def look(database: Database, query: str, *args: object) -> list[dict[str, Any]]:
    """Return rows as dicts."""
    return [dict(row.items()) for row in await database.fetch(query, *args)]


async def find_broken(database: Database, names: Sequence[str] = tuple(INVARIANTS)) -> list[str]:
    """Return the invariants that do not hold."""
    return [name for name in names if await database.fetch(INVARIANTS[name])]


async def set_due(database: Database, ago: timedelta) -> None:
    """Let time pass for everything that waits."""
    await database.fetch("UPDATE requests SET due_at = due_at - $1::interval WHERE state = 'queued'", ago)
    await database.fetch("UPDATE domain_queue SET next_due = next_due - $1::interval, not_before = NULL", ago)


async def domain_row(database: Database, domain: str) -> dict[str, Any]:
    """Return the queue row of a domain."""
    return (await look(database, "SELECT * FROM domain_queue WHERE domain = $1", domain))[0]


CONTACT = UUID("00000000-0000-4000-8000-000000000001")

"""Leases of domains: who may visit which domain now, and when each is due again.

A leased domain belongs to one node under one epoch until `leased_until`. Every release locks the rows
first and computes the new due time in the next statement: under READ COMMITTED only that one sees what
an intake committed while we waited for the lock.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from validatord.mail.request import DomainFacts, Finding, History, VerificationRequest
from validatord.mail.track_record import TrackRecord
from validatord.store import events, models, queries, submissions
from validatord.store.database import Database, Queryable
from validatord.store.domains import load_facts
from validatord.store.rows import request_of

_SQL = queries.load("leases")
_MORE_CANDIDATES = 8  # times the limit: enough to find other lanes behind a crowded one
_LEAST_CANDIDATES = 200
_ELSEWHERE = timedelta(seconds=5)  # before a domain whose due requests wait for another node is offered again
_PIN_PATIENCE = timedelta(minutes=10)  # before another node takes a request over
_MOST_REAPED = 1000
_SAMPLED_DOMAINS = 5000

Value = TypeVar("Value")
Release = tuple[str, datetime | None, str]  # domain, not before, lane (empty: as it was)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseSpec:
    """What to lease: at most `limit` domains, `per_lane` of one known lane, `per_domain` requests of each."""

    node: str
    epoch: int
    limit: int
    per_domain: int
    per_lane: int
    lease: timedelta
    busy_lanes: Sequence[str] = ()
    resting: Sequence[str] = ()  # domains
    half_life: timedelta | None = None  # of track records; None: nobody needs them


@dataclass(frozen=True, slots=True)
class DomainVisit:
    """A leased domain with its due requests and everything the ledger knows about them.

    `histories`, `records` and `fresh` go by mailbox as text; `fresh` holds verdicts that may be used again.
    """

    domain: str
    lane: str
    requests: tuple[VerificationRequest, ...]
    facts: DomainFacts
    histories: dict[str, History] = field(default_factory=dict[str, History])
    records: dict[str, TrackRecord] = field(default_factory=dict[str, TrackRecord])
    fresh: dict[str, Finding] = field(default_factory=dict[str, Finding])


async def lease_domains(database: Database, spec: LeaseSpec) -> list[DomainVisit]:
    """Lease due domains and take their due requests, in one transaction."""
    if not await database.fetch_value(_SQL["has_due"], list(spec.busy_lanes), list(spec.resting)):
        return []
    async with database.transaction() as connection:
        candidates = max(spec.limit * _MORE_CANDIDATES, _LEAST_CANDIDATES)
        how_much = (spec.limit, spec.per_lane, spec.lease, list(spec.busy_lanes), candidates, list(spec.resting))
        leased = await connection.fetch(_SQL["lease_domains"], spec.node, spec.epoch, *how_much)
        if not leased:
            return []
        lanes = {row["domain"]: row["lane"] for row in leased}
        taken = await _take_due(connection, list(lanes), spec)
        if empty := [domain for domain in lanes if domain not in taken]:
            await _release_empty(connection, empty)
        known = await load_facts(connection, list(taken))
        emails = list({mailbox_of(request) for requests in taken.values() for request in requests})
        histories = await events.load_histories(connection, emails)
        records = await _load_records(connection, taken, spec.half_life)
        fresh = await submissions.find_fresh(connection, emails)
    return [
        DomainVisit(
            domain,
            lanes[domain],
            tuple(requests),
            known.get(domain) or DomainFacts(domain),
            _only(histories, requests),
            _only(records, requests),
            _only(fresh, requests),
        )
        for domain, requests in taken.items()
    ]


async def renew(database: Database, node: str, epoch: int, domains: Iterable[str], lease: timedelta) -> frozenset[str]:
    """Move the end of leases and return the domains whose lease was lost."""
    wanted = sorted(domains)
    rows = await database.fetch(_SQL["renew_leases"], wanted, node, epoch, lease)
    return frozenset(wanted) - {row["domain"] for row in rows}


async def release(database: Database, node: str, epoch: int, releases: Sequence[Release]) -> frozenset[str]:
    """End leases, each domain due when its earliest request is; return those whose lease was lost."""
    wanted = {domain for domain, _, _ in releases}
    async with database.transaction() as connection:
        held = await lock_leases(connection, node, epoch, wanted)
        await release_locked(connection, [item for item in releases if item[0] in held])
    return frozenset(wanted - held)


async def release_all(database: Database, node: str, epoch: int) -> int:
    """End every lease of this process, at a stop."""
    return await _release_where(database, "lock_all_leases", node, epoch)


async def release_others(database: Database, node: str, epoch: int, kept: Iterable[str]) -> int:
    """End the leases of this process but some: those that were stored although the statement failed."""
    return await _release_where(database, "lock_other_leases", node, epoch, sorted(kept))


async def release_older(database: Database, node: str, epoch: int) -> int:
    """End every lease this node took under an older epoch: nobody else holds its lock."""
    return await _release_where(database, "lock_older_leases", node, epoch)


async def reap(database: Database) -> int:
    """Make the domains of expired leases due, and repair some that were forgotten; return how many."""
    reaped = await _release_where(database, "lock_expired_leases", _MOST_REAPED)
    return reaped + await _repair(database)


async def lock_leases(connection: Queryable, node: str, epoch: int, domains: Iterable[str]) -> set[str]:
    """Lock the rows of leases that are still ours, until the end of the transaction."""
    rows = await connection.fetch(_SQL["lock_leases"], sorted(domains), node, epoch)
    return {row["domain"] for row in rows}


async def release_locked(connection: Queryable, releases: Sequence[Release]) -> None:
    """End the leases of domains whose rows this transaction has locked already."""
    if releases:
        ordered = sorted(releases, key=lambda item: item[0])
        columns = [[item[place] for item in ordered] for place in range(3)]
        await connection.execute(_SQL["release_domains"], *columns)


def mailbox_of(request: VerificationRequest) -> str:
    """Return the mailbox as the text under which the ledger keeps it."""
    return f"{request.local_part}@{request.domain}"


async def _take_due(connection: Queryable, domains: list[str], spec: LeaseSpec) -> dict[str, list[VerificationRequest]]:
    rows = await connection.fetch(_SQL["take_due"], domains, spec.per_domain, spec.node, _PIN_PATIENCE)
    taken: dict[str, list[VerificationRequest]] = {}
    for row in rows:
        taken.setdefault(row["domain"], []).append(replace(request_of(row), reuse_from=row["reuse_from"]))
    return taken


async def _release_empty(connection: Queryable, domains: list[str]) -> None:
    # Either its due time was out of date, or what is due waits for another node: offer it there soon.
    soon = await connection.fetchval(_SQL["time_from_now"], _ELSEWHERE)
    await release_locked(connection, [(domain, soon, "") for domain in domains])


async def _release_where(database: Database, block: str, *args: object) -> int:
    async with database.transaction() as connection:
        domains = [row["domain"] for row in await connection.fetch(_SQL[block], *args)]
        await release_locked(connection, [(domain, None, "") for domain in domains])
    return len(domains)


async def _repair(database: Database) -> int:
    share = await database.fetch_value(_SQL["share_of_domains"], _SAMPLED_DOMAINS)
    return await _release_where(database, "lock_forgotten_domains", share)


async def _load_records(
    connection: Queryable, taken: dict[str, list[VerificationRequest]], half_life: timedelta | None
) -> dict[str, TrackRecord]:
    if half_life is None:
        return {}
    mailboxes = {(mailbox_of(request), domain) for domain, requests in taken.items() for request in requests}
    return await models.load_track_records(connection, sorted(mailboxes), half_life)


def _only(known: dict[str, Value], requests: list[VerificationRequest]) -> dict[str, Value]:
    return {email: known[email] for email in map(mailbox_of, requests) if email in known}

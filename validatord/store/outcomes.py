"""How requests end or wait, inside a transaction of the caller: shared by all that write outcomes.

Order of locks, everywhere: domains, requests, verdicts, facts, submissions; each sorted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple
from uuid import UUID

from validatord.mail.request import Finding, LabelKey, VerificationRequest
from validatord.mail.verdict import Deferral
from validatord.store import queries, rows
from validatord.store.database import Queryable
from validatord.store.values import clean_text

_SQL = queries.load("outcomes")
_EMAIL_LIMIT = 500  # characters: what is no mailbox may be of any length, an index entry may not

Outcome = tuple[int, LabelKey]  # submission, and what counts are kept by


class Finished(NamedTuple):
    """A request with its outcome and the number of attempts it took."""

    request: VerificationRequest
    finding: Finding
    attempts: int


class Deferred(NamedTuple):
    """A request that is due again later."""

    request: VerificationRequest
    deferral: Deferral


class HandedOver(NamedTuple):
    """A request that somebody else decides, and what our own probe said."""

    request: VerificationRequest
    finding: Finding


class Validation(NamedTuple):
    """What becomes a row of `email_validation`."""

    contact_id: UUID | None
    email: str
    domain: str
    attempts: int
    finding: Finding


async def finish(connection: Queryable, finished: Sequence[tuple[VerificationRequest, Finding, int]]) -> list[Outcome]:
    """Write outcomes to `requests` and `email_validation` and return what was new.

    The caller hands that to `count` at the end of its transaction.
    """
    if not finished:
        return []
    table = [(request.request_id, attempts, *rows.outcome_columns(found)) for request, found, attempts in finished]
    table.sort(key=itemgetter(0))
    changed = await connection.fetch(_SQL["finish_requests"], *rows.columns_of(table, 16))
    await save_validations(
        connection,
        [
            Validation(request.contact_id, f"{request.local_part}@{request.domain}", request.domain, attempts, found)
            for request, found, attempts in finished
        ],
    )
    return [(row["submission_id"], rows.label_key_of(row)) for row in changed]


async def defer(connection: Queryable, deferred: Sequence[tuple[VerificationRequest, Deferral]]) -> None:
    """Write due times and pins."""
    if deferred:
        table = [
            (
                request.request_id,
                deferral.due_at,
                request.attempt + deferral.counts_as_attempt,
                request.deferrals + deferral.counts_as_attempt,
                str(deferral.reason),
                rows.pin_to_json(deferral.pin),
            )
            for request, deferral in deferred
        ]
        await connection.execute(_SQL["defer_requests"], *rows.columns_of(table, 6))


async def hand_over(connection: Queryable, handed_over: Sequence[tuple[VerificationRequest, Finding]]) -> None:
    """Take requests out of our own queue; the block `hand_over` puts them into the other one."""
    if handed_over:
        table = [(request.request_id, rows.finding_to_json(finding)) for request, finding in handed_over]
        await connection.execute(_SQL["hand_over"], *rows.columns_of(table, 2))


async def save_validations(connection: Queryable, validations: Sequence[Validation]) -> None:
    """Write verdicts; of two for the same contact and address the last wins."""
    unique = {
        (item.contact_id, email): (
            item.contact_id,
            email,
            item.domain,
            item.attempts,
            *rows.outcome_columns(item.finding),
            *rows.evidence_columns(item.finding),
        )
        for item in validations
        if (email := clean_text(item.email, _EMAIL_LIMIT))
    }
    if unique:
        await connection.execute(_SQL["upsert_validations"], *rows.columns_of(list(unique.values()), 23))


async def count(connection: Queryable, outcomes: Iterable[Outcome]) -> None:
    """Add new outcomes to their submissions and announce those that are complete."""
    counts = Counter(outcomes)
    if not counts:
        return
    totals: Counter[int] = Counter()
    for (submission_id, _), number in counts.items():
        totals[submission_id] += number
    ids = sorted(totals)
    await connection.fetch(_SQL["lock_submissions"], ids)
    counted = await connection.fetch(_SQL["count_finished"], ids, [totals[one] for one in ids])
    await connection.execute(_SQL["count_outcomes"], *count_columns(counts))
    if complete := [row["id"] for row in counted if row["finished_at"] is not None]:
        await connection.execute(_SQL["announce_finished"], complete)


def count_columns(counts: Mapping[Outcome, int]) -> list[list[object]]:
    """Return the columns of `count_outcomes` and `uncount_outcomes`, in the order of the rows they lock."""
    table = sorted((submission_id, *key, number) for (submission_id, key), number in counts.items())
    return rows.columns_of(table, 8)

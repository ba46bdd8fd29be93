"""What waits for Bouncer (`bouncer_queue`): choosing members within the budgets, and ways out without buying."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from validatord import errors
from validatord.mail.request import Finding, VerificationRequest
from validatord.store import outcomes, queries, rows
from validatord.store.bouncer_batches import Trouble
from validatord.store.database import Database, Queryable, Row

_SQL = queries.load("bouncer_queue")
_LIMITS = queries.load("bouncer_limits")
_BATCHES = queries.load("bouncer_batches")
_REPORTS = queries.load("bouncer_reports")
_PAGE = 500
_ENDLESS = 2**31 - 1

# Makes the outcome of a request that ends without an answer from what our own probe said, if it said anything.
Settle = Callable[[VerificationRequest, Finding | None], Finding]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What may be asked about now; `count` ends at the size of a batch."""

    count: int
    oldest_ts: datetime | None
    priority: int
    is_long_enough: bool


@dataclass(frozen=True, slots=True)
class Cap:
    """Most credits of a client (empty name: of the whole account) in a day and in a month; None: no cap."""

    client: str
    per_day: int | None
    per_month: int | None


@dataclass(frozen=True, slots=True)
class PlanSpec:
    """What a batch may hold: at most `limit` addresses, and of each client at most what its budget has left."""

    tier: str
    limit: int
    payers: Sequence[tuple[str, int]]
    caps: Sequence[Cap]


@dataclass(frozen=True, slots=True)
class Planned:
    """A batch that was just written down."""

    batch: int
    quantity: int


async def count_waiting(
    database: Database, tier: str, limit: int, *, exhausted: Sequence[str] = (), fill_wait: timedelta
) -> Waiting:
    """Return what may be asked about now, leaving out clients whose budget is used up."""
    row = await database.fetch_row(_SQL["count_waiting"], tier, limit, list(exhausted), fill_wait)
    if row is None:
        return Waiting(0, None, 0, is_long_enough=False)
    return Waiting(row["waiting"], row["oldest_ts"], row["priority"] or 0, row["is_long_enough"])


async def list_payers(database: Database, tier: str) -> list[str]:
    """Return the clients that have something queued."""
    return [row["client"] for row in await database.fetch(_SQL["list_payers"], tier)]


async def load_budgets(database: Database, tier: str) -> dict[tuple[str, str], int]:
    """Return the credits taken in this day and month by (client, period)."""
    found = await database.fetch(_LIMITS["load_budgets"], tier)
    return {(row["client"], row["period"]): row["credits"] for row in found}


async def plan_batch(database: Database, spec: PlanSpec) -> Planned | None:
    """Write down a batch with its members and take its credits from the budgets; None: there is none now."""
    clients = [client for client, _ in spec.payers]
    most = [min(most, _ENDLESS) for _, most in spec.payers]
    try:
        async with database.transaction() as connection:
            await connection.execute(_SQL["plan_anew"])
            planned = await connection.fetchrow(_SQL["plan_batch"], spec.tier, spec.limit, clients, most)
            if planned is None:
                return None
            await connection.execute(_SQL["assign_members"], planned["id"])
            await _reserve(connection, planned["id"], spec.caps)
    except (asyncpg.UniqueViolationError, asyncpg.CheckViolationError):
        # Another driver or an operator was quicker; the constraint kept the money, the next round looks again.
        return None
    return Planned(planned["id"], planned["quantity"])


async def _reserve(connection: Queryable, batch: int, caps: Sequence[Cap]) -> None:
    columns = ([cap.client for cap in caps], [cap.per_day for cap in caps], [cap.per_month for cap in caps])
    await connection.execute(_LIMITS["reserve_credits"], batch, *columns)


async def settle_outdated(database: Database, client: str, max_age: timedelta, below: int, settle: Settle) -> int:
    """End requests of a client that waited too long, or whose priority is `below` or less."""
    async with database.transaction() as connection:
        locked = await connection.fetch(_SQL["lock_outdated"], client, max_age, below, _PAGE)
        return await _settle(connection, locked, settle)


async def park_batch(database: Database, batch: int, state: str, trouble: Trouble) -> bool:
    """Set a batch aside for a person, who finds it among the dead letters; its credits return to the budgets."""
    async with database.transaction() as connection:
        if await connection.fetchrow(_BATCHES["park_batch"], batch, state, *trouble.columns) is None:
            return False
        await connection.execute(_REPORTS["add_dead_letter"], batch, *trouble.columns)
        await connection.execute(_LIMITS["return_credits"], batch)
        return True


async def add_dead_letter(database: Database, batch: int, trouble: Trouble) -> bool:
    """Show a batch to a person, once."""
    return await database.fetch_row(_REPORTS["add_dead_letter"], batch, *trouble.columns) is not None


async def adopt_batch(database: Database, batch: int, ref: str) -> None:
    """Go on with a batch that an operator found at the provider under that name.

    Raises `StoreError` where the batch waits for no such thing, or the name belongs to another one.
    """
    try:
        async with database.transaction() as connection:
            if await connection.fetchrow(_BATCHES["adopt_batch"], batch, ref) is None:
                raise errors.StoreError(f"batch {batch} is neither planned nor submit_unknown nor lost")
            await connection.execute(_REPORTS["resolve_of_batch"], batch, "adopted")
    except asyncpg.UniqueViolationError:
        raise errors.StoreError(f'"{ref}" is another batch of ours') from None


async def resubmit_batch(database: Database, batch: int) -> int:
    """Put the requests of a batch back into the queue, whatever became of it; return how many."""
    async with database.transaction() as connection:
        await _close(connection, batch, "resubmitted")
        return len(await connection.fetch(_SQL["requeue_batch"], batch))


async def abandon_batch(database: Database, batch: int, settle: Settle) -> int:
    """End the requests of a batch with what our own probe said; return how many."""
    settled = 0
    async with database.transaction() as connection:
        await _close(connection, batch, "abandoned")
        while locked := await connection.fetch(_SQL["lock_of_batch"], batch, _PAGE):
            settled += await _settle(connection, locked, settle)
    return settled


async def _close(connection: Queryable, batch: int, resolution: str) -> None:
    if await connection.fetchrow(_BATCHES["close_batch"], batch, resolution) is None:
        raise errors.StoreError(f"batch {batch} is neither submit_unknown nor lost nor parked")
    await connection.execute(_BATCHES["retire_members"], batch)
    await connection.execute(_REPORTS["resolve_of_batch"], batch, resolution)


async def retry_dead_letter(database: Database, letter: int) -> int:
    """Put what a dead letter is about back into the queue; return how many requests that are."""
    async with database.transaction() as connection:
        row = await _get_open_letter(connection, letter)
        if row["email"] is None:
            await _close(connection, row["batch_id"], "resubmitted")
            return len(await connection.fetch(_SQL["requeue_batch"], row["batch_id"]))
        moved = await connection.fetch(_SQL["requeue_failed"], row["request_id"])
        await connection.execute(_REPORTS["resolve_dead_letter"], letter, "retried")
        return len(moved)


async def settle_dead_letter(database: Database, letter: int, settle: Settle) -> int:
    """End a parked request with what our own probe said."""
    async with database.transaction() as connection:
        row = await _get_open_letter(connection, letter)
        if row["email"] is None:
            raise errors.StoreError(f"dead letter {letter} is about batch {row['batch_id']}: abandon that")
        locked = await connection.fetch(_SQL["lock_failed"], row["request_id"])
        settled = await _settle(connection, locked, settle)
        await connection.execute(_REPORTS["resolve_dead_letter"], letter, "settled")
        return settled


async def _get_open_letter(connection: Queryable, letter: int) -> Row:
    row = await connection.fetchrow(_REPORTS["get_dead_letter"], letter)
    if row is None or row["resolved_ts"] is not None:
        raise errors.StoreError(f"there is no open dead letter {letter}")
    return row


async def _settle(connection: Queryable, locked: Sequence[Row], settle: Settle) -> int:
    if not locked:
        return 0
    ids = [row["request_id"] for row in locked if row["request_id"] is not None]
    finished: list[outcomes.Finished] = []
    for row in await connection.fetch(_SQL["load_requests"], ids):
        request = rows.request_of(row)
        own = rows.finding_from_json(row["probe"]) if row["probe"] else None
        finished.append(outcomes.Finished(request, settle(request, own), request.attempt))
    new = await outcomes.finish(connection, finished)
    await connection.execute(_SQL["complete_queue"], [row["queue_id"] for row in locked])
    await outcomes.count(connection, new)
    return len(locked)

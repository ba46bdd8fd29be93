"""Submissions that rest, go on, or are called off; their requests follow in steps.

The state of a submission holds at once: nothing of a paused one is leased any more. That its requests say
so, too, is for the indexes; `move_some` does a step of it. Order of locks: domains, requests, submissions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from validatord.mail.request import LabelKey
from validatord.store import outcomes, queries
from validatord.store.database import Database, Queryable
from validatord.store.values import clean_text

_SQL = queries.load("steering")
_OUTCOMES = queries.load("outcomes")
_SUBMISSIONS = queries.load("submissions")
_LABELLED = LabelKey._fields
_STEP = 5_000
_RESTING = timedelta(days=3650)  # until somebody resumes it
_ADDRESS_LIMIT = 1000  # characters kept of an address


class SubmissionState(StrEnum):
    """Whether a submission is worked on."""

    ACTIVE = "active"
    PAUSED = "paused"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class FoundState:
    """A submission by its name: number and state."""

    submission_id: int
    state: SubmissionState


async def set_state(database: Database, submission_id: int, state: SubmissionState) -> bool:
    """Pause, resume or cancel; False where it was so already, or was cancelled: that is for good."""
    return await database.fetch_value(_SQL["set_state"], submission_id, state.value) is not None


async def find_state(database: Database, client: str, submission: str) -> FoundState | None:
    """Return the submission of that name, if any."""
    row = await database.fetch_row(_SQL["find_state"], client, submission)
    return FoundState(row["id"], SubmissionState(row["state"])) if row is not None else None


async def find_other(
    database: Database, submission_id: int, first_index: int, addresses: Sequence[str | None]
) -> int | None:
    """Return the first place where the ledger holds another address than this one."""
    texts = [clean_text((address or "")[:_ADDRESS_LIMIT], _ADDRESS_LIMIT) for address in addresses]
    return await database.fetch_value(_SQL["find_other"], submission_id, first_index, texts)


async def complete(database: Database, submission_id: int) -> bool:
    """Note that nothing more will come; False where there is no such submission."""
    async with database.transaction() as connection:
        row = await connection.fetchrow(_SQL["complete"], submission_id)
        if row is not None and row["is_new"]:
            await connection.execute(_OUTCOMES["announce_finished"], [submission_id])
    return row is not None


async def move_some(database: Database, cancelled_confidence: int) -> bool:
    """Let some requests follow their submission; returns whether there may be more to do."""
    if await database.fetch_row(_SQL["find_moving"]) is None:  # one cheap question while there is nothing to do
        return False
    async with database.transaction() as connection:
        if not await connection.fetchval(_SQL["lock_mover"]):
            return False
        row = await connection.fetchrow(_SQL["find_moving"])
        if row is None:
            return False
        state = SubmissionState(row["state"])
        span = (row["id"], row["moved_to"], row["moved_to"] + _STEP)
        if state is SubmissionState.PAUSED:
            await connection.execute(_SQL["pause_requests"], *span)
            await connection.execute(_SQL["hold_bouncer"], *span, _RESTING)
        elif state is SubmissionState.ACTIVE:
            await _resume(connection, span)
        else:
            await _cancel(connection, span, cancelled_confidence)
        await connection.execute(_SQL["note_moved"], row["id"], state.value, row["moved_to"], span[2])
    return True


async def _resume(connection: Queryable, span: tuple[int, int, int]) -> None:
    found = await connection.fetch(_SQL["find_domains"], *span)
    if found:
        domains, priorities = [row["domain"] for row in found], [row["priority"] for row in found]
        await connection.execute(_SUBMISSIONS["queue_domains"], domains, priorities)
    await connection.execute(_SQL["resume_requests"], *span)
    await connection.execute(_SQL["hold_bouncer"], *span, timedelta())


async def _cancel(connection: Queryable, span: tuple[int, int, int], confidence: int) -> None:
    left = [row["request_id"] for row in await connection.fetch(_SQL["leave_bouncer"], *span)]
    ended = await connection.fetch(_SQL["cancel_requests"], *span, left, confidence)
    await outcomes.count(
        connection, [(row["submission_id"], LabelKey(*(row[name] for name in _LABELLED))) for row in ended]
    )

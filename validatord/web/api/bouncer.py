"""Operations about the paid second opinion: batches, and what was set aside for a person.

What may cost money a second time (adopting and resubmitting a batch) stays on the command line.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiohttp import web
from pydantic import Field

from validatord.errors import StoreAway, StoreError
from validatord.store import bouncer_batches, bouncer_limits, bouncer_queue, bouncer_reports
from validatord.store.bouncer_batches import Batch
from validatord.store.bouncer_limits import Account
from validatord.store.bouncer_reports import DeadLetter
from validatord.store.keys import Scope
from validatord.web import problems
from validatord.web.fields import Number
from validatord.web.problems import Problem
from validatord.web.routes import Answer, Call, Model, Operation, Reply, answer

_TAG = "Bouncer"


class BatchPath(Model):
    """Which batch."""

    batch: Number


class LetterPath(Model):
    """Which dead letter."""

    letter: Number


class BatchQuery(Model):
    """Which batches."""

    state: str | None = Field(default=None, max_length=50, pattern="^[a-z_]+$")
    limit: int = Field(default=50, ge=1, le=500)


class LetterQuery(Model):
    """Which dead letters."""

    all: bool = Field(default=False, description="Reviewed ones, too.")
    limit: int = Field(default=50, ge=1, le=500)


class BouncerBatch(Answer):
    """One batch."""

    batch: int
    batch_id: str | None = Field(description="Bouncer's own name for it.")
    tier: str = Field(description="`main` or `deep`.")
    state: str
    status: str | None = Field(description="Bouncer's own word.")
    quantity: int
    processed: int | None
    credits: int | None
    error_kind: str | None
    error_message: str | None
    created_at: datetime
    updated_at: datetime
    next_step_at: datetime
    submitted_at: datetime | None
    completed_at: datetime | None


class Batches(Answer):
    """Batches, the newest first."""

    batches: list[BouncerBatch]


class BouncerAccount(Answer):
    """One account at Bouncer."""

    tier: str
    credits: int | None
    stopped_at: datetime | None = Field(description="Since when the key is refused.")
    paused_at: datetime | None = Field(description="Since when nothing is bought.")
    pause_reason: str | None
    last_error: str | None


class BouncerStatus(Answer):
    """How it stands with the second opinion."""

    is_on: bool
    accounts: list[BouncerAccount]
    waiting: Mapping[str, int] = Field(description="Requests in its queue, by status.")
    batches: Mapping[str, int] = Field(description="Batches, by state.")
    credits_spent: int
    dead_letters: int = Field(description="How many nobody has seen.")


class Letter(Answer):
    """Something a person has to look at."""

    letter: int
    batch: int | None
    client: str | None
    email: str | None
    reason: str
    error_message: str
    failed_at: datetime
    is_reviewed: bool
    resolved_at: datetime | None
    resolution: str | None


class Letters(Answer):
    """Dead letters, the newest first."""

    letters: list[Letter]


class Reviewed(Answer):
    """It was seen."""

    letter: int


class Retried(Answer):
    """What was put back."""

    letter: int
    requests: int


async def get_bouncer(call: Call) -> web.Response:
    """Say how it stands with the second opinion."""
    database = call.services.database
    accounts = await bouncer_limits.load_accounts(database)
    waiting: dict[str, int] = {}
    for item in await bouncer_reports.count_queue(database):
        waiting[item.status] = waiting.get(item.status, 0) + item.requests
    batches: dict[str, int] = {}
    for item in await bouncer_reports.count_states(database):
        batches[item.state] = batches.get(item.state, 0) + item.batches
    return answer(
        {
            "is_on": bool(call.services.snapshot().bouncer.api_key.get_secret_value()),
            "accounts": [_render_account(account) for account in accounts.values()],
            "waiting": waiting,
            "batches": batches,
            "credits_spent": (await bouncer_reports.get_totals(database)).credits,
            "dead_letters": await bouncer_reports.count_dead_letters(database),
        }
    )


async def list_batches(call: Call) -> web.Response:
    """List batches."""
    states = [call.query.state] if call.query.state else None
    found = await bouncer_batches.list_batches(call.services.database, states, call.query.limit)
    return answer({"batches": [_render_batch(batch) for batch in found]})


async def get_batch(call: Call) -> web.Response:
    """Return one batch."""
    found = await bouncer_batches.get_batch(call.services.database, call.path.batch)
    if found is None:
        raise Problem(problems.NOT_FOUND, "there is no such batch")
    return answer(_render_batch(found))


async def list_letters(call: Call) -> web.Response:
    """List dead letters."""
    query: LetterQuery = call.query
    found = await bouncer_reports.list_dead_letters(call.services.database, with_reviewed=query.all, limit=query.limit)
    return answer({"letters": [_render_letter(letter) for letter in found]})


async def review_letter(call: Call) -> web.Response:
    """Note that somebody has seen a dead letter."""
    if not await bouncer_reports.review_dead_letter(call.services.database, call.path.letter):
        raise Problem(problems.NOT_FOUND, "there is no such dead letter")
    return answer({"letter": call.path.letter})


async def retry_letter(call: Call) -> web.Response:
    """Put what a dead letter is about back into the queue."""
    try:
        moved = await bouncer_queue.retry_dead_letter(call.services.database, call.path.letter)
    except StoreAway:
        raise
    except StoreError as error:
        raise Problem(problems.CONFLICT, str(error)) from None
    return answer({"letter": call.path.letter, "requests": moved})


def _render_account(account: Account) -> dict[str, Any]:
    return {
        "tier": account.tier,
        "credits": account.credits,
        "stopped_at": account.stopped_ts,
        "paused_at": account.paused_ts,
        "pause_reason": account.pause_reason,
        "last_error": account.last_error,
    }


def _render_batch(batch: Batch) -> dict[str, Any]:
    return {
        "batch": batch.id,
        "batch_id": batch.batch_id,
        "tier": batch.tier,
        "state": batch.state,
        "status": batch.status,
        "quantity": batch.quantity,
        "processed": batch.processed,
        "credits": batch.credits,
        "error_kind": batch.error_kind,
        "error_message": batch.error_message,
        "created_at": batch.created_ts,
        "updated_at": batch.updated_ts,
        "next_step_at": batch.next_step_ts,
        "submitted_at": batch.submitted_ts,
        "completed_at": batch.completed_ts,
    }


def _render_letter(letter: DeadLetter) -> dict[str, Any]:
    return {
        "letter": letter.id,
        "batch": letter.batch_id,
        "client": letter.user_id,
        "email": letter.email,
        "reason": letter.reason,
        "error_message": letter.error_message,
        "failed_at": letter.failed_ts,
        "is_reviewed": letter.reviewed,
        "resolved_at": letter.resolved_ts,
        "resolution": letter.resolution,
    }


def _make(method: str, path: str, summary: str, handler: Any, reply: Reply, **more: Any) -> Operation:
    return Operation(method, path, summary, handler, _TAG, {200: reply}, scope=Scope.ADMIN, **more)


OPERATIONS = (
    _make("GET", "/v1/bouncer", "How it stands", get_bouncer, Reply("How it stands.", BouncerStatus)),
    _make(
        "GET", "/v1/bouncer/batches", "List batches", list_batches, Reply("Batches.", Batches), query_model=BatchQuery
    ),
    _make(
        "GET",
        "/v1/bouncer/batches/{batch}",
        "One batch",
        get_batch,
        Reply("The batch.", BouncerBatch),
        path_model=BatchPath,
    ),
    _make(
        "GET",
        "/v1/bouncer/dead-letters",
        "List dead letters",
        list_letters,
        Reply("Dead letters.", Letters),
        query_model=LetterQuery,
    ),
    _make(
        "POST",
        "/v1/bouncer/dead-letters/{letter}/review",
        "Note that somebody has seen it",
        review_letter,
        Reply("It was seen.", Reviewed),
        path_model=LetterPath,
    ),
    _make(
        "POST",
        "/v1/bouncer/dead-letters/{letter}/retry",
        "Put it back into the queue",
        retry_letter,
        Reply("What was put back.", Retried),
        path_model=LetterPath,
        problems=(409,),
    ),
)

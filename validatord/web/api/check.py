"""Operations about one mailbox: check it now, and what is known of it."""

from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex
from typing import Any
from uuid import UUID

import orjson
from aiohttp import web
from pydantic import Field

from validatord.clock import Clock
from validatord.intake.results import Results
from validatord.mail.request import Priority
from validatord.store import submissions
from validatord.store.keys import Scope
from validatord.store.submissions import ResultRow
from validatord.web import problems, taking
from validatord.web.fields import CHECK_MARK, Address, ClientName
from validatord.web.heralds import Herald
from validatord.web.problems import Problem
from validatord.web.rendering import Evidence, Result, render_finding, render_result
from validatord.web.routes import JSON, Answer, Call, Model, Operation, Reply, answer
from validatord.web.services import SERVICES
from validatord.web.taking import Wish

HERALD = web.AppKey("herald", Herald)
_TAG = "Mailboxes"
_LOOK_SECONDS = 1.0  # another node may have written the answer
_ACCEPTED = 202


class CheckBody(Model):
    """One address to be checked now."""

    email: Address
    contact_id: UUID | None = Field(default=None, description="Your own number for whose address it is.")
    client: ClientName | None = Field(default=None, description="For an admin key: in whose name.")
    budget: float | None = Field(
        default=None, ge=0, le=60, description="Seconds to wait at most; never longer than the daemon's own budget."
    )
    revalidate: bool = Field(default=False, description="Ask again even where a fresh verdict is known.")


class CheckAnswer(Answer):
    """What came out."""

    submission: int = Field(description="Where the answer stays.")
    result: Result


class CheckLater(Answer):
    """The answer will stand there."""

    submission: int = Field(description="Where the answer will be.")
    state: str
    deferral_reason: str | None = Field(description="Why there is no answer yet.")
    due_at: datetime | None = Field(description="When it is asked again.")
    look_at: str = Field(description="The path of the result.")


class MailboxPath(Model):
    """Which mailbox."""

    address: Address


class History(Answer):
    """What campaigns told: when, the latest first."""

    hard_bounces: list[datetime]
    soft_bounces: list[datetime]
    opens: list[datetime]
    clicks: list[datetime]
    replies: list[datetime]
    complaints: list[datetime]


class Mailbox(Answer):
    """Everything that is known of a mailbox."""

    email: str
    domain: str
    contact_id: UUID | None
    attempts: int
    updated_at: datetime
    verdict: Evidence
    own: Evidence | None = Field(description="What our own probe said, where the second opinion decided.")
    history: History


async def check(call: Call) -> web.Response:
    """Check an address now, within the budget, or say where its answer will be."""
    body: CheckBody = call.body
    budget = call.services.snapshot().web.check_budget.total_seconds()
    wanted = Wanted(
        taking.choose_client(call.access, body.client),
        body.email,
        body.contact_id,
        budget if body.budget is None else min(body.budget, budget),
        is_revalidation=body.revalidate,
    )
    submission_id, row = await check_now(call.request.app, wanted)
    if row.state == "done":
        results = await Results.open(call.services.database, wanted.client)
        found = {"submission": submission_id, "result": render_result(results.label(row))}
        return web.Response(body=orjson.dumps(found), content_type=JSON)
    where = f"/v1/submissions/{submission_id}/results/0"
    later = {
        "submission": submission_id,
        "state": row.state,
        "deferral_reason": row.deferral_reason,
        "due_at": row.due_at,
        "look_at": where,
    }
    return answer(later, _ACCEPTED, location=where)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One address to be checked now, in whose name, and how many seconds its answer may take."""

    client: str
    address: str
    contact_id: UUID | None
    budget: float
    is_revalidation: bool = False


async def check_now(app: web.Application, wanted: Wanted) -> tuple[int, ResultRow]:
    """Check an address as a submission of its own; return that and the request, finished or as far as it came.

    Raises:
        Problem: 429 where too many checks wait, or too much work.
    """
    services = app[SERVICES]
    if len(app[HERALD]) >= services.snapshot().web.max_checks:
        raise Problem(problems.TOO_MANY_REQUESTS, "too many checks wait already", retry_after=1)
    deadline = services.clock.monotonic() + wanted.budget
    name = CHECK_MARK + token_hex(12)
    wish = Wish(wanted.client, name, Priority.CRITICAL, expected=1, is_revalidation=wanted.is_revalidation)
    taken = await taking.take_in(app, wish, [wanted.address], [wanted.contact_id])
    return taken.submission_id, await _wait(app, taken.submission_id, deadline)


async def _wait(app: web.Application, submission_id: int, deadline: float) -> ResultRow:
    """Return the only request of a submission once it is finished, or as it is at the deadline."""
    database, clock = app[SERVICES].database, app[SERVICES].clock
    with app[HERALD].watch(submission_id) as watch:
        while True:
            rows = await submissions.fetch_results(database, submission_id, -1, 1)
            left = deadline - clock.monotonic()
            if not rows:
                raise Problem(problems.NOT_FOUND, "the check was deleted meanwhile")
            if rows[0].state == "done" or left <= 0 or _waits_beyond(rows[0], clock, left):
                return rows[0]
            await watch.wait(min(left, _LOOK_SECONDS))


def _waits_beyond(row: ResultRow, clock: Clock, left: float) -> bool:
    """Whether the answer cannot come in time any more: it is put off, or somebody else is asked."""
    if row.state == "handed_over":
        return True
    if row.deferral_reason is None or row.due_at is None:
        return False
    return (row.due_at - clock.now()).total_seconds() > left


async def get_mailbox(call: Call) -> web.Response:
    """Return everything that is known of a mailbox."""
    results = await Results.open(call.services.database, call.access.client)
    found = await results.find_mailbox(call.path.address)
    if found is None:
        raise Problem(problems.NOT_FOUND, "nobody has asked about this mailbox")
    validation = found.validation
    body: dict[str, Any] = {
        "email": validation.email,
        "domain": validation.domain,
        "contact_id": str(validation.contact_id) if validation.contact_id and call.access.is_admin else None,
        "attempts": validation.attempts,
        "updated_at": validation.updated_at,
        "verdict": render_finding(validation.finding),
        "own": render_finding(found.own) if found.own is not None else None,
        "history": {name: getattr(found.history, name) for name in History.model_fields},
    }
    return web.Response(body=orjson.dumps(body), content_type=JSON)


OPERATIONS = (
    Operation(
        "POST",
        "/v1/check",
        "Check one address now",
        check,
        _TAG,
        {
            200: Reply("The answer.", CheckAnswer),
            _ACCEPTED: Reply(
                "It takes longer; the answer will stand there.", CheckLater, headers={"Location": "Where to look."}
            ),
        },
        scope=Scope.SUBMIT,
        body_model=CheckBody,
        problems=(409, 429),
    ),
    Operation(
        "GET",
        "/v1/mailboxes/{address}",
        "What is known of a mailbox, with its evidence",
        get_mailbox,
        _TAG,
        {200: Reply("Everything that is known.", Mailbox)},
        scope=Scope.READ,
        path_model=MailboxPath,
    ),
)

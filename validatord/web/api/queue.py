"""Operations about the queue as a whole: what waits, and what an operator lets rest."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import Field, RootModel

from validatord.store import pauses, queue
from validatord.store.keys import Scope
from validatord.store.pauses import Pause, PauseKind
from validatord.web.routes import Answer, Call, Model, Operation, Reply, answer

_TAG = "Queue"
Key = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="The lane, the provider's key or the domain.",
    ),
]


class PauseAll(Model):
    """Intake, or verification as a whole."""

    kind: Literal["intake", "verification"]
    reason: str = Field(default="", max_length=500)


class PauseOne(Model):
    """One lane (or provider), or one domain."""

    kind: Literal["lane", "domain"]
    key: Key
    reason: str = Field(default="", max_length=500)


class PauseBody(RootModel[PauseAll | PauseOne]):
    """What is to rest, and why."""

    root: PauseAll | PauseOne = Field(discriminator="kind")


class ResumeAll(Model):
    """Intake, or verification as a whole."""

    kind: Literal["intake", "verification"]


class ResumeOne(Model):
    """One lane (or provider), or one domain."""

    kind: Literal["lane", "domain"]
    key: Key


class ResumeBody(RootModel[ResumeAll | ResumeOne]):
    """What is to go on."""

    root: ResumeAll | ResumeOne = Field(discriminator="kind")


class Resting(Answer):
    """Something that rests."""

    kind: PauseKind
    key: str
    reason: str
    paused_by: str
    created_at: datetime


class Pauses(Answer):
    """Everything that rests."""

    pauses: list[Resting]


class Changed(Answer):
    """Whether that changed anything."""

    changed: bool


class Share(Answer):
    """Unfinished requests of a client."""

    client: str
    priority: int
    requests: int


class Waiting(Answer):
    """Requests that wait for the same reason."""

    reason: str
    requests: int
    next_due: datetime | None


class Queue(Answer):
    """What waits."""

    unfinished: int
    shares: list[Share]
    waiting: list[Waiting]
    domains: int = Field(description="Domains with queued requests.")
    domains_due: int
    domains_leased: int = Field(description="Domains being visited.")
    oldest_due: datetime | None
    lanes: Mapping[str, int] = Field(description="Domains that are due, by lane; empty: not known yet.")
    rejected_jobs: int
    dead_letters: int


async def get_queue(call: Call) -> web.Response:
    """Say what waits."""
    found = await queue.get_stats(call.services.database)
    return answer(
        {
            "unfinished": found.unfinished,
            "shares": [
                {"client": item.client, "priority": item.priority, "requests": item.requests} for item in found.shares
            ],
            "waiting": [
                {"reason": item.reason, "requests": item.requests, "next_due": item.next_due} for item in found.waiting
            ],
            "domains": found.domains,
            "domains_due": found.domains_due,
            "domains_leased": found.domains_leased,
            "oldest_due": found.oldest_due,
            "lanes": found.lanes,
            "rejected_jobs": found.rejected_jobs,
            "dead_letters": found.bouncer_letters,
        }
    )


async def list_pauses(call: Call) -> web.Response:
    """List what rests."""
    return answer({"pauses": [_render(pause) for pause in await pauses.load(call.services.database)]})


async def pause_something(call: Call) -> web.Response:
    """Let something rest."""
    body: PauseAll | PauseOne = call.body.root
    by = f"client {call.access.client}, key {call.access.key_id}"
    changed = await pauses.pause(
        call.services.database, PauseKind(body.kind), _find_key(body), reason=body.reason, by=by
    )
    return answer({"changed": changed})


async def resume_something(call: Call) -> web.Response:
    """Let something go on."""
    body: ResumeAll | ResumeOne = call.body.root
    return answer({"changed": await pauses.resume(call.services.database, PauseKind(body.kind), _find_key(body))})


def _find_key(body: PauseAll | PauseOne | ResumeAll | ResumeOne) -> str:
    if isinstance(body, PauseAll | ResumeAll):
        return ""
    return body.key.lower() if body.kind == PauseKind.DOMAIN else body.key


def _render(pause: Pause) -> dict[str, Any]:
    return {
        "kind": pause.kind.value,
        "key": pause.key,
        "reason": pause.reason,
        "paused_by": pause.paused_by,
        "created_at": pause.created_at,
    }


def _make(method: str, path: str, summary: str, handler: Any, reply: Reply, **more: Any) -> Operation:
    return Operation(method, path, summary, handler, _TAG, {200: reply}, scope=Scope.ADMIN, **more)


OPERATIONS = (
    _make("GET", "/v1/queue", "What waits", get_queue, Reply("What waits.", Queue)),
    _make("GET", "/v1/pauses", "What rests", list_pauses, Reply("What rests.", Pauses)),
    _make(
        "POST",
        "/v1/pauses",
        "Let intake, verification, a lane or a domain rest",
        pause_something,
        Reply("It rests.", Changed),
        body_model=PauseBody,
    ),
    _make(
        "POST",
        "/v1/pauses/resume",
        "Let it go on",
        resume_something,
        Reply("It goes on.", Changed),
        body_model=ResumeBody,
    ),
)

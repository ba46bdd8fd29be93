"""Operations about what campaigns met: bounces, opens, replies."""

from typing import Any, Literal
from uuid import UUID

from aiohttp import web
from pydantic import AwareDatetime, Field

from validatord.intake.events import MOST_EVENTS, read_events, record_events
from validatord.store.keys import Scope
from validatord.web.fields import Address
from validatord.web.problems import FieldError
from validatord.web.routes import Answer, Call, Model, Operation, Reply, answer


class EventItem(Model):
    """Something that happened to a mailbox."""

    email: Address
    event_type: Literal["hard_bounce", "soft_bounce", "open", "click", "reply", "complaint"]
    event_at: AwareDatetime | None = Field(default=None, description="When, with a zone; now, where it is left out.")
    campaign_id: UUID | None = Field(default=None, description="Your own number for the campaign.")


class EventsBody(Model):
    """What happened."""

    events: list[EventItem] = Field(min_length=1, max_length=MOST_EVENTS)


class Recorded(Answer):
    """What was kept; it is committed."""

    ok: bool
    added: int = Field(description="Events that were new.")
    known: int = Field(description="Events that were told before.")
    rejudged: int = Field(description="Stored verdicts that they changed.")
    problems: list[FieldError] = Field(description="Events that were left out, and why; the others are kept.")


async def post_events(call: Call) -> web.Response:
    """Keep what campaigns told; the same event again changes nothing."""
    services = call.services
    now = services.clock.now()
    items = [item.model_dump(mode="json", exclude_none=True) for item in call.body.events]
    reading = read_events(items, now)
    kept = await record_events(services.database, reading.events, services.snapshot(), now)
    return answer(
        {
            "ok": True,
            "added": kept.added,
            "known": kept.known,
            "rejudged": kept.rejudged,
            "problems": [_render(problem) for problem in reading.problems],
        }
    )


def _render(problem: str) -> dict[str, Any]:
    where, _, what = problem.partition(": ")
    return {"path": where.replace("[", ".").replace("]", ""), "message": what}


OPERATIONS = (
    Operation(
        "POST",
        "/v1/events",
        "Tell what campaigns met",
        post_events,
        "Events",
        {200: Reply("What was kept.", Recorded)},
        scope=Scope.EVENTS,
        body_model=EventsBody,
        description="Telling the same event again changes nothing. A hard bounce overrides an accepted verdict.",
    ),
)

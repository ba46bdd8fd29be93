"""Operations about webhooks: who is told what, and what became of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import AfterValidator, Field

from validatord.notify.signature import make_secret
from validatord.notify.webhook import find_fault
from validatord.store import deliveries, webhooks
from validatord.store.deliveries import Asked
from validatord.store.keys import Scope
from validatord.store.webhooks import Change
from validatord.web import problems, taking
from validatord.web.fields import ClientName, Number
from validatord.web.problems import Problem
from validatord.web.routes import Answer, Call, Model, Operation, Reply, answer

_TAG = "Webhooks"
_CREATED, _ACCEPTED = 201, 202
EventType = Literal["submission.finished", "alert"]


def _check_url(value: str) -> str:
    fault = find_fault(value)
    if fault:
        raise ValueError(fault)
    return value


URL = Annotated[
    str,
    Field(
        min_length=8,
        max_length=1000,
        pattern=r"^https?://[A-Za-z0-9.-]+(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}))?(/[A-Za-z0-9._~/?&=%+-]*)?$",
        description="Where messages go: https://, or http:// in networks that the operator named.",
    ),
    AfterValidator(_check_url),
]


class WebhookPath(Model):
    """Which webhook."""

    webhook: Number = Field(description="The webhook's number.")


class DeliveryPath(Model):
    """Which delivery."""

    delivery: Number = Field(description="The delivery's number.")


class WebhookBody(Model):
    """A receiver to be told."""

    url: URL
    events: tuple[EventType, ...] = Field(default=(), max_length=10, description="What it hears of; none: everything.")
    client: ClientName | None = Field(default=None, description="For an admin key: whose submissions it hears of.")
    is_operator: bool = Field(default=False, description="For an admin key: it hears of everybody, and of alerts.")


class WebhookChange(Model):
    """What changes; what is left out stays."""

    url: URL | None = None
    events: tuple[EventType, ...] | None = Field(default=None, max_length=10)
    is_enabled: bool | None = None


class DeliveryQuery(Model):
    """Which part of the list."""

    state: Literal["pending", "delivered", "dead"] | None = None
    before: Number | None = Field(default=None, description="Only older ones than this delivery.")
    limit: int = Field(default=50, ge=1, le=500)


class Webhook(Answer):
    """A receiver."""

    webhook: int = Field(description="Its number.")
    client: str | None = Field(
        description="Whose submissions it hears of; null: the operator's, who hears of everybody."
    )
    url: str
    events: list[str]
    is_enabled: bool
    disabled_reason: str | None
    created_at: datetime


class WebhookWithSecret(Webhook):
    """A receiver, with what its messages are signed with: shown once."""

    secret: str


class Webhooks(Answer):
    """Receivers."""

    webhooks: list[Webhook]


class Attempt(Answer):
    """One try."""

    at: datetime
    http_status: int | None
    error: str
    excerpt: str = Field(description="How the answer began, where it was a refusal.")
    milliseconds: int


class Delivery(Answer):
    """One message for one receiver."""

    delivery: int = Field(description="Its number.")
    webhook: int | None
    event_id: str = Field(description="The header `webhook-id`.")
    type: str
    data: Mapping[str, Any]
    happened_at: datetime
    state: str = Field(description="`pending`, `delivered` or `dead`.")
    reason: str | None = Field(description="Why it is dead.")
    due_at: datetime | None
    attempts: list[Attempt] = Field(description="The last ones, oldest first.")
    finished_at: datetime | None


class Deliveries(Answer):
    """Deliveries, the newest first."""

    deliveries: list[Delivery]
    next: int | None = Field(description="`before` of the next page; null: there is none.")


class Queued(Answer):
    """A message goes out."""

    delivery: int


class Removed(Answer):
    """What is gone."""

    removed: int


async def add_webhook(call: Call) -> web.Response:
    """Register a receiver."""
    body: WebhookBody = call.body
    if body.is_operator and not call.access.is_admin:
        raise Problem(problems.FORBIDDEN, "only an admin key may hear of everybody")
    client = None if body.is_operator else taking.choose_client(call.access, body.client)
    found = await webhooks.add_webhook(call.services.database, client, body.url, make_secret(), body.events)
    return answer(_render(found) | {"secret": found.secret}, _CREATED)


async def list_webhooks(call: Call) -> web.Response:
    """List receivers."""
    found = await webhooks.list_webhooks(call.services.database, call.access.sees)
    return answer({"webhooks": [_render(item) for item in found]})


async def get_webhook(call: Call) -> web.Response:
    """Return a receiver."""
    return answer(_render(await _find(call)))


async def change_webhook(call: Call) -> web.Response:
    """Change a receiver."""
    body: WebhookChange = call.body
    change = Change(body.url, body.events, body.is_enabled)
    found = await webhooks.change_webhook(call.services.database, call.path.webhook, change, call.access.sees)
    if found is None:
        raise _missing()
    return answer(_render(found))


async def rotate_secret(call: Call) -> web.Response:
    """Give a receiver a new secret."""
    database, number = call.services.database, call.path.webhook
    found = await webhooks.rotate_secret(database, number, make_secret(), call.access.sees)
    if found is None:
        raise _missing()
    return answer(_render(found) | {"secret": found.secret})


async def remove_webhook(call: Call) -> web.Response:
    """Remove a receiver."""
    if not await webhooks.remove_webhook(call.services.database, call.path.webhook, call.access.sees):
        raise _missing()
    return answer({"removed": call.path.webhook})


async def test_webhook(call: Call) -> web.Response:
    """Send a receiver a message to try it."""
    found = await _find(call)
    delivery = await deliveries.add_test(call.services.database, found.id)
    if delivery is None:
        raise _missing()
    return answer({"delivery": delivery}, _ACCEPTED)


async def list_deliveries(call: Call) -> web.Response:
    """List what a receiver was sent."""
    query: DeliveryQuery = call.query
    found = await _find(call)
    asked = Asked(found.id, None, query.state, query.before, query.limit)
    shown = await deliveries.list_deliveries(call.services.database, asked)
    following = shown[-1].id if len(shown) == query.limit else None
    return answer({"deliveries": [_render_delivery(item) for item in shown], "next": following})


async def redeliver(call: Call) -> web.Response:
    """Send a message again."""
    if not await deliveries.redeliver(call.services.database, call.path.delivery, call.access.sees):
        raise Problem(problems.NOT_FOUND, "there is no such delivery")
    return answer({"delivery": call.path.delivery}, _ACCEPTED)


async def _find(call: Call) -> webhooks.Webhook:
    found = await webhooks.get_webhook(call.services.database, call.path.webhook, call.access.sees)
    if found is None:
        raise _missing()
    return found


def _missing() -> Problem:
    return Problem(problems.NOT_FOUND, "there is no such webhook")


def _render(found: webhooks.Webhook) -> dict[str, Any]:
    return {
        "webhook": found.id,
        "client": found.client,
        "url": found.url,
        "events": found.events,
        "is_enabled": found.is_enabled,
        "disabled_reason": found.disabled_reason,
        "created_at": found.created_at,
    }


def _render_delivery(found: deliveries.Delivery) -> dict[str, Any]:
    return {
        "delivery": found.id,
        "webhook": found.webhook_id,
        "event_id": str(found.event_id),
        "type": found.type,
        "data": found.payload,
        "happened_at": found.happened_at,
        "state": found.state,
        "reason": found.reason,
        "due_at": found.due_at,
        "attempts": found.attempts,
        "finished_at": found.finished_at,
    }


OPERATIONS = (
    Operation(
        "POST",
        "/v1/webhooks",
        "Register a webhook",
        add_webhook,
        _TAG,
        {_CREATED: Reply("It hears of what happens from now on.", WebhookWithSecret)},
        scope=Scope.SUBMIT,
        body_model=WebhookBody,
        description="The secret is shown once; docs/webhooks.md says how to verify messages with it.",
    ),
    Operation(
        "GET",
        "/v1/webhooks",
        "List webhooks",
        list_webhooks,
        _TAG,
        {200: Reply("The webhooks.", Webhooks)},
        scope=Scope.READ,
    ),
    Operation(
        "GET",
        "/v1/webhooks/{webhook}",
        "One webhook",
        get_webhook,
        _TAG,
        {200: Reply("The webhook.", Webhook)},
        scope=Scope.READ,
        path_model=WebhookPath,
    ),
    Operation(
        "PATCH",
        "/v1/webhooks/{webhook}",
        "Change a webhook",
        change_webhook,
        _TAG,
        {200: Reply("As it is now.", Webhook)},
        scope=Scope.SUBMIT,
        path_model=WebhookPath,
        body_model=WebhookChange,
    ),
    Operation(
        "DELETE",
        "/v1/webhooks/{webhook}",
        "Remove a webhook",
        remove_webhook,
        _TAG,
        {200: Reply("It is gone, and what waited for it.", Removed)},
        scope=Scope.SUBMIT,
        path_model=WebhookPath,
    ),
    Operation(
        "POST",
        "/v1/webhooks/{webhook}/rotate",
        "Give a webhook a new secret",
        rotate_secret,
        _TAG,
        {200: Reply("The new secret; for a day the old one signs, too.", WebhookWithSecret)},
        scope=Scope.SUBMIT,
        path_model=WebhookPath,
    ),
    Operation(
        "POST",
        "/v1/webhooks/{webhook}/test",
        "Try a webhook",
        test_webhook,
        _TAG,
        {_ACCEPTED: Reply("A message of type webhook.test goes out.", Queued)},
        scope=Scope.SUBMIT,
        path_model=WebhookPath,
    ),
    Operation(
        "GET",
        "/v1/webhooks/{webhook}/deliveries",
        "What a webhook was sent",
        list_deliveries,
        _TAG,
        {200: Reply("Deliveries, the newest first.", Deliveries)},
        scope=Scope.READ,
        path_model=WebhookPath,
        query_model=DeliveryQuery,
    ),
    Operation(
        "POST",
        "/v1/deliveries/{delivery}/redeliver",
        "Send a message again",
        redeliver,
        _TAG,
        {_ACCEPTED: Reply("It goes out again, under its id.", Queued)},
        scope=Scope.SUBMIT,
        path_model=DeliveryPath,
    ),
)

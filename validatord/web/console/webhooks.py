"""Webhooks: who is told what, what became of it, and sending it again."""

from dataclasses import dataclass

from aiohttp import web

from validatord.notify.message import TYPES
from validatord.notify.signature import make_secret
from validatord.notify.webhook import find_fault
from validatord.store import deliveries, webhooks
from validatord.store.deliveries import Asked, Delivery
from validatord.store.webhooks import Change, Webhook
from validatord.web.console import render
from validatord.web.console.desk import DESK, Desk, read_form, read_number

_BACK = "/console/webhooks"
_TEST = "webhook.test"
_SHOWN = 30
_LONGEST_CLIENT = 100


@dataclass(frozen=True, slots=True)
class WebhooksPage:
    """The facts of the page; `secret` is seen this once, right after it was made."""

    hooks: tuple[Webhook, ...]
    sent: tuple[Delivery, ...]
    secret: str = ""
    problem: str = ""


async def load_page(desk: Desk, secret: str = "", problem: str = "") -> WebhooksPage:
    """Gather the facts of the page."""
    hooks = await webhooks.list_webhooks(desk.database)
    sent = await deliveries.list_deliveries(desk.database, Asked(None, None, None, limit=_SHOWN))
    return WebhooksPage(tuple(hooks), tuple(sent), secret, problem)


async def show_webhooks(request: web.Request) -> web.StreamResponse:
    """Show the page."""
    desk = request[DESK]
    desk.require_admin()
    return _show(request, await load_page(desk))


async def add_webhook(request: web.Request) -> web.StreamResponse:
    """Register a receiver and show its secret, this once."""
    desk = request[DESK]
    desk.require_admin()
    form = await read_form(request)
    url, client = form.get("url", "").strip(), form.get("client", "").strip()
    fault = find_fault(url)
    if fault or len(client) > _LONGEST_CLIENT:
        problem = f"This URL cannot be used: {fault}." if fault else "A client's name has at most 100 characters."
        return _show(request, await load_page(desk, problem=problem), status=422)
    events = [name for name in TYPES if f"event_{name}" in form]
    made = await webhooks.add_webhook(desk.database, client or None, url, make_secret(), events)
    return _show(request, await load_page(desk, secret=made.secret))


async def act_on_webhook(request: web.Request) -> web.StreamResponse:
    """Switch a receiver on or off, give it a new secret, or forget it."""
    desk = request[DESK]
    desk.require_admin()
    number, act = read_number(request, "webhook"), (await read_form(request)).get("act", "")
    if act == "rotate":
        found = await webhooks.rotate_secret(desk.database, number, make_secret())
        return _show(request, await load_page(desk, secret=found.secret if found is not None else ""))
    if act == "remove":
        await webhooks.remove_webhook(desk.database, number)
        raise render.go(request, _BACK, "The webhook is gone, and what waited for it.")
    if act not in {"enable", "disable"}:
        raise web.HTTPBadRequest
    await webhooks.change_webhook(desk.database, number, Change(is_enabled=act == "enable"))
    said = "It is told again; what waited goes now." if act == "enable" else "It is told nothing for now."
    raise render.go(request, _BACK, said)


async def send_again(request: web.Request) -> web.StreamResponse:
    """Send a delivery again, under its id."""
    desk = request[DESK]
    desk.require_admin()
    is_known = await deliveries.redeliver(desk.database, read_number(request, "delivery"))
    raise render.go(request, _BACK, "It goes out again." if is_known else "There is no such delivery.")


def _show(request: web.Request, facts: WebhooksPage, *, status: int = 200) -> web.StreamResponse:
    types = {name: said for name, said in TYPES.items() if name != _TEST}
    return render.page(request, "webhooks.html", status=status, facts=facts, types=types, here=_BACK, back=_BACK)


ROUTES = (
    web.get("/webhooks", show_webhooks),
    web.post("/webhooks", add_webhook),
    web.post("/webhooks/{webhook}", act_on_webhook),
    web.post("/deliveries/{delivery}", send_again),
)

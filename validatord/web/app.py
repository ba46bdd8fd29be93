"""The web application: problems, keys, limits, and the operations of every sub-room."""

import time

from aiohttp import web
from aiohttp.typedefs import Handler

from validatord import metrics
from validatord.web import health
from validatord.web.api import (
    bouncer,
    check,
    clients,
    domains,
    events,
    exports,
    gate,
    meta,
    pages,
    queue,
    steering,
    submissions,
    submit,
    webhooks,
)
from validatord.web.api.check import HERALD
from validatord.web.api.submissions import LABELS, RATES
from validatord.web.auth import DOORKEEPER, Doorkeeper, KeyRing
from validatord.web.console.routes import add_console
from validatord.web.heralds import Herald
from validatord.web.labels import LabelBook
from validatord.web.limits import Limits
from validatord.web.openapi import BOOK, Book
from validatord.web.pressure import Pressure
from validatord.web.problems import answer_problems
from validatord.web.rates import Rates
from validatord.web.reacher import routes as reacher
from validatord.web.routes import OPERATIONS, Operation, add_operations
from validatord.web.services import SERVICES, WebServices
from validatord.web.taking import PRESSURE, UPLOADS, Uploads

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Server": "validatord",
}


def list_operations() -> tuple[Operation, ...]:
    """Return every operation of the API, in the order of its document."""
    rooms = (
        submit,
        submissions,
        steering,
        gate,
        exports,
        check,
        events,
        webhooks,
        domains,
        clients,
        queue,
        bouncer,
        pages,
        health,
        meta,
    )
    return tuple(operation for room in rooms for operation in room.OPERATIONS)


def build_app(services: WebServices) -> web.Application:
    """Put the application together."""
    # Bodies are bounded where they are read; the framework's own limit would bound streams, too.
    app = web.Application(middlewares=[count_requests, answer_problems], client_max_size=0)
    app[SERVICES] = services
    ring = KeyRing(services.database, services.clock)
    app[DOORKEEPER] = Doorkeeper(ring, Limits(lambda: services.snapshot().web, services.clock))
    app[OPERATIONS] = []
    app[BOOK] = Book(app[OPERATIONS])
    app[RATES], app[LABELS] = Rates(), LabelBook(services.database)
    app[PRESSURE] = Pressure(services.database, services.clock, lambda: services.snapshot().store.marks)
    app[UPLOADS] = Uploads()
    app[HERALD] = herald = Herald(services.clock)
    services.listen(herald.tell)
    app.on_cleanup.append(_close_uploads)
    add_operations(app, list_operations())
    add_console(app)
    reacher.add_routes(app)
    app.on_response_prepare.append(_set_headers)
    return app


async def _close_uploads(app: web.Application) -> None:
    app[UPLOADS].close()


@web.middleware
async def count_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell the metrics of every request by the route as it is declared, never by the path that was asked for."""
    began = time.monotonic()
    status = 499  # whoever asked has gone
    try:
        response = await handler(request)
        status = response.status
    except web.HTTPException as answer:
        status = answer.status
        raise
    finally:
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else ""
        metrics.observe_http(request.method, route, status, time.monotonic() - began)
    return response


async def _set_headers(_request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)

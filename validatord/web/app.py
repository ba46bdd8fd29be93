"""The web application: problems, keys, limits, and the operations of every sub-room."""

from aiohttp import web

from validatord.web.api import meta, submissions
from validatord.web.auth import DOORKEEPER, Doorkeeper, KeyRing
from validatord.web.limits import Limits
from validatord.web.problems import answer_problems
from validatord.web.routes import OPERATIONS, Operation, add_operations
from validatord.web.services import SERVICES, WebServices

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Server": "validatord",
}


def list_operations() -> tuple[Operation, ...]:
    """Return every operation of the API, in the order of its document."""
    return (*meta.OPERATIONS, *submissions.OPERATIONS)


def build_app(services: WebServices) -> web.Application:
    """Put the application together."""
    # Bodies are bounded where they are read; the framework's own limit would bound streams, too.
    app = web.Application(middlewares=[answer_problems], client_max_size=0)
    app[SERVICES] = services
    ring = KeyRing(services.database, services.clock)
    app[DOORKEEPER] = Doorkeeper(ring, Limits(lambda: services.snapshot().web, services.clock))
    app[OPERATIONS] = []
    add_operations(app, list_operations())
    app.on_response_prepare.append(_set_headers)
    return app


async def _set_headers(_request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)

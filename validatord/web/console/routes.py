"""The console as a part of the web application: its pages, its door, its files."""

from aiohttp import web

from validatord.web.console import (
    bouncer,
    clients,
    gate,
    guard,
    keys,
    lanes,
    login,
    mailbox,
    overview,
    setup,
    static,
    submission,
    submissions,
    submit,
    webhooks,
)
from validatord.web.console.desk import ROOT

_PAGES = (
    *login.ROUTES,
    *overview.ROUTES,
    *submit.ROUTES,
    *submissions.ROUTES,
    *submission.ROUTES,
    *gate.ROUTES,
    *mailbox.ROUTES,
    *lanes.ROUTES,
    *bouncer.ROUTES,
    *setup.ROUTES,
    *clients.ROUTES,
    *keys.ROUTES,
    *webhooks.ROUTES,
)


def add_console(app: web.Application) -> None:
    """Put the console under `/console/`; who comes to the bare address is led there."""
    console = web.Application(middlewares=[guard.keep_door], client_max_size=0)
    console[guard.SEALERS] = []
    console[ROOT] = app
    console[overview.TAPE] = overview.Tape()
    console.add_routes([*_PAGES, web.get("/static/{digest}/{name}", static.send_file)])
    console.on_response_prepare.append(guard.add_headers)
    app.add_subapp("/console", console)
    for path in ("/", "/console"):
        app.router.add_get(path, _lead_there)


async def _lead_there(_request: web.Request) -> web.StreamResponse:
    raise web.HTTPSeeOther("/console/")

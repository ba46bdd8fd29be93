"""The paths of the original, each behind a key but the version."""

import asyncio

from aiohttp import web

from validatord.store.keys import Scope
from validatord.web.reacher.bulk import ONE_BODY, create_job, get_job, get_results
from validatord.web.reacher.check import check_email
from validatord.web.reacher.door import answer, guard

VERSION = "0.11.7"  # of the original whose answers these are


def add_routes(app: web.Application) -> None:
    """Add the routes; they stand in docs/reacher.md, not in our OpenAPI file."""
    app[ONE_BODY] = asyncio.Semaphore(1)
    app.router.add_post("/v0/check_email", guard(Scope.SUBMIT, check_email))
    app.router.add_post("/v1/check_email", guard(Scope.SUBMIT, check_email))
    app.router.add_post("/v1/bulk", guard(Scope.SUBMIT, create_job))
    app.router.add_get("/v1/bulk/{job}", guard(Scope.READ, get_job), allow_head=False)
    app.router.add_get("/v1/bulk/{job}/results", guard(Scope.READ, get_results), allow_head=False)
    app.router.add_get("/version", get_version, allow_head=False)


async def get_version(_request: web.Request) -> web.Response:
    """Say which version of the original is meant."""
    return answer({"version": VERSION})

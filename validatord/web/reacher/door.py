"""How a Reacher server takes requests and refuses them: its header, its errors; the keys are ours.

The header `x-reacher-secret` carries one of our keys; our own headers do as well. Whatever is wrong with a request
is answered in the words of the original where it has any.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web
from loguru import logger

from validatord.errors import StoreAway
from validatord.store.keys import Scope
from validatord.web import problems
from validatord.web.auth import DOORKEEPER, Access
from validatord.web.bodies import read_bytes
from validatord.web.problems import Problem

HEADER = "x-reacher-secret"
Handler = Callable[[web.Request, Access], Awaitable[web.StreamResponse]]
_OWN_HEADERS = ("Authorization", "X-Api-Key")


def answer(value: Any, status: int = HTTPStatus.OK) -> web.Response:
    """Return a JSON answer."""
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


def refuse(text: str, status: int = HTTPStatus.BAD_REQUEST) -> web.Response:
    """Return an error as Reacher words it."""
    return answer({"error": text}, status)


def guard(scope: Scope, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return a handler that asks for a key first, and answers problems in Reacher's form."""

    async def handle(request: web.Request) -> web.StreamResponse:
        given = request.headers.getall(HEADER, [])
        if not given and not any(name in request.headers for name in _OWN_HEADERS):
            return _refuse_secret("Missing")
        try:
            text = given[0].strip() if len(given) == 1 else None
            access = await request.app[DOORKEEPER].admit(request, scope, text)
            return await handler(request, access)
        except Problem as problem:
            return _render(problem)
        except StoreAway:
            return _render(Problem(problems.UNAVAILABLE, retry_after=5))
        except web.HTTPException:
            raise
        except Exception:  # noqa: BLE001 the door stays open, loudly
            logger.bind(path=request.path[:100]).exception("request failed")
            return refuse("Internal Server Error", HTTPStatus.INTERNAL_SERVER_ERROR)

    return handle


async def read_object(request: web.Request, most: int) -> dict[str, Any]:
    """Return a JSON object of at most so many bytes.

    Raises:
        Problem: 413 for a larger one, 400 for what is none.
    """
    data = await read_bytes(request, most)
    try:
        found = orjson.loads(data)
    except ValueError as error:
        raise Problem(problems.BAD_REQUEST, f"Request body deserialize error: {error}"[:200]) from None
    if not isinstance(found, dict):
        raise Problem(problems.BAD_REQUEST, "Request body deserialize error: it must be an object")
    return found  # pyright: ignore[reportUnknownVariableType] JSON is anything


def _refuse_secret(what: str) -> web.Response:
    return web.Response(text=f'{what} request header "{HEADER}"', status=HTTPStatus.BAD_REQUEST)


def _render(problem: Problem) -> web.Response:
    status = problem.kind.http_status
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return _refuse_secret("Invalid")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        wait = problem.headers.get("Retry-After", "1")
        found = refuse(f"Rate limit per minute exceeded, please wait {wait} seconds", status)
        found.headers["Retry-After"] = wait
        return found
    if status in {HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.UNSUPPORTED_MEDIA_TYPE}:
        status = HTTPStatus.BAD_REQUEST
    found = refuse(str(problem), status)
    found.headers.update(problem.headers)
    return found

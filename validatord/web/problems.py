"""Errors as problem+json (RFC 9457): a stable `type`, one sentence, and where in the request it went wrong.

Handlers raise `Problem`; the middleware renders it, and everything else that may go wrong: no answer ever
holds a stack trace, a statement, or text of an exception.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import orjson
from aiohttp import web
from loguru import logger
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from validatord.errors import PolicyUnusable, StoreAway

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
CONTENT_TYPE = "application/problem+json"
_AWAY_SECONDS = 5
_LONGEST_SHOWN = 100
_LONGEST_DETAIL = 300
_MOST_FIELDS = 50


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its `type` is `/problems/<slug>` and never changes its meaning."""

    slug: str
    http_status: int
    title: str


BAD_REQUEST = Kind("bad-request", 400, "The request cannot be read")
UNAUTHORIZED = Kind("unauthorized", 401, "A valid API key is needed")
FORBIDDEN = Kind("forbidden", 403, "The key may not do this")
NOT_FOUND = Kind("not-found", 404, "There is no such thing")
METHOD_NOT_ALLOWED = Kind("method-not-allowed", 405, "The method does not exist here")
REQUEST_TIMEOUT = Kind("request-timeout", 408, "The request came too slowly")
CONFLICT = Kind("conflict", 409, "The state of things does not allow it")
TOO_LARGE = Kind("too-large", 413, "The request is too large")
UNSUPPORTED_MEDIA_TYPE = Kind("unsupported-media-type", 415, "The body is of a type that is not understood here")
INVALID = Kind("invalid", 422, "The request is not what it should be")
KEY_REUSED = Kind("idempotency-key-reused", 422, "The Idempotency-Key stands for another request")
TOO_MANY_REQUESTS = Kind("too-many-requests", 429, "Too many requests; come back later")
TOO_MUCH_WORK = Kind("too-much-work", 429, "Too much work waits already; come back later")
INTERNAL = Kind("internal-error", 500, "Something went wrong on our side")
UNAVAILABLE = Kind("unavailable", 503, "The ledger is away; come back later")
KINDS = (
    BAD_REQUEST,
    UNAUTHORIZED,
    FORBIDDEN,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    REQUEST_TIMEOUT,
    CONFLICT,
    TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    INVALID,
    KEY_REUSED,
    TOO_MANY_REQUESTS,
    TOO_MUCH_WORK,
    INTERNAL,
    UNAVAILABLE,
)
_OF_STATUS = {400: BAD_REQUEST, 404: NOT_FOUND, 405: METHOD_NOT_ALLOWED, 413: TOO_LARGE, 500: INTERNAL}


class FieldError(BaseModel):
    """One member of a request that is wrong."""

    model_config = ConfigDict(extra="forbid")
    path: str = Field(description="Where: `items.3.email`; empty for the whole.")
    message: str = Field(description="What is wrong with it.")


class ProblemAnswer(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(extra="forbid")
    type: str = Field(description="Which kind of problem: a stable reference.")
    title: str = Field(description="The kind in a sentence.")
    status: int = Field(description="The HTTP status once more.")
    detail: str = Field(description="What happened here.")
    errors: list[FieldError] = Field(default=[], description="The members of the request that are wrong.")


class Problem(Exception):
    """Ends a request with a problem; `retry_after` in seconds becomes the header of that name."""

    def __init__(
        self,
        kind: Kind,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail or kind.title)
        self.kind = kind
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(max(1, round(retry_after + 0.5)))

    @classmethod
    def of_validation(cls, error: ValidationError, kind: Kind = INVALID, *, where: str = "") -> "Problem":
        """Say which members are wrong; the values themselves are not repeated."""
        found = [
            FieldError(
                path=".".join(str(part) for part in ((where,) if where else ()) + item["loc"])[:_LONGEST_SHOWN],
                message=item["msg"][: 2 * _LONGEST_SHOWN],
            )
            for item in error.errors(include_url=False, include_context=False, include_input=False)[:_MOST_FIELDS]
        ]
        first = found[0]
        return cls(kind, f"{first.path}: {first.message}" if first.path else first.message, errors=found)

    def render(self) -> web.Response:
        """Return the answer."""
        body: dict[str, object] = {
            "type": f"/problems/{self.kind.slug}",
            "title": self.kind.title,
            "status": self.kind.http_status,
            "detail": str(self),
            "errors": [error.model_dump() for error in self.errors],
        }
        return web.Response(
            body=orjson.dumps(body), status=self.kind.http_status, content_type=CONTENT_TYPE, headers=self.headers
        )


@web.middleware
async def answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever is raised into a problem; what is our own fault is logged and said in one sentence."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem.render()
    except web.HTTPException as error:
        return _render_foreign(error)
    except PolicyUnusable as error:
        return Problem(CONFLICT, f"results cannot be labelled: {error.problems[0]}"[:_LONGEST_DETAIL]).render()
    except StoreAway:
        return Problem(UNAVAILABLE, retry_after=_AWAY_SECONDS).render()
    except Exception:  # noqa: BLE001 the door stays open, loudly
        logger.bind(method=request.method, path=request.path[:_LONGEST_SHOWN]).exception("request failed")
        return Problem(INTERNAL).render()


def of_status(http_status: int) -> Kind:
    """Return the kind of what the HTTP library itself refuses."""
    return _OF_STATUS.get(http_status) or Kind("http-error", http_status, HTTPStatus(http_status).phrase)


def _render_foreign(error: web.HTTPException) -> web.StreamResponse:
    """What the server itself raises: no such path, no such method, a body too large; redirects pass."""
    if error.status < HTTPStatus.BAD_REQUEST:
        raise error
    kind = of_status(error.status)
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return Problem(kind, headers=headers).render()

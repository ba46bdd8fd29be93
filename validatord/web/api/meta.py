"""Operations about the service itself: health, the OpenAPI file."""

from typing import Any

from aiohttp import web
from pydantic import ConfigDict, Field

from validatord.web import openapi
from validatord.web.routes import OPERATIONS as ALL
from validatord.web.routes import Answer, Call, Operation, Reply, answer

_TAG = "Service"
_UNHEALTHY = 503


class Health(Answer):
    """How the daemon is; members beside `ok` come and go with what there is to say."""

    model_config = ConfigDict(extra="allow", frozen=True)
    ok: bool = Field(description="Whether work is taken in and done.")


class Document(Answer):
    """An OpenAPI 3.1 document."""

    model_config = ConfigDict(extra="allow", frozen=True)
    openapi: str


async def get_health(call: Call) -> web.Response:
    """Say how the daemon is."""
    report = await call.services.health()
    return answer(report, 200 if report.get("ok") else _UNHEALTHY)


async def get_openapi(call: Call) -> web.Response:
    """Return the OpenAPI file."""
    document: dict[str, Any] = openapi.describe(call.request.app[ALL])
    return answer(document)


OPERATIONS = (
    Operation(
        "GET",
        "/health",
        "How the daemon is",
        get_health,
        _TAG,
        {200: Reply("It works.", Health), _UNHEALTHY: Reply("It does not.", Health)},
        is_open=True,
    ),
    Operation(
        "GET",
        "/openapi.json",
        "This document",
        get_openapi,
        _TAG,
        {200: Reply("An OpenAPI 3.1 document.", Document)},
        is_open=True,
    ),
)

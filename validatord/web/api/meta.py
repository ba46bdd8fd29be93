"""Operations about the service itself: the OpenAPI file."""

from typing import Any

from aiohttp import web
from pydantic import ConfigDict

from validatord.web import openapi
from validatord.web.routes import OPERATIONS as ALL
from validatord.web.routes import Answer, Call, Operation, Reply, answer

_TAG = "Service"


class Document(Answer):
    """An OpenAPI 3.1 document."""

    model_config = ConfigDict(extra="allow", frozen=True)
    openapi: str


async def get_openapi(call: Call) -> web.Response:
    """Return the OpenAPI file."""
    document: dict[str, Any] = openapi.describe(call.request.app[ALL])
    return answer(document)


OPERATIONS = (
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

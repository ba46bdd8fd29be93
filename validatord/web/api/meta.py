"""Operations about the service itself: the OpenAPI file."""

import asyncio

from aiohttp import web
from pydantic import ConfigDict

from validatord.web.openapi import BOOK
from validatord.web.routes import JSON, Answer, Call, Operation, Reply

_TAG = "Service"


class Document(Answer):
    """An OpenAPI 3.1 document."""

    model_config = ConfigDict(extra="allow", frozen=True)
    openapi: str


async def get_openapi(call: Call) -> web.Response:
    """Return the OpenAPI file."""
    book = call.request.app[BOOK]
    return web.Response(body=await asyncio.to_thread(lambda: book.text), content_type=JSON)


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

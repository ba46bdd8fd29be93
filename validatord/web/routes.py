"""Operations: one value per route, from which both the router and the OpenAPI file are made.

An operation names the scope it needs, and the pydantic models of its path, query, body and answers. Before
its handler runs, the key was checked and path, query and body were read into those models.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from validatord.store.keys import Scope
from validatord.web import problems
from validatord.web.auth import DOORKEEPER, Access
from validatord.web.bodies import read_json
from validatord.web.problems import Problem
from validatord.web.services import SERVICES, WebServices

JSON = "application/json"
NDJSON = "application/x-ndjson"


class Model(BaseModel):
    """What comes in: unknown members are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_max_length=1000, allow_inf_nan=False)


class Answer(BaseModel):
    """What goes out."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read: `path`, `query` and `body` are what the operation's models made of it (or None)."""

    request: web.Request
    services: WebServices
    access: Access
    path: Any = None
    query: Any = None
    body: Any = None


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer that an operation may give, for the OpenAPI file."""

    description: str
    model: type[BaseModel] | None = None
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict[str, str])  # name → what it says


@dataclass(frozen=True, slots=True)
class Operation:
    """One route.

    `scope` None stands for any live key; `is_open` for no key at all. `problems` are the HTTP statuses of
    problems that are special to it; those that any route may give are added by themselves. `takes` are the
    content types of a body that the handler reads as a stream.
    """

    method: str
    path: str
    summary: str
    handler: Callable[[Call], Awaitable[web.StreamResponse]]
    tag: str
    replies: Mapping[int, Reply]
    scope: Scope | None = None
    is_open: bool = False
    path_model: type[BaseModel] | None = None
    query_model: type[BaseModel] | None = None
    body_model: type[BaseModel] | None = None
    takes: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict[str, str])  # request headers it knows
    problems: tuple[int, ...] = ()
    description: str = ""

    @property
    def name(self) -> str:
        """A stable identifier, such as `get_submission`."""
        return getattr(self.handler, "__name__", self.path)


OPERATIONS = web.AppKey("operations", list[Operation])
_NOBODY = Access("", frozenset(), 0)


def add_operations(app: web.Application, operations: Iterable[Operation]) -> None:
    """Add routes to the application and to its OpenAPI file."""
    for operation in operations:
        app.router.add_route(operation.method, operation.path, _make_handler(operation))
        app[OPERATIONS].append(operation)


def _make_handler(operation: Operation) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        access = _NOBODY
        if not operation.is_open:
            access = await request.app[DOORKEEPER].admit(request, operation.scope)
        services = request.app[SERVICES]
        path = _read(operation.path_model, dict(request.match_info), problems.NOT_FOUND)
        query = _read(operation.query_model, read_query(request), problems.INVALID)
        body = None
        if operation.body_model is not None:
            body = await read_body(request, operation.body_model, services)
        return await operation.handler(Call(request, services, access, path, query, body))

    return handle


def _read(model: type[BaseModel] | None, values: Mapping[str, Any], kind: problems.Kind) -> Any:
    if model is None:
        return None
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise Problem.of_validation(error, kind) from None


def read_query(request: web.Request) -> dict[str, Any]:
    """Return the query; a name given twice becomes a list, which only a model that wants one takes."""
    found: dict[str, Any] = {}
    for name in request.query:
        values = request.query.getall(name)
        found[name] = values[0] if len(values) == 1 else values
    return found


async def read_body(request: web.Request, model: type[BaseModel], services: WebServices) -> Any:
    """Read a JSON body into a model."""
    value = await read_json(request, services.snapshot().web)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise Problem.of_validation(error) from None


def answer(value: BaseModel | Mapping[str, Any], status: int = 200, **headers: str) -> web.Response:
    """Return a JSON answer; header names are written with underscores."""
    body = value.model_dump_json().encode() if isinstance(value, BaseModel) else orjson.dumps(value)
    named = {name.replace("_", "-").title(): text for name, text in headers.items()}
    return web.Response(body=body, status=status, content_type=JSON, headers=named)


async def give_way() -> None:
    """Let others run in the middle of long work."""
    await asyncio.sleep(0)

"""The OpenAPI 3.1 document, written from the operations and the models that validate."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from validatord import __version__
from validatord.web import problems
from validatord.web.problems import ProblemAnswer
from validatord.web.routes import Operation, Reply

_REFERENCE = "#/components/schemas/{model}"
_INTRODUCTION = (
    "Every route but the open ones needs an API key: `Authorization: Bearer vk_…`, or `X-Api-Key: vk_…`. "
    "Errors are problem+json (RFC 9457) with a stable `type`."
)
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key made by `validatord keys create`."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "The same key."},
}

Json = dict[str, Any]
_Models = Mapping[Any, Json]  # by model and mode


class Book:
    """The document, written when it is first asked for; operations do not change while the door is open."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._operations = operations

    @cached_property
    def document(self) -> Json:
        """The document as values."""
        return describe(self._operations)

    @cached_property
    def text(self) -> bytes:
        """The document as JSON."""
        return orjson.dumps(self.document)


BOOK = web.AppKey("book", Book)


def describe(operations: Sequence[Operation]) -> Json:
    """Return the whole document."""
    references, definitions = models_json_schema(list(_list_models(operations)), ref_template=_REFERENCE)
    paths: dict[str, Json] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _describe(operation, references, definitions)
    return {
        "openapi": "3.1.0",
        "info": {"title": "validatord", "version": __version__, "description": _INTRODUCTION},
        "security": [{name: []} for name in _SCHEMES],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in operations)],
        "paths": paths,
        "components": {"schemas": definitions.get("$defs", {}), "securitySchemes": _SCHEMES},
    }


def _list_models(operations: Iterable[Operation]) -> Iterable[tuple[type[BaseModel], JsonSchemaMode]]:
    found: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(ProblemAnswer, "serialization"): None}
    for operation in operations:
        for model in (operation.path_model, operation.query_model, operation.body_model):
            if model is not None:
                found[model, "validation"] = None
        for reply in operation.replies.values():
            if reply.model is not None:
                found[reply.model, "serialization"] = None
    return found


def _describe(operation: Operation, references: _Models, definitions: Json) -> Json:
    found: Json = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": [*_describe_parameters(operation, references, definitions)],
        "responses": _describe_replies(operation, references),
    }
    scope = f"Scope: `{operation.scope.value}`." if operation.scope else ""
    text = "\n\n".join(part for part in (operation.description, scope) if part)
    if text:
        found["description"] = text
    if operation.is_open:
        found["security"] = []
    body = _describe_body(operation, references)
    return found | ({"requestBody": body} if body else {})


def _describe_parameters(operation: Operation, references: _Models, definitions: Json) -> Iterable[Json]:
    for model, place in ((operation.path_model, "path"), (operation.query_model, "query")):
        if model is None:
            continue
        schema = _resolve(references[model, "validation"], definitions)
        needed = schema.get("required", [])
        for name, member in schema.get("properties", {}).items():
            text = {"description": member["description"]} if "description" in member else {}
            is_needed = place == "path" or name in needed
            yield {"name": name, "in": place, "required": is_needed, "schema": _without_null(member)} | text
    for name, text in operation.headers.items():
        schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
        yield {"name": name, "in": "header", "required": False, "schema": schema, "description": text}


def _resolve(schema: Json, definitions: Json) -> Json:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return definitions["$defs"][name] if name else schema


def _without_null(member: Json) -> Json:
    """A parameter is left out, never null."""
    kept = {key: value for key, value in member.items() if key not in {"description", "title", "default"}}
    if "anyOf" in kept:
        choices = [choice for choice in kept.pop("anyOf") if choice.get("type") != "null"]
        kept |= choices[0] if len(choices) == 1 else {"anyOf": choices}
    if member.get("default") is not None:
        kept["default"] = member["default"]
    return kept


def _describe_body(operation: Operation, references: _Models) -> Json:
    if operation.body_model is not None:
        schema = references[operation.body_model, "validation"]
        return {"required": True, "content": {"application/json": {"schema": schema}}}
    if operation.takes:
        return {"required": True, "content": {name: {"schema": {"type": "string"}} for name in operation.takes}}
    return {}


def _describe_replies(operation: Operation, references: _Models) -> Json:
    found = {str(status): _describe_reply(reply, references) for status, reply in operation.replies.items()}
    schema = references[ProblemAnswer, "serialization"]
    for status in sorted({*_list_common_problems(operation), *operation.problems}):
        problem = {"description": HTTPStatus(status).phrase, "content": {problems.CONTENT_TYPE: {"schema": schema}}}
        if status in {429, 503}:
            problem["headers"] = {"Retry-After": _describe_header("In how many seconds to come back.")}
        known = found.setdefault(str(status), problem)
        if known is not problem:
            known["content"] |= problem["content"]
    return found


def _list_common_problems(operation: Operation) -> Iterable[int]:
    # An oversized header is refused before the route is known.
    yield from (400, 500, 503)
    if not operation.is_open:
        yield from (401, 429)
    if operation.scope is not None:
        yield 403
    if operation.path_model is not None:
        yield 404
    if operation.query_model is not None or operation.body_model is not None:
        yield 422
    if operation.body_model is not None or operation.takes:
        yield from (408, 413, 415)


def _describe_reply(reply: Reply, references: _Models) -> Json:
    found: Json = {"description": reply.description}
    if reply.model is not None:
        found["content"] = {reply.content_type: {"schema": references[reply.model, "serialization"]}}
    elif reply.content_type:
        found["content"] = {reply.content_type: {"schema": {"type": "string"}}}
    if reply.headers:
        found["headers"] = {name: _describe_header(text) for name, text in reply.headers.items()}
    return found


def _describe_header(text: str) -> Json:
    return {"description": text, "schema": {"type": "string"}}

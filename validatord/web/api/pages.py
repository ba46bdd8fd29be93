"""Pages for people about the API: what there is (`/docs`), and what each problem means (`/problems/…`).

Plain HTML written from the same operations as the OpenAPI file; no script, nothing from outside.
"""

import asyncio
import html
import re
from collections.abc import Iterable, Iterator
from typing import Any

from aiohttp import web
from pydantic import Field

from validatord import __version__
from validatord.web import problems
from validatord.web.openapi import BOOK
from validatord.web.problems import Problem
from validatord.web.routes import OPERATIONS as ALL
from validatord.web.routes import Call, Model, Operation, Reply

_TAG = "Service"
_HTML = "text/html"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent) }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code, pre { font: 14px/1.5 ui-monospace, monospace } h2 { margin-top: 3rem } a { color: inherit }
details { border-top: 1px solid var(--line); padding: .6rem 0 } summary { cursor: pointer }
summary b { display: inline-block; min-width: 3.5rem } table { border-collapse: collapse; width: 100% }
td, th { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line) }
"""


class ProblemPath(Model):
    """Which kind of problem."""

    slug: str = Field(min_length=1, max_length=50)


async def get_docs(call: Call) -> web.Response:
    """Show what the API has."""
    operations = call.request.app[ALL]
    book = call.request.app[BOOK]
    document = await asyncio.to_thread(lambda: book.document)
    tags = dict.fromkeys(operation.tag for operation in operations)
    parts = [f"<h1>validatord {html.escape(__version__)}</h1>", _paragraph(document["info"]["description"])]
    parts.append('<p>The same for programs: <a href="/openapi.json">openapi.json</a>.</p>')
    for tag in tags:
        parts.append(f"<h2>{html.escape(tag)}</h2>")
        parts += _describe_all((one for one in operations if one.tag == tag), document)
    return _page("validatord API", "\n".join(parts))


async def get_problem(call: Call) -> web.Response:
    """Say what a kind of problem means."""
    kind = next((kind for kind in problems.KINDS if kind.slug == call.path.slug), None)
    if kind is None:
        raise Problem(problems.NOT_FOUND, "there is no such kind of problem")
    text = f"<h1>{html.escape(kind.title)}</h1><p>HTTP status {kind.http_status}. <code>detail</code> says what "
    return _page(kind.title, text + "happened, <code>errors</code> which members of the request are wrong.</p>")


def _describe_all(operations: Iterable[Operation], document: dict[str, Any]) -> Iterator[str]:
    for operation in operations:
        found = document["paths"][operation.path][operation.method.lower()]
        head = f"<b>{operation.method}</b> <code>{html.escape(operation.path)}</code> {html.escape(operation.summary)}"
        yield f"<details><summary>{head}</summary>{''.join(_describe_one(found, document))}</details>"


def _describe_one(found: dict[str, Any], document: dict[str, Any]) -> Iterator[str]:
    if "description" in found:
        yield _paragraph(found["description"])
    members = [(item["name"], item["in"], item.get("description", "")) for item in found["parameters"]]
    yield _table("Parameters", members)
    for content in found.get("requestBody", {}).get("content", {}).values():
        yield _table("Body", _list_members(content["schema"], document))
    for status, reply in found["responses"].items():
        for content_type, content in reply.get("content", {}).items():
            if content_type != problems.CONTENT_TYPE:
                yield _table(f"{status}: {reply['description']}", _list_members(content["schema"], document))
    statuses = [status for status, reply in found["responses"].items() if problems.CONTENT_TYPE in reply["content"]]
    yield f"<p>Problems: {html.escape(', '.join(statuses))}</p>" if statuses else ""


def _list_members(schema: dict[str, Any], document: dict[str, Any]) -> list[tuple[str, str, str]]:
    known = document["components"]["schemas"]
    schema = known[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    members: dict[str, dict[str, Any]] = schema.get("properties", {})
    return [(name, _name_type(member), member.get("description", "")) for name, member in members.items()]


def _name_type(member: dict[str, Any]) -> str:
    if "$ref" in member:
        return str(member["$ref"]).rpartition("/")[2]
    if "anyOf" in member:
        return " or ".join(_name_type(choice) for choice in member["anyOf"])
    kind = str(member.get("format") or member.get("type", "any"))
    return f"list of {_name_type(member['items'])}" if kind == "array" and "items" in member else kind


def _table(caption: str, rows: list[tuple[str, str, str]]) -> str:
    if not rows:
        return ""
    body = "".join(
        f"<tr><td><code>{html.escape(name)}</code></td><td>{html.escape(kind)}</td><td>{_mark(text)}</td></tr>"
        for name, kind, text in rows
    )
    return f"<table><caption><strong>{html.escape(caption)}</strong></caption>{body}</table>"


def _paragraph(text: str) -> str:
    return "".join(f"<p>{_mark(part)}</p>" for part in text.split("\n\n"))


def _mark(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def _page(title: str, body: str) -> web.Response:
    meta = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    head = f"<head>{meta}<title>{html.escape(title)}</title><style>{_STYLE}</style></head>"
    text = f'<!doctype html><html lang="en">{head}<body><main>{body}</main></body></html>'
    return web.Response(text=text, content_type=_HTML, headers={"Content-Security-Policy": _POLICY})


OPERATIONS = (
    Operation(
        "GET",
        "/docs",
        "The API for people",
        get_docs,
        _TAG,
        {200: Reply("A page.", content_type=_HTML)},
        is_open=True,
    ),
    Operation(
        "GET",
        "/problems/{slug}",
        "What a kind of problem means",
        get_problem,
        _TAG,
        {200: Reply("A page.", content_type=_HTML)},
        is_open=True,
        path_model=ProblemPath,
    ),
)

"""Bodies, read with a bound: so many bytes after unpacking, so deep, in UTF-8."""

import json
from typing import Any

import orjson
from aiohttp import web

from validatord.settings import WebSettings
from validatord.web import problems
from validatord.web.problems import Problem

_SMALL = 8192  # bytes: where a person writes, names may stand twice by mistake; looking costs more than reading
_JSON_TYPES = frozenset({"application/json", "text/json"})


async def read_json(request: web.Request, limits: WebSettings) -> Any:
    """Return a JSON body as values.

    Raises:
        Problem: 400, 413 or 415.
    """
    content_type = request.content_type
    if content_type not in _JSON_TYPES and not content_type.endswith("+json"):
        raise Problem(problems.UNSUPPORTED_MEDIA_TYPE, "the body must be application/json")
    if (request.charset or "utf-8").lower() not in {"utf-8", "utf8", "us-ascii"}:
        raise Problem(problems.UNSUPPORTED_MEDIA_TYPE, "the body must be UTF-8")
    data = await read_bytes(request, limits.max_body_bytes)
    try:
        value = orjson.loads(data)  # at most 1024 deep, no NaN, nothing but UTF-8
        if len(data) <= _SMALL:
            json.loads(data, object_pairs_hook=_take_pairs)
    except ValueError as error:
        twice = "; a name stands twice in an object" if not isinstance(error, json.JSONDecodeError) else ""
        raise Problem(problems.BAD_REQUEST, f"the body is no JSON that means one thing{twice}") from None
    except RecursionError:
        raise Problem(problems.BAD_REQUEST, "the body is nested too deeply") from None
    return value


async def read_bytes(request: web.Request, most: int) -> bytes:
    """Return a body of at most so many bytes, unpacked.

    Raises:
        Problem: 413 for a larger one, 400 for one that breaks off or cannot be unpacked.
    """
    if (request.content_length or 0) > most:
        raise Problem(problems.TOO_LARGE, f"a body here has at most {most} bytes")
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.content.iter_any():
            size += len(part)
            if size > most:
                raise Problem(problems.TOO_LARGE, f"a body here has at most {most} bytes")
            parts.append(part)
    except (web.RequestPayloadError, ConnectionError):
        raise Problem(problems.BAD_REQUEST, "the body broke off, or is not encoded as it says") from None
    return b"".join(parts)


def _take_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        msg = "a name stands twice in an object"
        raise ValueError(msg)
    return found

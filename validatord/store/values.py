"""Values on their way into and out of PostgreSQL: JSON, and text that it accepts.

A text from outside may hold NUL or lone surrogates, which neither `text` nor `jsonb` can store; one
such reply must not fail the write of two hundred others.
"""

from dataclasses import dataclass
from typing import Any, cast

import orjson

_JSONB_VERSION = b"\x01"  # the first byte of jsonb's binary form
_REPLACEMENT = "\ufffd"


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON value inside an array parameter: the driver takes a bare list for a further dimension."""

    value: Any


def clean_text(text: str, limit: int = 0) -> str:
    """Replace what PostgreSQL refuses in a text, and cut it to `limit` characters (0: no limit)."""
    if limit:
        text = text[:limit]
    if "\0" in text:
        text = text.replace("\0", _REPLACEMENT)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def clean_json(value: Any) -> Any:
    """The same for every text inside a JSON value."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(str(key)): clean_json(item) for key, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [clean_json(item) for item in cast("list[Any]", value)]
    return value


def encode_jsonb(value: Any) -> bytes:
    """Write a value in jsonb's binary form."""
    if isinstance(value, Json):
        value = value.value
    try:
        found = orjson.dumps(value)
    except TypeError:  # a lone surrogate, or what orjson does not know and then refuses again
        found = orjson.dumps(clean_json(value))
    if b"\\u0000" in found:
        found = orjson.dumps(clean_json(value))
    return _JSONB_VERSION + found


def decode_jsonb(data: bytes) -> Any:
    """Read jsonb's binary form."""
    return orjson.loads(data[1:])

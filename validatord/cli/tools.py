"""`validatord tools`: the rules alone, as JSON lines in and out; no network, no database."""

import sys
from collections.abc import Callable
from typing import Any

import click
import orjson

from validatord.rules import tools, tools_address

Answer = Callable[[dict[str, Any]], dict[str, Any]]


def _answer_lines(answer: Answer) -> None:
    for raw in sys.stdin.buffer:
        if raw.strip():
            sys.stdout.buffer.write(orjson.dumps(_answer_line(raw, answer), option=orjson.OPT_APPEND_NEWLINE))
            sys.stdout.buffer.flush()


def _answer_line(raw: bytes, answer: Answer) -> dict[str, Any]:
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return {"error": f"not JSON: {error}"}
    return answer(line) if isinstance(line, dict) else {"error": "not a JSON object"}  # pyright: ignore[reportUnknownArgumentType] JSON


@click.group("tools")
def group() -> None:
    """Try the rules: JSON lines on stdin, the same lines with the answer on stdout."""


@group.command()
def reply() -> None:
    """What a reply means: {"reply": "550 5.1.1 …", "stage": "rcpt", "mx_host"?, "recipient"?}."""
    _answer_lines(tools.tools_reply)


@group.command()
def syntax() -> None:
    """Whether an address is one: {"address"}."""
    _answer_lines(tools_address.tools_syntax)


@group.command()
def risk() -> None:
    """What is known of an address without asking anybody: {"address"}."""
    _answer_lines(tools_address.tools_risk)


@group.command()
def suggest() -> None:
    """The address that was probably meant: {"address"}."""
    _answer_lines(tools_address.tools_suggest)


COMMANDS = (group,)

"""`validatord tools`: the rules alone, as JSON lines in and out; no network, no database."""

import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import click
import orjson

from validatord.cli.session import Session
from validatord.rules import tools, tools_address
from validatord.rules.risk import RiskLists
from validatord.settings import PolicySettings

Answer = Callable[[dict[str, Any]], dict[str, Any]]


_MOST_BYTES = 1_000_000  # of a line


def _answer_lines(answer: Answer) -> None:
    """Answer every line in its place, whatever stands in it; an empty one is none."""
    for raw in _read_lines(sys.stdin.buffer):
        if raw.strip():
            sys.stdout.buffer.write(orjson.dumps(_answer_line(raw, answer), option=orjson.OPT_APPEND_NEWLINE))
            sys.stdout.buffer.flush()


def _read_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield lines; of a longer one than anybody means, one byte more than is read."""
    while line := stream.readline(_MOST_BYTES + 1):
        yield line
        while len(line) > _MOST_BYTES and not line.endswith(b"\n"):
            line = stream.readline(_MOST_BYTES + 1)


def _answer_line(raw: bytes, answer: Answer) -> dict[str, Any]:
    if len(raw) > _MOST_BYTES:
        return {"error": f"the line is longer than {_MOST_BYTES:,} bytes"}
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return {"error": f"not JSON: {error}"}
    return answer(line) if isinstance(line, dict) else {"error": "not a JSON object"}  # pyright: ignore[reportUnknownArgumentType] JSON


def _load_lists(session: Session) -> RiskLists:
    """Read the lists of the settings; the rules can be tried where nothing is set up yet, too."""
    path = session.config_path
    if path is not None and not path.exists():
        click.echo(f"{path} is not there: the shipped lists alone are used", err=True)
        return RiskLists.load(PolicySettings())
    return RiskLists.load(session.settings.policy)


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
@click.pass_obj
def risk(session: Session) -> None:
    """Add is_disposable, is_role, is_free, by the lists of the settings: {"address"}."""
    lists = _load_lists(session)
    _answer_lines(lambda item: tools_address.tools_risk(item, lists))


@group.command()
@click.pass_obj
def suggest(session: Session) -> None:
    """Add suggestion, the whole address that was probably meant, or null: {"address"}."""
    lists = _load_lists(session)
    _answer_lines(lambda item: tools_address.tools_suggest(item, lists))


COMMANDS = (group,)

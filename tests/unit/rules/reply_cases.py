"""The recorded replies as values, and composed ones."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from validatord.mail.reply import Reply
from validatord.mail.verdict import Meaning, ReplyReading, Stage
from validatord.rules.replies import read_reply
from validatord.rules.tools import parse_reply

_FOLDER = Path(__file__).parents[2] / "cases"
RECIPIENT = "user@example.com"
# The meanings that speak of the mailbox itself; the first two decide that it cannot be written to.
ABSENT = frozenset({Meaning.NO_SUCH_MAILBOX, Meaning.MAILBOX_DISABLED})
ABOUT_A_MAILBOX = ABSENT | {Meaning.MAILBOX_FULL}


@dataclass(frozen=True)
class Case:
    """One entry of the case file; `held_out` and `round` are explained at its head."""

    text: str
    stage: Stage
    meaning: Meaning
    is_temporary: bool
    source: str
    mx_host: str = ""
    recipient: str = ""
    wait: int | None = None
    held_out: bool = False
    round: int = 1

    @property
    def reply(self) -> Reply:
        """The reply as a value."""
        return parse_reply(self.text)

    def read(self) -> ReplyReading:
        """Return what the rules make of it."""
        return read_reply(self.reply, self.stage, mx_host=self.mx_host, recipient=self.recipient)


@cache
def load_cases() -> tuple[Case, ...]:
    """Return all recorded replies."""
    return tuple(_make_case(entry) for entry in _load("replies.toml")["case"])


@cache
def load_phrases() -> dict[str, list[str]]:
    """Return the phrases replies are composed of, by kind."""
    return _load("reply_phrases.toml")


def _load(name: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / name).read_text(encoding="utf-8"))


def _make_case(entry: dict[str, Any]) -> Case:
    return Case(
        text=entry["reply"],
        stage=Stage(entry["stage"]),
        meaning=Meaning(entry["meaning"]),
        is_temporary=entry["temporary"],
        source=entry["source"],
        mx_host=entry.get("mx_host", ""),
        recipient=entry.get("recipient", ""),
        wait=entry.get("retry_after_seconds"),
        held_out=entry.get("held_out", False),
        round=entry.get("round", 1),
    )


def read_text(text: str, stage: Stage = Stage.RCPT, mx_host: str = "") -> ReplyReading:
    """Return the reading of `text`, code first, about the usual recipient."""
    return read_reply(parse_reply(text), stage, mx_host=mx_host, recipient=RECIPIENT)


def combine(codes: str, names: Sequence[str], sayings: Sequence[str], shape: str) -> list[str]:
    """Return every reply of `shape`, a format with {code}, {name} and {saying}."""
    return [
        shape.format(code=code, name=name, saying=saying)
        for code, name, saying in product(codes.split("|"), names, sayings)
    ]

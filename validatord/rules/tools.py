"""Rules applied to lines of data, for the command line: what goes in comes out again with the answer added.

Bad input is answered, never raised: the line keeps its keys and gets `error`.
"""

import re
from typing import Any

from validatord.mail.reply import Reply
from validatord.mail.verdict import Stage
from validatord.rules import replies

_CODED_LINE = re.compile(r"([2-5]\d\d)(?:[ -](.*))?", re.DOTALL)
_OPTIONAL = ("mx_host", "recipient")


def tools_reply(line: dict[str, Any]) -> dict[str, Any]:
    """Return `line` with what its reply means.

    Args:
        line: `reply`, lines joined by a newline, each with or without its code, at least one with it;
            `stage`, the command it answers, "rcpt" if absent; `mx_host` and `recipient` if known.
    """
    try:
        reply = parse_reply(_text(line, "reply"))
        stage = Stage(_text(line, "stage", default=Stage.RCPT.value))
        mx_host, recipient = (_text(line, key, default="") for key in _OPTIONAL)
    except ValueError as error:
        return {**line, "error": str(error)}
    reading = replies.read_reply(reply, stage, mx_host=mx_host, recipient=recipient)
    return {
        **line,
        "meaning": reading.meaning.value,
        "scope": reading.scope.value,
        "temporary": reading.temporary,
        "rule": reading.rule,
        "retry_after_seconds": reading.retry_after_seconds,
    }


def parse_reply(text: str) -> Reply:
    """Return the reply written as `text`; the last code in it counts, lines without one belong to it too.

    Raises ValueError where no line carries a code.
    """
    codes: list[int] = []
    lines: list[str] = []
    for line in text.strip("\r\n").splitlines():
        found = _CODED_LINE.fullmatch(line.strip())
        if found:
            codes.append(int(found[1]))
        lines.append((found[2] or "") if found else line.strip())
    if not codes:
        raise ValueError("reply: no line begins with a reply code")
    return Reply(codes[-1], tuple(lines), has_mixed_codes=len(set(codes)) > 1)


def _text(line: dict[str, Any], key: str, default: str | None = None) -> str:
    value = line.get(key)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise ValueError(f"{key}: text expected, got {type(value).__name__}" if key in line else f"{key}: missing")  # noqa: TRY004 the caller answers with it
    return value

"""One log: loguru to stderr, as text for people or one JSON object a line; the libraries' logging goes the same way.

House rule: the message is constant and values are bound fields (`logger.bind(domain=…).info("visit done")`),
because loguru formats messages and remote text must never be a format string. Addresses of people do not
appear at INFO or above except through `mask`. Before a line is written, every secret the settings know is taken
out of it, and the local part of every address unless the settings want it whole: traces and libraries know no
house rules.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, unquote

from loguru import logger

from validatord.clock import Clock

if TYPE_CHECKING:
    from loguru import Message, Record

# They log arguments, requests and queries, that is addresses, at INFO.
_TALKATIVE = ("arq", "aiohttp", "asyncio", "asyncpg", "mail.log", "redis")
_LONGEST_VALUE = 2000
_SHORTEST_SECRET = 4  # a shorter one is no secret, and would take half of every line away
_ADDRESS = re.compile(r"""([^\s"'<>(),;:=\\\[\]{}@/*]+)@((?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]{2,})""")


def set_up_logs(
    *,
    level: str = "INFO",
    form: Literal["text", "json"] = "text",
    secrets: Iterable[str] = (),
    is_address_masked: bool = True,
) -> None:
    """Send everything of at least `level` to stderr, and nothing anywhere else; may be called again."""
    render = _render_json if form == "json" else _render_text
    redact = make_redactor(secrets, is_address_masked=is_address_masked)

    def clean(record: "Record") -> str:
        line = redact(whole := render(record))
        return line if line == whole or form == "text" or _is_json(line) else _leave_out(record)

    sys.excepthook = _log_unhandled
    logger.remove()
    logger.add(
        _make_sink(clean),
        level=level,
        format="{message}",
        diagnose=False,
        backtrace=False,
        catch=False,
    )
    logging.basicConfig(handlers=[_Router()], level=logging.WARNING, force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    # While PostgreSQL is away it says with a trace, again and again, what the loops say in a line.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)


def make_redactor(secrets: Iterable[str], *, is_address_masked: bool) -> Callable[[str], str]:
    """Return what takes secrets, and the local parts of addresses if asked for, out of a line."""
    forms = {form for secret in secrets if len(secret) >= _SHORTEST_SECRET for form in _list_forms(secret)}
    # The longest first: a URL before the password within it.
    known = re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True)))) if forms else None

    def redact(line: str) -> str:
        if known is not None:
            line = known.sub("***", line)
        return _ADDRESS.sub(_mask_match, line) if is_address_masked and "@" in line else line

    return redact


def _list_forms(secret: str) -> set[str]:
    """Return a secret as it may stand in a line: itself, in JSON, in JSON within JSON, in a URL, escaped."""
    in_json = json.dumps(secret)[1:-1]
    return {
        secret,
        in_json,
        json.dumps(in_json)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        quote(secret, safe=""),
        unquote(secret),
        repr(secret)[1:-1],
        _escape(secret),
    }


def _mask_match(found: re.Match[str]) -> str:
    return f"{found[1][:1]}***@{found[2]}"


def mask(address: str) -> str:
    """Return an address that may be logged: its first character and its domain."""
    local_part, at, domain = address.rpartition("@")
    text = f"{local_part[:1]}***@{domain}" if at else "***"
    return text.encode("ascii", "backslashreplace").decode()[:100]


class Seldom:
    """Lets a repeated event be logged once per interval, and counts what was left out."""

    def __init__(self, clock: Clock, interval_seconds: float = 60) -> None:
        self._clock = clock
        self._interval = interval_seconds
        self._last: float | None = None
        self._left_out = 0

    def is_due(self) -> bool:
        """Return whether to log now; the first time always."""
        now = self._clock.monotonic()
        if self._last is not None and now - self._last < self._interval:
            self._left_out += 1
            return False
        self._last = now
        return True

    def take_left_out(self) -> int:
        """Return how often `is_due` said no since this was last asked."""
        count, self._left_out = self._left_out, 0
        return count


def _log_unhandled(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What nobody caught is an event like any other, on its way through the redaction."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        logger.opt(exception=(kind, error, trace)).critical("unhandled error; the process ends")


class _Router(logging.Handler):
    """Hands the standard library's records on to loguru; without arguments it formats nothing."""

    def emit(self, record: logging.LogRecord) -> None:
        level: str | int = record.levelname if record.levelname in logging.getLevelNamesMapping() else record.levelno
        logger.bind(logger=record.name).opt(exception=record.exc_info).log(level, record.getMessage())


def _make_sink(render: "Callable[[Record], str]") -> "Callable[[Message], None]":
    def write(message: "Message") -> None:
        try:
            sys.stderr.write(render(message.record) + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            # A full disk or a closed stderr must not stop the work that wanted to say something.
            return

    return write


def _render_text(record: "Record") -> str:
    head = f"{record['time']:%Y-%m-%d %H:%M:%S.%f}"[:-3]
    fields = "".join(f" {key}={_as_word(value)}" for key, value in record["extra"].items())
    line = f"{head} {record['level'].name:<7} {_escape(record['message'])}{fields}"
    trace = _format_trace(record)
    # Indented, so that no line of a trace can pass for an event.
    return line + "".join(f"\n    {_escape(part)}" for part in trace.splitlines())


def _render_json(record: "Record") -> str:
    event: dict[str, object] = {
        "time": record["time"].isoformat(timespec="milliseconds"),
        "level": record["level"].name,
        "message": record["message"],
        "module": record["name"],
        **{f"{key}_" if key in {"time", "level", "message"} else key: value for key, value in record["extra"].items()},
    }
    if trace := _format_trace(record):
        event["exception"] = trace
    return json.dumps(event, default=_as_text)


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _leave_out(record: "Record") -> str:
    """A secret that looks like a part of JSON's own escapes would break the line: then all of it is left out."""
    head = {"time": record["time"].isoformat(timespec="milliseconds"), "level": record["level"].name}
    return json.dumps(head | {"message": "an event that held a secret was left out"})


def _format_trace(record: "Record") -> str:
    found = record["exception"]
    return "".join(traceback.format_exception(found.type, found.value, found.traceback)) if found else ""


def _as_word(value: object) -> str:
    text = _as_text(value)
    is_plain = text and text.isascii() and text.isprintable() and not set(' "=') & set(text)
    return text if is_plain else _escape(json.dumps(text, ensure_ascii=False))


def _as_text(value: object) -> str:
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, default=str)[:_LONGEST_VALUE]
    return str(value)[:_LONGEST_VALUE]


def _escape(text: str) -> str:
    """One event is one line, whatever the text holds."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)

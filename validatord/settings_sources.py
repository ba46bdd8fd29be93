"""Where settings come from: environment, the plans' names, credential files, the TOML file.

Each source becomes a `Layer`: nested values as the models want them, and for every value the words
that tell an operator where it stands. Reading a source raises ConfigurationError; whether values are
good is the models' business.
"""

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from validatord import errors

PREFIX = "VALIDATORD_"
# Names with our prefix that are not settings.
OTHER_NAMES = frozenset({"VALIDATORD_CONFIG", "VALIDATORD_CRASH_POINT", "VALIDATORD_URL", "VALIDATORD_API_KEY"})
_LARGEST_FILE = 1_000_000

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Layer:
    """One source: its values, and the origin of each dotted path ("smtp.port")."""

    values: Values
    origins: Mapping[str, str] = field(default_factory=dict[str, str])
    name: str = ""

    def find_origin(self, path: str) -> str:
        """Return where the value at `path` stands, or an empty text where this source does not set it."""
        leaves = flatten(self.values)
        parents = get_parents(path)
        if path not in leaves and not any(leaves.get(parent) for parent in parents):
            return ""
        return next((self.origins[known] for known in (path, *parents) if known in self.origins), self.name)


def get_parents(path: str) -> list[str]:
    """Return "a.b" and "a" for "a.b.c": the nearest first."""
    words = path.split(".")
    return [".".join(words[:length]) for length in range(len(words) - 1, 0, -1)]


def flatten(value: object, path: str = "") -> dict[str, bool]:
    """Return every dotted path in nested values, with True where nothing lies below it."""
    children: list[tuple[object, object]] = []
    if isinstance(value, Mapping):
        children = list(cast("Mapping[object, object]", value).items())
    elif isinstance(value, list):
        children = list(enumerate(cast("list[object]", value)))
    found = {path: not children} if path else {}
    for key, child in children:
        found |= flatten(child, f"{path}.{key}" if path else str(key))
    return found


# --- environment ---------------------------------------------------------------------------------


def read_environment(environ: Mapping[str, str]) -> Layer:
    """Read `VALIDATORD_SECTION__KEY`; identities come as one JSON list in `VALIDATORD_IDENTITIES`."""
    values: Values = {}
    origins: dict[str, str] = {}
    problems: list[str] = []
    for name in sorted(name for name in environ if name.startswith(PREFIX) and name not in OTHER_NAMES):
        section, _, key = name.removeprefix(PREFIX).lower().partition("__")
        if section and key:
            table = values.setdefault(section, {})
            table[key] = environ[name]
            origins[f"{section}.{key}"] = origins[section] = name
        elif section == "identities":
            values[section], origins[section] = _read_json(name, environ[name], problems), name
        else:
            problems.append(f"{name}: no such setting; the form is {PREFIX}SECTION__KEY")
    if problems:
        raise errors.ConfigurationError(problems)
    return Layer(values, origins, "environment")


def _read_json(name: str, text: str, problems: list[str]) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        problems.append(f"{name}: is no JSON")
        return None


def _milliseconds(text: str) -> str:
    return f"{text.strip()}ms"


def _hours(text: str) -> str:
    return f"{text.strip()}h"


def _days(text: str) -> str:
    return f"{text.strip()}d"


def _same(text: str) -> str:
    return text.strip()


# The names of the original plans: what each one sets here, and how its unit reads.
PLAN_NAMES: dict[str, tuple[tuple[str, ...], Callable[[str], str]]] = {
    "DATABASE_URL": (("database.url",), _same),
    "REDIS_URL": (("redis.url",), _same),
    "VALIDATOR_HELO": (("identities.helo_name",), _same),
    "VALIDATOR_MAIL_FROM": (("identities.envelope_sender",), _same),
    "RESOLVERS": (("lookup.resolvers",), _same),
    "DNS_TIMEOUT_MS": (("lookup.timeout",), _milliseconds),
    "DOMAIN_CACHE_TTL_HOURS": (("lookup.cache_ttl",), _hours),
    "PREFER_IPV4": (("lookup.is_ipv4_preferred",), _same),
    "SMTP_CONNECT_TIMEOUT_MS": (("smtp.connect_timeout",), _milliseconds),
    "SMTP_OP_TIMEOUT_MS": (("smtp.ehlo_timeout", "smtp.mail_timeout", "smtp.rcpt_timeout"), _milliseconds),
    "TOTAL_BUDGET_MS": (("smtp.visit_timeout",), _milliseconds),
    "GLOBAL_CONCURRENCY": (("pacing.global_concurrency",), _same),
    "PER_DOMAIN_CONCURRENCY": (("pacing.per_domain_concurrency",), _same),
    "SESSION_BACKOFF_MS": (("pacing.session_interval",), _milliseconds),
    "EMAIL_VALIDATION_TTL_DAYS": (("freshness.ttl",), _days),
    "METRICS_LOG_EVERY": (("store.metrics_log_every",), _same),
    "BOUNCER_API_KEY": (("bouncer.api_key",), _same),
    "BOUNCER_API_BASE_URL": (("bouncer.base_url",), _same),
    "MAX_CONCURRENT_BATCHES": (("bouncer.max_open_batches",), _same),
    "BATCH_SIZE": (("bouncer.batch_size",), _same),
    "RATE_LIMIT_PER_MINUTE": (("bouncer.calls_per_minute",), _same),
}


def read_plan_names(environ: Mapping[str, str], identities: object) -> Layer:
    """Read the plans' names; an empty value counts as not set.

    Lists are not merged, so what is said about the identity is put into the first one of `identities`,
    the list that the other sources gave.
    """
    values: Values = {}
    origins: dict[str, str] = {}
    for name, (paths, convert) in PLAN_NAMES.items():
        text = environ.get(name, "")
        for path in paths if text.strip() else ():
            section, _, key = path.partition(".")
            values.setdefault(section, {})[key] = convert(text)
            origins[path] = name
    if "identities" in values:
        values["identities"] = _put_first(values["identities"], identities)
        own = {path: name for path, name in origins.items() if path.startswith("identities.")}
        origins |= {path.replace("identities.", "identities.0."): name for path, name in own.items()}
    return Layer(values, origins)


def _put_first(overrides: Values, identities: object) -> object:
    if not identities:
        return [overrides]
    if not isinstance(identities, list):
        return identities  # the models will say what is wrong with it
    first, *others = cast("list[object]", identities)
    return [{**cast("Values", first), **overrides} if isinstance(first, Mapping) else first, *others]


# --- credentials ---------------------------------------------------------------------------------

# File names in systemd's credentials folder.
CREDENTIALS = {
    "database_url": "database.url",
    "redis_url": "redis.url",
    "bouncer_api_key": "bouncer.api_key",
    "bouncer_deep_api_key": "bouncer.deep_api_key",
    "accept_all_secret": "accept_all.secret",
    "alert_smtp_password": "alerts.smtp_password",
}


def read_credentials(folder: Path | None) -> Layer:
    """Read the secrets that systemd hands over as files; a folder may hold others, too."""
    values: Values = {}
    origins: dict[str, str] = {}
    for name, path in CREDENTIALS.items() if folder is not None else ():
        file = Path(str(folder)) / name
        if file.is_file():
            section, _, key = path.partition(".")
            values.setdefault(section, {})[key] = _read_file(file).strip()
            origins[path] = f"credential {name}"
    return Layer(values, origins, "credentials")


# --- the file ------------------------------------------------------------------------------------


def read_toml(path: Path) -> Layer:
    """Read the TOML file; every origin is `file:line`."""
    text = _read_file(path)
    if not text.strip():
        # A file that is just being written looks like this; defaults must not slip in for it.
        raise errors.ConfigurationError([f"{path}: the file is empty"])
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise errors.ConfigurationError([f"{path}: {_explain(error, text)}"]) from None
    return Layer(values, {key: f"{path}:{line}" for key, line in find_lines(text).items()}, str(path))


def _explain(error: Exception, text: str) -> str:
    found = re.search(r"line (\d+)", str(error))
    # What is wrong with the last line is said of the end.
    number = found[1] if found else len(text.splitlines()) if "end of document" in str(error) else None
    return f"line {number}: no TOML: {error}" if number else f"no TOML: {error}"


def _read_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        if len(content) > _LARGEST_FILE:
            raise errors.ConfigurationError([f"{path}: larger than {_LARGEST_FILE} bytes"])
        return content.decode("utf-8")
    except OSError as error:
        raise errors.ConfigurationError([f"{path}: cannot be read: {error.strerror or error}"]) from None
    except UnicodeDecodeError as error:
        raise errors.ConfigurationError([f"{path}: is no UTF-8 text (byte {error.start})"]) from None


_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"""\s*["']?([A-Za-z0-9_-]+(?:\s*\.\s*[A-Za-z0-9_-]+)*)["']?\s*=""")


def find_lines(text: str) -> dict[str, int]:
    """Return the line of every table and key of a TOML text, by dotted path; tables of a list are numbered."""
    lines: dict[str, int] = {}
    counts: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _strip(header[2])
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                lines.setdefault(table, number)
                table = f"{table}.{counts[table]}"
            lines[table] = number
        elif key := _KEY.match(line):
            lines[f"{table}.{_strip(key[1])}" if table else _strip(key[1])] = number
    return lines


def _strip(name: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in name.split("."))

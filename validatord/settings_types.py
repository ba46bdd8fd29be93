"""The types that settings are made of: durations, lists from one line of text, names and URLs that are checked.

Every check raises ValueError with a sentence for the operator and never repeats a secret.
"""

import ipaddress
import re
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_LONGEST = timedelta(days=3650)
_SHORTEST = timedelta(milliseconds=1)
# RFC 5321 4.1.3: a domain, or an address literal in brackets.
_HELO_NAME = re.compile(r"[A-Za-z0-9._-]{1,255}|\[[A-Za-z0-9.:]{2,60}\]")
_SPACE, _DELETE = 0x20, 0x7F
_RESOLVER = re.compile(r"[^\s:\[\]]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?|[0-9A-Fa-f:]+")


class Section(BaseModel):
    """One table of the TOML file."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def refuse_nonsense(cls, value: object, info: ValidationInfo) -> object:
        """`port = true` would otherwise be read as 1, and a line break travel into a command or a header."""
        if isinstance(value, bool) and cls.model_fields[info.field_name or ""].annotation is not bool:
            msg = "true and false stand for no value here"
            raise ValueError(msg)
        if isinstance(value, str) and any(ord(character) < _SPACE or ord(character) == _DELETE for character in value):
            msg = "holds control characters"
            raise ValueError(msg)
        return value


def parse_duration(value: object) -> object:
    """Read "15m", "2h30m", "250ms" or a number of seconds; anything else is left to the model."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    seconds = _parse_words(value) if isinstance(value, str) else value
    if not 0 <= seconds <= _LONGEST.total_seconds():
        msg = "a duration lies between 0 and 3650d"
        raise ValueError(msg)
    return timedelta(seconds=seconds)


def _parse_words(value: str) -> float:
    text = value.strip().lower().replace(" ", "")
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        msg = f'"{value[:40]}" is no duration; write it like 250ms, 30s, 15m, 2h or 7d'
        raise ValueError(msg)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def format_duration(value: timedelta) -> str:
    """Write a duration the way `parse_duration` reads it."""
    milliseconds = round(value.total_seconds() * 1000)
    if milliseconds == 0:
        return "0s"
    found = ""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, milliseconds = divmod(milliseconds, size)
        found += f"{count}{unit}" if count else ""
    return found


def _check_positive(value: timedelta) -> timedelta:
    if value < _SHORTEST:
        msg = "must be at least 1ms"
        raise ValueError(msg)
    return value


def split_words(value: object) -> object:
    """Read one line of text, as the environment has it, as a list: commas or spaces stand between the words."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def check_networks(value: tuple[str, ...]) -> tuple[str, ...]:
    """Let pass what are networks or addresses."""
    for word in value:
        ipaddress.ip_network(word, strict=False)
    return value


def check_resolvers(value: tuple[str, ...]) -> tuple[str, ...]:
    """Let pass `host`, `host:port` and `[IPv6]:port`."""
    wrong = [word for word in value if not _RESOLVER.fullmatch(word)]
    if wrong:
        msg = f'"{wrong[0][:80]}" is neither host nor host:port'
        raise ValueError(msg)
    return value


def check_address(value: str) -> str:
    """Let pass an IP address, or nothing."""
    if value:
        ipaddress.ip_address(value)
    return value


def check_helo_name(value: str) -> str:
    """Let pass what may stand after EHLO (RFC 5321 4.1.1.1): it goes on the wire as it is."""
    if not _HELO_NAME.fullmatch(value):
        msg = "is no host name and no [address]"
        raise ValueError(msg)
    return value


def check_envelope_sender(value: str) -> str:
    """Let pass `local@domain`, or nothing for the null path; it goes on the wire as it is."""
    local_part, at, domain = value.rpartition("@")
    if value and (not (local_part and at and domain) or re.search(r"[\s<>\x00-\x1f\x7f]", value)):
        msg = "is no mailbox; an empty text means the null path <>"
        raise ValueError(msg)
    return value


def check_url(value: str, schemes: tuple[str, ...]) -> str:
    """Let pass an empty text or a URL of one of those schemes; the text is not repeated, it may hold a password."""
    if value and value.partition("://")[0].lower() not in schemes:
        msg = f"must begin with {' or '.join(scheme + '://' for scheme in schemes)}"
        raise ValueError(msg)
    return value


def check_api_url(value: str) -> str:
    """Let pass https://host[/path]; plain http only to this machine, since a key goes along with every call."""
    parts = urlsplit(check_url(value, ("https", "http")))
    if not parts.hostname or parts.username or parts.query or parts.fragment:
        msg = "must be https://host, without user, query or fragment"
        raise ValueError(msg)
    if parts.scheme.lower() == "http" and parts.hostname not in {"127.0.0.1", "::1", "localhost"}:
        msg = "must begin with https://, unless it is on this machine"
        raise ValueError(msg)
    return value


def _check_secret_url(*schemes: str) -> AfterValidator:
    def check(value: SecretStr) -> SecretStr:
        check_url(value.get_secret_value(), schemes)
        return value

    return AfterValidator(check)


_AS_TEXT = PlainSerializer(format_duration, return_type=str)

DurationOrZero = Annotated[timedelta, BeforeValidator(parse_duration), _AS_TEXT]
_FORM = WithJsonSchema({"type": "string", "pattern": "^[1-9][0-9]{0,2}(ms|s|m|h|d)$"})  # the plain form of it
Duration = Annotated[timedelta, BeforeValidator(parse_duration), AfterValidator(_check_positive), _AS_TEXT, _FORM]
Durations = Annotated[tuple[DurationOrZero, ...], BeforeValidator(split_words)]
Words = Annotated[tuple[str, ...], BeforeValidator(split_words)]
Networks = Annotated[tuple[str, ...], BeforeValidator(split_words), AfterValidator(check_networks)]
Resolvers = Annotated[tuple[str, ...], BeforeValidator(split_words), AfterValidator(check_resolvers)]
IPAddressOrEmpty = Annotated[str, AfterValidator(check_address)]
HELOName = Annotated[str, AfterValidator(check_helo_name)]
EnvelopeSender = Annotated[str, AfterValidator(check_envelope_sender)]
APIURL = Annotated[str, AfterValidator(check_api_url)]
HTTPURL = Annotated[str, AfterValidator(lambda value: check_url(value, ("https", "http")))]
PostgreSQLURL = Annotated[SecretStr, _check_secret_url("postgresql", "postgres")]
RedisURL = Annotated[SecretStr, _check_secret_url("redis", "rediss", "unix")]
ProxyURL = Annotated[SecretStr, _check_secret_url("socks5", "socks5h", "socks4", "http")]

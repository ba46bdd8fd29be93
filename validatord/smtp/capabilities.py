"""What a host offers in its answer to EHLO (RFC 5321 4.1.1.1)."""

from dataclasses import dataclass, field

from validatord.mail.reply import Reply


@dataclass(frozen=True, slots=True)
class Limits:
    """The LIMITS keyword (RFC 9422); None where the host says nothing."""

    mail_max: int | None = None  # MAIL commands per session
    rcpt_max: int | None = None  # RCPT per envelope
    rcpt_domain_max: int | None = None  # domains per envelope: ours always hold one


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The keywords we can use; all off for a host that only knows HELO."""

    has_pipelining: bool = False  # RFC 2920
    has_starttls: bool = False  # RFC 3207
    has_smtputf8: bool = False  # RFC 6531
    has_8bitmime: bool = False  # RFC 6152
    has_enhanced_status_codes: bool = False  # RFC 2034
    size: int | None = None  # RFC 1870; 0: no fixed limit
    limits: Limits = field(default_factory=Limits)


def parse_capabilities(reply: Reply) -> Capabilities:
    """Read the keyword lines of a positive answer to EHLO; unknown and broken ones are passed over."""
    keywords: dict[str, list[str]] = {}
    for line in reply.lines[1:]:
        word, *parameters = line.split() or [""]
        keywords.setdefault(word.upper(), parameters)
    return Capabilities(
        has_pipelining="PIPELINING" in keywords,
        has_starttls="STARTTLS" in keywords,
        has_smtputf8="SMTPUTF8" in keywords,
        has_8bitmime="8BITMIME" in keywords,
        has_enhanced_status_codes="ENHANCEDSTATUSCODES" in keywords,
        size=_number(keywords["SIZE"][0]) if keywords.get("SIZE") else None,
        limits=_parse_limits(keywords.get("LIMITS", [])),
    )


def _parse_limits(parameters: list[str]) -> Limits:
    """RFC 9422 3: `NAME=value` pairs; a limit below one is no limit anybody can keep."""
    found: dict[str, int | None] = {}
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        found[name.upper()] = _number(value) or None
    return Limits(found.get("MAILMAX"), found.get("RCPTMAX"), found.get("RCPTDOMAINMAX"))


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else None  # noqa: PLR2004 RFC 1870 4

"""What a finding says in the words of a Reacher answer's `mx` and `smtp`: values, or error objects.

An error in the SMTP part means that nothing is known of the mailbox; so every `unknown` of ours is one, with what
the host said, or why nobody was asked.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from validatord.mail.address import Mailbox
from validatord.mail.request import Flags
from validatord.mail.transcript import Transcript
from validatord.mail.verdict import Reason, Status
from validatord.rules import words

Json = dict[str, Any]
_REPLY_LINE = re.compile(r"^(\d{3})[ -]?(.*)$")
_NEEDS_RDNS = re.compile(
    r"\bptr\b|\brdns\b|reverse[ -]?(dns|hostname|lookup|name|mapping|record|address)", re.IGNORECASE
)
_NO_HOST = frozenset(
    {
        Reason.DOMAIN_NOT_FOUND,
        Reason.NULL_MX,
        Reason.NO_MAIL_HOST,
        Reason.MX_NOT_PUBLIC,
        Reason.MX_UNRESOLVABLE,
    }
)
_REFUSED = frozenset(
    {
        Reason.NO_SUCH_MAILBOX,
        Reason.USER_NOT_LOCAL,
        Reason.DOMAIN_NOT_HOSTED,
        Reason.RELAY_DENIED,
        Reason.SMTPUTF8_UNSUPPORTED,
    }
)
_TOLD: dict[str, dict[str, bool]] = {
    **{reason.value: {"connected": True} for reason in _REFUSED},
    Reason.MAILBOX_DISABLED.value: {"connected": True, "disabled": True},
    Reason.MAILBOX_FULL.value: {"connected": True, "full": True},
    Reason.ACCEPT_ALL.value: {"connected": True, "accepts_all": True, "accepted": True},
}
_NO_TEXT = frozenset({Reason.SYNTAX, Reason.UNREADABLE})
_NETWORK = frozenset({Reason.NO_CONNECTION, Reason.CONNECTION_LOST})
# Reasons under which a reply is about us: only then does what it says of names in reverse count.
_ABOUT_US = frozenset(
    {Reason.SENDER_IP_BLOCKED, Reason.POLICY_REJECTED, Reason.CONNECTION_REJECTED, Reason.SENDER_REJECTED}
)
_TIMEOUTS = frozenset({"connect_timeout", "reply_timeout"})


@dataclass(frozen=True, slots=True)
class Checked:
    """All that an answer tells of one address.

    `address` is the text as it was sent, `mailbox` None where it is none. `status` None: there is no answer yet, and
    `reason` says why; `due_at`, when it is asked again. `reply` holds whole lines, with their code. `shown` is the
    status under the client's policy.
    """

    address: str
    mailbox: Mailbox | None
    status: str | None
    reason: str
    shown: str | None = None
    flags: Flags = field(default_factory=Flags)
    mx_hosts: tuple[str, ...] = ()
    mx_host: str = ""
    reply: str = ""
    transcript: Transcript = field(default_factory=Transcript)
    source: str = "probe"
    attempts: int = 1
    due_at: datetime | None = None

    @property
    def is_text_bad(self) -> bool:
        """Whether the text is no address."""
        return self.mailbox is None or self.reason in _NO_TEXT

    @property
    def has_no_host(self) -> bool:
        """Whether it is certain that the domain has no host to take mail."""
        return self.status == Status.INVALID.value and self.reason in _NO_HOST

    @property
    def is_unasked(self) -> bool:
        """Whether no host was asked, and none had to be: a list said enough of the domain."""
        return self.reason == Reason.DISPOSABLE.value and not (self.mx_host or self.transcript.mx_host)

    @property
    def last_failure(self) -> str:
        """The kind of breakdown that ended the conversation, or an empty text."""
        exchanges = self.transcript.exchanges
        return (exchanges[-1].failure or "") if exchanges else ""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long was waited: what a time-out names."""

    connect: timedelta
    reply: timedelta
    check: timedelta


def render_duration(span: timedelta) -> Json:
    """Return a duration in whole seconds and the nanoseconds above them."""
    return {"secs": span.days * 86_400 + span.seconds, "nanos": span.microseconds * 1000}


def render_host(name: str) -> str:
    """Return a host name as an absolute one, with its trailing dot."""
    return name if name.endswith(".") else f"{name}."


def render_mx(checked: Checked) -> Json:
    """Return `mx`: the hosts, or the error that kept them unknown."""
    if checked.status == Status.UNKNOWN.value and checked.reason == Reason.DNS_FAILURE.value:
        return {"error": {"type": "ResolveError", "message": _say(checked)}}
    if checked.is_text_bad or checked.has_no_host:
        return {"accepts_mail": False, "records": []}
    hosts = checked.mx_hosts or ((checked.mx_host,) if checked.mx_host else ())
    return {"accepts_mail": bool(hosts), "records": [render_host(name) for name in hosts]}


def render_smtp(checked: Checked, patience: Patience) -> Json:
    """Return `smtp`: what the host said of the mailbox, or the error that kept it from saying anything."""
    if checked.is_text_bad or checked.has_no_host or checked.is_unasked or _is_lookup_failure(checked):
        return _facts()
    if checked.status is None or checked.status == Status.UNKNOWN.value:
        return _render_error(checked, patience)
    told = _TOLD.get(checked.reason)
    if told is not None:
        return _facts(**told)
    is_accepted = checked.status != Status.INVALID.value
    return _facts(connected=is_accepted or bool(checked.reply), accepted=is_accepted)


def _is_lookup_failure(checked: Checked) -> bool:
    return checked.status == Status.UNKNOWN.value and checked.reason == Reason.DNS_FAILURE.value


def _facts(
    *,
    connected: bool = False,
    full: bool = False,
    accepts_all: bool = False,
    accepted: bool = False,
    disabled: bool = False,
) -> Json:
    return {
        "can_connect_smtp": connected,
        "has_full_inbox": full,
        "is_catch_all": accepts_all,
        "is_deliverable": accepted,
        "is_disabled": disabled,
    }


def _render_error(checked: Checked, patience: Patience) -> Json:
    kind, message = _find_error(checked, patience)
    found: Json = {"error": {"type": kind, "message": message}}
    if checked.reason in _ABOUT_US and _NEEDS_RDNS.search(checked.reply):
        found["description"] = "NeedsRDNS"
    elif checked.reason == Reason.SENDER_IP_BLOCKED.value:
        found["description"] = "IpBlacklisted"
    return found


def _find_error(checked: Checked, patience: Patience) -> tuple[str, str | Json]:
    if checked.status is None and not checked.reason:
        return "Timeout", render_duration(patience.check)
    text = _read_reply(checked.reply)
    if text:
        return "AsyncSmtpError", text
    failure = checked.last_failure
    if failure in _TIMEOUTS:
        return "Timeout", render_duration(patience.connect if failure == "connect_timeout" else patience.reply)
    if checked.reason in _NETWORK:
        return "IOError", _say(checked)
    return "AnyhowError", _say(checked)


def _read_reply(reply: str) -> str:
    """Return a refusal as Reacher words it: its lines without the code, joined; an empty text for anything else."""
    found = [match for line in reply.splitlines() if (match := _REPLY_LINE.match(line))]
    if not found or found[-1][1][0] not in "45":
        return ""
    kind = "transient" if found[-1][1][0] == "4" else "permanent"
    return f"{kind}: " + "; ".join(match[2].strip() for match in found)


def _say(checked: Checked) -> str:
    """Say in a sentence why nothing is known."""
    try:
        text = words.REASONS[Reason(checked.reason)]
    except (KeyError, ValueError):
        text = checked.reason
    if checked.status is None and checked.due_at is not None:
        return f"{text} It is asked again at {checked.due_at:%Y-%m-%dT%H:%M:%SZ}."
    return text

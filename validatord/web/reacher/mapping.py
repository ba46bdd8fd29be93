"""From a finding to the answer of `POST /v0/check_email` and `/v1/check_email`, key by key, in Reacher's order."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from validatord.mail.address import Mailbox
from validatord.mail.request import Flags
from validatord.mail.verdict import Status
from validatord.settings import Settings
from validatord.web.reacher.parts import (
    Checked,
    Patience,
    render_duration,
    render_host,
    render_mx,
    render_smtp,
)

Json = dict[str, Any]
# Of our own status and the one the client's policy shows the more careful one counts.
_REACHABLE = {
    "": "safe",
    Status.VALID.value: "safe",
    Status.FREE_PROVIDER.value: "safe",
    Status.ACCEPT_ALL.value: "risky",
    Status.RISKY.value: "risky",
    Status.UNKNOWN.value: "unknown",
    Status.INVALID.value: "invalid",
}
_HARM = list(_REACHABLE)
# Google documents that dots in a Gmail name do not count, and that what follows a plus is a tag.
_GMAIL = frozenset({"gmail.com", "googlemail.com"})


@dataclass(frozen=True, slots=True)
class Prober:
    """Who asks: what the `debug` part tells of this daemon."""

    backend_name: str
    envelope_sender: str
    helo_name: str
    port: int
    session_timeout: timedelta
    patience: Patience

    @classmethod
    def of(cls, settings: Settings) -> "Prober":
        """Take it from the settings."""
        identity, smtp = settings.identities[0], settings.smtp
        return cls(
            settings.service.node,
            identity.envelope_sender,
            identity.helo_name,
            smtp.port,
            smtp.session_timeout,
            Patience(smtp.connect_timeout, smtp.rcpt_timeout, settings.web.check_budget),
        )


def render(checked: Checked, prober: Prober, began_at: datetime, ended_at: datetime) -> Json:
    """Return the whole answer."""
    mx, smtp = render_mx(checked), render_smtp(checked, prober.patience)
    flags = Flags() if checked.is_text_bad or checked.has_no_host else checked.flags
    return {
        "input": checked.address,
        "is_reachable": judge(checked, mx, smtp),
        "misc": {
            "is_disposable": flags.is_disposable,
            "is_role_account": flags.is_role,
            "is_b2c": flags.is_free,
            "gravatar_url": None,
            "haveibeenpwned": None,
        },
        "mx": mx,
        "smtp": smtp,
        "syntax": _render_syntax(checked),
        "debug": {
            "backend_name": prober.backend_name,
            "start_time": render_time(began_at),
            "end_time": render_time(ended_at),
            "duration": render_duration(ended_at - began_at),
            "smtp": {"verif_method": _render_method(checked, prober, smtp)},
        },
    }


def judge(checked: Checked, mx: Json, smtp: Json) -> str:
    """Return `is_reachable` by Reacher's rule, in its order; what we call risky never becomes safe.

    Bad syntax or no MX: invalid. An error: unknown. Disposable, role, catch-all or full: risky. Not accepted, no
    connection or disabled: invalid. Else safe.
    """
    if checked.is_text_bad or checked.has_no_host:
        return "invalid"
    if "error" in smtp or "error" in mx:
        return "unknown"
    flags = checked.flags
    if flags.is_disposable or flags.is_role or smtp["is_catch_all"] or smtp["has_full_inbox"]:
        return "risky"
    if not smtp["is_deliverable"] or not smtp["can_connect_smtp"] or smtp["is_disabled"]:
        return "invalid"
    return _REACHABLE[max(checked.shown or "", checked.status or "", key=_HARM.index)]


def render_time(value: datetime) -> str:
    """Return a time as RFC 3339 in UTC with nanoseconds."""
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}000Z"


def _render_syntax(checked: Checked) -> Json:
    mailbox = checked.mailbox
    if mailbox is None or checked.is_text_bad:
        return _syntax(None, "", is_valid=False, local_part="", normalised=None, suggestion=None)
    suggestion = checked.flags.suggestion or None
    return _syntax(
        str(mailbox),
        mailbox.domain,
        is_valid=True,
        local_part=mailbox.local_part,
        normalised=normalise(mailbox),
        suggestion=suggestion,
    )


def _syntax(
    address: str | None,
    domain: str,
    *,
    is_valid: bool,
    local_part: str,
    normalised: str | None,
    suggestion: str | None,
) -> Json:
    return {
        "address": address,
        "domain": domain,
        "is_valid_syntax": is_valid,
        "username": local_part,
        "normalized_email": normalised,
        "suggestion": suggestion,
    }


def normalise(mailbox: Mailbox) -> str:
    """Return the address by which two spellings of one Gmail mailbox are the same; others as they are."""
    if mailbox.domain not in _GMAIL:
        return str(mailbox)
    name = mailbox.local_part.partition("+")[0].replace(".", "").lower()
    return f"{name or mailbox.local_part}@gmail.com"


def _render_method(checked: Checked, prober: Prober, smtp: Json) -> Json:
    if checked.is_text_bad or checked.has_no_host or checked.is_unasked or not _was_tried(checked, smtp):
        return {"type": "Skipped"}
    if checked.source == "bouncer":
        return {"type": "Api"}
    transcript = checked.transcript
    return {
        "type": "Smtp",
        "host": render_host(transcript.mx_host or checked.mx_host or next(iter(checked.mx_hosts), "")),
        "verif_method": {
            "from_email": transcript.envelope_sender or prober.envelope_sender,
            "hello_name": transcript.helo_name or prober.helo_name,
            "proxy": None,
            "smtp_port": prober.port,
            "smtp_timeout": render_duration(prober.session_timeout),
            "retries": max(1, checked.attempts),
        },
    }


def _was_tried(checked: Checked, smtp: Json) -> bool:
    """Whether a host is known that was asked, or was to be."""
    has_host = bool(checked.transcript.mx_host or checked.mx_host or checked.mx_hosts)
    return checked.source == "bouncer" or has_host or smtp.get("can_connect_smtp", False)

"""Results as JSON: plain dictionaries, since a page has thousands of them; the models are their description."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from validatord.mail.request import Finding
from validatord.store.submissions import ResultRow
from validatord.web.routes import Answer

PAUSED, WAITING = "paused", "waiting"


class Result(Answer):
    """One request with its answer; while `state` is not `done` the members of the answer are null."""

    index: int = Field(description="Its place in the submission.")
    address: str = Field(description="The text that was sent in.")
    email: str | None = Field(description="The mailbox it is, normalised; null where it is none.")
    contact_id: UUID | None
    state: str = Field(description="`queued`, `paused`, `handed_over` (the second opinion is asked) or `done`.")
    status: str | None = Field(description="`valid`, `invalid`, `accept_all`, `risky` or `unknown`, under your policy.")
    reason: str | None = Field(description="The one main reason.")
    reasons: list[str]
    confidence: int | None = Field(description="From 0 to 100.")
    is_disposable: bool
    is_role: bool
    is_free: bool
    suggestion: str | None = Field(description="The address that was probably meant.")
    mx_host: str | None
    reply: str | None = Field(description="What the mail server said, shortened.")
    source: str | None = Field(
        description="Who said it: `probe`, `dns`, `syntax`, `risk`, `cache`, `bouncer`, `client`."
    )
    attempts: int
    deferral_reason: str | None = Field(description="Why there is no answer yet.")
    due_at: datetime | None = Field(description="When it is asked again.")
    checked_at: datetime | None
    finished_at: datetime | None


def render_result(row: ResultRow) -> dict[str, Any]:
    """Return a result as `Result` describes it."""
    return {
        "index": row.idx,
        "address": row.address,
        "email": row.email,
        "contact_id": None if row.contact_id is None else str(row.contact_id),
        "state": row.state,
        "status": row.status,
        "reason": row.reason,
        "reasons": row.reasons,
        "confidence": row.confidence,
        "is_disposable": row.is_disposable,
        "is_role": row.is_role,
        "is_free": row.is_free,
        "suggestion": row.suggestion,
        "mx_host": row.mx_host,
        "reply": row.reply,
        "source": row.source,
        "attempts": row.attempts,
        "deferral_reason": row.deferral_reason,
        "due_at": row.due_at,
        "checked_at": row.checked_at,
        "finished_at": row.finished_at,
    }


def render_finding(finding: Finding) -> dict[str, Any]:
    """Return a verdict with its evidence."""
    return {
        "status": finding.status,
        "reason": finding.reason,
        "reasons": list(finding.reasons),
        "confidence": finding.confidence,
        "is_disposable": finding.flags.is_disposable,
        "is_role": finding.flags.is_role,
        "is_free": finding.flags.is_free,
        "suggestion": finding.flags.suggestion or None,
        "mx_host": finding.mx_host or None,
        "mx_hosts": list(finding.mx_hosts),
        "reply": finding.reply or None,
        "source": finding.source,
        "checked_at": finding.checked_at,
        "expires_at": finding.expires_at,
        "fresh_until": finding.fresh_until,
        "contributions": [{"name": name, "points": points} for name, points in finding.contributions],
        "dns_trace": finding.dns_trace,
        "smtp_trace": finding.smtp_trace,
    }


class Contribution(Answer):
    """What one fact adds to the confidence."""

    name: str
    points: int


class Evidence(Answer):
    """A verdict and what it rests on."""

    status: str
    reason: str
    reasons: list[str]
    confidence: int
    is_disposable: bool
    is_role: bool
    is_free: bool
    suggestion: str | None
    mx_host: str | None
    mx_hosts: list[str]
    reply: str | None
    source: str
    checked_at: datetime | None
    expires_at: datetime | None
    fresh_until: datetime | None = Field(description="Reused instead of asked again until then.")
    contributions: list[Contribution] = Field(description="What the confidence is made of.")
    dns_trace: Mapping[str, Any]
    smtp_trace: Mapping[str, Any] = Field(description="The conversation, as far as it is kept.")

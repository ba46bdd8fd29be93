"""From Bouncer's words to ours, and the merge with what our own probe said. Pure.

Bouncer decides where it knows something. Its `unknown` is no knowledge: it never replaces a finding of our
own that says more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from validatord.mail.request import Finding, Opinion, ScoreFacts
from validatord.mail.verdict import Reason, Status, Verdict
from validatord.rules import score
from validatord.settings import FreshnessSettings, ScoreSettings

SOURCE = "bouncer"
_PREFIX = "bouncer:"
_LONGEST_NOTE = 60

_STATUSES = {"deliverable": Status.VALID, "undeliverable": Status.INVALID, "risky": Status.RISKY}
_REASONS = {
    "accepted_email": Reason.ACCEPTED,
    "low_deliverability": Reason.LOW_DELIVERABILITY,
    "low_quality": Reason.LOW_QUALITY,
    "invalid_email": Reason.SYNTAX,
    "invalid_domain": Reason.NO_MAIL_HOST,
    "rejected_email": Reason.NO_SUCH_MAILBOX,
    "dns_error": Reason.DNS_FAILURE,
    "unavailable_smtp": Reason.NO_CONNECTION,
    "timeout": Reason.TEMPORARY_FAILURE,
    "unsupported": Reason.CANNOT_VERIFY,
    "unknown": Reason.CANNOT_VERIFY,
}
# Where the reason is a word we do not know.
_USUAL_REASONS = {
    Status.VALID: Reason.ACCEPTED,
    Status.INVALID: Reason.NO_SUCH_MAILBOX,
    Status.RISKY: Reason.LOW_DELIVERABILITY,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What Bouncer says about one address, in its own words."""

    status: str
    reason: str | None
    domain: Mapping[str, Any]
    account: Mapping[str, Any]
    provider: str | None
    score: int | None
    toxicity: int | None
    retry_after: str | None
    suggestion: str
    notes: tuple[str, ...]
    said_at: datetime


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings a finding is made by."""

    score: ScoreSettings
    freshness: FreshnessSettings


def read_answer(row: Any) -> Answer:
    """Read a result as the ledger has it."""
    extra: Mapping[str, Any] = row["extra"] or {}
    return Answer(
        status=row["bouncer_status"],
        reason=row["bouncer_reason"],
        domain=row["domain_info"] or {},
        account=row["account_info"] or {},
        provider=row["provider"],
        score=row["score"],
        toxicity=row["toxicity"],
        retry_after=_as_text(extra.get("retryAfter")),
        suggestion=_as_text(extra.get("didYouMean")) or "",
        notes=tuple(row["notes"] or ()),
        said_at=row["processed_ts"],
    )


def _as_text(value: object) -> str | None:
    return value[:300] if isinstance(value, str) else None


def merge(answer: Answer, own: Finding | None, rules: Rules) -> Finding:
    """Return the finding of a request, from Bouncer's answer and what our own probe said."""
    base = own or Finding(Status.UNKNOWN.value, Reason.CANNOT_VERIFY.value, (), 0)
    status, reason = translate(answer)
    notes = list_notes(answer)
    if status is Status.UNKNOWN and base.status != Status.UNKNOWN.value:
        # Ours says more, and stays what it is, with its own source and date.
        return _note(base, notes)
    flags = base.flags if base.flags.suggestion else replace(base.flags, suggestion=answer.suggestion)
    facts = ScoreFacts(Verdict(status, reason, notes), flags, opinion=Opinion(SOURCE, answer.score))
    found = replace(
        base,
        source=SOURCE,
        checked_at=answer.said_at,
        expires_at=answer.said_at + rules.freshness.ttl,
        fresh_until=find_fresh_until(status, rules.freshness, answer.said_at),
    )
    return score.apply(found, facts, rules.score)


def keep_own(own: Finding | None, cause: str, now: datetime) -> Finding:
    """Return the finding of a request that ends without Bouncer; `cause` says why."""
    base = own or Finding(Status.UNKNOWN.value, Reason.CANNOT_VERIFY.value, (), 0, checked_at=now)
    return _note(base, (f"{_PREFIX}{cause}",))


def _note(own: Finding, notes: tuple[str, ...]) -> Finding:
    """Put notes behind the reasons of our own finding, which else stays what it is."""
    facts = own.score_facts
    return replace(
        own,
        reasons=tuple(dict.fromkeys((*own.reasons, *notes))),
        score_facts=replace(facts, notes=tuple(dict.fromkeys((*facts.notes, *notes)))) if facts is not None else None,
    )


def translate(answer: Answer) -> tuple[Status, Reason]:
    """Return status and main reason in our words."""
    status = _STATUSES.get(answer.status, Status.UNKNOWN)
    reason = _REASONS.get(answer.reason or "", _USUAL_REASONS.get(status, Reason.CANNOT_VERIFY))
    if status is Status.RISKY:
        return _translate_risky(answer, reason)
    if status is Status.INVALID and answer.account.get("disabled") == "yes":
        return status, Reason.MAILBOX_DISABLED
    if status is Status.UNKNOWN and answer.retry_after:
        return status, Reason.GREYLISTED
    return status, reason


def _translate_risky(answer: Answer, reason: Reason) -> tuple[Status, Reason]:
    if answer.account.get("fullMailbox") == "yes":
        return Status.RISKY, Reason.MAILBOX_FULL
    if answer.domain.get("disposable") == "yes":
        return Status.RISKY, Reason.DISPOSABLE
    if answer.domain.get("acceptAll") == "yes":
        return Status.ACCEPT_ALL, Reason.ACCEPT_ALL
    return Status.RISKY, reason


def list_notes(answer: Answer) -> tuple[str, ...]:
    """Return what Bouncer said, as reasons a person can tell from ours."""
    said = [answer.status, answer.reason]
    said += ["accept_all"] if answer.domain.get("acceptAll") == "yes" else []
    said += ["role"] if answer.account.get("role") == "yes" else []
    said += [f"toxicity_{answer.toxicity}"] if answer.toxicity else []
    said += answer.notes
    return tuple(f"{_PREFIX}{word[:_LONGEST_NOTE]}" for word in dict.fromkeys(said) if word)


def find_fresh_until(status: Status, fresh: FreshnessSettings, now: datetime) -> datetime | None:
    """Return how long the answer is used again instead of asking; `unknown` never is."""
    spans = {
        Status.VALID: fresh.valid,
        Status.INVALID: fresh.invalid,
        Status.RISKY: fresh.risky,
        Status.ACCEPT_ALL: fresh.accept_all,
    }
    return now + spans[status] if status in spans else None

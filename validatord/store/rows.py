"""Between rows and the values of `mail/`: the one place that knows both the columns and the classes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, Protocol

from validatord.mail.mx import MXAnswer, MXOutcome
from validatord.mail.request import (
    Contribution,
    DomainFacts,
    Finding,
    Flags,
    LabelKey,
    VerificationRequest,
)
from validatord.mail.verdict import AcceptAll, Pin
from validatord.store import evidence
from validatord.store.values import Json, clean_text

_REPLY_LIMIT = 4000  # characters; a whole reply stands in the trace
# What `accept_all_prob` (0 to 100) says for each state.
_ACCEPT_ALL_PROBABILITY = {AcceptAll.ACCEPTS_ALL: 100, AcceptAll.UNDETERMINED: 50}
_PIN_FIELDS = frozenset(field.name for field in fields(Pin))


class Columns(Protocol):
    """A row: columns by their names."""

    def __getitem__(self, name: str, /) -> Any:
        """Return a column's value."""
        ...


def columns_of(rows: Sequence[Sequence[object]], width: int) -> list[list[object]]:
    """Turn rows into columns, the form that `unnest` takes."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def request_of(row: Columns) -> VerificationRequest:
    """Read a row of `requests`, joined with its client."""
    return VerificationRequest(
        request_id=row["id"],
        submission_id=row["submission_id"],
        client=row["client"],
        address=row["address"],
        local_part=row["email"].removesuffix(f"@{row['domain']}"),
        domain=row["domain"],
        contact_id=row["contact_id"],
        priority=row["priority"],
        attempt=row["attempt"],
        deferrals=row["deferrals"],
        pin=pin_of(row["pin"]),
        first_tried_at=row["first_tried_at"],
        created_at=row["created_at"],
    )


def pin_of(data: Mapping[str, str] | None) -> Pin:
    """Read a pin; members of another version are left out."""
    return Pin(**{name: value for name, value in (data or {}).items() if name in _PIN_FIELDS})


def pin_to_json(pin: Pin) -> dict[str, str] | None:
    """Return what of a pin is set, or None."""
    return {name: value for name, value in asdict(pin).items() if value} or None


def facts_of(row: Columns) -> DomainFacts:
    """Read a row of `domain_cache`."""
    answer = row["mx_answer"]
    domain = row["domain"]
    return DomainFacts(
        domain=domain,
        mx=MXAnswer.from_json(domain, answer, row["last_checked"], row["mx_expires_at"]) if answer else None,
        provider_key=row["provider_key"],
        accept_all=AcceptAll(row["accept_all"]),
        accept_all_host_set=row["accept_all_host_set"],
        accept_all_until=row["accept_all_until"],
        accept_all_seen=row["accept_all_seen"],
        accept_all_seen_at=row["accept_all_seen_at"],
        spf=row["spf"],
        dmarc=row["dmarc"],
        is_redundant=row["is_redundant"],
        health_checked_at=row["health_checked_at"],
        rcpt_day=row["rcpt_day"],
        rcpt_count=row["rcpt_count"],
    )


def facts_to_row(facts: DomainFacts) -> tuple[object, ...]:
    """Return the columns of `upsert_facts`."""
    return (
        facts.domain,
        *_mx_columns(facts.mx),
        clean_text(facts.spf) if facts.spf is not None else None,
        clean_text(facts.dmarc) if facts.dmarc is not None else None,
        facts.provider_key,
        facts.accept_all.value,
        _ACCEPT_ALL_PROBABILITY.get(facts.accept_all, 0),
        facts.accept_all_host_set,
        facts.accept_all_until,
        facts.accept_all_seen,
        facts.accept_all_seen_at,
        facts.is_redundant,
        facts.health_checked_at,
        facts.rcpt_day,
        facts.rcpt_count,
    )


def _mx_columns(answer: MXAnswer | None) -> tuple[object, ...]:
    # A failed look-up is no fact about the domain and must not hide one.
    if answer is None or answer.outcome is MXOutcome.FAILED:
        return (None,) * 6
    is_found = answer.outcome is MXOutcome.OK
    hosts = Json([host.name for host in answer.hosts])
    return (
        is_found and not answer.is_implicit,
        is_found and answer.is_implicit,
        hosts,
        answer.to_json(),
        answer.expires_at,
        answer.looked_up_at,
    )


def finding_of(row: Columns) -> Finding:
    """Read a row of `email_validation`."""
    return Finding(
        status=row["status"],
        reason=row["reason"],
        reasons=tuple(row["reasons"] or ()),
        confidence=row["confidence"],
        flags=flags_of(row),
        mx_host=row["mx_host"] or "",
        mx_hosts=tuple(row["mx_hosts"] or ()),
        reply=row["reply"] or "",
        dns_trace=row["dns_trace"] or {},
        smtp_trace=row["smtp_trace"] or {},
        source=row["source"],
        checked_at=row["checked_at"],
        expires_at=row["ttl_expires_at"],
        fresh_until=row["fresh_until"],
        contributions=contributions_of(row["contributions"]),
        score_facts=evidence.facts_of(row["score_facts"], flags_of(row)),
    )


def flags_of(row: Columns) -> Flags:
    """Read the flags of a row of `requests` or `email_validation`."""
    return Flags(row["is_disposable"], row["is_role"], row["is_free"], row["suggestion"] or "")


def label_key_of(row: Columns) -> LabelKey:
    """Read what a policy looks at, from requests, verdicts or counts."""
    return LabelKey(
        row["status"], row["reason"], row["confidence"], row["is_disposable"], row["is_role"], row["is_free"]
    )


def contributions_of(data: Sequence[Sequence[Any]] | None) -> tuple[Contribution, ...]:
    """Read what a confidence is made of."""
    return tuple((str(name), int(points)) for name, points in data or ())


def outcome_columns(finding: Finding) -> tuple[object, ...]:
    """Return the columns that `requests` and `email_validation` share, from status to score_facts."""
    flags = finding.flags
    return (
        str(finding.status),
        str(finding.reason),
        Json([str(reason) for reason in finding.reasons]),
        finding.confidence,
        flags.is_disposable,
        flags.is_role,
        flags.is_free,
        clean_text(flags.suggestion) or None,
        clean_text(finding.mx_host) or None,
        clean_text(finding.reply, _REPLY_LIMIT) or None,
        finding.source,
        finding.checked_at,
        Json(finding.contributions),
        Json(evidence.facts_to_json(finding.score_facts)) if finding.score_facts is not None else None,
    )


def evidence_columns(finding: Finding) -> tuple[object, ...]:
    """Return the further columns of `email_validation`."""
    return (
        Json(list(finding.mx_hosts)) if finding.mx_hosts else None,
        finding.dns_trace or None,
        finding.smtp_trace or None,
        finding.expires_at,
        finding.fresh_until,
    )


def finding_to_json(finding: Finding) -> dict[str, Any]:
    """Return a JSON-ready dict for `requests.probe`."""
    found = asdict(finding)
    for name in ("checked_at", "expires_at", "fresh_until"):
        found[name] = found[name].isoformat() if found[name] else None
    found["score_facts"] = evidence.facts_to_json(finding.score_facts) if finding.score_facts is not None else None
    return found


def finding_from_json(data: Mapping[str, Any]) -> Finding:
    """Read what `finding_to_json` wrote."""
    found: dict[str, Any] = dict(data)
    for name in ("checked_at", "expires_at", "fresh_until"):
        found[name] = datetime.fromisoformat(found[name]) if found.get(name) else None
    found.update({name: tuple(found[name]) for name in ("reasons", "mx_hosts")})
    found["flags"] = Flags(**found["flags"])
    # An older version wrote neither of them.
    found["contributions"] = contributions_of(found.get("contributions"))
    found["score_facts"] = evidence.facts_of(found.get("score_facts"), found["flags"])
    return Finding(**found)

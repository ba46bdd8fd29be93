"""Bouncer's words in ours, and the merge with what our own probe said."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from validatord.bouncer.translate import Answer, Rules, keep_own, list_notes, merge, translate
from validatord.mail.request import Finding, Flags
from validatord.mail.verdict import Reason, Status
from validatord.settings import FreshnessSettings, ScoreSettings

_NOW = datetime(2026, 11, 21, tzinfo=UTC)
_RULES = Rules(ScoreSettings(), FreshnessSettings())
_OWN = Finding("unknown", "greylisted", ("mx", "greylisted"), 45, Flags(is_free=True), mx_host="mx.example")


def make_answer(status: str, reason: str | None = None, **changes: Any) -> Answer:
    """An answer without anything else."""
    base = Answer(status, reason, {}, {}, None, None, None, None, "", (), _NOW)
    return replace(base, **changes)


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        (make_answer("deliverable", "accepted_email"), Status.VALID, Reason.ACCEPTED),
        (make_answer("risky", "low_deliverability"), Status.RISKY, Reason.LOW_DELIVERABILITY),
        (make_answer("risky", "low_quality"), Status.RISKY, Reason.LOW_QUALITY),
        (make_answer("risky", "low_deliverability", domain={"acceptAll": "yes"}), Status.ACCEPT_ALL, Reason.ACCEPT_ALL),
        (make_answer("risky", "low_quality", domain={"disposable": "yes"}), Status.RISKY, Reason.DISPOSABLE),
        (
            make_answer("risky", "low_deliverability", domain={"acceptAll": "yes"}, account={"fullMailbox": "yes"}),
            Status.RISKY,
            Reason.MAILBOX_FULL,
        ),
        (make_answer("undeliverable", "rejected_email"), Status.INVALID, Reason.NO_SUCH_MAILBOX),
        (make_answer("undeliverable", "invalid_email"), Status.INVALID, Reason.SYNTAX),
        (make_answer("undeliverable", "invalid_domain"), Status.INVALID, Reason.NO_MAIL_HOST),
        (
            make_answer("undeliverable", "rejected_email", account={"disabled": "yes"}),
            Status.INVALID,
            Reason.MAILBOX_DISABLED,
        ),
        (make_answer("unknown", "dns_error"), Status.UNKNOWN, Reason.DNS_FAILURE),
        (make_answer("unknown", "unavailable_smtp"), Status.UNKNOWN, Reason.NO_CONNECTION),
        (make_answer("unknown", "unsupported"), Status.UNKNOWN, Reason.CANNOT_VERIFY),
        (make_answer("unknown", "timeout"), Status.UNKNOWN, Reason.TEMPORARY_FAILURE),
        (make_answer("unknown", "timeout", retry_after="2026-11-21T01:00:00Z"), Status.UNKNOWN, Reason.GREYLISTED),
        (make_answer("brand_new", "brand_new"), Status.UNKNOWN, Reason.CANNOT_VERIFY),
        (make_answer("deliverable", "brand_new"), Status.VALID, Reason.ACCEPTED),
        (make_answer("undeliverable", None), Status.INVALID, Reason.NO_SUCH_MAILBOX),
    ],
)
def test_words(answer: Answer, status: Status, reason: Reason) -> None:
    """Every documented status and reason has its place, and so has a word nobody has heard yet."""
    assert translate(answer) == (status, reason)


def test_bouncer_decides() -> None:
    """Where Bouncer knows something its verdict holds, with source, date and freshness of its own."""
    found = merge(make_answer("deliverable", "accepted_email", score=95), _OWN, _RULES)

    assert (found.status, found.reason, found.confidence, found.source) == ("valid", "accepted", 95, "bouncer")
    assert found.checked_at == _NOW
    assert found.fresh_until == _NOW + timedelta(days=7)
    assert found.flags.is_free
    assert "bouncer:accepted_email" in found.reasons


@pytest.mark.parametrize(
    ("status", "given", "confidence"),
    [
        ("deliverable", None, 90),
        ("deliverable", 12, 70),
        ("undeliverable", 100, 39),
        ("undeliverable", None, 0),
        ("risky", 99, 69),
        ("risky", 3, 40),
    ],
)
def test_confidence_stays_in_its_band(status: str, given: int | None, confidence: int) -> None:
    """No score carries a status beyond its band: a refusal with a high score is still a refusal."""
    assert merge(make_answer(status, None, score=given), _OWN, _RULES).confidence == confidence


def test_unknown_hides_nothing() -> None:
    """Bouncer's unknown does not replace a finding of ours that says more; it is noted beside it."""
    own = replace(_OWN, status="accept_all", reason="accept_all", source="probe")
    found = merge(make_answer("unknown", "timeout"), own, _RULES)

    assert (found.status, found.reason, found.source) == ("accept_all", "accept_all", "probe")
    assert "bouncer:timeout" in found.reasons


def test_both_unknown() -> None:
    """Where nobody knows, Bouncer's reason stands: it is the later word; and it is never reused."""
    found = merge(make_answer("unknown", "unsupported"), _OWN, _RULES)

    assert (found.status, found.reason, found.source, found.fresh_until) == (
        "unknown",
        "cannot_verify",
        "bouncer",
        None,
    )


def test_without_a_finding_of_ours() -> None:
    """A request that was never probed gets Bouncer's verdict alone."""
    assert merge(make_answer("deliverable", "accepted_email"), None, _RULES).status == "valid"


def test_a_suggestion_is_kept() -> None:
    """Bouncer's suggestion fills in where we had none."""
    found = merge(make_answer("undeliverable", "invalid_domain", suggestion="user@example.com"), _OWN, _RULES)

    assert found.flags.suggestion == "user@example.com"


def test_notes_are_bounded() -> None:
    """Words from outside stand in the reasons marked as Bouncer's, and short."""
    notes = list_notes(make_answer("x" * 50, "y" * 100, toxicity=5, account={"role": "yes"}))

    assert all(note.startswith("bouncer:") and len(note) <= 70 for note in notes)
    assert {"bouncer:toxicity_5", "bouncer:role"} <= set(notes)


def test_ending_without_bouncer() -> None:
    """A request that ends without Bouncer keeps our finding and says why."""
    found = keep_own(_OWN, "not_bought", _NOW)

    assert (found.status, found.reason, found.source) == ("unknown", "greylisted", "probe")
    assert found.reasons[-1] == "bouncer:not_bought"
    assert keep_own(None, "not_bought", _NOW).status == "unknown"

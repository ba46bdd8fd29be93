"""A stored verdict when history changes: what follows from the evidence is counted again, the evidence stays."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from validatord.mail.request import Finding, History, Opinion, ScoreFacts
from validatord.mail.verdict import Reason, Status, Verdict
from validatord.rules import score
from validatord.rules.rejudge import rejudge
from validatord.settings import Settings

_NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
_SETTINGS = Settings()
_BOUNCED = History(hard_bounces=(_NOW,))


def _make(verdict: Verdict, opinion: Opinion | None = None) -> Finding:
    """A finding as judging writes it."""
    blank = Finding(
        status="", reason="", reasons=(), confidence=0, fresh_until=_NOW + timedelta(days=7), reply="250 OK"
    )
    return score.apply(blank, ScoreFacts(verdict, has_mx=True, opinion=opinion), _SETTINGS.score)


_VALID = _make(Verdict(Status.VALID, Reason.ACCEPTED, ("accepted",)))
_ACCEPT_ALL = _make(Verdict(Status.ACCEPT_ALL, Reason.ACCEPT_ALL, ("accept_all",)))


@pytest.mark.parametrize("finding", [_VALID, _ACCEPT_ALL])
def test_hard_bounce_overrides_an_accepted_mailbox(finding: Finding) -> None:
    """The mail came back: risky, for that reason, and asked again after the time of a risky one."""
    found = rejudge(finding, _BOUNCED, _SETTINGS, _NOW)

    assert found is not None
    assert (found.status, found.reason) == ("risky", "hard_bounce")
    assert (found.reply, found.fresh_until) == ("250 OK", _NOW + _SETTINGS.freshness.risky)
    assert sum(points for _, points in found.contributions) == found.confidence


def test_what_somebody_else_said_is_overridden_too() -> None:
    """A paid opinion that the mailbox takes mail does not outlive the bounce."""
    bought = _make(Verdict(Status.VALID, Reason.ACCEPTED), Opinion("bouncer", 95))
    found = rejudge(bought, _BOUNCED, _SETTINGS, _NOW)
    assert found is not None
    assert (found.status, found.reason) == ("risky", "hard_bounce")


def test_reply_after_the_bounce_brings_the_mailbox_back() -> None:
    """Whoever answers has a mailbox: the verdict is the probe's again."""
    bounced = rejudge(_VALID, _BOUNCED, _SETTINGS, _NOW)
    assert bounced is not None
    replied = History(hard_bounces=(_NOW,), replies=(_NOW + timedelta(days=1),))
    found = rejudge(bounced, replied, _SETTINGS, _NOW + timedelta(days=1))

    assert found is not None
    assert (found.status, found.reason) == ("valid", "accepted")
    assert {"hard_bounce", "positive_history"} <= set(found.reasons)


def test_twice_changes_nothing() -> None:
    """Judged again with the same history, even an hour later, a verdict stands."""
    once = rejudge(_VALID, _BOUNCED, _SETTINGS, _NOW)
    assert once is not None
    assert rejudge(once, _BOUNCED, _SETTINGS, _NOW + timedelta(hours=1)) is None
    assert rejudge(_VALID, History(), _SETTINGS, _NOW) is None


def test_complaint_is_a_risk() -> None:
    """Nobody is called invalid for complaining."""
    found = rejudge(_VALID, History(complaints=(_NOW,)), _SETTINGS, _NOW)
    assert found is not None
    assert (found.status, found.reason) == ("risky", "complaint")


def test_verdict_of_an_older_version_is_rebuilt() -> None:
    """A row without its facts says enough where it was accepted; another is left alone."""
    old = replace(_VALID, score_facts=None, contributions=())
    found = rejudge(old, _BOUNCED, _SETTINGS, _NOW)
    assert found is not None
    assert (found.status, found.reason) == ("risky", "hard_bounce")
    assert "mx" in found.reasons

    unknown = Finding(status="unknown", reason="greylisted", reasons=("greylisted",), confidence=40)
    assert rejudge(unknown, _BOUNCED, _SETTINGS, _NOW) is None

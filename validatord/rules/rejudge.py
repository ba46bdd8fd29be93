"""What a stored verdict becomes when history changes: the evidence stays, what follows from it is counted again."""

from dataclasses import replace
from datetime import datetime

from validatord.mail.request import Finding, History, ScoreFacts
from validatord.mail.verdict import Reason, Status, Verdict
from validatord.rules import history as past
from validatord.rules import score
from validatord.settings import Settings

# What the main reason of an accepted mailbox said before history changed it.
_ACCEPTED_AS = {
    Status.VALID.value: Verdict(Status.VALID, Reason.ACCEPTED),
    Status.FREE_PROVIDER.value: Verdict(Status.VALID, Reason.ACCEPTED),
    Status.ACCEPT_ALL.value: Verdict(Status.ACCEPT_ALL, Reason.ACCEPT_ALL),
}


def rejudge(finding: Finding, history: History, settings: Settings, now: datetime) -> Finding | None:
    """Return the verdict as this history makes it, or None where nothing changes that anybody would notice."""
    facts = finding.score_facts or _rebuild(finding)
    if facts is None:
        return None
    facts = replace(facts, flags=finding.flags, past=past.weigh(history, now, settings.history))
    found = score.apply(finding, facts, settings.score)
    if (found.status, found.reason, found.reasons) == (finding.status, finding.reason, finding.reasons):
        return None  # a point more or less by the hour is no news
    if found.status != finding.status and found.fresh_until is not None:
        found = replace(found, fresh_until=min(found.fresh_until, now + settings.freshness.risky))
    return found


def _rebuild(finding: Finding) -> ScoreFacts | None:
    """Make facts of a verdict of an older version; only an accepted one says enough."""
    verdict = _ACCEPTED_AS.get(str(finding.status))
    if verdict is None:
        return None
    reasons = frozenset(map(str, finding.reasons))
    return ScoreFacts(
        verdict,
        flags=finding.flags,
        has_mx="mx" in reasons,
        has_address="address_only" in reasons,
        is_healthy="domain_health" in reasons,
    )

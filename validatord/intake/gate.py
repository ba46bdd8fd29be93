"""The send gate for a submission, as its client sees it: counts, labelled; the command line and the API ask here."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from validatord.intake.results import Results
from validatord.mail.verdict import Status
from validatord.rules import gate
from validatord.rules.gate import GateAnswer, GateNumbers
from validatord.rules.policy import Labels
from validatord.settings import Settings
from validatord.store import gate as counts
from validatord.store.database import Database
from validatord.store.gate import Campaign, Kind

_VALID = frozenset({Status.VALID.value, Status.FREE_PROVIDER.value})


async def ask_gate(
    database: Database, settings: Settings, client: str, submission: str, now: datetime
) -> GateAnswer | None:
    """Return whether a campaign may go out to a submission; None where there is none of that name.

    Sent to are the statuses that the client's exports hold. Verdicts count as out of date by the time that the
    submission named for its campaign, or now.

    Raises:
        ConfigurationError: the client's policy cannot be read.
    """
    results = await Results.open(database, client)
    campaign = await counts.get_campaign(database, client, submission)
    if campaign is None:
        return None
    limits = gate.limits_of(settings.gate, results.policy.gate)
    sent_at = max(now, campaign.campaign_at or now)
    older_than = sent_at - (results.policy.ttl or settings.freshness.ttl)
    kinds = await counts.count_kinds(database, campaign.submission_id, limits.small_domain, older_than)
    answer = gate.decide(_add_up(campaign, kinds, results.labels), limits)
    return replace(answer, campaign_at=campaign.campaign_at)


def _add_up(campaign: Campaign, kinds: tuple[Kind, ...], labels: Labels) -> GateNumbers:
    sent = [(labels.of(kind.key).status, kind) for kind in kinds]
    wanted = labels.policy.export_statuses
    sent = [(status, kind) for status, kind in sent if not wanted or status in wanted]
    return GateNumbers(
        requests=campaign.requests,
        finished=campaign.finished,
        sent=sum(kind.requests for _, kind in sent),
        valid=sum(kind.requests for status, kind in sent if status in _VALID),
        risky=sum(kind.requests for status, kind in sent if status == Status.RISKY),
        unknown_at_small_domains=sum(kind.at_small_domains for status, kind in sent if status == Status.UNKNOWN),
        outdated=sum(kind.outdated for _, kind in sent),
    )


def to_public(answer: GateAnswer) -> dict[str, Any]:
    """Return an answer as JSON shows it."""
    numbers = answer.numbers
    return {
        "gate": answer.gate.value,
        "reasons": [
            {
                "reason": one.reason.value,
                "gate": one.gate.value,
                "count": one.count,
                "percent": one.percent,
                "limit": one.limit,
                "text": one.tell(),
            }
            for one in answer.objections
        ],
        "numbers": {
            "requests": numbers.requests,
            "finished": numbers.finished,
            "sent": numbers.sent,
            "valid": numbers.valid,
            "risky": numbers.risky,
            "unknown_at_small_domains": numbers.unknown_at_small_domains,
            "outdated": numbers.outdated,
        },
    }

"""How sure we are that mail would arrive, 0 to 100, and what a verdict becomes by flags and history.

The status comes from the decision table; weights only move the confidence inside the band of the status,
so no sum of small things turns a refusal into an acceptance. Three facts do change a status: a disposable
domain, a hard bounce and a complaint make an accepted mailbox risky. A confidence is about acceptance: it says nothing
about permission, or that a person reads the mailbox.
"""

from dataclasses import dataclass, field

from validatord.mail.request import Flags
from validatord.mail.verdict import Reason, Status, Verdict
from validatord.rules.history import NO_PAST, Past
from validatord.settings import ScoreSettings

_MOST = 100
_ACCEPTED = frozenset({Status.VALID, Status.ACCEPT_ALL})
# What a refusal leaves: a clear one nothing, one that was inferred or not repeated a little.
_AFTER_CLEAR_REFUSAL = 0
_AFTER_INFERRED_REFUSAL = 20
_AFTER_WEAK_REFUSAL = 35
_INFERRED = "postmaster_accepted"
_OVERRIDING = -25  # points: what takes as much as the way from a sure acceptance to none overrides it
_MANY_BOUNCES = 0.1  # of a domain's mail: from here on it is a reason by itself
_PENALTY_OF_LOW = 15  # a low-confidence verdict that is no refusal


@dataclass(frozen=True, slots=True)
class ScoreFacts:
    """Everything the confidence of one mailbox depends on."""

    verdict: Verdict
    flags: Flags = field(default_factory=Flags)
    past: Past = NO_PAST
    has_mx: bool = False
    has_address: bool = False  # only A or AAAA: the domain is its own MX host
    is_healthy: bool = False  # SPF and DMARC are published


@dataclass(frozen=True, slots=True)
class Confidence:
    """The confidence with its reasons in a stable order, and the status and main reason that hold now."""

    confidence: int
    reasons: tuple[str, ...]
    status: Status
    reason: Reason


def score(facts: ScoreFacts, weights: ScoreSettings) -> Confidence:
    """Return confidence, reasons, status and main reason for a verdict of our own probe."""
    points = _count_points(facts, weights)
    status, reason = _settle(facts, weights)
    lowest, highest = get_band(status, weights)
    confidence = max(lowest, min(highest, max(0, min(_MOST, points))))
    return Confidence(confidence, _list_reasons(facts, reason), status, reason)


def get_band(status: Status, weights: ScoreSettings) -> tuple[int, int]:
    """Return the lowest and highest confidence a status may carry under these thresholds."""
    if status is Status.INVALID:
        return 0, max(0, weights.unknown_from - 1)
    if status in {Status.VALID, Status.FREE_PROVIDER}:
        return weights.accept_from, _MOST
    if status is Status.ACCEPT_ALL:
        return weights.accept_from, max(weights.accept_from, weights.valid_from - 1)
    return weights.unknown_from, max(weights.unknown_from, weights.accept_from - 1)


def _count_points(facts: ScoreFacts, weights: ScoreSettings) -> int:
    verdict, past = facts.verdict, facts.past
    if verdict.status is Status.INVALID:
        return _count_refused(verdict) + round(weights.positive_history * past.sign_of_life)
    points = weights.syntax
    points += weights.mx if facts.has_mx else weights.address_only if facts.has_address else 0
    points += weights.accepted if verdict.status in _ACCEPTED else 0
    points += weights.accept_all if verdict.status is Status.ACCEPT_ALL else 0
    points += weights.disposable if facts.flags.is_disposable else 0
    points += weights.role if facts.flags.is_role else 0
    points += round(weights.positive_history * past.sign_of_life)
    points += round(weights.hard_bounce * past.hard_bounce)
    points += round(weights.soft_bounce * past.soft_bounce)
    points += round(weights.complaint * past.complaint)
    points += round(weights.domain_bounces * past.domain_bounces)
    points += weights.domain_health if facts.is_healthy else 0
    return points - (_PENALTY_OF_LOW if verdict.is_low_confidence else 0)


def _count_refused(verdict: Verdict) -> int:
    if verdict.is_low_confidence:
        return _AFTER_WEAK_REFUSAL
    return _AFTER_INFERRED_REFUSAL if _INFERRED in verdict.reasons else _AFTER_CLEAR_REFUSAL


def _settle(facts: ScoreFacts, weights: ScoreSettings) -> tuple[Status, Reason]:
    """Return what the verdict becomes; a bounce or complaint counts that much until its weight has faded."""
    verdict, past = facts.verdict, facts.past
    if verdict.status in _ACCEPTED:
        if facts.flags.is_disposable:
            return Status.RISKY, Reason.DISPOSABLE
        if weights.hard_bounce * past.hard_bounce <= _OVERRIDING:
            return Status.RISKY, Reason.HARD_BOUNCE
        if weights.complaint * past.complaint <= _OVERRIDING:
            return Status.RISKY, Reason.COMPLAINT
    return verdict.status, verdict.reason


def _list_reasons(facts: ScoreFacts, reason: Reason) -> tuple[str, ...]:
    verdict, flags, past = facts.verdict, facts.flags, facts.past
    names = (
        "mx" if facts.has_mx else "address_only" if facts.has_address else "",
        verdict.reason.value,
        *verdict.reasons,
        reason.value,
        "disposable" if flags.is_disposable else "",
        "role" if flags.is_role else "",
        "free" if flags.is_free else "",
        "typo" if flags.suggestion else "",
        "positive_history" if past.sign_of_life else "",
        "hard_bounce" if past.hard_bounce else "",
        "soft_bounce" if past.soft_bounce else "",
        "complaint" if past.complaint else "",
        "domain_bounces" if past.domain_bounces >= _MANY_BOUNCES else "",
        "domain_health" if facts.is_healthy else "",
        "low_confidence" if verdict.is_low_confidence else "",
    )
    # A name that stands twice keeps its first place.
    return tuple(dict.fromkeys(name for name in names if name))

"""How sure we are that mail would arrive, 0 to 100, and what a verdict becomes by flags and history.

The status comes from the decision table; weights only move the confidence inside the band of the status,
so no sum of small things turns a refusal into an acceptance. Two facts do change a status: a disposable
domain and a hard bounce make an accepted mailbox risky. A confidence is about acceptance: it says nothing
about permission, or that a person reads the mailbox.
"""

from dataclasses import dataclass, field

from validatord.mail.request import Flags, History
from validatord.mail.verdict import Reason, Status, Verdict
from validatord.settings import ScoreSettings

_MOST = 100
_ACCEPTED = frozenset({Status.VALID, Status.ACCEPT_ALL})
# What a refusal leaves: a clear one nothing, one that was inferred or not repeated a little.
_AFTER_CLEAR_REFUSAL = 0
_AFTER_INFERRED_REFUSAL = 20
_AFTER_WEAK_REFUSAL = 35
_INFERRED = "postmaster_accepted"
_PENALTY_OF_LOW = 15  # a low-confidence verdict that is no refusal


@dataclass(frozen=True, slots=True)
class ScoreFacts:
    """Everything the confidence of one mailbox depends on."""

    verdict: Verdict
    flags: Flags = field(default_factory=Flags)
    history: History = field(default_factory=History)
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
    status, reason = _settle(facts, points, weights)
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
    verdict, history = facts.verdict, facts.history
    if verdict.status is Status.INVALID:
        return _count_refused(verdict) + (weights.positive_history if _is_positive(history) else 0)
    points = weights.syntax
    points += weights.mx if facts.has_mx else weights.address_only if facts.has_address else 0
    points += weights.accepted if verdict.status in _ACCEPTED else 0
    points += weights.accept_all if verdict.status is Status.ACCEPT_ALL else 0
    points += weights.disposable if facts.flags.is_disposable else 0
    points += weights.role if facts.flags.is_role else 0
    points += weights.positive_history if _is_positive(history) else 0
    points += weights.hard_bounce if history.hard_bounces else 0
    points += weights.domain_health if facts.is_healthy else 0
    return points - (_PENALTY_OF_LOW if verdict.is_low_confidence else 0)


def _count_refused(verdict: Verdict) -> int:
    if verdict.is_low_confidence:
        return _AFTER_WEAK_REFUSAL
    return _AFTER_INFERRED_REFUSAL if _INFERRED in verdict.reasons else _AFTER_CLEAR_REFUSAL


def _settle(facts: ScoreFacts, points: int, weights: ScoreSettings) -> tuple[Status, Reason]:
    """Return what the verdict becomes; the weight of a hard bounce decides whether it counts that much."""
    verdict = facts.verdict
    if verdict.status in _ACCEPTED:
        if facts.flags.is_disposable:
            return Status.RISKY, Reason.DISPOSABLE
        if facts.history.hard_bounces and points < weights.accept_from:
            return Status.RISKY, Reason.HARD_BOUNCE
    return verdict.status, verdict.reason


def _list_reasons(facts: ScoreFacts, reason: Reason) -> tuple[str, ...]:
    verdict, flags, history = facts.verdict, facts.flags, facts.history
    names = (
        "mx" if facts.has_mx else "address_only" if facts.has_address else "",
        verdict.reason.value,
        *verdict.reasons,
        reason.value,
        "disposable" if flags.is_disposable else "",
        "role" if flags.is_role else "",
        "free" if flags.is_free else "",
        "typo" if flags.suggestion else "",
        "positive_history" if _is_positive(history) else "",
        "hard_bounce" if history.hard_bounces else "",
        "domain_health" if facts.is_healthy else "",
        "low_confidence" if verdict.is_low_confidence else "",
    )
    # A name that stands twice keeps its first place.
    return tuple(dict.fromkeys(name for name in names if name))


def _is_positive(history: History) -> bool:
    return history.opens > 0 or history.replies > 0

"""How sure we are that mail would arrive, 0 to 100, and what a verdict becomes by flags and history.

The status comes from the decision table; weights only move the confidence inside the band of the status,
so no sum of small things turns a refusal into an acceptance. Three facts do change a status: a disposable
domain, a hard bounce and a complaint make an accepted mailbox risky. A confidence is about acceptance: it says nothing
about permission, or that a person reads the mailbox.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from validatord.mail.request import NO_PAST, Contribution, Finding, Opinion, Past, ScoreFacts
from validatord.mail.verdict import Reason, Status, Verdict
from validatord.settings import ScoreSettings

__all__ = ["Confidence", "Opinion", "ScoreFacts", "apply", "get_band", "score"]

BAND = "band"  # the contribution that brings a sum into the band of its status
MODEL = "model"  # the contribution that brings a sum to where the model puts it, inside that band
_MOST = 100
_ACCEPTED = frozenset({Status.VALID, Status.ACCEPT_ALL})
_UNDECIDED = frozenset({Status.ACCEPT_ALL, Status.UNKNOWN})  # what the model may speak about
_INFERRED = "postmaster_accepted"
_OVERRIDING = -25  # points: what takes as much as the way from a sure acceptance to none overrides it
_MANY_BOUNCES = 0.1  # of a domain's mail: from here on it is a reason by itself


@dataclass(frozen=True, slots=True)
class Confidence:
    """The confidence with its reasons in a stable order, and the status and main reason that hold now.

    `contributions` add up to `confidence`; the last one is `band`, what the band of the status adds or takes,
    or `model`, what the model adds or takes inside that band.
    """

    confidence: int
    reasons: tuple[str, ...]
    status: Status
    reason: Reason
    contributions: tuple[Contribution, ...] = ()


def score(facts: ScoreFacts, weights: ScoreSettings) -> Confidence:
    """Return confidence, contributions, reasons, status and main reason of a verdict."""
    contributions = list(_list_points(facts, weights))
    points = sum(point for _, point in contributions)
    status, reason = _settle(facts, weights)
    lowest, highest = get_band(status, weights)
    if facts.chance is not None and status in _UNDECIDED and facts.opinion is None:
        # The whole band for the whole of probability: a surely dead mailbox of the domain stands at its lower end.
        confidence = round(lowest + (highest - lowest) * max(0.0, min(1.0, facts.chance)))
        contributions.append((MODEL, confidence - points))
    else:
        confidence = max(lowest, min(highest, max(0, min(_MOST, points))))
        if confidence != points:
            contributions.append((BAND, confidence - points))
    return Confidence(confidence, _list_reasons(facts, reason), status, reason, tuple(contributions))


def apply(finding: Finding, facts: ScoreFacts, weights: ScoreSettings) -> Finding:
    """Return the finding as these facts and weights make it; its evidence stays."""
    found = score(facts, weights)
    return replace(
        finding,
        status=found.status.value,
        reason=found.reason.value,
        reasons=found.reasons,
        confidence=found.confidence,
        flags=facts.flags,
        contributions=found.contributions,
        score_facts=facts,
    )


def get_band(status: Status, weights: ScoreSettings) -> tuple[int, int]:
    """Return the lowest and highest confidence a status may carry under these thresholds."""
    if status is Status.INVALID:
        return 0, max(0, weights.unknown_from - 1)
    if status in {Status.VALID, Status.FREE_PROVIDER}:
        return weights.accept_from, _MOST
    if status is Status.ACCEPT_ALL:
        return weights.accept_from, max(weights.accept_from, weights.valid_from - 1)
    return weights.unknown_from, max(weights.unknown_from, weights.accept_from - 1)


def _list_points(facts: ScoreFacts, weights: ScoreSettings) -> Iterator[Contribution]:
    """List what counts, in the order of the story; what weighs nothing is left out."""
    verdict = facts.verdict
    if facts.opinion is not None:
        yield facts.opinion.source, _find_points(facts.opinion, verdict.status, weights)
    elif verdict.status is Status.INVALID:
        yield _find_refusal(verdict, weights)
        if points := round(weights.positive_history * facts.past.sign_of_life):
            yield "positive_history", points
    else:
        yield from _list_weights(facts, weights)
        if facts.past is not NO_PAST:
            yield from _list_past(facts.past, weights)
        if facts.is_healthy and weights.domain_health:
            yield "domain_health", weights.domain_health
        if verdict.is_low_confidence and weights.low_confidence:
            yield "low_confidence", weights.low_confidence


def _list_weights(facts: ScoreFacts, weights: ScoreSettings) -> Iterator[Contribution]:
    verdict, flags = facts.verdict, facts.flags
    for name, holds, points in (
        ("syntax", True, weights.syntax),
        ("mx", facts.has_mx, weights.mx),
        ("address_only", facts.has_address and not facts.has_mx, weights.address_only),
        ("accepted", verdict.status in _ACCEPTED, weights.accepted),
        ("accept_all", verdict.status is Status.ACCEPT_ALL, weights.accept_all),
        ("disposable", flags.is_disposable, weights.disposable),
        ("role", flags.is_role, weights.role),
    ):
        if holds and points:
            yield name, points


def _list_past(past: Past, weights: ScoreSettings) -> Iterator[Contribution]:
    for name, weight, points in (
        ("positive_history", past.sign_of_life, weights.positive_history),
        ("hard_bounce", past.hard_bounce, weights.hard_bounce),
        ("soft_bounce", past.soft_bounce, weights.soft_bounce),
        ("complaint", past.complaint, weights.complaint),
        ("domain_bounces", past.domain_bounces, weights.domain_bounces),
    ):
        if counted := round(points * weight):
            yield name, counted


def _find_points(opinion: Opinion, status: Status, weights: ScoreSettings) -> int:
    """Return what somebody else gave, or what is usual for the status."""
    if opinion.points is not None:
        return opinion.points
    lowest, highest = get_band(status, weights)
    return {Status.VALID: weights.valid_from, Status.INVALID: 0}.get(status, (lowest + highest) // 2)


def _find_refusal(verdict: Verdict, weights: ScoreSettings) -> Contribution:
    """Return what a refusal leaves: a clear one nothing, one that was inferred or not repeated a little."""
    if verdict.is_low_confidence:
        return "weak_refusal", weights.weak_refusal
    if _INFERRED in verdict.reasons:
        return "inferred_refusal", weights.inferred_refusal
    return "refusal", 0


def _settle(facts: ScoreFacts, weights: ScoreSettings) -> tuple[Status, Reason]:
    """Return what the verdict becomes; a bounce or complaint counts that much until its weight has faded."""
    verdict, past = facts.verdict, facts.past
    if verdict.status in _ACCEPTED:
        if facts.flags.is_disposable and facts.opinion is None:
            return Status.RISKY, Reason.DISPOSABLE
        # Whoever said that the mailbox takes mail: the mail came back.
        if weights.hard_bounce * past.hard_bounce <= _OVERRIDING:
            return Status.RISKY, Reason.HARD_BOUNCE
        if weights.complaint * past.complaint <= _OVERRIDING:
            return Status.RISKY, Reason.COMPLAINT
    return verdict.status, verdict.reason


def _list_reasons(facts: ScoreFacts, reason: Reason) -> tuple[str, ...]:
    verdict = facts.verdict
    if facts.opinion is not None:
        names = (reason.value, *verdict.reasons, *facts.notes)
    else:
        names = (
            "mx" if facts.has_mx else "address_only" if facts.has_address else "",
            verdict.reason.value,
            *verdict.reasons,
            reason.value,
            *_list_remarks(facts),
            *facts.notes,
        )
    # A name that stands twice keeps its first place.
    return tuple(dict.fromkeys(name for name in names if name))


def _list_remarks(facts: ScoreFacts) -> tuple[str, ...]:
    flags, past = facts.flags, facts.past
    return (
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
        "low_confidence" if facts.verdict.is_low_confidence else "",
    )

"""What a confidence was counted from, as JSON in the column `score_facts`: short, since every row has one.

The flags stand in columns of their own. A member that another version wrote is left out.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from validatord.mail.request import NO_PAST, Flags, Opinion, Past, ScoreFacts
from validatord.mail.verdict import Reason, Status, Verdict

_PAST = tuple(field.name for field in fields(Past))


def facts_to_json(facts: ScoreFacts) -> dict[str, Any]:
    """Return what is set of the facts, without the flags."""
    verdict = facts.verdict
    found: dict[str, Any] = {"status": verdict.status.value, "reason": verdict.reason.value}
    more: dict[str, Any] = {
        "reasons": list(verdict.reasons),
        "is_low_confidence": verdict.is_low_confidence,
        "has_mx": facts.has_mx,
        "has_address": facts.has_address,
        "is_healthy": facts.is_healthy,
        "notes": list(facts.notes),
    }
    found |= {name: value for name, value in more.items() if value}
    if facts.past != NO_PAST:
        found["past"] = {name: value for name in _PAST if (value := getattr(facts.past, name))}
    if facts.chance is not None:
        found["chance"] = facts.chance
    if facts.opinion is not None:
        found["opinion"] = asdict(facts.opinion)
    return found


def facts_of(data: Mapping[str, Any] | None, flags: Flags) -> ScoreFacts | None:
    """Read what `facts_to_json` wrote; None where there is nothing, or words we do not know."""
    if not data:
        return None
    try:
        status, reason = Status(data["status"]), Reason(data["reason"])
    except (KeyError, ValueError):
        return None
    past, opinion, chance = data.get("past"), data.get("opinion"), data.get("chance")
    return ScoreFacts(
        verdict=Verdict(status, reason, tuple(data.get("reasons", ())), bool(data.get("is_low_confidence"))),
        flags=flags,
        past=Past(**{name: past[name] for name in _PAST if name in past}) if past else NO_PAST,
        has_mx=bool(data.get("has_mx")),
        has_address=bool(data.get("has_address")),
        is_healthy=bool(data.get("is_healthy")),
        opinion=Opinion(str(opinion["source"]), opinion.get("points")) if opinion else None,
        chance=float(chance) if chance is not None else None,
        notes=tuple(data.get("notes", ())),
    )

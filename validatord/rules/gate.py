"""The send gate: may a campaign go out to a submission? Pure: numbers and limits in, an answer with reasons out.

A bounce costs reputation with every provider, and most of them count in percent. So the gate looks at shares of
what would be sent to, and says each share with the limit it passed.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from validatord.rules.policy_model import GateWishes
from validatord.settings import GateSettings


class Gate(StrEnum):
    """The answer, mildest first."""

    PASS = "pass"  # noqa: S105 no password
    WARN = "warn"
    BLOCK = "block"


class GateReason(StrEnum):
    """Why not."""

    NOT_FINISHED = "not_finished"
    NOTHING_TO_SEND = "nothing_to_send"
    TOO_FEW_VALID = "too_few_valid"
    TOO_MANY_RISKY = "too_many_risky"
    TOO_MANY_UNKNOWN = "too_many_unknown_at_small_domains"
    OUT_OF_DATE = "out_of_date"


@dataclass(frozen=True, slots=True)
class GateNumbers:
    """What was counted, under the client's labels; all after `finished` are among those that would be sent to."""

    requests: int
    finished: int
    sent: int
    valid: int
    risky: int
    unknown_at_small_domains: int
    outdated: int


@dataclass(frozen=True, slots=True)
class Objection:
    """One reason: how many, how much that is in percent, and the limit that was passed."""

    reason: GateReason
    gate: Gate
    count: int
    percent: float
    limit: float

    def tell(self) -> str:
        """Say it in a sentence."""
        return _SENTENCES[self.reason].format(count=self.count, percent=self.percent, limit=self.limit)


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """The answer, its reasons, the gravest first, and the numbers it rests on."""

    gate: Gate
    objections: tuple[Objection, ...]
    numbers: GateNumbers
    campaign_at: datetime | None = None


_GRAVITY = {Gate.PASS: 0, Gate.WARN: 1, Gate.BLOCK: 2}
_SENTENCES = {
    GateReason.NOT_FINISHED: "{count:,} addresses ({percent:g} %) are not verified yet.",
    GateReason.NOTHING_TO_SEND: "No address is left to send to.",
    GateReason.TOO_FEW_VALID: "{count:,} addresses ({percent:g} %) are valid; the limit is {limit:g} %.",
    GateReason.TOO_MANY_RISKY: "{count:,} addresses ({percent:g} %) are risky; the limit is {limit:g} %.",
    GateReason.TOO_MANY_UNKNOWN: (
        "{count:,} addresses ({percent:g} %) are unknown and stand at small domains; the limit is {limit:g} %."
    ),
    GateReason.OUT_OF_DATE: (
        "{count:,} verdicts ({percent:g} %) are out of date when it is sent; the limit is {limit:g} %."
    ),
}


def limits_of(settings: GateSettings, wishes: GateWishes) -> GateSettings:
    """Return the limits that hold for a client: its own where it has any. Who blocks has warned before."""
    found = {**settings.model_dump(), **wishes.model_dump(exclude_none=True)}
    found["warn_valid_below"] = max(found["warn_valid_below"], found["block_valid_below"])
    for name in ("risky", "unknown", "outdated"):
        found[f"warn_{name}_above"] = min(found[f"warn_{name}_above"], found[f"block_{name}_above"])
    return GateSettings.model_validate(found)


def decide(numbers: GateNumbers, limits: GateSettings) -> GateAnswer:
    """Return whether a campaign may go out: the gravest objection decides."""
    found = [
        *_find_unfinished(numbers, limits),
        *(_find_objections(numbers, limits) if numbers.sent else _find_nothing()),
    ]
    found.sort(key=lambda one: -_GRAVITY[one.gate])
    return GateAnswer(found[0].gate if found else Gate.PASS, tuple(found), numbers)


def _find_unfinished(numbers: GateNumbers, limits: GateSettings) -> list[Objection]:
    count = numbers.requests - numbers.finished
    if count <= 0:
        return []
    share = 100 * count / numbers.requests
    limit = limits.block_unfinished_above
    gate = Gate.BLOCK if share > limit else Gate.WARN
    return [Objection(GateReason.NOT_FINISHED, gate, count, _show(share), limit)]


def _find_nothing() -> list[Objection]:
    return [Objection(GateReason.NOTHING_TO_SEND, Gate.BLOCK, 0, 0, 0)]


def _find_objections(numbers: GateNumbers, limits: GateSettings) -> list[Objection]:
    unknown = numbers.unknown_at_small_domains
    found = [
        _judge_few(numbers, limits),
        _judge_many(GateReason.TOO_MANY_RISKY, numbers.risky, numbers.sent, limits, "risky"),
        _judge_many(GateReason.TOO_MANY_UNKNOWN, unknown, numbers.sent, limits, "unknown"),
        _judge_many(GateReason.OUT_OF_DATE, numbers.outdated, numbers.sent, limits, "outdated"),
    ]
    return [one for one in found if one is not None]


def _judge_few(numbers: GateNumbers, limits: GateSettings) -> Objection | None:
    share = 100 * numbers.valid / numbers.sent
    for gate, limit in ((Gate.BLOCK, limits.block_valid_below), (Gate.WARN, limits.warn_valid_below)):
        if share < limit:
            return Objection(GateReason.TOO_FEW_VALID, gate, numbers.valid, _show(share), limit)
    return None


def _judge_many(reason: GateReason, count: int, sent: int, limits: GateSettings, name: str) -> Objection | None:
    share = 100 * count / sent
    for gate in (Gate.BLOCK, Gate.WARN):
        limit: float = getattr(limits, f"{gate.value}_{name}_above")
        if share > limit:
            return Objection(reason, gate, count, _show(share), limit)
    return None


def _show(percent: float) -> float:
    return round(percent, 2)

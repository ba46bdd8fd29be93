"""Whether a model may be used.

It must have been right about enough verdicts younger than itself, and more right than the rules, by more
than chance.
"""

import zlib
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from validatord.learning import measure
from validatord.learning.labels import Label
from validatord.learning.measure import Scores
from validatord.learning.observe import Observation
from validatord.rules.model import Model
from validatord.rules.model_file import Counts, ReportFile, ScoresFile

LEAST_OF_EACH = 100  # judging verdicts that turned out alive, and as many dead
_SIGMA = 2.0  # standard errors: chance alone goes so far once in forty times
_LEAST_GAIN = 0.01  # of the rules' Brier score: less is not worth a model that somebody must look after


@dataclass(slots=True)
class Column:
    """What a model and the rules said of verdicts with one status, and what became of them."""

    model: "array[float]" = field(default_factory=lambda: array("d"))
    rules: "array[float]" = field(default_factory=lambda: array("d"))
    alive: "array[int]" = field(default_factory=lambda: array("b"))
    domains: "array[int]" = field(default_factory=lambda: array("L"))
    labels: Counter[Label] = field(default_factory=Counter[Label])

    def add(self, probability: float, observation: Observation) -> None:
        """Take one verdict in."""
        self.model.append(probability)
        self.rules.append(observation.rules)
        self.alive.append(int(observation.label.is_alive))
        self.domains.append(zlib.crc32(observation.domain.encode()))
        self.labels[observation.label] += 1


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a model did with one status beside the rules; `gain` is the rules' Brier score less the model's."""

    status: str
    counts: Counts
    model: Scores
    rules: Scores
    gain: float
    gain_error: float
    column: Column

    @property
    def dead(self) -> int:
        """How many bounced."""
        return self.counts.bounced

    @property
    def alive(self) -> int:
        """How many did not."""
        return self.counts.answered + self.counts.silent

    @property
    def objection(self) -> str:
        """Why the model must not be used for this status, with the numbers; empty if it may."""
        if min(self.dead, self.alive) < LEAST_OF_EACH:
            return (
                f"{self.status}: too few labels: {self.dead:,} dead and {self.alive:,} alive verdicts are younger "
                f"than what the model was made of; {LEAST_OF_EACH} of each are needed"
            )
        needed = max(_SIGMA * self.gain_error, _LEAST_GAIN * self.rules.brier)
        if self.gain <= needed:
            return (
                f"{self.status}: does not beat the rules out of time: Brier {self.model.brier:.4f} against "
                f"{self.rules.brier:.4f}, a gain of {self.gain:.4f} where {needed:.4f} is needed "
                f"(two standard errors, and a hundredth of the rules' score)"
            )
        return ""

    def to_report(self) -> ReportFile:
        """Return what the model's file keeps of it."""
        return ReportFile(
            counts=self.counts,
            model=_to_file(self.model),
            rules=_to_file(self.rules),
            gain=self.gain,
            gain_error=self.gain_error,
        )


async def judge(model: Model, observations: AsyncIterator[Observation]) -> list[Judgement]:
    """Hold a model against verdicts; those it was made of, or could have been, are left out."""
    columns: dict[str, Column] = {status: Column() for status in model.sections}
    async for observation in observations:
        section = model.sections.get(observation.status)
        if section is not None and observation.moment > model.known_until:
            columns[observation.status].add(section.predict(observation.numbers), observation)
    return judge_columns(columns)


def judge_columns(columns: Mapping[str, Column]) -> list[Judgement]:
    """Judge what was gathered, status by status; one without any verdict is judged by none."""
    return [judge_column(status, column) for status, column in columns.items()]


def judge_column(status: str, column: Column) -> Judgement:
    """Judge one status."""
    counts = Counts(**{label.value: number for label, number in column.labels.items()})
    if not column.alive:
        nothing = Scores(0.0, 0.0, 0.0, None, ())
        return Judgement(status, counts, nothing, nothing, 0.0, 0.0, column)
    gain, error = measure.compare(column.model, column.rules, column.alive, column.domains)
    of_model, of_rules = (measure.measure(said, column.alive) for said in (column.model, column.rules))
    return Judgement(status, counts, of_model, of_rules, gain, error, column)


def list_objections(judgements: list[Judgement]) -> list[str]:
    """Return why a model must not be used; empty if it may."""
    return [judgement.objection for judgement in judgements if judgement.objection]


def _to_file(scores: Scores) -> ScoresFile:
    return ScoresFile(brier=scores.brier, log_loss=scores.log_loss, ece=scores.ece, auc=scores.auc)

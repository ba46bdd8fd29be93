"""Trains a model from the ledger: gather, split by time, fit, calibrate, judge by what came later."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from validatord.learning import observe
from validatord.learning.extra import load_sklearn
from validatord.learning.fit import CannotFit, fit
from validatord.learning.judge import Column, Judgement, judge_column
from validatord.learning.labels import Label
from validatord.learning.observe import Span, Tell, be_silent
from validatord.learning.sample import Sample
from validatord.learning.split import Split, find_border, split
from validatord.rules import model_file
from validatord.rules.model import Section
from validatord.rules.model_file import STATUSES, ModelFile, SectionFile
from validatord.settings import Settings
from validatord.store.database import Database

_LEAST_TO_FIT = 100  # verdicts of each outcome


@dataclass(frozen=True, slots=True)
class Training:
    """What came of a training: the model if there is one, how each status was judged, and what was left out."""

    file: ModelFile | None
    judgements: list[Judgement] = field(default_factory=list[Judgement])
    left_out: list[str] = field(default_factory=list[str])
    labels: dict[str, int] = field(default_factory=dict[str, int])


async def train(database: Database, settings: Settings, span: Span, tell: Tell = be_silent) -> Training:
    """Train a model from all verdicts whose window has closed.

    Raises:
        ConfigurationError: the extra `ml` is not installed.
    """
    load_sklearn()
    # 1  which lists were mailed: silence on them means alive
    lists = await observe.find_mailed_lists(database, span.spans.window, tell)
    # 2  every verdict with a known outcome, as far as memory is meant to hold them
    samples = {status: Sample() for status in STATUSES}
    async for observation in observe.observe(database, settings, span, lists, tell):
        samples[observation.status].add(observation)
    # 3  fit and judge
    return make_model(samples, span, datetime.now(UTC))


def make_model(samples: dict[str, Sample], span: Span, now: datetime) -> Training:
    """Make a model of samples; a status that cannot be learned, or is learned in vain, is left out."""
    border = find_border(samples)
    sections: dict[str, SectionFile] = {}
    judgements: list[Judgement] = []
    left_out: list[str] = []
    for status, sample in samples.items():
        found = split(sample, border, span.spans.window)
        problem = _find_shortage(status, sample, found)
        try:
            section = fit(sample, found.fitting, found.calibrating) if not problem else None
        except CannotFit as error:
            section, problem = None, f"{status}: {error}"
        if section is None:
            left_out.append(problem)
            continue
        judgement = judge_column(status, _ask(section.to_section(), sample, found.judging))
        judgements.append(judgement)
        sections[status] = section.model_copy(update={"report": judgement.to_report()})
    _drop_second_rate(sections, judgements, left_out)
    labels = {status: sample.seen for status, sample in samples.items()}
    if not sections:
        return Training(None, judgements, left_out, labels)
    known_until = datetime.fromtimestamp(border, UTC)
    file = model_file.make(sections, trained_at=now, known_until=known_until, spans=span.spans)
    return Training(file, judgements, left_out, labels)


def _find_shortage(status: str, sample: Sample, found: Split) -> str:
    counts = sample.count_labels([*found.fitting, *found.calibrating])
    dead = counts[Label.BOUNCED]
    alive = counts.total() - dead
    if min(dead, alive) >= _LEAST_TO_FIT:
        return ""
    return (
        f"{status}: too few labels: {sample.seen:,} verdicts have a known outcome, and of those old enough to learn "
        f"from {dead:,} are dead and {alive:,} alive; {_LEAST_TO_FIT} of each are needed"
    )


def _ask(section: Section, sample: Sample, places: Sequence[int]) -> Column:
    column = Column()
    for place in places:
        row = sample.row(place)
        label = tuple(Label)[sample.labels[place]]
        column.model.append(section.predict(row))
        column.rules.append(sample.rules[place])
        column.alive.append(int(label.is_alive))
        column.domains.append(sample.domains[place])
        column.labels[label] += 1
    return column


def _drop_second_rate(sections: dict[str, SectionFile], judgements: list[Judgement], left_out: list[str]) -> None:
    """Leave out what no activation would accept, as long as something else remains that it would."""
    bad = [judgement for judgement in judgements if judgement.objection]
    if not bad or len(bad) == len(sections):
        return
    for judgement in bad:
        del sections[judgement.status]
        left_out.append(judgement.objection)

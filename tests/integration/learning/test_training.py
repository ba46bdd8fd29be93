"""A model from a ledger: better than the rules where there is something to learn, refused where there is not."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.fakes.campaign_world import WorldSpec, make_world, store_world
from tests.integration.learning.conftest import SMALL, Year
from validatord.learning import measure
from validatord.learning.evaluate import evaluate
from validatord.learning.judge import list_objections
from validatord.learning.observe import Span, find_mailed_lists, observe
from validatord.learning.train import Training, train
from validatord.rules import model_file
from validatord.rules.model import Model
from validatord.settings import Settings
from validatord.store.database import Database

_HARD, _EVEN = WorldSpec(seed=1), WorldSpec(seed=2, concentration=None, has_shapes=False)


async def _train(database: Database, spec: WorldSpec) -> tuple[Training, dict[str, bool], Span]:
    world = make_world(spec)
    await store_world(database, world)
    span = Span(until=world.now)
    return await train(database, Settings(), span), world.is_alive, span


async def _ask(
    database: Database, model: Model, span: Span, is_alive: dict[str, bool]
) -> tuple[measure.Scores, measure.Scores]:
    """Hold model and rules against the truth, which the ledger does not know."""
    lists = await find_mailed_lists(database, span.spans.window)
    section = model.sections["accept_all"]
    said = [
        (section.predict(one.numbers), one.rules, int(is_alive[one.email]))
        async for one in observe(database, Settings(), replace(span, since=model.known_until), lists)
        if one.status == "accept_all"
    ]
    truth = [alive for _, _, alive in said]
    return measure.measure([p for p, _, _ in said], truth), measure.measure([r for _, r, _ in said], truth)


@pytest.mark.timeout(300)
async def test_numbers_to_reach(database: Database) -> None:
    """Accept-all domains differ: Brier at most 0.75 of the rules', calibration error at most 0.03; by label and truth."""
    training, is_alive, span = await _train(database, _HARD)
    assert training.file is not None
    [judgement] = [one for one in training.judgements if one.status == "accept_all"]

    assert judgement.objection == ""
    assert judgement.model.brier <= 0.75 * judgement.rules.brier
    assert judgement.model.ece <= 0.03
    model, rules = await _ask(database, training.file.to_model(), span, is_alive)
    assert model.brier <= 0.75 * rules.brier
    assert model.ece <= 0.03


@pytest.mark.timeout(300)
async def test_where_nothing_can_be_learned(database: Database) -> None:
    """All domains and names have one share of dead, the one the rules say: no model, or one that is refused."""
    training, _, _ = await _train(database, _EVEN)

    objections = [*training.left_out, *list_objections(training.judgements)]
    assert any(text.startswith("accept_all: ") for text in objections), objections


async def test_too_few_labels(database: Database) -> None:
    """A young ledger has no model, and the numbers say how far it is."""
    training, _, _ = await _train(database, replace(SMALL, mailboxes=300))

    assert training.file is None
    assert any("too few labels" in text and "100 of each are needed" in text for text in training.left_out)


async def test_the_same_ledger_gives_the_same_model(year: Year) -> None:
    """Training is deterministic: coefficients, calibration and report are the same, only the time differs."""
    span = Span(until=year.world.now)
    one, two = [(await train(year.database, Settings(), span)).file for _ in range(2)]

    assert one is not None
    assert two is not None
    assert one.sections == two.sections


async def test_what_was_judged_in_training_is_judged_so_later(year: Year) -> None:
    """Judging the stored model by the ledger gives the numbers it was trained with, through its JSON."""
    training = await train(year.database, Settings(), Span(until=year.world.now))
    assert training.file is not None
    model = model_file.read(model_file.dump(training.file)).to_model()

    again = await evaluate(year.database, Settings(), model, datetime.now(UTC))

    [first] = [one for one in training.judgements if one.status == "accept_all"]
    [second] = [one for one in again if one.status == "accept_all"]
    assert second.counts == first.counts
    assert second.model.brier == pytest.approx(first.model.brier, abs=1e-12)
    assert second.gain_error == pytest.approx(first.gain_error, abs=1e-12)

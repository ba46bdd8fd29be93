"""The measures of probabilities, held against cases counted by hand."""

import math
import random

import pytest

from validatord.learning import measure
from validatord.learning.judge import LEAST_OF_EACH, Column, judge_column, list_objections
from validatord.learning.labels import Label


def test_scores_by_hand() -> None:
    """Brier score and log loss of three mailboxes."""
    found = measure.measure([0.8, 0.5, 0.1], [1, 0, 0])

    assert found.brier == pytest.approx((0.04 + 0.25 + 0.01) / 3)
    assert found.log_loss == pytest.approx(-(math.log(0.8) + math.log(0.5) + math.log(0.9)) / 3)
    assert found.auc == 1.0


def test_calibration_error_by_hand() -> None:
    """Two bins, one a tenth too high and one three tenths too low."""
    probabilities, alive = [0.3] * 10 + [0.6] * 10, [1, 1, *[0] * 8, *[1] * 9, 0]

    found = measure.measure(probabilities, alive)

    assert [(one.rows, one.probability, one.alive) for one in found.bins] == [
        (10, pytest.approx(0.3), 0.2),
        (10, pytest.approx(0.6), 0.9),
    ]
    assert found.ece == pytest.approx(0.2)


def test_bins_hold_equal_numbers_and_part_no_equals() -> None:
    """Ten bins of distinct probabilities are equally large; one probability is one bin."""
    rng = random.Random(1)
    probabilities = [rng.random() for _ in range(1_000)]

    assert [one.rows for one in measure.cut_bins(probabilities, [1] * 1_000)] == [100] * 10
    assert [one.rows for one in measure.cut_bins([0.7] * 1_000, [1] * 1_000)] == [1_000]
    assert sum(one.rows for one in measure.cut_bins([0.7] * 995 + [0.9] * 5, [1] * 1_000)) == 1_000


def test_auc_counts_ties_half() -> None:
    """The same for all is worth a coin; upside down is 0; one outcome alone has none."""
    assert measure.find_auc([0.7] * 4, [1, 0, 1, 0]) == 0.5
    assert measure.find_auc([0.1, 0.9], [1, 0]) == 0.0
    assert measure.find_auc([0.1, 0.9], [1, 1]) is None


def test_the_error_of_a_gain_is_by_domains() -> None:
    """Ten copies of a witness are one witness: rows of one domain make the gain no surer."""
    model, rules, alive = [0.9, 0.8, 0.3] * 10, [0.7] * 30, [1, 1, 1] * 10

    gain, alone = measure.compare(model, rules, alive, list(range(30)))
    same, together = measure.compare(model, rules, alive, [0, 1, 2] * 10)

    assert gain == same == pytest.approx(((0.09 - 0.01) + (0.09 - 0.04) + (0.09 - 0.49)) / 3)
    assert together == pytest.approx(alone * math.sqrt(10))


def _make_column(rng: random.Random, count: int, *, knows: bool) -> Column:
    column = Column()
    for number in range(count):
        is_alive = rng.random() < 0.7
        column.model.append((0.9 if is_alive else 0.2) if knows else 0.7 + rng.uniform(-0.05, 0.05))
        column.rules.append(0.7)
        column.alive.append(int(is_alive))
        column.domains.append(number % 100)
        column.labels[Label.SILENT if is_alive else Label.BOUNCED] += 1
    return column


def test_a_model_that_knows_may_be_used() -> None:
    """More right than the rules, by more than chance."""
    found = judge_column("accept_all", _make_column(random.Random(1), 2_000, knows=True))

    assert found.objection == ""
    assert list_objections([found]) == []


@pytest.mark.parametrize("seed", range(20))
def test_chance_is_no_knowledge(seed: int) -> None:
    """A model that says the rules' probability with some noise is refused, and the numbers are said."""
    found = judge_column("accept_all", _make_column(random.Random(seed), 2_000, knows=False))

    assert f"Brier {found.model.brier:.4f} against {found.rules.brier:.4f}" in found.objection


def test_too_few_labels_prove_nothing() -> None:
    """However right it was, about so few it may be luck."""
    column = _make_column(random.Random(1), 250, knows=True)
    found = judge_column("accept_all", column)

    assert found.dead < LEAST_OF_EACH <= found.alive
    assert f"too few labels: {found.dead} dead and {found.alive} alive" in found.objection
    assert "too few labels: 0 dead and 0 alive" in judge_column("accept_all", Column()).objection

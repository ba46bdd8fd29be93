"""A model is applied without any library: log-odds, calibration, and what moved them."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validatord.mail.track_record import TrackRecord
from validatord.rules.features import NAMES, Evidence, measure
from validatord.rules.model import LEAST, MOST, Calibration, Isotonic, Model, Platt, Section, sigmoid

_DOMAIN_BOUNCED = Evidence("maria.miller", record=TrackRecord(domain_bounced=9, domain_alive=1))
_DOMAIN_ALIVE = Evidence("maria.miller", record=TrackRecord(domain_bounced=0, domain_alive=10))


def make_model(calibration: Calibration | None = None) -> Model:
    """Make a model that looks at the domain's record and at roles."""
    section = Section(
        ("domain_dead_odds", "role"), (-1.0, 0.5), (0.25, 0.1), 1.0, calibration or Platt(slope=1.0, offset=0.0)
    )
    now = datetime(2026, 5, 1, tzinfo=UTC)
    return Model("0" * 64, now, now, timedelta(days=30), timedelta(days=365), {"accept_all": section})


def test_bounces_of_the_domain_lower_the_probability() -> None:
    """The same mailbox is likelier alive at a domain whose mailboxes did not bounce."""
    model = make_model()
    dead, alive = model.predict("accept_all", _DOMAIN_BOUNCED), model.predict("accept_all", _DOMAIN_ALIVE)

    assert dead == round(sigmoid(1.0 - math.log(10 / 2)), 3)
    assert alive == round(sigmoid(1.0 - math.log(1 / 11)), 3)


def test_other_statuses_are_left_alone() -> None:
    """Of a status without a section the model says nothing."""
    assert make_model().predict("valid", _DOMAIN_ALIVE) is None
    assert make_model().explain("valid", _DOMAIN_ALIVE) == []


def test_contributions_add_up() -> None:
    """What the features add to the usual mailbox's log-odds are the log-odds, strongest first."""
    model = make_model()
    section = model.sections["accept_all"]
    usual = section.intercept + sum(map(lambda c, m: c * m, section.coefficients, section.means))

    found = model.explain("accept_all", _DOMAIN_BOUNCED)

    assert [item.feature for item in found] == ["domain_dead_odds", "role"]
    assert usual + sum(item.log_odds for item in found) == pytest.approx(
        section.find_log_odds(measure(_DOMAIN_BOUNCED))
    )


def test_a_feature_is_found_by_its_name() -> None:
    """The order of a section's features is its own."""
    section = Section(("typo", "role"), (1.0, 2.0), (0.0, 0.0), 0.0, Platt(1.0, 0.0))
    numbers = [0.0] * len(NAMES)
    numbers[NAMES.index("role")] = 1.0

    assert section.find_log_odds(numbers) == 2.0


_KNOTS = Isotonic((-1.0, 0.0, 2.0), (0.1, 0.1, 0.9))


@pytest.mark.parametrize(
    ("log_odds", "expected"),
    [(-9.0, 0.1), (-1.0, 0.1), (-0.5, 0.1), (0.0, 0.1), (1.0, 0.5), (1.5, 0.7), (2.0, 0.9), (9.0, 0.9)],
)
def test_isotonic(log_odds: float, expected: float) -> None:
    """Between two knots the line is straight, beyond the outer ones it is level."""
    assert _KNOTS.apply(log_odds) == pytest.approx(expected)


def test_one_knot_is_level() -> None:
    """A calibration of one knot always says the same."""
    assert [Isotonic((0.0,), (0.4,)).apply(at) for at in (-1.0, 0.0, 1.0)] == [0.4] * 3


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=2), st.sampled_from([Platt(0.7, -1.0), _KNOTS]))
def test_calibration_rises_and_is_never_certain(both: list[float], calibration: Calibration) -> None:
    """More log-odds never mean less probability, and nothing is certain."""
    low, high = sorted(both)

    assert LEAST <= calibration.apply(low) <= calibration.apply(high) <= MOST


@given(st.floats(allow_nan=False))
def test_sigmoid_never_overflows(log_odds: float) -> None:
    """Every log-odds has a probability."""
    assert 0.0 <= sigmoid(log_odds) <= 1.0

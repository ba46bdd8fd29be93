"""Fits the regression and its calibration with scikit-learn, and writes both down as plain numbers.

The calibration is the better of Platt's and the isotonic one: each is fitted on four fifths of the
calibrating rows and judged by its log loss on the rest, five times; below a thousand rows only Platt's is
tried, since a free curve would follow the noise.
"""

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from validatord.learning.extra import Sklearn, load_sklearn
from validatord.learning.sample import Sample
from validatord.rules.features import NAMES
from validatord.rules.model import LEAST, MOST
from validatord.rules.model_file import Counts, IsotonicFile, PlattFile, SectionFile

_FOLDS = 5
_LEAST_OF_EACH = 25  # verdicts of each outcome, in each part
_ENOUGH_FOR_ISOTONIC = 1_000
_STRENGTH = 1.0  # inverse of the regularisation, on standardised features
_UNBOUND = 1e6  # Platt's two parameters need none
_ROUNDS = 2_000
_STEEPEST = 1e3

Calibrator = PlattFile | IsotonicFile
Way = Callable[[Sklearn, Any, Any], Calibrator]


class CannotFit(Exception):
    """The rows do not carry a model; the message says why."""


def fit(sample: Sample, fitting: Sequence[int], calibrating: Sequence[int]) -> SectionFile:
    """Fit a section on rows of a sample.

    Raises:
        CannotFit: too few of an outcome stand in a part, or the features say nothing.
    """
    sklearn = load_sklearn()
    rows, alive = _take(sklearn, sample, fitting)
    _check_outcomes(alive, "fit")
    kept = [place for place in range(len(NAMES)) if rows[:, place].min() < rows[:, place].max()]
    if not kept:
        raise CannotFit("all mailboxes look alike")
    scaler = sklearn.scaler().fit(rows[:, kept])
    regression = sklearn.regression(C=_STRENGTH, max_iter=_ROUNDS).fit(scaler.transform(rows[:, kept]), alive)
    coefficients = [float(value) + 0.0 for value in regression.coef_[0] / scaler.scale_]
    means = [float(value) + 0.0 for value in scaler.mean_]
    intercept = float(regression.intercept_[0]) - sum(map(operator.mul, coefficients, means))
    held_rows, held_alive = _take(sklearn, sample, calibrating)
    _check_outcomes(held_alive, "calibrate")
    log_odds: Any = held_rows[:, kept] @ sklearn.arrays.asarray(coefficients) + intercept
    return SectionFile(
        features=tuple(NAMES[place] for place in kept),
        coefficients=tuple(coefficients),
        means=tuple(means),
        intercept=intercept,
        calibration=calibrate(sklearn, log_odds, held_alive),
        fitted=count(sample, fitting),
        calibrated=count(sample, calibrating),
    )


def count(sample: Sample, places: Sequence[int]) -> Counts:
    """Return how many rows there are by what told their outcome."""
    found = sample.count_labels(places)
    return Counts(**{label.value: number for label, number in found.items()})


def calibrate(sklearn: Sklearn, log_odds: Any, alive: Any) -> Calibrator:
    """Return the better calibration of log-odds; arrays of equal length."""
    ways: list[Way] = [_fit_platt]
    if len(alive) >= _ENOUGH_FOR_ISOTONIC:
        ways.append(_fit_isotonic)
    losses = [(_find_loss(sklearn, way, log_odds, alive), place) for place, way in enumerate(ways)]
    return ways[min(losses)[1]](sklearn, log_odds, alive)


def _fit_platt(sklearn: Sklearn, log_odds: Any, alive: Any) -> Calibrator:
    found = sklearn.regression(C=_UNBOUND, max_iter=_ROUNDS).fit(log_odds.reshape(-1, 1), alive)
    slope = float(found.coef_[0][0])
    if not 0 < slope <= _STEEPEST:
        raise CannotFit("what was learned from older verdicts is wrong about younger ones")
    return PlattFile(kind="platt", slope=slope, offset=float(found.intercept_[0]) + 0.0)


def _fit_isotonic(sklearn: Sklearn, log_odds: Any, alive: Any) -> Calibrator:
    found = sklearn.isotonic(y_min=LEAST, y_max=MOST, out_of_bounds="clip").fit(log_odds, alive)
    knots = list(zip(found.X_thresholds_.tolist(), found.y_thresholds_.tolist(), strict=True))
    return IsotonicFile(
        kind="isotonic",
        log_odds=tuple(x + 0.0 for x, _ in knots),
        probabilities=tuple(y for _, y in knots),
    )


def _find_loss(sklearn: Sklearn, way: Way, log_odds: Any, alive: Any) -> float:
    """Return the log loss on rows the calibration has not seen."""
    total = 0.0
    folds: Any = sklearn.arrays.empty(len(alive), dtype=int)
    # Both outcomes stand in every fold.
    folds[sklearn.arrays.argsort(alive, kind="stable")] = sklearn.arrays.arange(len(alive)) % _FOLDS
    for fold in range(_FOLDS):
        held = folds == fold
        calibration = way(sklearn, log_odds[~held], alive[~held]).to_calibration()
        pairs: list[tuple[float, int]] = list(zip(log_odds[held].tolist(), alive[held].tolist(), strict=True))
        for one, is_alive in pairs:
            probability = calibration.apply(one)
            total -= math.log(probability if is_alive else 1 - probability)
    return total / len(alive)


def _take(sklearn: Sklearn, sample: Sample, places: Sequence[int]) -> tuple[Any, Any]:
    arrays = sklearn.arrays
    rows = arrays.frombuffer(sample.numbers, dtype=float).reshape(-1, len(NAMES))[list(places)]
    return rows, arrays.asarray([sample.is_alive(place) for place in places], dtype=int)


def _check_outcomes(alive: Any, what: str) -> None:
    living = int(alive.sum())
    if min(living, len(alive) - living) < _LEAST_OF_EACH:
        raise CannotFit(
            f"too few labels to {what} with: {len(alive) - living:,} dead and {living:,} alive; "
            f"{_LEAST_OF_EACH} of each are needed"
        )

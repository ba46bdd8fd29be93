"""The model as it is applied: the probability that mail to a mailbox would arrive, and what that comes from.

A logistic regression per status with a calibration on top, as plain numbers: no library is needed, and
one mailbox takes microseconds. How a model comes into being is `learning`'s work; how it is kept and
checked is `model_file`'s.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from validatord.rules.features import NAMES, Evidence, measure

# No model is surer than this, whatever it saw: labels are never quite right.
LEAST, MOST = 0.005, 0.995
_STEEPEST = 500.0  # beyond it the exponential is 0 or overflows


@dataclass(frozen=True, slots=True)
class Platt:
    """Calibration by a second, one-dimensional logistic regression on the log-odds (Platt 1999)."""

    slope: float
    offset: float

    def apply(self, log_odds: float) -> float:
        """Return the calibrated probability."""
        return clip(sigmoid(self.slope * log_odds + self.offset))


@dataclass(frozen=True, slots=True)
class Isotonic:
    """Calibration by a rising line through knots: log-odds to probability (Zadrozny and Elkan 2002)."""

    log_odds: tuple[float, ...]
    probabilities: tuple[float, ...]

    def apply(self, log_odds: float) -> float:
        """Return the calibrated probability; beyond the outer knots it is theirs."""
        place = bisect_right(self.log_odds, log_odds)
        if place == 0:
            return clip(self.probabilities[0])
        if place == len(self.log_odds):
            return clip(self.probabilities[-1])
        left, right = self.log_odds[place - 1], self.log_odds[place]
        low, high = self.probabilities[place - 1], self.probabilities[place]
        return clip(low + (high - low) * (log_odds - left) / (right - left))


Calibration = Platt | Isotonic


@dataclass(frozen=True, slots=True)
class Section:
    """The regression for one status: an intercept, a coefficient per feature, its usual value, a calibration."""

    features: tuple[str, ...]
    coefficients: tuple[float, ...]
    means: tuple[float, ...]
    intercept: float
    calibration: Calibration
    places: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "places", tuple(NAMES.index(name) for name in self.features))

    def find_log_odds(self, numbers: Sequence[float]) -> float:
        """Return the log-odds before calibration of a row in the order of `NAMES`."""
        total = self.intercept
        for place, coefficient in zip(self.places, self.coefficients, strict=True):
            total += coefficient * numbers[place]
        return total

    def predict(self, numbers: Sequence[float]) -> float:
        """Return the probability of a row in the order of `NAMES`."""
        return self.calibration.apply(self.find_log_odds(numbers))


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one feature adds to the log-odds, compared with the usual mailbox of its status."""

    feature: str
    number: float
    log_odds: float


@dataclass(frozen=True, slots=True)
class Model:
    """A model ready for use; `half_life` is by which the evidence's track record must be decayed."""

    hash: str
    trained_at: datetime
    known_until: datetime
    window: timedelta
    half_life: timedelta
    sections: Mapping[str, Section]

    def predict(self, status: str, evidence: Evidence) -> float | None:
        """Return the probability that mail would arrive; None: the model says nothing about this status.

        To a thousandth: what is finer changes with every hour that the track record ages, and means nothing.
        """
        section = self.sections.get(status)
        return round(section.predict(measure(evidence)), 3) if section is not None else None

    def explain(self, status: str, evidence: Evidence) -> list[Contribution]:
        """Return what moved the probability, strongest first; empty where the model says nothing."""
        section = self.sections.get(status)
        if section is None:
            return []
        numbers = measure(evidence)
        found = [
            Contribution(name, numbers[place], coefficient * (numbers[place] - mean))
            for name, place, coefficient, mean in zip(
                section.features, section.places, section.coefficients, section.means, strict=True
            )
        ]
        return sorted(found, key=lambda item: -abs(item.log_odds))


def clip(probability: float) -> float:
    """Keep a probability away from certainty."""
    return min(MOST, max(LEAST, probability))


def sigmoid(log_odds: float) -> float:
    """Return the probability of log-odds; never overflows."""
    if log_odds >= 0:
        return 1.0 / (1.0 + math.exp(-min(log_odds, _STEEPEST)))
    raised = math.exp(max(log_odds, -_STEEPEST))
    return raised / (1.0 + raised)

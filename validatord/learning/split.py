"""Cuts observations by time: what a model is made of, what it is calibrated with, what it is judged by.

The last quarter judges. Of what came before it only verdicts whose window had closed by then may teach: the
outcome of the others was not known yet when the first of the judging verdicts was made. The youngest
quarter of the teachers calibrates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from validatord.learning.sample import Sample

_TEACHING = 0.75
_FITTING = 0.75


@dataclass(frozen=True, slots=True)
class Split:
    """Places of rows in a sample."""

    fitting: list[int]
    calibrating: list[int]
    judging: list[int]


def find_border(samples: Mapping[str, Sample]) -> float:
    """Return when the judging part begins, in seconds since 1970: the same for all statuses."""
    moments = sorted(moment for sample in samples.values() for moment in sample.moments)
    return moments[min(len(moments) - 1, int(len(moments) * _TEACHING))] if moments else 0.0


def split(sample: Sample, border: float, window: timedelta) -> Split:
    """Cut a sample at the border."""
    places = sample.sort_places()
    latest = border - window.total_seconds()
    teaching = [place for place in places if sample.moments[place] <= latest]
    cut = int(len(teaching) * _FITTING)
    return Split(teaching[:cut], teaching[cut:], [place for place in places if sample.moments[place] > border])

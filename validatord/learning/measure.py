"""How good probabilities are, held against what happened; plain Python, so that judging needs no library.

The calibration error (ECE) is that of ten bins of equal numbers: the difference between mean probability
and share of alive, averaged over the bins by their size (Naeini, Cooper, Hauskrecht 2015, with equal-mass
bins). Rows of one probability are never parted, so there may be fewer bins.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from validatord.rules.model import clip

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows of neighbouring probabilities: how many, their mean probability, their share of alive."""

    rows: int
    probability: float
    alive: float


@dataclass(frozen=True, slots=True)
class Scores:
    """The less the better, but for `auc`; that is None where only one outcome was seen."""

    brier: float
    log_loss: float
    ece: float
    auc: float | None
    bins: tuple[Bin, ...]


def measure(probabilities: Sequence[float], alive: Sequence[int]) -> Scores:
    """Hold probabilities against outcomes (1 alive, 0 dead); at least one row."""
    count = len(probabilities)
    brier = sum((p - y) ** 2 for p, y in zip(probabilities, alive, strict=True)) / count
    loss = -sum(math.log(clip(p) if y else 1 - clip(p)) for p, y in zip(probabilities, alive, strict=True)) / count
    bins = cut_bins(probabilities, alive)
    ece = sum(one.rows * abs(one.probability - one.alive) for one in bins) / count
    return Scores(brier, loss, ece, find_auc(probabilities, alive), bins)


def cut_bins(probabilities: Sequence[float], alive: Sequence[int], wanted: int = BINS) -> tuple[Bin, ...]:
    """Cut rows into bins of equal numbers by probability."""
    pairs = sorted(zip(probabilities, alive, strict=True))
    size = len(pairs) / wanted
    found: list[Bin] = []
    start = 0
    while start < len(pairs):
        end = max(start + 1, round((len(found) + 1) * size))
        while end < len(pairs) and pairs[end][0] == pairs[end - 1][0]:
            end += 1
        part = pairs[start : min(end, len(pairs))]
        found.append(Bin(len(part), sum(p for p, _ in part) / len(part), sum(y for _, y in part) / len(part)))
        start += len(part)
    return tuple(found)


def find_auc(probabilities: Sequence[float], alive: Sequence[int]) -> float | None:
    """Return the area under the ROC curve: how often an alive mailbox stands above a dead one."""
    points = find_roc(probabilities, alive)
    if not points:
        return None
    return sum((x2 - x1) * (y1 + y2) / 2 for (x1, y1), (x2, y2) in itertools.pairwise(points))


def find_roc(probabilities: Sequence[float], alive: Sequence[int]) -> list[tuple[float, float]]:
    """Return the curve: share of the dead taken for alive, share of the alive found; empty for one outcome only."""
    all_alive = sum(alive)
    all_dead = len(alive) - all_alive
    if not all_alive or not all_dead:
        return []
    points = [(0.0, 0.0)]
    found_alive, found_dead = 0, 0
    pairs = sorted(zip(probabilities, alive, strict=True), reverse=True)
    for place, (probability, is_alive) in enumerate(pairs):
        found_alive += is_alive
        found_dead += 1 - is_alive
        if place + 1 == len(pairs) or pairs[place + 1][0] != probability:
            points.append((found_dead / all_dead, found_alive / all_alive))
    return points


def compare(
    model: Sequence[float], rules: Sequence[float], alive: Sequence[int], groups: Sequence[int]
) -> tuple[float, float]:
    """Return by how much the rules' Brier score is above the model's, and the standard error of that.

    Mailboxes of one domain share their fate, so rows are no independent witnesses: the error is that of
    sums by group (a cluster-robust one).
    """
    count = len(alive)
    gains = [(r - y) ** 2 - (m - y) ** 2 for m, r, y in zip(model, rules, alive, strict=True)]
    mean = sum(gains) / count
    sums: dict[int, float] = {}
    for gain, group in zip(gains, groups, strict=True):
        sums[group] = sums.get(group, 0.0) + gain - mean
    return mean, math.sqrt(sum(one * one for one in sums.values())) / count

"""Draws how good probabilities are: the reliability diagram and the ROC curve, as PNG."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from validatord.learning import measure
from validatord.learning.extra import load_figure

Said = tuple[Sequence[float], Sequence[int]]
_SIZE = (4.5, 4.2)
_DOTS = 80
_COLOURS = {"model": "#1f6f8b", "rules": "#d1495b"}


def draw_reliability(path: Path, status: str, said: Mapping[str, Said]) -> None:
    """Draw, per voice, the share of alive over the mean probability of ten bins; the diagonal is honesty."""
    figure, axes = _open(f"{status}: what was said and what came true")
    for name, (probabilities, alive) in said.items():
        bins = measure.cut_bins(probabilities, alive)
        points = ([one.probability for one in bins], [one.alive for one in bins])
        axes.plot(*points, marker="o", markersize=4, linewidth=1.2, color=_COLOURS.get(name), label=name)
    axes.set_xlabel("probability that mail arrives")
    axes.set_ylabel("share that was alive")
    _save(figure, axes, path)


def draw_roc(path: Path, status: str, said: Mapping[str, Said]) -> None:
    """Draw, per voice, the share of the living found over the share of the dead taken for living."""
    figure, axes = _open(f"{status}: telling the living from the dead")
    for name, (probabilities, alive) in said.items():
        points = measure.find_roc(probabilities, alive)
        area = measure.find_auc(probabilities, alive)
        shown = f"{name} (area {area:.3f})" if area is not None else name
        axes.plot([x for x, _ in points], [y for _, y in points], linewidth=1.2, color=_COLOURS.get(name), label=shown)
    axes.set_xlabel("share of the dead taken for alive")
    axes.set_ylabel("share of the alive found")
    _save(figure, axes, path)


def _open(title: str) -> tuple[Any, Any]:
    figure = load_figure()(figsize=_SIZE, dpi=_DOTS, layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], linewidth=0.8, linestyle=":", color="#888888")
    axes.set_title(title, fontsize=10)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    return figure, axes


def _save(figure: Any, axes: Any, path: Path) -> None:
    axes.legend(loc="lower right", fontsize=8, frameon=False)
    # Without the date and the library's name the same numbers give the same file.
    figure.savefig(path, format="png", metadata={"Software": None})

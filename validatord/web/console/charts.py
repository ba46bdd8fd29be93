"""The geometry of the pictures that the server draws: bars and curves as numbers; templates make the SVG.

A picture never stands alone: each page says the same in words or in a table beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from validatord.mail.verdict import Status

_LEAST_WIDTH = 0.4  # what is there is seen


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of a bar: what it stands for, how many, and where it lies on a width of 100."""

    name: str
    amount: int
    start: float
    width: float


def stack(amounts: Mapping[str, int], whole: int | None = None) -> tuple[Piece, ...]:
    """Return the pieces of one bar in the order of the statuses; what is missing to `whole` is `waiting`."""
    order = [*(item.value for item in Status), "waiting"]
    counted = {name: amounts.get(name, 0) for name in order}
    total = max(whole or 0, sum(counted.values()))
    counted["waiting"] += total - sum(counted.values())
    widths = {name: max(_LEAST_WIDTH, 100 * amount / total) for name, amount in counted.items() if amount}
    scale = 100 / sum(widths.values()) if widths else 1.0
    pieces: list[Piece] = []
    start = 0.0
    for name, width in widths.items():
        pieces.append(Piece(name, counted[name], round(start, 2), round(width * scale, 2)))
        start += width * scale
    return tuple(pieces)


@dataclass(frozen=True, slots=True)
class Curve:
    """A line over time on a field of 100 by 30: `line` and `area` are point lists of SVG."""

    line: str
    area: str
    most: int


def draw_curve(values: Sequence[int]) -> Curve:
    """Return the curve of evenly spaced values; the highest touches the top."""
    most = max(values, default=0)
    if len(values) < 2:  # noqa: PLR2004 a line has two ends
        values = [*values, *values] or [0, 0]
    step = 100 / (len(values) - 1)
    points = [f"{place * step:.2f},{29 - 27 * value / (most or 1):.2f}" for place, value in enumerate(values)]
    return Curve(" ".join(points), f"0,30 {' '.join(points)} 100,30", most)


@dataclass(frozen=True, slots=True)
class Lean:
    """One contribution on a field of 100 whose middle is nothing: to the right it speaks for, to the left against."""

    start: float
    width: float


def lean(points: float, most: float) -> Lean:
    """Return where the bar of a contribution lies; `most` is the greatest in size."""
    width = 50 * min(1.0, abs(points) / most) if most else 0.0
    return Lean(round(50 - width, 2) if points < 0 else 50.0, round(width, 2))

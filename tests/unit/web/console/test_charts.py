"""The geometry of the pictures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validatord.mail.verdict import Status
from validatord.web.console import charts

counts = st.dictionaries(st.sampled_from([item.value for item in Status]), st.integers(0, 10**9))


@given(counts, st.integers(0, 10**9))
def test_a_bar_is_whole(amounts: dict[str, int], whole: int) -> None:
    """The pieces follow on each other and fill the bar; whatever is there is seen, and nothing else."""
    pieces = charts.stack(amounts, whole)

    assert sum(piece.amount for piece in pieces) == max(whole, sum(amounts.values()))
    assert {piece.name for piece in pieces} - {"waiting"} == {name for name, amount in amounts.items() if amount}
    assert all(piece.width >= 0.3 for piece in pieces)
    at = 0.0
    for piece in pieces:
        assert piece.start == pytest.approx(at, abs=0.05)
        at = piece.start + piece.width
    assert not pieces or at == pytest.approx(100, abs=0.1)


@given(st.lists(st.integers(0, 10**9), max_size=40))
def test_a_curve_stays_in_its_field(values: list[int]) -> None:
    """Every point lies in the field, from its left edge to its right one, the highest at the top."""
    curve = charts.draw_curve(values)
    points = [tuple(map(float, point.split(","))) for point in curve.line.split()]

    assert (points[0][0], points[-1][0]) == (0, 100)
    assert all(0 <= across <= 100 and 2 <= down <= 29 for across, down in points)
    assert curve.most == max(values, default=0)
    assert not curve.most or min(down for _, down in points) == 2


@pytest.mark.parametrize(
    ("points", "most", "start", "width"), [(40, 40, 50, 50), (-20, 40, 25, 25), (0, 40, 50, 0), (5, 0, 50, 0)]
)
def test_contributions_lean(points: int, most: int, start: float, width: float) -> None:
    """What speaks for lies right of the middle, what speaks against left, each as long as it weighs."""
    assert charts.lean(points, most) == charts.Lean(start, width)

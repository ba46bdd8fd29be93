"""The distance of slips: what fingers do is near, everything else is far."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validatord.rules.keyboard import are_neighbours, measure_slip

_FAR = 100.0
_NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("typed", "meant", "away"),
    [
        ("gmail", "gmail", 0.0),
        ("gnail", "gmail", 0.5),  # the key beside it
        ("gmial", "gmail", 0.5),  # the wrong way round
        ("gmaill", "gmail", 0.5),  # twice
        ("yaho", "yahoo", 0.5),  # a double letter once
        ("gmal", "gmail", 0.8),  # one too few
        ("gmailk", "gmail", 0.8),  # the key beside, too
        ("gmailx", "gmail", 1.0),  # one too many
        ("gmxil", "gmail", 1.7),  # another letter
        ("gnial", "gmail", 1.0),  # two slips
    ],
)
def test_fingers_are_cheaper(typed: str, meant: str, away: float) -> None:
    """Each kind of slip has its price."""
    assert measure_slip(typed, meant, _FAR) == pytest.approx(away)


def test_keyboards_of_three_countries() -> None:
    """Neighbours on QWERTY, QWERTZ or AZERTY are neighbours; letters across the board are not."""
    assert all(are_neighbours(*pair) for pair in ("ws", "tz", "za", "mp", "o0", "l1"))
    assert not any(are_neighbours(*pair) for pair in ("qp", "ak", "bo", "xp"))


@given(_NAMES, _NAMES)
def test_distance_is_one(typed: str, meant: str) -> None:
    """Nothing is nearer than the name itself, a limit hides what lies behind it, and no distance is negative."""
    away = measure_slip(typed, meant, _FAR)
    assert (away == 0.0) == (typed == meant)
    assert away >= 0.0
    assert measure_slip(typed, meant, away) == away
    if 0.0 < away < _FAR:
        assert measure_slip(typed, meant, away - 0.01) == float("inf")


@given(_NAMES, st.integers(0, 11), st.sampled_from("abcdefghij"))
def test_one_edit_costs_no_more_than_its_price(meant: str, place: int, letter: str) -> None:
    """Whatever single edit is made, the distance is at most that of the dearest one."""
    place %= len(meant)
    for typed in (meant[:place] + meant[place + 1 :], meant[:place] + letter + meant[place:]):
        if typed:
            assert measure_slip(typed, meant, _FAR) <= 1.0
    assert measure_slip(meant[:place] + letter + meant[place + 1 :], meant, _FAR) <= 1.8  # one out, one in

"""The schedule: due times, their spread, and a wait that a reply asks for."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validatord.rules.retry import RetryPlan

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_DELAYS = (timedelta(minutes=15), timedelta(hours=2), timedelta(hours=8))


def _plan(jitter: float = 0.0, seed: int = 1) -> RetryPlan:
    return RetryPlan(_NOW, _DELAYS, jitter, random.Random(seed))


def test_pitfall_04_schedule_is_15_minutes_2_hours_8_hours() -> None:
    """Three more attempts, then none."""
    plan = _plan()
    assert [plan.find_due(deferrals) for deferrals in range(4)] == [*(_NOW + delay for delay in _DELAYS), None]
    assert plan.is_used_up(3)
    assert not plan.is_used_up(2)
    assert plan.longest == timedelta(hours=8)


@given(st.integers(0, 2), st.floats(0, 0.5), st.integers())
def test_wait_is_spread_around_the_delay(deferrals: int, jitter: float, seed: int) -> None:
    """Jitter moves a wait by its share at most."""
    due = _plan(jitter, seed).find_due(deferrals)
    assert due is not None
    assert abs((due - _NOW) / _DELAYS[deferrals] - 1) <= jitter + 1e-6


@pytest.mark.parametrize(
    ("deferrals", "asked", "wait"),
    [
        (0, 300, timedelta(seconds=330)),
        (0, 60, timedelta(seconds=90)),
        (0, 7200, timedelta(seconds=7230)),
        (0, 59, _DELAYS[0]),  # too short to be believed
        (0, 7201, _DELAYS[0]),  # too long to be obeyed
        (0, 0, _DELAYS[0]),
        (0, None, _DELAYS[0]),
        (1, 300, _DELAYS[1]),
        (1, 7200, timedelta(seconds=7230)),
        (2, 7200, _DELAYS[2]),
    ],
)
def test_wait_in_the_text_comes_first(deferrals: int, asked: int | None, wait: timedelta) -> None:
    """What a greylist asks for, and half a minute; within bounds, and never cut short by the schedule."""
    assert _plan().find_due(deferrals, asked) == _NOW + wait


@given(st.integers(60, 7200), st.floats(0, 0.5), st.integers(), st.integers(0, 2))
def test_nobody_comes_before_the_greylist_allows(asked: int, jitter: float, seed: int, deferrals: int) -> None:
    """RFC 6647: an attempt before the delay starts some clocks anew; jitter only adds to it."""
    due = _plan(jitter, seed).find_due(deferrals, asked)
    assert due is not None
    assert due - _NOW >= timedelta(seconds=asked + 30)


def test_used_up_schedule_ignores_what_is_asked() -> None:
    """After the last delay a text cannot buy another attempt."""
    assert _plan().find_due(3, 300) is None


def test_single_wait_is_spread_too() -> None:
    """A retry with a wait of its own is spread like the others."""
    assert _plan().find_due_after(timedelta(hours=8)) == _NOW + timedelta(hours=8)
    assert _plan(0.2, 7).find_due_after(timedelta(hours=8)) != _NOW + timedelta(hours=8)


def test_short_schedule_has_its_last_delay_everywhere() -> None:
    """A rule that wants the second delay gets the last one there is."""
    assert _plan().get_wait(1) == _DELAYS[1]
    short = RetryPlan(_NOW, _DELAYS[:1])
    assert short.get_wait(1) == _DELAYS[0]
    empty = RetryPlan(_NOW, ())
    assert empty.get_wait(0) == timedelta()
    assert empty.longest == timedelta()
    assert empty.find_due(0) is None


def test_long_after_allows_for_jitter() -> None:
    """The longest wait may have been shortened by its jitter; a moment nobody knows is never long ago."""
    plan = _plan(0.2)
    assert plan.is_long_after(_NOW - timedelta(hours=6.4))
    assert not plan.is_long_after(_NOW - timedelta(hours=6.3))
    assert not plan.is_long_after(None)


def test_waiting_in_vain_ends() -> None:
    """A mailbox that could not even be asked is given up after the time in the settings."""
    plan = _plan()
    assert plan.is_given_up(_NOW - timedelta(hours=48))
    assert not plan.is_given_up(_NOW - timedelta(hours=47))
    assert not plan.is_given_up(None)

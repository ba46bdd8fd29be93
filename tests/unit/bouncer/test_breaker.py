"""Rounds of nothing but breakdowns open the breaker; one good read closes it."""

from datetime import timedelta

from tests.fakes.clock import FakeClock
from validatord.bouncer.breaker import RoundBreaker

_OPEN = timedelta(seconds=60)


def _bad_round(breaker: RoundBreaker, calls: int = 1) -> bool:
    for _ in range(calls):
        breaker.hear_breakdown()
    return breaker.end_round(3, _OPEN)


def test_counts_rounds_not_calls() -> None:
    """Ten polls that fail together are one trouble."""
    breaker = RoundBreaker(FakeClock())

    assert not _bad_round(breaker, 10)
    assert not _bad_round(breaker, 10)
    assert breaker.state == "closed"
    assert _bad_round(breaker)
    assert breaker.state == "open"


def test_an_answer_counts_for_the_round() -> None:
    """A round in which the provider answered anything at all is a good one."""
    breaker = RoundBreaker(FakeClock())
    _bad_round(breaker)
    _bad_round(breaker)
    breaker.hear_answer()

    assert not _bad_round(breaker)
    assert not _bad_round(breaker)
    assert breaker.state == "closed"


def test_a_quiet_round_changes_nothing() -> None:
    """A round without a call is no evidence."""
    breaker = RoundBreaker(FakeClock())
    _bad_round(breaker)
    _bad_round(breaker)
    breaker.end_round(3, _OPEN)

    assert _bad_round(breaker)


async def test_half_open() -> None:
    """After its time one read is let through: good closes it, bad opens it again, and is not announced anew."""
    clock = FakeClock()
    breaker = RoundBreaker(clock)
    for _ in range(3):
        _bad_round(breaker)
    await clock.advance(61)
    assert breaker.state == "half_open"

    assert not _bad_round(breaker)
    assert breaker.state == "open"
    await clock.advance(61)
    breaker.hear_answer()
    breaker.end_round(3, _OPEN)
    assert breaker.state == "closed"
    assert repr(breaker) == "<RoundBreaker closed, 0 bad rounds>"

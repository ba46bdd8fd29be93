"""A breaker opens for the right causes, as long as it should, and closes by a trial."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.fakes.clock import FakeClock
from validatord.mail.probe import Signal
from validatord.pacing.breaker import BreakerRules, CircuitBreaker, State

MINUTE, HOUR = 60.0, 3600.0


def hear(breaker: CircuitBreaker, *signals: Signal, domain: str = "example.com") -> None:
    for signal in signals:
        breaker.observe(signal, domain)


async def try_again(clock: FakeClock, breaker: CircuitBreaker, signal: Signal) -> None:
    """Wait out the open time, let one trial in, and let it hear `signal`."""
    wait = breaker.retry_in()
    assert wait is not None
    await clock.advance(wait)
    assert breaker.state is State.HALF_OPEN
    is_trial = breaker.enter()
    assert is_trial
    hear(breaker, signal)
    breaker.leave(is_trial=is_trial)


async def test_a_new_breaker_is_closed() -> None:
    """Nothing heard, nothing closed; those who enter are no trial."""
    breaker = CircuitBreaker(FakeClock())
    assert (breaker.state, breaker.cause, breaker.retry_in()) == (State.CLOSED, "", None)
    assert breaker.enter() is False
    breaker.leave(is_trial=False)
    assert not breaker.is_worth_keeping
    assert not breaker.has_evidence
    assert repr(breaker) == "<CircuitBreaker closed>"


@pytest.mark.parametrize(
    ("signals", "cause", "seconds"),
    [
        ([Signal.BLOCKED_EARLY], "sender_ip_blocked", HOUR),
        ([Signal.BLOCKED, Signal.BLOCKED], "sender_ip_blocked", HOUR),
        ([Signal.BLOCKED, Signal.SUCCESS, Signal.BLOCKED], "sender_ip_blocked", HOUR),
        ([Signal.REJECTED_SILENTLY, Signal.REJECTED_SILENTLY], "sender_ip_blocked", HOUR),
        ([Signal.RATE_LIMITED], "rate_limited", 15 * MINUTE),
        ([Signal.RATE_LIMITED] * 3, "rate_limited", 15 * MINUTE),
    ],
)
async def test_what_opens_it_and_for_how_long(signals: list[Signal], cause: str, seconds: float) -> None:
    """Each cause has its own measure and its own first open time."""
    breaker = CircuitBreaker(FakeClock())
    hear(breaker, *signals)
    assert (breaker.state, breaker.cause) == (State.OPEN, cause)
    assert breaker.retry_in() == pytest.approx(seconds)
    assert breaker.is_worth_keeping
    assert repr(breaker) == f"<CircuitBreaker open {cause} for {seconds:.0f} s>"


@pytest.mark.parametrize(
    "signals",
    [
        [Signal.BLOCKED],
        [Signal.REJECTED_SILENTLY],
        [Signal.REJECTED_SILENTLY, Signal.SUCCESS, Signal.REJECTED_SILENTLY],
        [Signal.CONNECTION_FAILED] * 20,
        [Signal.REFUSED_UNKNOWN] * 19,
        [Signal.SUCCESS] * 14 + [Signal.REFUSED_UNKNOWN] * 6,
    ],
)
async def test_what_does_not_open_it(signals: list[Signal]) -> None:
    """One doubtful sign, a run that was broken, one dead domain, or a mix within bounds close nobody out."""
    breaker = CircuitBreaker(FakeClock())
    hear(breaker, *signals)
    assert breaker.state is State.CLOSED


async def test_two_blocks_far_apart_are_two_accidents() -> None:
    """Refusals of our address at RCPT count together only within an hour."""
    clock = FakeClock()
    breaker = CircuitBreaker(clock)
    hear(breaker, Signal.BLOCKED)
    assert breaker.has_evidence
    await clock.advance(HOUR + 1)
    assert not breaker.has_evidence
    hear(breaker, Signal.BLOCKED)
    assert breaker.state is State.CLOSED
    hear(breaker, Signal.BLOCKED)
    assert breaker.state is State.OPEN


async def test_blocks_climb_to_a_day_and_stay_there() -> None:
    """A block that comes back after each trial keeps us away for 1 h, 4 h, 24 h, 24 h."""
    clock = FakeClock()
    breaker = CircuitBreaker(clock)
    hear(breaker, Signal.BLOCKED_EARLY)
    waits = [breaker.retry_in()]
    for _ in range(3):
        await try_again(clock, breaker, Signal.BLOCKED)
        waits.append(breaker.retry_in())
    assert waits == pytest.approx([HOUR, 4 * HOUR, 24 * HOUR, 24 * HOUR])


async def test_the_ladder_is_forgotten_after_a_long_rest() -> None:
    """A block soon after the last one takes the next step; after a quiet day it is the first again."""
    clock = FakeClock()
    breaker = CircuitBreaker(clock)
    hear(breaker, Signal.BLOCKED_EARLY)
    await try_again(clock, breaker, Signal.SUCCESS)
    assert breaker.state is State.CLOSED
    assert breaker.is_worth_keeping
    await clock.advance(23 * HOUR)
    hear(breaker, Signal.BLOCKED_EARLY)
    assert breaker.retry_in() == pytest.approx(4 * HOUR)
    await try_again(clock, breaker, Signal.REFUSED_UNKNOWN)
    await clock.advance(25 * HOUR)
    assert not breaker.is_worth_keeping
    hear(breaker, Signal.BLOCKED_EARLY)
    assert breaker.retry_in() == pytest.approx(HOUR)


async def test_one_limit_pauses_and_needs_no_trial() -> None:
    """After the pause for a single rate limit everybody may go again."""
    clock = FakeClock()
    breaker = CircuitBreaker(clock)
    hear(breaker, Signal.RATE_LIMITED)
    hear(breaker, Signal.SUCCESS)
    assert breaker.state is State.OPEN
    await clock.advance(15 * MINUTE)
    assert breaker.state is State.CLOSED
    assert breaker.enter() is False


async def test_limits_after_each_pause_still_add_up() -> None:
    """Time that nobody could use does not age a rate limit: the third in ten usable minutes opens."""
    clock = FakeClock()
    breaker = CircuitBreaker(clock)
    for _ in range(2):
        hear(breaker, Signal.RATE_LIMITED)
        await clock.advance(15 * MINUTE)
        assert breaker.state is State.CLOSED
        await clock.advance(4 * MINUTE)
    hear(breaker, Signal.RATE_LIMITED)
    await clock.advance(15 * MINUTE)
    assert breaker.state is State.HALF_OPEN


async def test_limits_that_are_rare_never_open() -> None:
    """Three rate limits over more than ten usable minutes are three pauses and no more."""
    clock = FakeClock()
    breaker = CircuitBreaker(clock)
    for _ in range(6):
        hear(breaker, Signal.RATE_LIMITED)
        await clock.advance(15 * MINUTE)
        assert breaker.state is State.CLOSED
        await clock.advance(6 * MINUTE)


async def test_limits_climb_to_four_hours() -> None:
    """A rate limit in the trial keeps us away for 15 min, 1 h, 4 h."""
    clock = FakeClock()
    breaker = CircuitBreaker(clock)
    hear(breaker, *[Signal.RATE_LIMITED] * 3)
    waits = [breaker.retry_in()]
    for _ in range(3):
        await try_again(clock, breaker, Signal.RATE_LIMITED)
        waits.append(breaker.retry_in())
    assert waits == pytest.approx([15 * MINUTE, HOUR, 4 * HOUR, 4 * HOUR])


async def test_five_dead_connections_over_two_domains_open_for_ten_minutes() -> None:
    """A provider is dead only if more than one of its domains says so."""
    clock = FakeClock()
    breaker = CircuitBreaker(clock)
    hear(breaker, *[Signal.CONNECTION_FAILED] * 4)
    hear(breaker, Signal.CONNECTION_FAILED, domain="example.org")
    assert breaker.cause == "no_connection"
    assert breaker.retry_in() == pytest.approx(10 * MINUTE)
    await try_again(clock, breaker, Signal.CONNECTION_FAILED)
    assert breaker.retry_in() == pytest.approx(10 * MINUTE)


async def test_an_answer_breaks_the_run_of_dead_connections() -> None:
    """Connection failures count in a row."""
    breaker = CircuitBreaker(FakeClock())
    for domain in ("example.com", "example.org"):
        hear(breaker, *[Signal.CONNECTION_FAILED] * 2, Signal.REFUSED_UNKNOWN, domain=domain)
        hear(breaker, *[Signal.CONNECTION_FAILED] * 2, domain=domain)
    assert breaker.state is State.CLOSED


async def test_too_many_unknown_users_pause_for_half_an_hour() -> None:
    """More than the allowed share of unknown users in a full window opens, and the window starts over."""
    clock = FakeClock()
    breaker = CircuitBreaker(clock, BreakerRules(unknown_ratio=0.5, unknown_window=8))
    hear(breaker, *[Signal.SUCCESS] * 4, *[Signal.REFUSED_UNKNOWN] * 4)
    assert breaker.state is State.CLOSED
    hear(breaker, Signal.REFUSED_UNKNOWN)
    assert breaker.cause == "unknown_ratio"
    assert breaker.retry_in() == pytest.approx(30 * MINUTE)
    await try_again(clock, breaker, Signal.REFUSED_UNKNOWN)
    assert breaker.state is State.CLOSED
    hear(breaker, *[Signal.REFUSED_UNKNOWN] * 6)
    assert breaker.state is State.CLOSED


async def test_half_open_lets_one_pass() -> None:
    """While the trial runs the others are told to wait; a trial that heard nothing is followed by the next."""
    clock = FakeClock()
    breaker = CircuitBreaker(clock)
    hear(breaker, Signal.BLOCKED_EARLY)
    await clock.advance(HOUR)
    assert (breaker.cause, breaker.retry_in()) == ("", None)
    assert breaker.is_worth_keeping
    assert breaker.enter() is True
    assert (breaker.cause, breaker.retry_in()) == ("trial", 120)
    breaker.leave(is_trial=True)
    assert (breaker.state, breaker.retry_in()) == (State.HALF_OPEN, None)
    assert breaker.enter() is True


async def test_stragglers_neither_close_nor_climb() -> None:
    """What was under way when the breaker opened changes nothing, unless it is worse trouble."""
    breaker = CircuitBreaker(FakeClock())
    hear(breaker, *[Signal.RATE_LIMITED] * 3)
    hear(breaker, *[Signal.RATE_LIMITED] * 3, Signal.SUCCESS, Signal.REFUSED_UNKNOWN)
    assert (breaker.cause, breaker.retry_in()) == ("rate_limited", 15 * MINUTE)
    hear(breaker, *[Signal.CONNECTION_FAILED] * 4)
    hear(breaker, Signal.CONNECTION_FAILED, domain="example.org")
    assert (breaker.cause, breaker.retry_in()) == ("rate_limited", 15 * MINUTE)
    hear(breaker, Signal.BLOCKED_EARLY)
    assert (breaker.cause, breaker.retry_in()) == ("sender_ip_blocked", HOUR)
    hear(breaker, *[Signal.BLOCKED_EARLY] * 5, *[Signal.RATE_LIMITED] * 4)
    assert (breaker.cause, breaker.retry_in()) == ("sender_ip_blocked", HOUR)


async def test_other_rules_keep_what_was_heard() -> None:
    """A narrower window judges the latest answers it still holds."""
    breaker = CircuitBreaker(FakeClock())
    hear(breaker, *[Signal.SUCCESS] * 10, *[Signal.REFUSED_UNKNOWN] * 3)
    breaker.apply(BreakerRules(unknown_ratio=0.5, unknown_window=4))
    hear(breaker, Signal.REFUSED_UNKNOWN)
    assert breaker.cause == "unknown_ratio"


@pytest.mark.parametrize(
    ("signals", "later", "state"),
    [
        ([Signal.BLOCKED_EARLY], 0.0, State.OPEN),
        ([Signal.BLOCKED_EARLY], 2 * HOUR, State.HALF_OPEN),
        ([Signal.RATE_LIMITED], 0.0, State.OPEN),
        ([Signal.RATE_LIMITED], 20 * MINUTE, State.CLOSED),
        ([], 0.0, State.CLOSED),
    ],
)
async def test_a_restart_forgets_nothing(signals: list[Signal], later: float, state: State) -> None:
    """A breaker read back from JSON opens no earlier and no later than the one that was written."""
    clock = FakeClock()
    breaker = CircuitBreaker(clock)
    hear(breaker, *signals)
    written = json.loads(json.dumps(breaker.snapshot()))
    after = FakeClock(clock.now() + timedelta(seconds=later))
    other = CircuitBreaker(after)
    other.restore(written)
    assert other.state is state
    if state is State.OPEN:
        assert other.retry_in() == breaker.retry_in()
        assert other.cause == breaker.cause


async def test_the_ladder_survives_a_restart() -> None:
    """A block after the restart takes the step that comes next."""
    clock = FakeClock()
    breaker = CircuitBreaker(clock)
    hear(breaker, Signal.BLOCKED_EARLY)
    await try_again(clock, breaker, Signal.SUCCESS)
    other = CircuitBreaker(clock)
    other.restore(breaker.snapshot())
    hear(other, Signal.BLOCKED_EARLY)
    assert other.retry_in() == pytest.approx(4 * HOUR)


async def test_a_wrong_clock_does_not_close_it_for_years() -> None:
    """An open time read back is never longer than the longest there is."""
    clock = FakeClock(datetime(2020, 1, 1, tzinfo=UTC))
    breaker = CircuitBreaker(clock)
    breaker.restore({"cause": "sender_ip_blocked", "until": "2026-01-01T00:00:00"})
    assert breaker.retry_in() == pytest.approx(24 * HOUR)


async def test_a_straggling_limit_leaves_no_pause_behind() -> None:
    """Once the trial went well everybody may go, whatever was heard while the breaker was open."""
    clock = FakeClock()
    breaker = CircuitBreaker(clock)
    hear(breaker, Signal.BLOCKED_EARLY)
    await clock.advance(HOUR - 60)
    hear(breaker, Signal.RATE_LIMITED)
    await try_again(clock, breaker, Signal.SUCCESS)
    assert breaker.state is State.CLOSED

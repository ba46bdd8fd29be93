"""The send gate: the gravest objection decides, each names its count, its share and the limit it passed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from validatord.rules.gate import Gate, GateNumbers, GateReason, decide, limits_of
from validatord.rules.policy_model import GateWishes
from validatord.settings import GateSettings

_LIMITS = GateSettings()
_GOOD = GateNumbers(requests=1000, finished=1000, sent=1000, valid=990, risky=5, unknown_at_small_domains=5, outdated=0)


def test_a_good_list_passes() -> None:
    """Nothing to object to: pass, with the numbers it rests on."""
    answer = decide(_GOOD, _LIMITS)
    assert (answer.gate, answer.objections, answer.numbers) == (Gate.PASS, (), _GOOD)


@pytest.mark.parametrize(
    ("changes", "gate", "reason", "percent", "limit"),
    [
        ({"valid": 969}, Gate.WARN, GateReason.TOO_FEW_VALID, 96.9, 97),
        ({"valid": 949}, Gate.BLOCK, GateReason.TOO_FEW_VALID, 94.9, 95),
        ({"risky": 21}, Gate.WARN, GateReason.TOO_MANY_RISKY, 2.1, 2),
        ({"risky": 51}, Gate.BLOCK, GateReason.TOO_MANY_RISKY, 5.1, 5),
        ({"unknown_at_small_domains": 11}, Gate.WARN, GateReason.TOO_MANY_UNKNOWN, 1.1, 1),
        ({"unknown_at_small_domains": 31}, Gate.BLOCK, GateReason.TOO_MANY_UNKNOWN, 3.1, 3),
        ({"outdated": 1}, Gate.WARN, GateReason.OUT_OF_DATE, 0.1, 0),
        ({"outdated": 101}, Gate.BLOCK, GateReason.OUT_OF_DATE, 10.1, 10),
        ({"requests": 1001}, Gate.BLOCK, GateReason.NOT_FINISHED, 0.1, 0),
    ],
)
def test_each_limit(changes: dict[str, int], gate: Gate, reason: GateReason, percent: float, limit: float) -> None:
    """What passes a limit is the one objection, in a sentence that says how much it is."""
    [one] = decide(replace(_GOOD, **changes), _LIMITS).objections

    assert (one.gate, one.reason, one.percent, one.limit) == (gate, reason, percent, limit)
    assert f"{one.percent:g} %" in one.tell()


@pytest.mark.parametrize(
    "changes", [{"valid": 970}, {"risky": 20}, {"unknown_at_small_domains": 10}, {"outdated": 0}, {"valid": 1000}]
)
def test_on_the_limit_is_within_it(changes: dict[str, int]) -> None:
    """A share equal to its limit objects to nothing."""
    assert decide(replace(_GOOD, **changes), _LIMITS).gate is Gate.PASS


def test_nothing_to_send() -> None:
    """Where no address is left there is no share of anything, and nothing goes out."""
    empty = GateNumbers(5, 5, 0, 0, 0, 0, 0)
    assert [one.reason for one in decide(empty, _LIMITS).objections] == [GateReason.NOTHING_TO_SEND]
    assert decide(empty, _LIMITS).gate is Gate.BLOCK


def test_unfinished_may_be_allowed() -> None:
    """Below the client's own limit what is not finished is a warning."""
    limits = limits_of(_LIMITS, GateWishes(block_unfinished_above=1))
    [one] = decide(replace(_GOOD, finished=999), limits).objections
    assert (one.gate, one.reason, one.count) == (Gate.WARN, GateReason.NOT_FINISHED, 1)


def test_the_gravest_comes_first() -> None:
    """Of several objections the gravest decides and stands first; none is left out."""
    answer = decide(replace(_GOOD, valid=960, risky=60, outdated=3), _LIMITS)
    assert answer.gate is Gate.BLOCK
    assert [(one.reason, one.gate) for one in answer.objections] == [
        (GateReason.TOO_MANY_RISKY, Gate.BLOCK),
        (GateReason.TOO_FEW_VALID, Gate.WARN),
        (GateReason.OUT_OF_DATE, Gate.WARN),
    ]


def test_a_client_has_its_own_limits() -> None:
    """A client's limit replaces the settings'; a limit that blocks draws the one that warns along."""
    limits = limits_of(_LIMITS, GateWishes(block_valid_below=99, block_risky_above=1, small_domain=3))
    assert (limits.warn_valid_below, limits.block_valid_below) == (99, 99)
    assert (limits.warn_risky_above, limits.block_risky_above) == (1, 1)
    assert (limits.small_domain, limits.warn_unknown_above) == (3, 1)
    assert decide(replace(_GOOD, valid=985), limits).gate is Gate.BLOCK


@pytest.mark.parametrize("limits", [{"warn_valid_below": 90}, {"warn_risky_above": 9}, {"warn_outdated_above": 50}])
def test_limits_that_block_before_they_warn_are_refused(limits: dict[str, float]) -> None:
    """Settings in which the warning would never be seen are an error."""
    with pytest.raises(ValidationError, match="must not be"):
        GateSettings(**limits)  # type: ignore[arg-type]


_NUMBERS = st.builds(GateNumbers, *[st.integers(0, 1000)] * 2, st.integers(0, 1000), *[st.integers(0, 1000)] * 4)


@given(_NUMBERS, st.floats(0, 100), st.floats(0, 100))
def test_stricter_limits_never_open_the_gate(numbers: GateNumbers, one: float, other: float) -> None:
    """Raising the share of valid addresses that is asked for never makes the answer milder."""
    order = [Gate.PASS, Gate.WARN, Gate.BLOCK]
    mild, strict = (
        decide(numbers, limits_of(_LIMITS, GateWishes(block_valid_below=limit))) for limit in sorted((one, other))
    )
    assert order.index(mild.gate) <= order.index(strict.gate)

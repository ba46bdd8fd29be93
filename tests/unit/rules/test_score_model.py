"""The model's word counts inside the band of a status, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validatord.mail.request import Flags, Opinion, Past
from validatord.mail.verdict import Reason, Status, Verdict
from validatord.rules.score import ScoreFacts, get_band, score
from validatord.settings import ScoreSettings
from validatord.store.evidence import facts_of, facts_to_json

_ACCEPT_ALL = Verdict(Status.ACCEPT_ALL, Reason.ACCEPT_ALL)
_UNKNOWN = Verdict(Status.UNKNOWN, Reason.GREYLISTED)
_OTHERS = [
    Verdict(Status.VALID, Reason.ACCEPTED),
    Verdict(Status.RISKY, Reason.MAILBOX_FULL),
    Verdict(Status.INVALID, Reason.NO_SUCH_MAILBOX),
]
_DEFAULT = ScoreSettings()


@pytest.mark.parametrize(
    ("verdict", "chance", "confidence"),
    [
        (_ACCEPT_ALL, 0.0, 70),
        (_ACCEPT_ALL, 0.5, 80),
        (_ACCEPT_ALL, 1.0, 89),
        (_UNKNOWN, 0.0, 40),
        (_UNKNOWN, 1.0, 69),
        (_ACCEPT_ALL, -3.0, 70),
        (_ACCEPT_ALL, 7.0, 89),
    ],
)
def test_the_whole_band_for_the_whole_of_probability(verdict: Verdict, chance: float, confidence: int) -> None:
    """A surely dead mailbox stands at the lower end of its status' band, a surely living one at the upper."""
    found = score(ScoreFacts(verdict, has_mx=True, chance=chance), _DEFAULT)

    assert (found.confidence, found.status) == (confidence, verdict.status)
    assert found.contributions[-1][0] == "model"
    assert sum(points for _, points in found.contributions) == confidence


@given(
    st.sampled_from([_ACCEPT_ALL, _UNKNOWN, *_OTHERS]),
    st.builds(Flags, st.booleans(), st.booleans()),
    st.builds(Past, *[st.floats(0, 1)] * 5),
    st.floats(0, 1),
)
def test_no_probability_moves_a_status(verdict: Verdict, flags: Flags, past: Past, chance: float) -> None:
    """With a model a finding has the status, reason and reasons it has without, and a confidence in the same band."""
    facts = ScoreFacts(verdict, flags, past, has_mx=True)
    found = score(ScoreFacts(verdict, flags, past, has_mx=True, chance=chance), _DEFAULT)
    without = score(facts, _DEFAULT)
    lowest, highest = get_band(without.status, _DEFAULT)

    assert (found.status, found.reason, found.reasons) == (without.status, without.reason, without.reasons)
    assert lowest <= found.confidence <= highest
    if without.status not in {Status.ACCEPT_ALL, Status.UNKNOWN}:
        assert found == without


@given(st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_more_probability_is_never_less_confidence(both: list[float]) -> None:
    """The order of probabilities is the order of confidences."""
    low, high = (score(ScoreFacts(_ACCEPT_ALL, chance=chance), _DEFAULT).confidence for chance in sorted(both))

    assert low <= high


def test_somebody_elses_opinion_is_not_overruled() -> None:
    """What Bouncer said stays what Bouncer said."""
    opinion = Opinion("bouncer", 75)

    assert score(ScoreFacts(_ACCEPT_ALL, opinion=opinion, chance=0.1), _DEFAULT).contributions == (("bouncer", 75),)


def test_the_probability_is_kept_with_the_verdict() -> None:
    """What was counted comes back from its JSON, so that a verdict can be counted again."""
    facts = ScoreFacts(_ACCEPT_ALL, has_mx=True, chance=0.123456)

    assert facts_of(facts_to_json(facts), Flags()) == facts
    assert "chance" not in facts_to_json(ScoreFacts(_ACCEPT_ALL))

"""The confidence: inside the band of its status, whatever the weights, with its reasons in order."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validatord.mail.request import Finding, Flags, Opinion, Past
from validatord.mail.verdict import Reason, Status, Verdict
from validatord.rules.score import ScoreFacts, apply, get_band, score
from validatord.settings import ScoreSettings

_VALID = Verdict(Status.VALID, Reason.ACCEPTED, ("accepted",))
_ACCEPT_ALL = Verdict(Status.ACCEPT_ALL, Reason.ACCEPT_ALL, ("accept_all",))
_UNKNOWN = Verdict(Status.UNKNOWN, Reason.GREYLISTED, ("greylisted", "retries_exhausted"))
_FULL = Verdict(Status.RISKY, Reason.MAILBOX_FULL, ("mailbox_full",))
_GONE = Verdict(Status.INVALID, Reason.NO_SUCH_MAILBOX, ("no_such_mailbox",))
_INFERRED = Verdict(Status.INVALID, Reason.NO_SUCH_MAILBOX, ("no_such_mailbox", "postmaster_accepted"))
_WEAK = Verdict(Status.INVALID, Reason.NO_SUCH_MAILBOX_SOFT, ("no_such_mailbox_soft", "repeated"), True)

_ROLE, _FREE, _DISPOSABLE = Flags(is_role=True), Flags(is_free=True), Flags(is_disposable=True)
_BOUNCED, _OPENED = Past(hard_bounce=1.0), Past(sign_of_life=1.0)
_DEFAULT = ScoreSettings()
_SURE = [("syntax", 40), ("mx", 25), ("accepted", 30)]


@pytest.mark.parametrize(
    ("facts", "confidence", "status", "reasons"),
    [
        (ScoreFacts(_VALID, has_mx=True), 95, "valid", ["mx", "accepted"]),
        (ScoreFacts(_VALID, has_address=True), 80, "valid", ["address_only", "accepted"]),
        (ScoreFacts(_VALID, _ROLE, has_mx=True), 85, "valid", ["mx", "accepted", "role"]),
        (
            ScoreFacts(_VALID, Flags(is_role=True, is_free=True, suggestion="a@b.example"), has_mx=True),
            85,
            "valid",
            ["mx", "accepted", "role", "free", "typo"],
        ),
        (ScoreFacts(_VALID, past=_OPENED, has_mx=True), 100, "valid", ["mx", "accepted", "positive_history"]),
        (ScoreFacts(_ACCEPT_ALL, has_mx=True), 70, "accept_all", ["mx", "accept_all"]),
        (ScoreFacts(_ACCEPT_ALL, _ROLE, has_mx=True), 70, "accept_all", ["mx", "accept_all", "role"]),
        (
            ScoreFacts(_ACCEPT_ALL, past=_OPENED, has_mx=True),
            89,
            "accept_all",
            ["mx", "accept_all", "positive_history"],
        ),
        (ScoreFacts(_UNKNOWN, has_mx=True), 65, "unknown", ["mx", "greylisted", "retries_exhausted"]),
        (ScoreFacts(_UNKNOWN), 40, "unknown", ["greylisted", "retries_exhausted"]),
        (
            ScoreFacts(_UNKNOWN, past=_BOUNCED, has_mx=True),
            40,
            "unknown",
            ["mx", "greylisted", "retries_exhausted", "hard_bounce"],
        ),
        (ScoreFacts(_FULL, has_mx=True), 65, "risky", ["mx", "mailbox_full"]),
        (ScoreFacts(_GONE, has_mx=True), 0, "invalid", ["mx", "no_such_mailbox"]),
        (ScoreFacts(_INFERRED, has_mx=True), 20, "invalid", ["mx", "no_such_mailbox", "postmaster_accepted"]),
        (
            ScoreFacts(_WEAK, has_mx=True),
            35,
            "invalid",
            ["mx", "no_such_mailbox_soft", "repeated", "low_confidence"],
        ),
        (ScoreFacts(_GONE, past=_OPENED, has_mx=True), 39, "invalid", ["mx", "no_such_mailbox", "positive_history"]),
        (ScoreFacts(Verdict(Status.INVALID, Reason.SYNTAX)), 0, "invalid", ["syntax"]),
        (ScoreFacts(Verdict(Status.INVALID, Reason.NULL_MX)), 0, "invalid", ["null_mx"]),
    ],
)
def test_default_weights_give_these_confidences(
    facts: ScoreFacts, confidence: int, status: str, reasons: list[str]
) -> None:
    """The weights of the settings, clamped into the band of the status the table decided."""
    found = score(facts, _DEFAULT)
    assert (found.confidence, found.status, list(found.reasons)) == (confidence, status, reasons)
    assert found.reason is facts.verdict.reason


def test_role_alone_never_makes_an_address_bad() -> None:
    """A role account that was accepted is valid, if a little less surely."""
    plain = score(ScoreFacts(_VALID, has_mx=True), _DEFAULT)
    role = score(ScoreFacts(_VALID, _ROLE, has_mx=True), _DEFAULT)
    assert role.status is Status.VALID
    assert role.confidence < plain.confidence


@pytest.mark.parametrize("verdict", [_VALID, _ACCEPT_ALL])
def test_disposable_domain_that_accepts_is_risky(verdict: Verdict) -> None:
    """Disposable is no syntax error and no refusal: accepted there means risky."""
    found = score(ScoreFacts(verdict, _DISPOSABLE, has_mx=True), _DEFAULT)
    assert (found.status, found.reason) == (Status.RISKY, Reason.DISPOSABLE)
    assert 40 <= found.confidence <= 69
    assert list(found.reasons) == ["mx", verdict.reason.value, "disposable"]


def test_disposable_domain_that_refuses_stays_invalid() -> None:
    """A flag never saves a mailbox that does not exist."""
    assert score(ScoreFacts(_GONE, _DISPOSABLE), _DEFAULT).status is Status.INVALID


@pytest.mark.parametrize("verdict", [_VALID, _ACCEPT_ALL])
@pytest.mark.parametrize("past", [_BOUNCED, Past(hard_bounce=0.25), Past(hard_bounce=1.0, sign_of_life=1.0)])
def test_hard_bounce_makes_an_accepted_mailbox_risky(verdict: Verdict, past: Past) -> None:
    """A campaign's hard bounce outweighs a yes at RCPT."""
    found = score(ScoreFacts(verdict, past=past, has_mx=True), _DEFAULT)
    assert (found.status, found.reason) == (Status.RISKY, Reason.HARD_BOUNCE)
    assert found.reasons.count("hard_bounce") == 1


def test_hard_bounce_counts_as_much_as_its_weight() -> None:
    """Whoever sets the weight to nothing keeps the mailbox valid and still sees the bounce."""
    found = score(ScoreFacts(_VALID, past=_BOUNCED, has_mx=True), ScoreSettings(hard_bounce=0))
    assert found.status is Status.VALID
    assert "hard_bounce" in found.reasons


def test_bounce_that_faded_is_a_remark() -> None:
    """A bounce of long ago takes a little of the confidence and nothing of the status."""
    found = score(ScoreFacts(_VALID, past=Past(hard_bounce=0.2), has_mx=True), _DEFAULT)
    assert (found.status, found.confidence) == (Status.VALID, 75)
    assert "hard_bounce" in found.reasons


@pytest.mark.parametrize(("weight", "status"), [(1.0, "risky"), (0.5, "valid")])
def test_complaint_is_a_risk_and_never_a_refusal(weight: float, status: str) -> None:
    """Whoever complained has a mailbox; to write there again is a risk for a while."""
    found = score(ScoreFacts(_VALID, past=Past(complaint=weight), has_mx=True), _DEFAULT)
    assert found.status == status
    assert "complaint" in found.reasons
    assert score(ScoreFacts(_UNKNOWN, past=Past(complaint=1.0)), _DEFAULT).status is Status.UNKNOWN


def test_bounces_of_the_domain_count_by_their_share() -> None:
    """What the rest of the domain met takes points, never the status."""
    found = score(ScoreFacts(_VALID, past=Past(domain_bounces=0.5), has_mx=True), _DEFAULT)
    assert (found.status, found.confidence) == (Status.VALID, 85)
    assert "domain_bounces" in found.reasons
    few = score(ScoreFacts(_VALID, past=Past(domain_bounces=0.05), has_mx=True), _DEFAULT)
    assert "domain_bounces" not in few.reasons


def test_low_confidence_shows_in_the_number() -> None:
    """A verdict on weak evidence has another confidence than a sure one."""
    sure = Verdict(Status.VALID, Reason.ACCEPTED)
    weak = Verdict(Status.VALID, Reason.ACCEPTED, is_low_confidence=True)
    assert score(ScoreFacts(weak, has_mx=True), _DEFAULT).confidence == 80
    assert score(ScoreFacts(sure, has_mx=True), _DEFAULT).confidence == 95


def test_health_counts_only_if_it_has_a_weight() -> None:
    """SPF and DMARC are listed, and weigh what the settings say."""
    facts = ScoreFacts(_ACCEPT_ALL, has_mx=True, is_healthy=True)
    assert score(facts, _DEFAULT).confidence == 70
    assert score(facts, ScoreSettings(domain_health=5)).confidence == 75
    assert score(facts, _DEFAULT).reasons[-1] == "domain_health"


_VERDICTS = [_VALID, _ACCEPT_ALL, _UNKNOWN, _FULL, _GONE, _INFERRED, _WEAK]
_FLAGS = st.builds(Flags, st.booleans(), st.booleans(), st.booleans(), st.sampled_from(["", "a@b.example"]))
_THRESHOLDS = st.lists(st.integers(0, 100), min_size=3, max_size=3).map(lambda three: sorted(three, reverse=True))
_POINTS = st.fixed_dictionaries(
    dict.fromkeys(("syntax", "mx", "accepted", "accept_all", "role", "hard_bounce"), st.integers(-500, 500))
)
_WEIGHTS = st.builds(
    lambda points, three: ScoreSettings(valid_from=three[0], accept_from=three[1], unknown_from=three[2], **points),
    _POINTS,
    _THRESHOLDS,
)


@given(
    st.sampled_from(_VERDICTS),
    _FLAGS,
    st.builds(Past, *[st.floats(0, 1)] * 5),
    _WEIGHTS,
)
def test_no_weight_turns_a_refusal_into_an_acceptance(
    verdict: Verdict, flags: Flags, past: Past, weights: ScoreSettings
) -> None:
    """Any weights and thresholds: 0 to 100, in the band of the status, and only three facts change that."""
    facts = ScoreFacts(verdict, flags, past, has_mx=True)
    found = score(facts, weights)
    assert sum(points for _, points in found.contributions) == found.confidence
    lowest, highest = get_band(found.status, weights)

    assert 0 <= lowest <= found.confidence <= highest <= 100
    assert found == score(facts, weights)
    if found.status is not verdict.status:
        assert found.status is Status.RISKY
        assert verdict.status in {Status.VALID, Status.ACCEPT_ALL}
        assert found.reason in {Reason.DISPOSABLE, Reason.HARD_BOUNCE, Reason.COMPLAINT}
    assert len(set(found.reasons)) == len(found.reasons)


def test_bands_of_the_default_thresholds() -> None:
    """The status invalid stands below 40, unknown and risky below 70, accept_all below 90, valid from 70."""
    bands = {status.value: get_band(status, _DEFAULT) for status in Status}
    assert bands == {
        "invalid": (0, 39),
        "unknown": (40, 69),
        "risky": (40, 69),
        "accept_all": (70, 89),
        "valid": (70, 100),
        "free_provider": (70, 100),
    }
    for first, second in itertools.pairwise(["invalid", "unknown", "accept_all"]):
        assert bands[first][1] < bands[second][0]


_PASTS = st.builds(Past, *[st.floats(0, 1)] * 5)
_OPINIONS = st.none() | st.builds(Opinion, st.just("bouncer"), st.none() | st.integers(0, 100))


@given(
    st.sampled_from(_VERDICTS), _FLAGS, _PASTS,
    st.booleans(), st.booleans(), _OPINIONS, _WEIGHTS,
)  # fmt: skip
def test_contributions_add_up(
    verdict: Verdict, flags: Flags, past: Past, has_mx: bool, is_healthy: bool, opinion: Opinion | None,
    weights: ScoreSettings,
) -> None:  # fmt: skip
    """Any facts under any weights: what is listed is the confidence, each name once, the band last."""
    facts = ScoreFacts(verdict, flags, past, has_mx, not has_mx, is_healthy, opinion)
    found = score(facts, weights)

    names = [name for name, _ in found.contributions]
    assert sum(points for _, points in found.contributions) == found.confidence
    assert names
    assert len(set(names)) == len(names)
    assert "band" not in names[:-1]
    applied = apply(Finding("unknown", "greylisted", (), 0), facts, weights)
    assert (applied.confidence, applied.contributions) == (found.confidence, found.contributions)
    assert apply(applied, facts, weights) == applied


@pytest.mark.parametrize(
    ("facts", "contributions"),
    [
        (ScoreFacts(_VALID, _ROLE, has_mx=True), [("syntax", 40), ("mx", 25), ("accepted", 30), ("role", -10)]),
        (ScoreFacts(_ACCEPT_ALL, has_mx=True), [("syntax", 40), ("mx", 25), ("accepted", 30), ("accept_all", -25)]),
        (ScoreFacts(_VALID, past=_OPENED, has_mx=True), [*_SURE, ("positive_history", 40), ("band", -35)]),
        (ScoreFacts(_GONE, has_mx=True), [("refusal", 0)]),
        (ScoreFacts(_INFERRED), [("inferred_refusal", 20)]),
        (ScoreFacts(_WEAK), [("weak_refusal", 35)]),
        (ScoreFacts(_VALID, opinion=Opinion("bouncer", 100)), [("bouncer", 100)]),
        (ScoreFacts(_ACCEPT_ALL, opinion=Opinion("bouncer", 42)), [("bouncer", 42), ("band", 28)]),
        (ScoreFacts(_VALID, opinion=Opinion("bouncer")), [("bouncer", 90)]),
    ],
)
def test_what_a_confidence_is_made_of(facts: ScoreFacts, contributions: list[tuple[str, int]]) -> None:
    """The list tells the story: what counted in its order, then what the band of the status adds or takes."""
    assert list(score(facts, _DEFAULT).contributions) == contributions


def test_weights_of_refusals_are_settings() -> None:
    """What an inferred or a weak refusal leaves is the operator's to say."""
    weights = ScoreSettings(inferred_refusal=5, weak_refusal=10, low_confidence=-1)
    assert score(ScoreFacts(_INFERRED), weights).confidence == 5
    assert score(ScoreFacts(_WEAK), weights).confidence == 10
    weak = Verdict(Status.VALID, Reason.ACCEPTED, is_low_confidence=True)
    assert score(ScoreFacts(weak, has_mx=True), weights).confidence == 94

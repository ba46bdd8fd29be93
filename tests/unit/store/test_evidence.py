"""What a confidence was counted from survives its column, whatever else stands there."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validatord.mail.request import Flags, Opinion, Past, ScoreFacts
from validatord.mail.verdict import Reason, Status, Verdict
from validatord.store import rows
from validatord.store.evidence import facts_of, facts_to_json
from validatord.store.values import decode_jsonb, encode_jsonb

_NAMES = st.lists(st.sampled_from(["accepted", "repeated", "bouncer:risky"]), max_size=3).map(tuple)
_FACTS = st.builds(
    ScoreFacts,
    verdict=st.builds(Verdict, st.sampled_from(Status), st.sampled_from(Reason), _NAMES, st.booleans()),
    flags=st.builds(Flags, st.booleans(), st.booleans(), st.booleans()),
    past=st.builds(Past, *[st.floats(0, 1, allow_subnormal=False).map(lambda weight: round(weight, 4))] * 5),
    has_mx=st.booleans(),
    has_address=st.booleans(),
    is_healthy=st.booleans(),
    opinion=st.none() | st.builds(Opinion, st.just("bouncer"), st.none() | st.integers(0, 100)),
    notes=_NAMES,
)


@given(_FACTS)
def test_facts_come_back(facts: ScoreFacts) -> None:
    """Written and read again the facts are the same; the flags come from their own columns."""
    assert facts_of(decode_jsonb(encode_jsonb(facts_to_json(facts))), facts.flags) == facts


def test_what_is_usual_takes_no_room() -> None:
    """Nothing is written that says no more than its absence."""
    facts = ScoreFacts(Verdict(Status.VALID, Reason.ACCEPTED), has_mx=True)
    assert facts_to_json(facts) == {"status": "valid", "reason": "accepted", "has_mx": True}


@pytest.mark.parametrize(
    "data", [None, {}, {"status": "valid"}, {"status": "new_word", "reason": "accepted"}, {"reason": "accepted"}]
)
def test_what_cannot_be_read_is_none(data: dict[str, Any] | None) -> None:
    """Rows of older and newer versions have no facts for us, and raise nothing."""
    assert facts_of(data, Flags()) is None


def test_a_member_of_another_version_is_left_out() -> None:
    """What a newer version adds to the past does not hide what is known of it."""
    data = {"status": "valid", "reason": "accepted", "past": {"complaint": 0.5, "smoke_signals": 1}}
    assert facts_of(data, Flags()) == ScoreFacts(Verdict(Status.VALID, Reason.ACCEPTED), past=Past(complaint=0.5))


def test_a_finding_of_an_older_version_is_read() -> None:
    """What was handed over before contributions were kept comes back without them."""
    old = {"status": "unknown", "reason": "greylisted", "reasons": ["greylisted"], "confidence": 65, "mx_hosts": []}
    found = rows.finding_from_json(old | {"flags": {"is_free": True}})
    assert (found.status, found.contributions, found.score_facts) == ("unknown", (), None)

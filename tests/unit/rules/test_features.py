"""The evidence as numbers: always in one order, never odd, whatever the evidence is."""

import math
import string
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validatord.mail.request import DomainFacts, Finding, Flags, ScoreFacts
from validatord.mail.track_record import TrackRecord
from validatord.mail.verdict import Reason, Status, Verdict
from validatord.rules.features import NAMES, WORDS, Evidence, find_latency, gather, measure

_NOW = datetime(2026, 5, 1, tzinfo=UTC)


def _named(evidence: Evidence) -> dict[str, float]:
    return dict(zip(NAMES, measure(evidence), strict=True))


def _shape(local_part: str) -> str:
    shapes = [name for name, number in _named(Evidence(local_part)).items() if name.startswith("shape_") and number]
    return " ".join(name.removeprefix("shape_") for name in shapes)


@pytest.mark.parametrize(
    ("local_part", "shape"),
    [
        ("maria.miller", "two_names"),
        ("Maria_Miller", "two_names"),
        ("müller-lüdenscheid", "two_names"),
        ("m.miller", "initial_and_name"),
        ("miller.m", "initial_and_name"),
        ("maria", "word"),
        ("maria77", "word_and_digits"),
        ("maria.1977", "word_and_digits"),
        ("4711", "digits"),
        ("xkcdqwrt", "random"),
        ("a7b3c9", "random"),
        ("maria.miller.of.the.third.floor", "random"),
        ("maria+news", "word tagged"),
        ("m", ""),
        ("", ""),
        ("+", ""),
    ],
)
def test_shape_of_a_local_part(local_part: str, shape: str) -> None:
    """A local part has at most one shape, and perhaps a tag."""
    assert _shape(local_part) == shape


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("250 ok", set()),
        ("250 2.1.5 ok", {"reply_has_enhanced_code"}),
        ("250-2.1.5 one\n250 2.1.5 two", {"reply_has_enhanced_code"}),
        ("251 will forward", {"reply_251"}),
        ("252 who knows", {"reply_252"}),
        ("220 hm", {"reply_other_positive"}),
        ("451 4.7.1 later", {"reply_transient", "reply_has_enhanced_code"}),
        ("550 no", {"reply_permanent"}),
        ("", {"no_reply"}),
    ],
)
def test_reply_class(reply: str, expected: set[str]) -> None:
    """The class of a reply is its code; the words of a host are not looked at."""
    found = {name for name, number in _named(Evidence("a", reply=reply)).items() if "reply" in name and number}

    assert found == expected


@given(
    st.builds(
        Evidence,
        local_part=st.text(max_size=100),
        reason=st.sampled_from([*Reason, "", "odd"]).map(str),
        reply=st.text(max_size=50),
        provider_key=st.sampled_from(["google", "microsoft-olc", "mimecast", "ovh", "mx.example", ""]),
        flags=st.builds(Flags, st.booleans(), st.booleans(), st.booleans(), st.text(max_size=5)),
        has_spf=st.none() | st.booleans(),
        latency_seconds=st.none() | st.floats(0, 1e6),
        record=st.builds(TrackRecord, *[st.floats(0, 1e9)] * 5),
    )
)
def test_every_number_is_a_number(evidence: Evidence) -> None:
    """Whatever the evidence, there is a finite number of moderate size for every name."""
    numbers = measure(evidence)

    assert len(numbers) == len(NAMES)
    assert all(math.isfinite(number) and abs(number) < 20 for number in numbers)


def test_every_name_has_its_words() -> None:
    """Each feature stands once and can be told to a person."""
    assert len(set(NAMES)) == len(NAMES)
    assert set(WORDS) == set(NAMES)
    assert all(set(name) <= set(string.ascii_lowercase + string.digits + "_") for name in NAMES)


def _odds(**record: float) -> float:
    return _named(Evidence("a", record=TrackRecord(**record)))["domain_dead_odds"]


def test_few_observations_are_drawn_to_the_middle() -> None:
    """One bounce says less than ten of ten; without any news a domain is even, however many were verified."""
    assert 0 < _odds(domain_bounced=1) < _odds(domain_bounced=10) < _odds(domain_bounced=40)
    assert _odds(domain_bounced=1, domain_alive=9) < 0
    assert _odds() == _odds(domain_verified=100) == 0.0


def test_who_did_not_bounce_is_alive_where_campaigns_arrive() -> None:
    """Verified mailboxes count as alive once there is news of their domain; a large domain saturates."""
    assert _odds(domain_bounced=2, domain_verified=20) == _odds(domain_bounced=2, domain_alive=18)
    assert _odds(domain_bounced=2, domain_verified=1) == _odds(domain_bounced=2)
    assert _odds(domain_bounced=1e6, domain_alive=1e6) == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("trace", "expected"),
    [
        (None, None),
        ({}, None),
        ({"exchanges": "odd"}, None),
        ({"exchanges": ["odd", 7]}, None),
        ({"exchanges": [{"stage": "rcpt", "at": 2}]}, None),
        ({"exchanges": [{"stage": "mail", "at": "odd"}, {"stage": "rcpt", "at": 2}]}, None),
        ({"exchanges": [{"stage": "mail", "at": 1.5}, {"stage": "rcpt", "at": 2.0}, {"stage": "rcpt", "at": 9}]}, 0.5),
        ({"exchanges": [{"stage": "mail", "at": 3}, {"stage": "rcpt", "at": 2.0}]}, 0.0),
    ],
)
def test_latency_from_a_stored_trace(trace: Any, expected: float | None) -> None:
    """The time between the command before and the first answer to RCPT; odd traces have none."""
    assert find_latency(trace) == expected


def test_evidence_of_a_finding() -> None:
    """Evidence is gathered from the finding, what it was counted from, its domain and its track record."""
    facts = ScoreFacts(Verdict(Status.ACCEPT_ALL, Reason.ACCEPT_ALL), has_address=True)
    trace = {"exchanges": [{"stage": "mail", "at": 1}, {"stage": "rcpt", "at": 3}]}
    flags = Flags(is_role=True)
    finding = Finding("risky", "hard_bounce", (), 40, flags=flags, reply="250 ok", smtp_trace=trace, score_facts=facts)
    domain = DomainFacts("one.example", provider_key="google", spf="v=spf1", health_checked_at=_NOW)

    evidence = gather("info", finding, domain, TrackRecord(1, 2, 3, 4, 5))

    assert evidence == Evidence(
        "info", "accept_all", "250 ok", "google", flags, True, False, None, True, 2.0, TrackRecord(1, 2, 3, 4, 5)
    )
    assert gather("info", finding, DomainFacts("one.example"), TrackRecord()).has_spf is None

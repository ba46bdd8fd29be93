"""A refusal of us is never a verdict about a mailbox, and no reply is too strange to be read."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.rules.reply_cases import (
    ABOUT_A_MAILBOX,
    ABSENT,
    RECIPIENT,
    combine,
    load_cases,
    load_phrases,
    read_text,
)
from validatord.mail.reply import Reply
from validatord.mail.verdict import Meaning, ReplyReading, Scope, Stage
from validatord.rules.replies import normalise_text, read_reply

_PHRASES = load_phrases()
_WORDS = sorted({word for case in load_cases() for word in case.text.split()})
_HOSTS = ["", "mx.example.com", "example-com.mail.protection.outlook.com", "aspmx.l.google.com", "mx1.qq.com"]


def _list_absent(texts: list[str]) -> list[str]:
    return [text for text in texts if read_text(text).meaning in ABSENT]


def test_composed_refusals_of_us() -> None:
    """Words about us beside words about a mailbox never condemn the mailbox."""
    refusals = _PHRASES["replies"]
    assert len(refusals) > 100
    assert [text for text in refusals if read_text(text).meaning in ABOUT_A_MAILBOX] == []


@pytest.mark.parametrize(
    "shape",
    [
        "{code} {name} {saying}",
        "{code} {saying} {name}",
        "{code} Recipient rejected: {name} {saying}",
        "{code} <user@example.com>: Recipient address rejected: {name} {saying}",
        "{code} {name} {saying} for user@example.com",
    ],
)
@pytest.mark.parametrize("codes", ["550", "550 5.1.1", "450 4.1.1"])
def test_faults_of_ours(shape: str, codes: str) -> None:
    """Whatever is said to be unknown, invalid or disabled about us, the mailbox is not absent."""
    assert _list_absent(combine(codes, _PHRASES["our_names"], _PHRASES["faults"], shape)) == []


@pytest.mark.parametrize(
    ("codes", "shape"), [("550", "{code} {name} {saying}"), ("550 5.1.1", "{code} {saying}: {name}")]
)
def test_faults_of_ours_in_tongues(codes: str, shape: str) -> None:
    """The same holds in other languages, also where only the code speaks of a mailbox."""
    names, sayings = _PHRASES["our_names_in_tongues"], _PHRASES["faults_in_tongues"]
    assert _list_absent(combine(codes, names, sayings, shape)) == []


@pytest.mark.parametrize(
    "shape",
    [
        "{code} {name}: {saying}",
        "{code} 5.1.1 {saying} - {name}",
        "{code}-{saying}\n{code} {name}",
        "{code} 5.1.1 <user@example.com>: Recipient address rejected: {name}",
    ],
)
def test_excuses(shape: str) -> None:
    """A reason against us outweighs the sentence about a mailbox that a server puts beside it."""
    assert _list_absent(combine("550|554", _PHRASES["reasons"], _PHRASES["excuses"], shape)) == []


@pytest.mark.parametrize(
    "shape",
    ["{code} {saying}", "{code} <{name}>: {saying}", "{code} {saying} for {name}", "{code} mailbox {saying}"],
)
def test_refusals_that_name_nobody(shape: str) -> None:
    """A bare refusal beside the echoed address is not a statement about the mailbox."""
    assert _list_absent(combine("550|550 5.7.1|554|450|501", [RECIPIENT], _PHRASES["bare_refusals"], shape)) == []


def test_absences() -> None:
    """Nearly every way to say that somebody is not there is understood, in any order of words."""
    texts = combine("550|550 5.1.1|554", _PHRASES["their_names"], _PHRASES["absences"], "{code} {name} {saying}")
    right = sum(read_text(text).meaning is Meaning.NO_SUCH_MAILBOX for text in texts)
    assert right / len(texts) > 0.99


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("550 5.1.0 Message bounced by administrator", Meaning.POLICY_REJECTED),
        ("550 5.1.1 Blocked", Meaning.POLICY_REJECTED),
        ("550 5.2.1 the user has blocked you", Meaning.POLICY_REJECTED),
        ("550 5.1.8 no such user", Meaning.SENDER_REJECTED),
        ("501 5.1.7 Bad address syntax", Meaning.SENDER_REJECTED),
        ("535 5.7.8 Error: account disabled", Meaning.AUTH_REQUIRED),
    ],
)
def test_doubt(text: str, meaning: Meaning) -> None:
    """Before a mailbox is called absent, by code or by wording, words about us are looked for."""
    assert read_text(text).meaning is meaning


def _make_replies() -> st.SearchStrategy[Reply]:
    lines = st.lists(st.sampled_from(_WORDS), max_size=12).map(" ".join) | st.text(max_size=60)
    codes = st.integers(-1, 1000) | st.sampled_from([421, 450, 451, 550, 553, 554])
    return st.builds(Reply, codes, st.lists(lines, max_size=4).map(tuple), st.booleans())


@given(_make_replies(), st.sampled_from(Stage), st.sampled_from(_HOSTS) | st.text(max_size=20), st.text(max_size=30))
@settings(max_examples=200)
def test_any_reply_is_read(reply: Reply, stage: Stage, mx_host: str, recipient: str) -> None:
    """No reply raises, and before RCPT none is about a mailbox."""
    reading = read_reply(reply, stage, mx_host=mx_host, recipient=recipient)
    assert isinstance(reading, ReplyReading)
    assert reading.rule
    assert reading.temporary is reply.is_transient
    assert reading.retry_after_seconds is None or 1 <= reading.retry_after_seconds <= 86_400
    if stage is not Stage.RCPT:
        assert reading.meaning not in ABOUT_A_MAILBOX
        assert reading.scope is not Scope.RECIPIENT


@given(_make_replies(), st.text(max_size=30))
@settings(max_examples=100)
def test_any_text_is_normalised(reply: Reply, recipient: str) -> None:
    """Normal text is short, folded and without runs of spaces."""
    text = normalise_text(reply, recipient)
    assert text == text.strip()
    assert "  " not in text


@pytest.mark.parametrize(
    "text",
    [
        "user " * 5000,
        "mailbox mailbox is not " * 2000,
        "1.2.3.4 " * 5000,
        "a@" * 20_000,
        "<" * 20_000,
        "too many " * 5000,
        "host a[" * 5000,
        "user.x" * 5000,
        "不存在邮箱" * 5000,
        "." * 50_000,
    ],
)
def test_hostile_text_costs_little(text: str) -> None:
    """A reply made to keep the reader busy takes a bounded time."""
    reply = Reply(550, (text,))
    started = time.process_time()
    read_reply(reply, Stage.RCPT, recipient=RECIPIENT)
    assert time.process_time() - started < 0.1

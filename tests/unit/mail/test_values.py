"""The words of mail as values: replies, look-ups, transcripts, requests."""

from datetime import UTC, datetime, timedelta

import pytest

from validatord.mail.address import Mailbox
from validatord.mail.mx import MXAnswer, MXHost, MXOutcome
from validatord.mail.reply import EnhancedCode, Reply
from validatord.mail.request import Priority
from validatord.mail.transcript import Exchange, Transcript
from validatord.mail.verdict import Stage

_NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("5.1.1 User unknown", "5.1.1"),
        ("User unknown (#5.1.1)", "5.1.1"),
        ("cuda_nsu 5.1.1", "5.1.1"),
        ("no code", None),
        ("4.16.55.1 is an address", None),
        ("[192.0.2.5] and 198.51.100.4", None),
        ("6.1.1 is no class", None),
        ("5.1.1234", None),
    ],
)
def test_enhanced_code_is_found_anywhere_but_in_an_ip_address(text: str, code: str | None) -> None:
    """RFC 3463 2: class.subject.detail, bounded, and not part of something longer."""
    found = EnhancedCode.find(text)
    assert (str(found) if found else None) == code


def test_last_line_carries_the_enhanced_code() -> None:
    """The last line's code counts, else the first found, and none that contradicts the reply code."""
    assert Reply(550, ("5.7.1 first", "5.1.1 last")).enhanced == EnhancedCode(5, 1, 1)
    assert Reply(550, ("5.7.1 first", "5.1.1 second", "https://example.com/help")).enhanced == EnhancedCode(5, 7, 1)
    assert Reply(550, ("4.1.1 odd",)).enhanced is None
    assert Reply(550).enhanced is None


def test_reply_knows_its_class() -> None:
    """RFC 5321 4.2.1: the first digit says what a reply is."""
    assert Reply(250).is_positive
    assert not Reply(250).is_refusal
    assert Reply(451).is_transient
    assert Reply(451).is_refusal
    assert Reply(550).is_permanent
    assert not Reply(354).is_positive


def test_reply_is_written_as_it_was_said() -> None:
    """Every line carries the code, all but the last one with a hyphen."""
    assert str(Reply(550, ("one", "two"))) == "550-one\n550 two"
    assert str(Reply(250)) == "250"
    assert Reply(550, ("one", "two")).text == "one\ntwo"


def test_mailbox_is_written_with_one_at_sign() -> None:
    """A mailbox reads as its address."""
    assert str(Mailbox("a", "example.com")) == "a@example.com"


def test_look_up_survives_the_ledger() -> None:
    """What was written as JSON reads back as the same answer."""
    later = _NOW + timedelta(hours=1)
    hosts = (MXHost("b.example", 10, ("192.0.2.1",)), MXHost("a.example", 5, ("192.0.2.2", "2001:db8::1")))
    answer = MXAnswer(
        "example.com", MXOutcome.OK, hosts, trace=("MX example.com",), looked_up_at=_NOW, expires_at=later
    )

    assert MXAnswer.from_json("example.com", answer.to_json(), _NOW, later) == answer
    assert answer.best_preference == 5
    assert answer.host_set == "a.example,b.example"
    assert MXAnswer("example.com", MXOutcome.FAILED, failure="servfail").best_preference is None


def test_transcript_survives_the_ledger() -> None:
    """What was written as JSON reads back as the same evidence, replies and failures alike."""
    transcript = Transcript(
        mx_host="mx.example",
        mx_address="192.0.2.1",
        identity="default",
        helo_name="probe.example",
        envelope_sender="probe@probe.example",
        tls="TLSv1.3",
        exchanges=(
            Exchange(Stage.CONNECT, "", Reply(220, ("mx.example",)), at=0.1),
            Exchange(Stage.RCPT, "RCPT TO:<a@example.com>", Reply(550, ("5.1.1 x", "5.1.1 y")), at=0.25),
            Exchange(Stage.RCPT, "RCPT TO:<b@example.com>", None, "disconnected", 0.3),
        ),
    )

    assert Transcript.from_json(transcript.to_json()) == transcript
    assert Transcript.from_json({}) == Transcript()


def test_priorities_are_ordered_by_weight() -> None:
    """The ledger's numbers order the words."""
    weights = [priority.weight for priority in Priority]
    assert weights == sorted(weights, reverse=True)
    assert Priority.CRITICAL.weight == 100

"""What a reply means: the recorded ones, the stages, the codes."""

import hashlib
from collections import Counter

import pytest

from tests.unit.rules.reply_cases import ABOUT_A_MAILBOX, RECIPIENT, Case, load_cases, read_text
from validatord.mail.reply import Reply
from validatord.mail.verdict import Meaning, Scope, Stage
from validatord.rules.replies import SCOPES, read_reply

CASES = load_cases()
MICROSOFT = "example-com.mail.protection.outlook.com"


def _is_held_out(case: Case) -> bool:
    key = f"{case.text}\x1f{case.stage.value}\x1f{case.mx_host}\x1f{case.recipient}"
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % 3 == 0


def _list_wrong(cases: list[Case]) -> list[str]:
    return [
        f"{case.meaning.value}, not {reading.meaning.value} by {reading.rule}: {case.text!r} at {case.stage.value}"
        for case in cases
        if (reading := case.read()).meaning is not case.meaning
    ]


@pytest.mark.parametrize("held_out", [False, True], ids=["tuned on", "held out"])
def test_every_recorded_reply(held_out: bool) -> None:
    """Every recorded reply has the meaning its source gives it."""
    assert _list_wrong([case for case in CASES if case.held_out is held_out]) == []


def test_temporary_is_the_code_class() -> None:
    """A refusal is temporary where its code begins with 4, whatever the text says."""
    assert [case.text for case in CASES if case.read().temporary is not case.is_temporary] == []
    assert all(case.is_temporary == case.text.startswith("4") for case in CASES)


def test_waits() -> None:
    """A reply that names a wait is read with it."""
    timed = [case for case in CASES if case.wait is not None]
    assert len(timed) >= 15
    assert [case.text for case in timed if case.read().retry_after_seconds != case.wait] == []


def test_the_third_was_chosen_by_hash() -> None:
    """What is marked held out is exactly what the hash of the entry says, and about a third."""
    first = [case for case in CASES if case.round == 1]
    assert [case.text for case in first if case.held_out is not _is_held_out(case)] == []
    assert not any(case.held_out for case in CASES if case.round > 1)
    assert 0.3 < sum(case.held_out for case in first) / len(first) < 0.37


def test_the_collection_is_broad() -> None:
    """Every meaning, every stage and the larger languages have their share of the entries."""
    meanings = Counter(case.meaning for case in CASES)
    assert set(meanings) == set(Meaning)
    assert min(meanings.values()) >= 8
    assert {case.stage for case in CASES} >= {Stage.CONNECT, Stage.EHLO, Stage.STARTTLS, Stage.MAIL, Stage.RCPT}
    for language in ("German", "French", "Russian", "Chinese", "Japanese", "Spanish"):
        assert sum(case.source.startswith(language) for case in CASES) >= 12, language
    assert all(case.source for case in CASES)


def test_entries_are_unique() -> None:
    """No reply stands twice under the same circumstances."""
    keys = Counter((case.text, case.stage, case.mx_host, case.recipient) for case in CASES)
    assert [key for key, count in keys.items() if count > 1] == []


@pytest.mark.parametrize("code", [220, 250, 251, 252])
def test_positive(code: int) -> None:
    """A positive reply is ok and its rule names the code: 252 promises less than 250."""
    reading = read_text(f"{code} 2.1.5 user unknown, blocked, mailbox full")
    assert (reading.meaning, reading.scope) == (Meaning.OK, Scope.RECIPIENT)
    assert (reading.temporary, reading.rule, reading.retry_after_seconds) == (False, f"positive:{code}", None)


def test_scope_goes_with_the_meaning() -> None:
    """Whom a refusal concerns follows from what it means."""
    assert set(SCOPES) == set(Meaning)
    assert [case.text for case in CASES if case.stage is Stage.RCPT and case.read().scope is not _scope(case)] == []


def _scope(case: Case) -> Scope:
    return SCOPES[case.meaning]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("550 5.1.1 user unknown", "text:user_unknown:who-unknown"),
        ("550 5.1.1", "code:5.1.1"),
        ("571", "bare:571"),
        ("250 ok", "positive:250"),
    ],
)
def test_rules_have_names(text: str, rule: str) -> None:
    """A reading says by which rule it came about."""
    assert read_text(text).rule == rule


@pytest.mark.parametrize("stage", [Stage.CONNECT, Stage.EHLO, Stage.MAIL])
def test_no_mailbox_before_rcpt(stage: Stage) -> None:
    """Words that condemn a mailbox at RCPT are about something else before it."""
    for case in CASES:
        reading = read_reply(case.reply, stage, mx_host=case.mx_host, recipient=case.recipient)
        assert reading.meaning not in ABOUT_A_MAILBOX, case.text
        assert reading.scope is not Scope.RECIPIENT, case.text


def test_at_mail_an_unknown_user_is_our_sender() -> None:
    """The only mailbox in the conversation at MAIL is the envelope sender's."""
    reading = read_text("550 5.1.0 <probe@verify.example> user unknown", Stage.MAIL)
    assert (reading.meaning, reading.rule) == (Meaning.SENDER_REJECTED, "text:user_unknown:who-unknown@mail")


@pytest.mark.parametrize(
    ("mx_host", "meaning"),
    [
        (MICROSOFT, Meaning.NO_SUCH_MAILBOX),
        ("example-com.a-v1.mx.microsoft", Meaning.NO_SUCH_MAILBOX),
        (MICROSOFT.upper() + ".", Meaning.NO_SUCH_MAILBOX),
        ("mx.example.com", Meaning.POLICY_REJECTED),
        ("outlook.com.example.net", Meaning.POLICY_REJECTED),
        ("", Meaning.POLICY_REJECTED),
    ],
)
def test_access_denied_is_a_verdict_at_microsoft_only(mx_host: str, meaning: Meaning) -> None:
    """Directory-based blocking says 5.4.1 "Access denied" of an absent mailbox; elsewhere it is a refusal."""
    text = f"550 5.4.1 [{RECIPIENT}]: Recipient address rejected: Access denied"
    assert read_text(text, mx_host=mx_host).meaning is meaning


@pytest.mark.parametrize("recipient", ["spam@example.com", "blocked@example.com", "full@example.com", "ip@example.com"])
def test_the_address_says_nothing(recipient: str) -> None:
    """An address made of the words of replies changes nothing, in brackets, bare or its local part alone."""
    local_part = recipient.partition("@")[0]
    for echo in (f"<{recipient}>", recipient, f"<{local_part}>", f'"{local_part}"'):
        reply = Reply(550, (f"5.1.1 {echo}: Recipient address rejected: User unknown",))
        assert read_reply(reply, Stage.RCPT, recipient=recipient).meaning is Meaning.NO_SUCH_MAILBOX


def test_the_address_alone_can_be_the_subject() -> None:
    """What is said of the address is said of the mailbox, though the address is cut out."""
    assert read_text(f"550 <{RECIPIENT}>: is closed").meaning is Meaning.MAILBOX_DISABLED
    assert read_text("550 is closed").meaning is Meaning.POLICY_REJECTED


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("550", Meaning.NO_SUCH_MAILBOX),
        ("552", Meaning.MAILBOX_FULL),
        ("554", Meaning.POLICY_REJECTED),
        ("550 no", Meaning.POLICY_REJECTED),
        ("551 no", Meaning.NO_SUCH_MAILBOX),
        ("556 no", Meaning.DOMAIN_NOT_HOSTED),
        ("450 no", Meaning.GREYLISTED),
        ("421 no", Meaning.TEMPORARY_FAILURE),
        ("452 no", Meaning.TEMPORARY_FAILURE),
        ("499 no", Meaning.TEMPORARY_FAILURE),
        ("599 no", Meaning.POLICY_REJECTED),
        ("503 no", Meaning.PROTOCOL_ERROR),
        ("530 no", Meaning.AUTH_REQUIRED),
        ("354 go on", Meaning.PROTOCOL_ERROR),
        ("550 5.2.1", Meaning.MAILBOX_DISABLED),
        ("450 4.2.1", Meaning.RECIPIENT_RATE_LIMITED),
        ("550 5.2.2", Meaning.MAILBOX_FULL),
        ("550 5.7.1", Meaning.POLICY_REJECTED),
        ("450 4.7.1", Meaning.GREYLISTED),
        ("550 5.7.25", Meaning.SENDER_IP_BLOCKED),
        ("550 4.1.1", Meaning.POLICY_REJECTED),
        ("450 4.3.2", Meaning.GREYLISTED),
        ("421 4.3.2", Meaning.TEMPORARY_FAILURE),
        ("550 5.1.10", Meaning.NO_SUCH_MAILBOX),
        ("556 5.1.10", Meaning.DOMAIN_NOT_HOSTED),
        ("550 5.7.700", Meaning.SENDER_IP_BLOCKED),
        ("550 5.9.9", Meaning.POLICY_REJECTED),
    ],
)
def test_codes_alone(text: str, meaning: Meaning) -> None:
    """Where the text says nothing the enhanced code decides, and where there is none the bare one."""
    reply = Reply(int(text[:3]), (text[4:],))
    assert read_reply(reply, Stage.RCPT, recipient=RECIPIENT).meaning is meaning

"""Around the conversation: the look-up's verdicts, closed gates, the control recipient, what a lane is told."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.rules.attempts import NOW, answered, asked, failed, plan, read, show
from validatord.mail.mx import MXAnswer, MXHost, MXOutcome
from validatord.mail.probe import Signal
from validatord.mail.reply import Reply
from validatord.mail.verdict import AcceptAll, Deferral, Meaning, Pin, Reason, ReplyReading, Scope, Stage, Verdict
from validatord.rules import decide

M = Meaning


def _look_up(outcome: MXOutcome, **request: Any) -> str:
    return show(decide.decide_mx(MXAnswer("example.com", outcome), asked(**request), plan()))


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (MXOutcome.DOMAIN_NOT_FOUND, "invalid domain_not_found"),
        (MXOutcome.NULL_MX, "invalid null_mx"),
        (MXOutcome.NO_MAIL_HOST, "invalid no_mail_host"),
        (MXOutcome.MX_NOT_PUBLIC, "invalid mx_not_public"),
    ],
)
def test_pitfall_16_and_17_dns_alone_is_enough(outcome: MXOutcome, verdict: str) -> None:
    """A domain that cannot get mail makes every address invalid at once, without a packet to port 25."""
    assert _look_up(outcome) == verdict


@pytest.mark.parametrize("is_implicit", [True, False])
def test_pitfall_18_hosts_are_asked_implicit_or_not(*, is_implicit: bool) -> None:
    """Where there is a host to ask, the look-up decides nothing; no MX record is no verdict."""
    hosts = (MXHost("example.com", 0, ("192.0.2.1",)),)
    answer = MXAnswer("example.com", MXOutcome.OK, hosts, is_implicit=is_implicit)
    assert decide.decide_mx(answer, asked(), plan()) is None


def test_pitfall_19_no_answer_from_dns_is_no_answer() -> None:
    """SERVFAIL and time-outs are asked again by the schedule and end unknown, never invalid."""
    assert [_look_up(MXOutcome.FAILED, deferrals=number) for number in range(4)] == [
        "again dns_failure 15m",
        "again dns_failure 120m",
        "again dns_failure 480m",
        "unknown dns_failure",
    ]


def test_names_without_addresses_are_confirmed_once() -> None:
    """MX names that do not resolve are looked up again 2 hours later before the verdict."""
    first = decide.decide_mx(MXAnswer("example.com", MXOutcome.MX_UNRESOLVABLE), asked(), plan())
    assert show(first) == "again mx_unresolvable 120m"
    assert isinstance(first, Deferral)
    again = {"deferrals": 1, "pin_last_meaning": first.pin.last_meaning}
    assert _look_up(MXOutcome.MX_UNRESOLVABLE, **again) == "invalid mx_unresolvable"
    assert _look_up(MXOutcome.MX_UNRESOLVABLE, deferrals=3) == "invalid mx_unresolvable"


def test_look_up_keeps_the_pin() -> None:
    """A DNS failure between two attempts does not unpin the triplet."""
    outcome = decide.decide_mx(
        MXAnswer("example.com", MXOutcome.FAILED), asked(1, pin_mx_host="mx.example.com"), plan()
    )
    assert isinstance(outcome, Deferral)
    assert outcome.pin.mx_host == "mx.example.com"


def test_closed_gate_uses_up_no_attempt() -> None:
    """Who was not asked waits until the gate opens, with the pin it had."""
    later = NOW + timedelta(hours=1)
    assert decide.defer_for_gate(later) == Deferral(later, Reason.PROVIDER_PAUSED, counts_as_attempt=False)
    pin = Pin(mx_host="mx.example.com")
    assert decide.defer_for_gate(later, Reason.DAILY_CAP, pin).pin is pin

    waiting = asked(pin_mx_host="mx.example.com", first_tried_at=NOW - timedelta(hours=47))
    outcome = decide.decide_gate(waiting, later, Reason.DAILY_CAP, plan())
    assert outcome == Deferral(later, Reason.DAILY_CAP, counts_as_attempt=False, pin=pin)


def test_waiting_at_a_closed_gate_ends() -> None:
    """After the time in the settings the mailbox ends unknown, and says that it was never asked."""
    tired = asked(first_tried_at=NOW - timedelta(hours=49))
    outcome = decide.decide_gate(tired, NOW + timedelta(hours=1), Reason.PROVIDER_PAUSED, plan())
    assert isinstance(outcome, Verdict)
    assert show(outcome) == "unknown provider_paused"
    assert outcome.reasons == ("provider_paused", "given_up")


_YES = (Reply(250), read(M.OK, 250))
_NO = (Reply(550, ("5.1.1 User unknown",)), read(M.NO_SUCH_MAILBOX, 550))
_SOFT_NO = (Reply(450, ("4.1.1 User unknown",)), read(M.NO_SUCH_MAILBOX, 450))
_PERHAPS = (Reply(252), read(M.OK, 252))
_BARE = (Reply(550, ("Rejected",)), read(M.POLICY_REJECTED, 550, rule="bare:550"))
_POLICY = (Reply(550, ("5.7.1 Rejected",)), read(M.POLICY_REJECTED, 550, rule="code:5.7.1"))
_US = (Reply(550, ("5.1.1 blocked",)), read(M.SENDER_IP_BLOCKED, 550))
_NOT_THEIRS = (Reply(550, ("5.1.1 x",)), read(M.NO_SUCH_MAILBOX, 550, Scope.OURSELVES))
_GREY = (Reply(451, ("greylisted",)), read(M.GREYLISTED, 451))
_MANY = (Reply(452, ("4.5.3 too many recipients",)), read(M.TOO_MANY_RECIPIENTS, 452))
_FULL = (Reply(552, ("5.2.2 full",)), read(M.MAILBOX_FULL, 552))


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ([], AcceptAll.NOT_ASKED),
        ([_NO], AcceptAll.REJECTS_UNKNOWN),
        ([_YES, _YES], AcceptAll.ACCEPTS_ALL),
        ([_YES], AcceptAll.ACCEPTS_ALL),
        ([_YES, _NO], AcceptAll.UNDETERMINED),
        ([_YES, _GREY], AcceptAll.UNDETERMINED),
        ([_BARE], AcceptAll.REJECTS_UNKNOWN),
        ([_POLICY], AcceptAll.UNDETERMINED),
        ([_SOFT_NO], AcceptAll.UNDETERMINED),
        ([_PERHAPS], AcceptAll.UNDETERMINED),
        ([_US], AcceptAll.UNDETERMINED),
        ([_NOT_THEIRS], AcceptAll.UNDETERMINED),
        ([_GREY], AcceptAll.UNDETERMINED),
        ([_MANY], AcceptAll.UNDETERMINED),
        ([_FULL], AcceptAll.UNDETERMINED),
    ],
)
def test_control_recipient_is_read_in_three_ways(answers: list[tuple[Reply, ReplyReading]], state: AcceptAll) -> None:
    """Refused as unknown, accepted, or no answer about the name: a third thing, never a guess."""
    assert decide.read_control(answers) is state


def test_second_shape_is_waited_for_where_it_is_wanted() -> None:
    """One accepted name is no accept-all where a second was to be asked and was not answered."""
    assert decide.read_control([_YES], is_second_wanted=True) is AcceptAll.UNDETERMINED
    assert decide.read_control([_YES, _YES], is_second_wanted=True) is AcceptAll.ACCEPTS_ALL
    assert decide.read_control([_NO], is_second_wanted=True) is AcceptAll.REJECTS_UNKNOWN


@pytest.mark.parametrize(
    ("stage", "code", "meaning", "signals"),
    [
        (Stage.RCPT, 250, M.OK, [Signal.SUCCESS]),
        (Stage.RCPT, 550, M.NO_SUCH_MAILBOX, [Signal.REFUSED_UNKNOWN]),
        (Stage.RCPT, 450, M.NO_SUCH_MAILBOX, [Signal.REFUSED_UNKNOWN]),
        (Stage.RCPT, 554, M.SENDER_IP_BLOCKED, [Signal.BLOCKED]),
        (Stage.CONNECT, 554, M.SENDER_IP_BLOCKED, [Signal.BLOCKED_EARLY]),
        (Stage.EHLO, 554, M.SENDER_IP_BLOCKED, [Signal.BLOCKED_EARLY]),
        (Stage.MAIL, 554, M.SENDER_IP_BLOCKED, [Signal.BLOCKED_EARLY]),
        (Stage.CONNECT, 421, M.RATE_LIMITED, [Signal.RATE_LIMITED]),
        (Stage.MAIL, 450, M.RATE_LIMITED, [Signal.RATE_LIMITED]),
        (Stage.RCPT, 550, M.RATE_LIMITED, [Signal.RATE_LIMITED]),
        (Stage.CONNECT, 554, M.POLICY_REJECTED, [Signal.REJECTED_SILENTLY]),
        (Stage.CONNECT, 421, M.TEMPORARY_FAILURE, []),
        (Stage.MAIL, 550, M.SENDER_REJECTED, []),
        (Stage.MAIL, 250, M.OK, []),
        (Stage.RCPT, 452, M.MAILBOX_FULL, []),
        (Stage.RCPT, 550, M.MAILBOX_DISABLED, []),
        (Stage.RCPT, 450, M.RECIPIENT_RATE_LIMITED, []),
        (Stage.RCPT, 451, M.GREYLISTED, []),
        (Stage.RCPT, 550, M.POLICY_REJECTED, []),
        (Stage.RCPT, 452, M.TOO_MANY_RECIPIENTS, []),
    ],
)
def test_lane_hears_how_we_are_treated(stage: Stage, code: int, meaning: Meaning, signals: list[Signal]) -> None:
    """An answer about a mailbox is no failure, a greylist neither; a block and a limit are."""
    assert list(decide.signals_of(answered(code, meaning, "text", stage=stage))) == signals


@pytest.mark.parametrize(
    ("kind", "signals"),
    [
        ("connect_failed", [Signal.CONNECTION_FAILED]),
        ("connect_timeout", [Signal.CONNECTION_FAILED]),
        ("reply_timeout", [Signal.CONNECTION_FAILED]),
        ("disconnected", [Signal.CONNECTION_FAILED]),
        ("tls_failed", [Signal.CONNECTION_FAILED]),
        ("protocol_violation", [Signal.CONNECTION_FAILED]),
        ("smtputf8_unsupported", []),
        ("not_sendable", []),
        ("", []),
    ],
)
def test_lane_hears_of_breakdowns(kind: str, signals: list[Signal]) -> None:
    """A breakdown counts as a failed connection; a mailbox that cannot be asked about does not."""
    assert list(decide.signals_of(failed(kind))) == signals


@pytest.mark.parametrize("meaning", list(Meaning))
def test_session_ends_when_the_host_speaks_about_us(meaning: Meaning) -> None:
    """Blocks, rejected senders and limits hold for everybody after; words about a mailbox do not."""
    about_us = {M.SENDER_IP_BLOCKED, M.SENDER_REJECTED, M.RATE_LIMITED}
    assert decide.is_about_us(read(meaning, 550)) is (meaning in about_us)
    assert decide.is_about_us(read(meaning, 550, Scope.OURSELVES))


@pytest.mark.parametrize("meaning", list(Meaning))
def test_postmaster_is_asked_only_beside_a_refusal_nobody_knows(meaning: Meaning) -> None:
    """The control costs a RCPT: only a permanent refusal without known sense is worth it."""
    assert decide.wants_postmaster(read(meaning, 550)) is (meaning is M.POLICY_REJECTED)
    assert not decide.wants_postmaster(read(meaning, 450))

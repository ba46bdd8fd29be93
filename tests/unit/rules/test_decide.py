"""The decision table, row by row: what was answered at which stage, and what follows."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.rules.attempts import (
    DELAYS,
    MAILBOX,
    NOW,
    SPOKEN,
    answered,
    asked,
    failed,
    plan,
    read,
    show,
)
from validatord.mail.address import Mailbox
from validatord.mail.probe import ProbeReport
from validatord.mail.provider import MXProvider
from validatord.mail.reply import Reply
from validatord.mail.transcript import Transcript
from validatord.mail.verdict import AcceptAll, Deferral, Meaning, Pin, Reason, Scope, Stage, Status, Verdict
from validatord.rules import decide

_KNOWN = {"control": AcceptAll.REJECTS_UNKNOWN}
_ALL = {"control": AcceptAll.ACCEPTS_ALL}
_OPEN = {"control": AcceptAll.UNDETERMINED}
_CACHED = {"is_control_cached": True}
_BACKUP = {"is_backup_mx": True}
_OK = read(Meaning.OK, 250)
_POSTMASTER_OK = {"postmaster": _OK}
_POSTMASTER_SAME = {"postmaster": read(Meaning.POLICY_REJECTED, 550), "is_same_for_postmaster": True}
_POSTMASTER_ELSE = {"postmaster": read(Meaning.NO_SUCH_MAILBOX, 550)}
_YAHOO = {"provider": MXProvider("yahoo", accepts_everything=True)}
_NO_CONTROL = {"provider": MXProvider("microsoft", postmaster_control=False)}
_ACCENT = {"mailbox": Mailbox("büro", "example.com")}
M = Meaning


def _decide(report: ProbeReport, **request: Any) -> str:
    return show(decide.decide(report, asked(**request), plan()))


@pytest.mark.parametrize(
    ("code", "meaning", "report", "first"),
    [
        # accepted
        (250, M.OK, _KNOWN, "valid accepted"),
        (250, M.OK, _KNOWN | _CACHED, "valid accepted"),
        (250, M.OK, _ALL, "accept_all accept_all"),
        (250, M.OK, _OPEN, "again accept_all_undetermined 15m"),
        (250, M.OK, {}, "again accept_all_undetermined 15m"),
        (251, M.OK, _KNOWN, "valid forwarded"),
        (251, M.OK, _ALL, "accept_all accept_all"),
        (252, M.OK, _KNOWN, "unknown cannot_verify"),
        (250, M.OK, _YAHOO, "accept_all accept_all"),
        (250, M.OK, _YAHOO | _KNOWN, "accept_all accept_all"),
        (250, M.OK, _BACKUP, "again backup_mx_only 15m"),
        (250, M.OK, _BACKUP | _KNOWN, "valid accepted"),
        (250, M.OK, _BACKUP | _KNOWN | _CACHED, "again backup_mx_only 15m"),
        (250, M.OK, _BACKUP | _ALL, "accept_all accept_all"),
        # about the mailbox
        (550, M.NO_SUCH_MAILBOX, {}, "invalid no_such_mailbox"),
        (550, M.NO_SUCH_MAILBOX, _BACKUP, "invalid no_such_mailbox"),
        (551, M.NO_SUCH_MAILBOX, {}, "invalid user_not_local"),
        (450, M.NO_SUCH_MAILBOX, {}, "again no_such_mailbox_soft 15m"),
        (552, M.MAILBOX_FULL, {}, "risky mailbox_full"),
        (452, M.MAILBOX_FULL, {}, "risky mailbox_full"),
        (550, M.MAILBOX_DISABLED, {}, "invalid mailbox_disabled"),
        (450, M.MAILBOX_DISABLED, {}, "again temporary_failure 15m"),
        (450, M.RECIPIENT_RATE_LIMITED, _KNOWN, "valid recipient_rate_limited"),
        (550, M.RECIPIENT_RATE_LIMITED, _KNOWN, "valid recipient_rate_limited"),
        (450, M.RECIPIENT_RATE_LIMITED, {}, "again recipient_rate_limited 15m"),
        (450, M.RECIPIENT_RATE_LIMITED, _KNOWN | _YAHOO, "again recipient_rate_limited 15m"),
        # later, or less
        (451, M.GREYLISTED, {}, "again greylisted 15m"),
        (554, M.GREYLISTED, {}, "again greylisted 15m"),
        (421, M.RATE_LIMITED, {}, "again rate_limited 15m"),
        (550, M.RATE_LIMITED, {}, "again rate_limited 15m"),
        (452, M.TOO_MANY_RECIPIENTS, {}, "again rate_limited 15m"),
        (552, M.TOO_MANY_RECIPIENTS, {}, "again rate_limited 15m"),
        (451, M.TEMPORARY_FAILURE, {}, "again temporary_failure 15m"),
        (550, M.TEMPORARY_FAILURE, {}, "again temporary_failure 15m"),
        # about us
        (554, M.SENDER_IP_BLOCKED, {}, "unknown sender_ip_blocked"),
        (451, M.SENDER_IP_BLOCKED, {}, "again sender_ip_blocked 15m"),
        (550, M.SENDER_REJECTED, {}, "unknown sender_rejected"),
        (450, M.SENDER_REJECTED, {}, "again sender_rejected 15m"),
        (550, M.AUTH_REQUIRED, {}, "unknown auth_required"),
        (454, M.AUTH_REQUIRED, {}, "again auth_required 15m"),
        (530, M.TLS_REQUIRED, {}, "again tls_required 15m"),
        (450, M.TLS_REQUIRED, {}, "again tls_required 15m"),
        # about the domain
        (554, M.RELAY_DENIED, {}, "again relay_denied 480m"),
        (554, M.RELAY_DENIED, _BACKUP, "again relay_denied 15m"),
        (454, M.RELAY_DENIED, {}, "again relay_denied_soft 15m"),
        (550, M.DOMAIN_NOT_HOSTED, {}, "again domain_not_hosted 480m"),
        (450, M.DOMAIN_NOT_HOSTED, {}, "again relay_denied_soft 15m"),
        (556, M.DOMAIN_NOT_HOSTED, {}, "invalid domain_not_hosted"),
        (550, M.DOMAIN_NOT_HOSTED, {"reply": Reply(550, ("5.1.10 nullMX",))}, "invalid domain_not_hosted"),
        # nobody knows
        (550, M.POLICY_REJECTED, {}, "again policy_rejected 480m"),
        (450, M.POLICY_REJECTED, {}, "again temporary_failure 15m"),
        (550, M.POLICY_REJECTED, _POSTMASTER_SAME, "unknown policy_rejected"),
        (550, M.POLICY_REJECTED, _POSTMASTER_OK, "invalid no_such_mailbox"),
        (550, M.POLICY_REJECTED, _POSTMASTER_ELSE, "again policy_rejected 480m"),
        (550, M.POLICY_REJECTED, _POSTMASTER_OK | _NO_CONTROL, "again policy_rejected 480m"),
        (550, M.POLICY_REJECTED, _POSTMASTER_SAME | _NO_CONTROL, "again policy_rejected 480m"),
        (503, M.PROTOCOL_ERROR, {}, "again protocol_error 15m"),
        (450, M.PROTOCOL_ERROR, {}, "again protocol_error 15m"),
        # about the form of the address
        (501, M.PROTOCOL_ERROR, {}, "unknown address_refused"),
        (553, M.PROTOCOL_ERROR, {}, "unknown address_refused"),
        (550, M.PROTOCOL_ERROR, {"reply": Reply(550, ("5.1.3 bad syntax",))}, "unknown address_refused"),
        (501, M.PROTOCOL_ERROR, _KNOWN, "invalid address_refused low"),
        (501, M.PROTOCOL_ERROR, _ALL, "invalid address_refused low"),
        (501, M.PROTOCOL_ERROR, _KNOWN | _CACHED, "unknown address_refused"),
        (501, M.PROTOCOL_ERROR, _POSTMASTER_OK, "invalid address_refused low"),
        (501, M.PROTOCOL_ERROR, _POSTMASTER_SAME, "unknown address_refused"),
        (553, M.POLICY_REJECTED, _ACCENT | {"reply": Reply(553, ("5.6.7 x",))}, "again smtputf8_unsupported 480m"),
        (553, M.POLICY_REJECTED, {"reply": Reply(553, ("5.6.7 x",))}, "again policy_rejected 480m"),
    ],
)
def test_reply_to_rcpt(code: int, meaning: Meaning, report: dict[str, Any], first: str) -> None:
    """The first answer to RCPT leads to this."""
    assert _decide(answered(code, meaning, "some text", **report)) == first


@pytest.mark.parametrize("code", [550, 553])
def test_bare_refusal_needs_a_control_that_fared_otherwise(code: int) -> None:
    """A 550 without known words or enhanced code judges the mailbox only beside a made-up name that was accepted."""
    for bare, control, expected in (
        (True, _ALL, "invalid no_such_mailbox low"),
        (True, _ALL | _CACHED, "again policy_rejected 480m"),
        (True, _KNOWN, "again policy_rejected 480m"),
        (True, {}, "again policy_rejected 480m"),
        (False, _ALL, "again policy_rejected 480m"),
    ):
        reading = read(M.POLICY_REJECTED, code, rule=f"bare:{code}" if bare else "text:policy:spam")
        report = answered(code, M.POLICY_REJECTED, "Rejected", **control | {"reading": reading})
        assert _decide(report) == expected
    coded = answered(
        code, M.POLICY_REJECTED, "5.7.1 no", **_ALL | {"reading": read(M.POLICY_REJECTED, code, rule="bare:x")}
    )
    assert _decide(coded) == "again policy_rejected 480m"


@pytest.mark.parametrize(
    ("stage", "code", "meaning", "first"),
    [
        (Stage.CONNECT, 421, M.RATE_LIMITED, "again rate_limited 15m"),
        (Stage.CONNECT, 421, M.TEMPORARY_FAILURE, "again temporary_failure 15m"),
        (Stage.CONNECT, 450, M.POLICY_REJECTED, "again temporary_failure 15m"),
        (Stage.CONNECT, 554, M.SENDER_IP_BLOCKED, "unknown sender_ip_blocked"),
        (Stage.CONNECT, 421, M.SENDER_IP_BLOCKED, "again sender_ip_blocked 15m"),
        (Stage.CONNECT, 554, M.POLICY_REJECTED, "again connection_rejected 15m"),
        (Stage.CONNECT, 554, M.NO_SUCH_MAILBOX, "again connection_rejected 15m"),
        (Stage.CONNECT, 554, M.PROTOCOL_ERROR, "again connection_rejected 15m"),
        (Stage.CONNECT, 450, M.GREYLISTED, "again greylisted 15m"),
        (Stage.EHLO, 550, M.SENDER_REJECTED, "unknown sender_rejected"),
        (Stage.EHLO, 502, M.PROTOCOL_ERROR, "again protocol_error 15m"),
        (Stage.EHLO, 550, M.POLICY_REJECTED, "again protocol_error 15m"),
        (Stage.EHLO, 421, M.TEMPORARY_FAILURE, "again temporary_failure 15m"),
        (Stage.STARTTLS, 454, M.POLICY_REJECTED, "again temporary_failure 15m"),
        (Stage.STARTTLS, 501, M.PROTOCOL_ERROR, "again protocol_error 15m"),
        (Stage.MAIL, 451, M.GREYLISTED, "again greylisted 15m"),
        (Stage.MAIL, 451, M.RATE_LIMITED, "again rate_limited 15m"),
        (Stage.MAIL, 451, M.TEMPORARY_FAILURE, "again temporary_failure 15m"),
        (Stage.MAIL, 452, M.TOO_MANY_RECIPIENTS, "again rate_limited 15m"),
        (Stage.MAIL, 550, M.RECIPIENT_RATE_LIMITED, "again rate_limited 15m"),
        (Stage.MAIL, 552, M.MAILBOX_FULL, "again temporary_failure 15m"),
        (Stage.MAIL, 452, M.MAILBOX_FULL, "again temporary_failure 15m"),
        (Stage.MAIL, 550, M.SENDER_IP_BLOCKED, "unknown sender_ip_blocked"),
        (Stage.MAIL, 553, M.SENDER_REJECTED, "unknown sender_rejected"),
        (Stage.MAIL, 450, M.SENDER_REJECTED, "again sender_rejected 15m"),
        (Stage.MAIL, 550, M.NO_SUCH_MAILBOX, "unknown sender_rejected"),
        (Stage.MAIL, 550, M.MAILBOX_DISABLED, "unknown sender_rejected"),
        (Stage.MAIL, 450, M.NO_SUCH_MAILBOX, "again temporary_failure 15m"),
        (Stage.MAIL, 530, M.TLS_REQUIRED, "again tls_required 15m"),
        (Stage.MAIL, 530, M.AUTH_REQUIRED, "unknown auth_required"),
        (Stage.MAIL, 454, M.AUTH_REQUIRED, "again auth_required 15m"),
        (Stage.MAIL, 550, M.POLICY_REJECTED, "again policy_rejected 480m"),
        (Stage.MAIL, 550, M.RELAY_DENIED, "again policy_rejected 480m"),
        (Stage.MAIL, 550, M.DOMAIN_NOT_HOSTED, "again policy_rejected 480m"),
        (Stage.MAIL, 503, M.PROTOCOL_ERROR, "again protocol_error 15m"),
        (Stage.MAIL, 250, M.OK, "again connection_lost 15m"),
    ],
)
def test_reply_before_rcpt(stage: Stage, code: int, meaning: Meaning, first: str) -> None:
    """The first answer before RCPT leads to this."""
    assert _decide(answered(code, meaning, "some text", stage=stage)) == first


@pytest.mark.parametrize(
    ("kind", "stage", "report", "first", "last"),
    [
        ("connect_failed", Stage.CONNECT, {}, "again no_connection 15m", "unknown no_connection"),
        ("connect_timeout", Stage.CONNECT, {}, "again no_connection 15m", "unknown no_connection"),
        ("disconnected", Stage.CONNECT, {}, "again no_connection 15m", "unknown no_connection"),
        ("reply_timeout", Stage.CONNECT, {}, "again no_connection 15m", "unknown no_connection"),
        (
            "connect_failed",
            Stage.CONNECT,
            {"is_implicit_mx": True},
            "again no_connection 15m",
            "invalid no_connection low",
        ),
        ("disconnected", Stage.CONNECT, {"is_implicit_mx": True}, "again no_connection 15m", "unknown no_connection"),
        ("disconnected", Stage.RCPT, {}, "again connection_lost 15m", "unknown connection_lost"),
        ("reply_timeout", Stage.RCPT, {}, "again connection_lost 15m", "unknown connection_lost"),
        ("reply_timeout", Stage.MAIL, {}, "again connection_lost 15m", "unknown connection_lost"),
        ("", Stage.RCPT, {}, "again connection_lost 15m", "unknown connection_lost"),
        ("tls_failed", Stage.STARTTLS, {}, "again tls_required 15m", "unknown tls_required"),
        ("protocol_violation", Stage.RCPT, {}, "again protocol_error 15m", "unknown protocol_error"),
        ("protocol_violation", Stage.CONNECT, {}, "again protocol_error 15m", "unknown protocol_error"),
        (
            "smtputf8_unsupported",
            Stage.RCPT,
            _ACCENT,
            "again smtputf8_unsupported 480m",
            "invalid smtputf8_unsupported low",
        ),
        ("not_sendable", Stage.RCPT, {}, "unknown address_refused", "unknown address_refused"),
    ],
)
def test_breakdown(kind: str, stage: Stage, report: dict[str, Any], first: str, last: str) -> None:
    """A breakdown at its first time, and once the schedule is used up: never a verdict about an MX's mailbox."""
    assert _decide(failed(kind, stage, **report)) == first
    assert _decide(failed(kind, stage, **report), deferrals=3) == last


_BY_SCHEDULE = [
    (Stage.RCPT, 451, M.GREYLISTED, "greylisted"),
    (Stage.RCPT, 450, M.NO_SUCH_MAILBOX, "no_such_mailbox_soft"),
    (Stage.RCPT, 421, M.RATE_LIMITED, "rate_limited"),
    (Stage.RCPT, 451, M.TEMPORARY_FAILURE, "temporary_failure"),
    (Stage.RCPT, 454, M.RELAY_DENIED, "relay_denied_soft"),
    (Stage.RCPT, 250, M.OK, "accept_all_undetermined"),
    (Stage.RCPT, 450, M.RECIPIENT_RATE_LIMITED, "recipient_rate_limited"),
    (Stage.MAIL, 451, M.GREYLISTED, "greylisted"),
    (Stage.CONNECT, 554, M.POLICY_REJECTED, "connection_rejected"),
]


@pytest.mark.parametrize(("stage", "code", "meaning", "reason"), _BY_SCHEDULE)
def test_pitfall_04_refusal_for_now_is_asked_again_by_the_schedule(
    stage: Stage, code: int, meaning: Meaning, reason: str
) -> None:
    """15 minutes, 2 hours, 8 hours, then unknown with the reason: never invalid."""
    report = answered(code, meaning, "text", stage=stage)
    waits = [_decide(report, deferrals=number) for number in range(5)]
    assert waits == [f"again {reason} {wait}m" for wait in (15, 120, 480)] + [f"unknown {reason}"] * 2

    final = decide.decide(report, asked(3), plan())
    assert isinstance(final, Verdict)
    assert final.reasons == (reason, "retries_exhausted")


_ONCE = [
    (Stage.RCPT, 550, M.POLICY_REJECTED, {}, "unknown policy_rejected"),
    (Stage.RCPT, 554, M.RELAY_DENIED, {}, "invalid relay_denied low"),
    (Stage.RCPT, 550, M.DOMAIN_NOT_HOSTED, {}, "invalid domain_not_hosted low"),
    (Stage.RCPT, 503, M.PROTOCOL_ERROR, {}, "unknown protocol_error"),
    (Stage.RCPT, 530, M.TLS_REQUIRED, {}, "unknown tls_required"),
    (Stage.MAIL, 530, M.TLS_REQUIRED, {}, "unknown tls_required"),
    (Stage.MAIL, 550, M.POLICY_REJECTED, {}, "unknown policy_rejected"),
    (Stage.EHLO, 502, M.PROTOCOL_ERROR, {}, "unknown protocol_error"),
]


@pytest.mark.parametrize(("stage", "code", "meaning", "report", "second"), _ONCE)
def test_some_refusals_are_asked_once_more(
    stage: Stage, code: int, meaning: Meaning, report: dict[str, Any], second: str
) -> None:
    """One retry; if the same is said again, or the schedule is used up, that is the end."""
    what = answered(code, meaning, "text", stage=stage, **report)
    first = decide.decide(what, asked(), plan())
    assert isinstance(first, Deferral)

    assert show(decide.decide(what, asked(1, pin_last_meaning=first.pin.last_meaning), plan())) == second
    assert _decide(what, deferrals=1, pin_last_meaning="greylisted, temporary").startswith("again")
    assert _decide(what, deferrals=3) == second


def test_temporary_refusal_before_does_not_count_as_the_first_of_two() -> None:
    """454 relay denied, then 554: the second is the first permanent one and is confirmed."""
    soft = decide.decide(answered(454, M.RELAY_DENIED), asked(), plan())
    assert isinstance(soft, Deferral)
    assert _decide(answered(554, M.RELAY_DENIED), deferrals=1, pin_last_meaning=soft.pin.last_meaning) == (
        "again relay_denied 480m"
    )


def test_pitfall_32_soft_unknown_user_needs_the_same_text_hours_later() -> None:
    """450 user unknown is invalid, with low confidence, only when it was said again after the longest wait."""
    report = answered(450, M.NO_SUCH_MAILBOX, "4.1.1 <user@example.com>: User unknown in virtual alias table")
    first = decide.decide(report, asked(), plan())
    assert isinstance(first, Deferral)
    assert first.pin.text_since == NOW.isoformat()

    def again(hours: float, text: str = first.pin.last_text, deferrals: int = 2) -> str:
        later = plan(now=NOW + timedelta(hours=hours))
        past = asked(deferrals, pin_last_text=text, pin_text_since=first.pin.text_since)
        outcome = decide.decide(report, past, later)
        return show(outcome) if isinstance(outcome, Verdict) else f"again {outcome.reason}"  # type: ignore[union-attr]

    assert again(2.25) == "again no_such_mailbox_soft"
    assert again(7.9) == "again no_such_mailbox_soft"
    assert again(10.25) == "invalid no_such_mailbox_soft low"
    assert again(10.25, text="another text") == "again no_such_mailbox_soft"
    assert again(10.25, text="another text", deferrals=3) == "unknown no_such_mailbox_soft"
    assert again(10.25, text="", deferrals=3) == "unknown no_such_mailbox_soft"


def test_pitfall_32_repeated_soft_refusal_says_what_it_rests_on() -> None:
    """Where the moment of the first text is not known, the first attempt's counts."""
    report = answered(450, M.NO_SUCH_MAILBOX, "4.1.1 User unknown")
    past = asked(3, first_tried_at=NOW - timedelta(hours=10), pin_last_text="4.1.1 user unknown")
    outcome = decide.decide(report, past, plan())
    assert isinstance(outcome, Verdict)
    assert outcome.reasons == ("no_such_mailbox_soft", "repeated")


def test_breakdown_in_between_does_not_forget_the_text() -> None:
    """Soft refusal, lost connection, soft refusal with the same text: still the same text since the first."""
    report = answered(450, M.NO_SUCH_MAILBOX, "4.1.1 User unknown")
    first = decide.decide(report, asked(), plan())
    assert isinstance(first, Deferral)
    lost = decide.decide(failed("disconnected"), asked(1, **_as_pin(first.pin)), plan(now=NOW + timedelta(minutes=15)))
    assert isinstance(lost, Deferral)
    assert (lost.pin.last_text, lost.pin.text_since) == (first.pin.last_text, first.pin.text_since)
    third = decide.decide(report, asked(2, **_as_pin(lost.pin)), plan(now=NOW + timedelta(hours=2)))
    assert isinstance(third, Deferral)
    assert third.pin.text_since == first.pin.text_since
    end = decide.decide(report, asked(3, **_as_pin(third.pin)), plan(now=NOW + timedelta(hours=10)))
    assert show(end) == "invalid no_such_mailbox_soft low"


def _as_pin(pin: Pin) -> dict[str, Any]:
    return {f"pin_{name}": getattr(pin, name) for name in ("last_meaning", "last_text", "text_since")}


def test_pitfall_39_deferral_pins_the_triplet() -> None:
    """The next attempt repeats identity, HELO name, sender, source address, host and node."""
    outcome = decide.decide(
        answered(451, M.GREYLISTED, "greylisted"), asked(), plan(source_address="192.0.2.9", node="one")
    )
    assert isinstance(outcome, Deferral)
    assert outcome.counts_as_attempt
    assert outcome.pin == Pin(
        identity="default",
        helo_name="probe.example.net",
        envelope_sender="probe@probe.example.net",
        source_address="192.0.2.9",
        mx_host="mx.example.com",
        mx_address="192.0.2.1",
        last_meaning="greylisted, temporary",
        last_text="greylisted",
        text_since=NOW.isoformat(),
        node="one",
    )


def test_pitfall_39_attempt_that_reached_nobody_keeps_the_pin() -> None:
    """A connection that did not come about must not unpin who spoke with the greylist before."""
    report = failed("connect_failed", Stage.CONNECT, transcript=Transcript())
    before = {
        "pin_identity": "second",
        "pin_mx_host": "mx2.example.com",
        "pin_envelope_sender": "a@b.example",
        "pin_node": "n",
    }
    outcome = decide.decide(report, asked(1, **before), plan())
    assert isinstance(outcome, Deferral)
    assert (outcome.pin.identity, outcome.pin.mx_host, outcome.pin.node) == ("second", "mx2.example.com", "n")
    assert outcome.pin.last_meaning == "connect_failed"


@pytest.mark.parametrize(("wait", "expected"), [(300, 5.5), (7200, 120.5), (30, 15), (9000, 15), (None, 15)])
def test_wait_in_the_text_sets_the_first_retry(wait: int | None, expected: float) -> None:
    """A greylist that names its delay is obeyed, plus half a minute, within the bounds."""
    report = answered(451, M.GREYLISTED, "try again later", wait=wait)
    assert _decide(report) == f"again greylisted {expected:g}m"


@pytest.mark.parametrize("scope", [Scope.HOST, Scope.PROVIDER, Scope.OURSELVES, Scope.DOMAIN])
@pytest.mark.parametrize("meaning", [M.NO_SUCH_MAILBOX, M.MAILBOX_FULL, M.MAILBOX_DISABLED, M.RECIPIENT_RATE_LIMITED])
def test_only_recipient_scope_touches_a_mailbox(meaning: Meaning, scope: Scope) -> None:
    """A reading that speaks of somebody else never judges the mailbox."""
    assert _decide(answered(550, meaning, "text", scope=scope, **_KNOWN)) == "again policy_rejected 480m"


@pytest.mark.parametrize("meaning", [M.RELAY_DENIED, M.DOMAIN_NOT_HOSTED])
def test_only_domain_scope_touches_a_domain(meaning: Meaning) -> None:
    """A refusal to relay that is about us says nothing about where the domain lives."""
    assert _decide(answered(554, meaning, "text", scope=Scope.OURSELVES), deferrals=3) == "unknown policy_rejected"
    assert _decide(answered(554, meaning, "text", scope=Scope.RECIPIENT), deferrals=3) == f"invalid {meaning} low"


_MEANINGS = st.sampled_from(list(Meaning))
_REPORTS = st.fixed_dictionaries(
    {
        "control": st.sampled_from(list(AcceptAll)),
        "is_control_cached": st.booleans(),
        "is_backup_mx": st.booleans(),
        "is_same_for_postmaster": st.booleans(),
        "postmaster": st.sampled_from([None, _OK, read(M.POLICY_REJECTED, 550)]),
        "provider": st.builds(
            MXProvider, key=st.just("p"), accepts_everything=st.booleans(), postmaster_control=st.booleans()
        ),
    }
)
_PASTS = st.fixed_dictionaries(
    {
        "deferrals": st.integers(0, 5),
        "pin_last_meaning": st.sampled_from(["", "policy_rejected", "relay_denied", "no_such_mailbox, temporary"]),
        "pin_last_text": st.sampled_from(["", "text"]),
        "first_tried_at": st.sampled_from([None, NOW, NOW - timedelta(days=1)]),
    }
)


@given(st.sampled_from([400, 421, 450, 451, 452, 454]), _MEANINGS, _REPORTS, _PASTS)
def test_pitfall_04_no_4xx_is_invalid_at_first(
    code: int, meaning: Meaning, report: dict[str, Any], past: dict[str, Any]
) -> None:
    """Whatever a 4xx says: invalid only for an unknown user that was said twice, hours apart."""
    outcome = decide.decide(answered(code, meaning, "text", **report), asked(**past), plan())
    if isinstance(outcome, Verdict) and outcome.status is Status.INVALID:
        assert outcome.reason is Reason.NO_SUCH_MAILBOX_SOFT
        assert outcome.is_low_confidence
        assert past["pin_last_text"] == "text"


@given(
    st.sampled_from([Stage.CONNECT, Stage.EHLO, Stage.STARTTLS, Stage.MAIL]),
    st.sampled_from([220, 250, 421, 450, 500, 550, 552, 554]),
    _MEANINGS,
    _REPORTS,
    _PASTS,
)
def test_pitfall_12_nothing_before_rcpt_decides_about_a_mailbox(
    stage: Stage, code: int, meaning: Meaning, report: dict[str, Any], past: dict[str, Any]
) -> None:
    """At greeting, EHLO, STARTTLS and MAIL there is no word about a mailbox: unknown, or later."""
    outcome = decide.decide(answered(code, meaning, "text", stage=stage, **report), asked(**past), plan())
    assert isinstance(outcome, Deferral) or outcome.status is Status.UNKNOWN  # type: ignore[union-attr]


@given(st.sampled_from([450, 550, 554]), _MEANINGS, _REPORTS, _PASTS)
def test_pitfall_03_what_is_about_us_is_never_a_verdict(
    code: int, meaning: Meaning, report: dict[str, Any], past: dict[str, Any]
) -> None:
    """A refusal about us (block, sender, rate) ends unknown at worst, whatever else is known."""
    if meaning in {
        M.SENDER_IP_BLOCKED,
        M.SENDER_REJECTED,
        M.RATE_LIMITED,
        M.GREYLISTED,
        M.TLS_REQUIRED,
        M.AUTH_REQUIRED,
    }:
        outcome = decide.decide(answered(code, meaning, "text", **report), asked(**past), plan())
        assert isinstance(outcome, Deferral) or outcome.status is Status.UNKNOWN  # type: ignore[union-attr]


@given(_REPORTS, _PASTS, st.sampled_from([250, 251, 252]))
def test_valid_needs_a_refused_control_at_the_same_host(
    report: dict[str, Any], past: dict[str, Any], code: int
) -> None:
    """250 alone is never valid: the domain must be known to refuse made-up names, and the provider to mean it."""
    outcome = decide.decide(answered(code, M.OK, "ok", **report), asked(**past), plan())
    if isinstance(outcome, Verdict) and outcome.status is Status.VALID:
        assert report["control"] is AcceptAll.REJECTS_UNKNOWN
        assert not report["provider"].accepts_everything
        assert code != 252
        assert not (report["is_backup_mx"] and report["is_control_cached"])


def test_reply_without_reading_counts_as_lost() -> None:
    """What nobody has read decides nothing."""
    report = ProbeReport(MAILBOX, MXProvider("p"), Stage.RCPT, reply=Reply(550), transcript=SPOKEN)
    assert _decide(report) == "again connection_lost 15m"


def test_reading_without_reply_is_judged_by_its_meaning() -> None:
    """A reading alone, as kept with a verdict, is enough to judge; codes only add to it."""
    for meaning, expected in (
        (M.OK, "valid accepted"),
        (M.NO_SUCH_MAILBOX, "invalid no_such_mailbox"),
        (M.POLICY_REJECTED, "again policy_rejected 480m"),
        (M.DOMAIN_NOT_HOSTED, "again domain_not_hosted 480m"),
        (M.PROTOCOL_ERROR, "again protocol_error 15m"),
    ):
        report = ProbeReport(MAILBOX, MXProvider("p"), Stage.RCPT, reading=read(meaning), **_KNOWN)
        assert _decide(report) == expected


def test_schedule_of_one_delay_still_confirms() -> None:
    """Rules that want a longer wait take the longest there is."""
    short = plan(delays=DELAYS[:1])
    assert show(decide.decide(answered(554, M.RELAY_DENIED), asked(), short)) == "again relay_denied 15m"
    assert show(decide.decide(answered(554, M.RELAY_DENIED), asked(1), short)) == "invalid relay_denied low"

"""What follows from one attempt: a verdict, or a deferral with its due time and pin.

`decide_mx` judges the look-up, `decide` the conversation, `read_control` the accept-all test, `signals_of`
says what the lane is told. What a single reply means is `replies`' work and is read here only as a value.
Nothing said before RCPT decides about a mailbox.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from validatord.mail.mx import MXAnswer, MXOutcome
from validatord.mail.probe import NOT_SENDABLE, SMTPUTF8_UNSUPPORTED, ProbeReport, Signal
from validatord.mail.reply import Reply
from validatord.mail.request import VerificationRequest
from validatord.mail.verdict import (
    AcceptAll,
    Deferral,
    Meaning,
    Outcome,
    Pin,
    Reason,
    ReplyReading,
    Scope,
    Stage,
    Status,
    Verdict,
)
from validatord.rules.attempt import Attempt
from validatord.rules.decide_rcpt import decide_rcpt, is_bare, smtputf8_unsupported
from validatord.rules.retry import RetryPlan

__all__ = [
    "RetryPlan",
    "decide",
    "decide_gate",
    "decide_mx",
    "defer_for_gate",
    "is_about_us",
    "read_control",
    "signals_of",
    "wants_postmaster",
]

_CANNOT_VERIFY = 252  # RFC 5321 3.5.3

_MX_REASONS = {
    MXOutcome.DOMAIN_NOT_FOUND: Reason.DOMAIN_NOT_FOUND,
    MXOutcome.NULL_MX: Reason.NULL_MX,
    MXOutcome.NO_MAIL_HOST: Reason.NO_MAIL_HOST,
    MXOutcome.MX_NOT_PUBLIC: Reason.MX_NOT_PUBLIC,
    MXOutcome.MX_UNRESOLVABLE: Reason.MX_UNRESOLVABLE,
}

_NOT_REACHED = frozenset({"connect_failed", "connect_timeout"})

# Before RCPT a refusal is about us or the host, whatever its words.
_EARLY_AGAIN = {
    Meaning.RATE_LIMITED: Reason.RATE_LIMITED,
    Meaning.TOO_MANY_RECIPIENTS: Reason.RATE_LIMITED,
    Meaning.RECIPIENT_RATE_LIMITED: Reason.RATE_LIMITED,
    Meaning.GREYLISTED: Reason.GREYLISTED,
    Meaning.TEMPORARY_FAILURE: Reason.TEMPORARY_FAILURE,
    Meaning.MAILBOX_FULL: Reason.TEMPORARY_FAILURE,  # the disk of the host, not a mailbox's quota
}
_EARLY_FINAL = {
    Meaning.SENDER_IP_BLOCKED: Reason.SENDER_IP_BLOCKED,
    Meaning.SENDER_REJECTED: Reason.SENDER_REJECTED,
    Meaning.AUTH_REQUIRED: Reason.AUTH_REQUIRED,
}
# At MAIL a recipient's words can only mean the sender (RFC 3463 3.2: x.1.0 "other address status").
_SENDER_AT_MAIL = frozenset({Meaning.NO_SUCH_MAILBOX, Meaning.MAILBOX_DISABLED})


def decide_mx(answer: MXAnswer, request: VerificationRequest, retry: RetryPlan) -> Outcome | None:
    """Judge a look-up; None: there are hosts to ask."""
    if answer.outcome is MXOutcome.OK:
        return None
    pin = replace(request.pin, last_meaning=answer.outcome.value)
    if answer.outcome is MXOutcome.FAILED:
        due_at = retry.find_due(request.deferrals)
        if due_at is not None:
            return Deferral(due_at, Reason.DNS_FAILURE, pin=pin)
        return Verdict(Status.UNKNOWN, Reason.DNS_FAILURE, (Reason.DNS_FAILURE.value, "retries_exhausted"))
    reason = _MX_REASONS[answer.outcome]
    is_repeated = request.pin.last_meaning == answer.outcome.value or retry.is_used_up(request.deferrals)
    if answer.outcome is MXOutcome.MX_UNRESOLVABLE and not is_repeated:
        # Names without addresses are often a zone in the middle of a change: one confirmation, 2 hours later.
        return Deferral(retry.find_due_after(retry.get_wait(1)), reason, pin=pin)
    return Verdict(Status.INVALID, reason, (reason.value,))


def decide(report: ProbeReport, request: VerificationRequest, retry: RetryPlan) -> Outcome:
    """Judge what one attempt learned about one mailbox."""
    attempt = Attempt(report, request, retry)
    if report.reading is None:
        return _decide_failure(attempt)
    if report.stage is Stage.RCPT:
        return decide_rcpt(attempt, report.reading)
    return _decide_early(attempt, report.reading.meaning)


def _decide_failure(attempt: Attempt) -> Outcome:
    report, failure = attempt.report, attempt.report.failure
    if failure == SMTPUTF8_UNSUPPORTED:
        return smtputf8_unsupported(attempt)
    if failure == NOT_SENDABLE:
        return attempt.end_unknown(Reason.ADDRESS_REFUSED, NOT_SENDABLE)
    if failure == "protocol_violation":
        return attempt.once(Reason.PROTOCOL_ERROR, attempt.retry.get_wait(0))
    if failure == "tls_failed":
        # Without need of TLS the session would have gone on in plain text.
        return attempt.again(Reason.TLS_REQUIRED)
    if failure in _NOT_REACHED or report.stage is Stage.CONNECT:
        # A web host with a closed port 25; only after the whole schedule, and never where an MX was published.
        is_web_host = report.is_implicit_mx and failure in _NOT_REACHED
        tokens = (Reason.NO_CONNECTION, "implicit_mx")
        low = attempt.end(Status.INVALID, *tokens, low=True) if is_web_host else None
        return attempt.again(Reason.NO_CONNECTION, low)
    return attempt.again(Reason.CONNECTION_LOST)


def _decide_early(attempt: Attempt, meaning: Meaning) -> Outcome:
    if meaning in _EARLY_AGAIN:
        return attempt.again(_EARLY_AGAIN[meaning])
    if meaning in _EARLY_FINAL:
        reason = _EARLY_FINAL[meaning]
        return attempt.again(reason) if attempt.is_soft else attempt.end_unknown(reason)
    if meaning is Meaning.TLS_REQUIRED:
        return attempt.once(Reason.TLS_REQUIRED, attempt.retry.get_wait(0))
    if meaning is Meaning.OK:
        # The session ended before the mailbox was asked about.
        return attempt.again(Reason.CONNECTION_LOST)
    if attempt.is_soft:
        return attempt.again(Reason.TEMPORARY_FAILURE)
    return _decide_early_refusal(attempt, meaning)


def _decide_early_refusal(attempt: Attempt, meaning: Meaning) -> Outcome:
    stage = attempt.report.stage
    if stage is Stage.CONNECT:
        return attempt.again(Reason.CONNECTION_REJECTED)
    if stage is not Stage.MAIL or meaning is Meaning.PROTOCOL_ERROR:
        return attempt.once(Reason.PROTOCOL_ERROR, attempt.retry.get_wait(0))
    if meaning in _SENDER_AT_MAIL:
        return attempt.end_unknown(Reason.SENDER_REJECTED)
    return attempt.once(Reason.POLICY_REJECTED, attempt.retry.longest)


def defer_for_gate(retry_at: datetime, reason: Reason = Reason.PROVIDER_PAUSED, pin: Pin | None = None) -> Deferral:
    """Return the deferral of a mailbox that was not asked; it uses up no attempt and keeps its `pin`."""
    return Deferral(retry_at, reason, counts_as_attempt=False, pin=pin or Pin())


def decide_gate(request: VerificationRequest, retry_at: datetime, reason: Reason, retry: RetryPlan) -> Outcome:
    """Judge a mailbox that could not even be asked: it waits, until the settings say it waited enough."""
    if retry.is_given_up(request.first_tried_at):
        return Verdict(Status.UNKNOWN, reason, (reason.value, "given_up"))
    return defer_for_gate(retry_at, reason, request.pin)


def is_about_us(reading: ReplyReading) -> bool:
    """Whether a reply speaks about us, so that nothing more should be asked in this session."""
    return reading.scope is Scope.OURSELVES or reading.meaning in {
        Meaning.SENDER_IP_BLOCKED,
        Meaning.SENDER_REJECTED,
        Meaning.RATE_LIMITED,
    }


def wants_postmaster(reading: ReplyReading) -> bool:
    """Whether a refusal at RCPT is of a kind nobody recognises, so that postmaster@ serves as a control."""
    return reading.meaning is Meaning.POLICY_REJECTED and not reading.temporary


def read_control(answers: Sequence[tuple[Reply, ReplyReading]], *, is_second_wanted: bool = False) -> AcceptAll:
    """Return what the control recipient's answers say about a domain whose target was accepted just before.

    Args:
        answers: first shape, then the second one where it was asked.
        is_second_wanted: one accepted name alone decides nothing.
    """
    if not answers:
        return AcceptAll.NOT_ASKED
    found = [_read_one_control(reply, reading) for reply, reading in answers]
    if found[0] is AcceptAll.ACCEPTS_ALL and is_second_wanted and len(found) == 1:
        return AcceptAll.UNDETERMINED
    return found[0] if len(set(found)) == 1 else AcceptAll.UNDETERMINED


def _read_one_control(reply: Reply, reading: ReplyReading) -> AcceptAll:
    if reading.meaning is Meaning.OK:
        return AcceptAll.UNDETERMINED if reply.code == _CANNOT_VERIFY else AcceptAll.ACCEPTS_ALL
    if not reply.is_permanent or reading.temporary:
        return AcceptAll.UNDETERMINED
    if reading.meaning is Meaning.NO_SUCH_MAILBOX and reading.scope is Scope.RECIPIENT:
        return AcceptAll.REJECTS_UNKNOWN
    # The target was accepted in this very envelope, so an unexplained 550 is about the name.
    if reading.meaning is Meaning.POLICY_REJECTED and is_bare(reply, reading):
        return AcceptAll.REJECTS_UNKNOWN
    return AcceptAll.UNDETERMINED


_LOST = frozenset(
    {"connect_failed", "connect_timeout", "reply_timeout", "disconnected", "tls_failed", "protocol_violation"}
)
_SIGNALS_EARLY = {Meaning.SENDER_IP_BLOCKED: Signal.BLOCKED_EARLY, Meaning.RATE_LIMITED: Signal.RATE_LIMITED}
_SIGNALS_AT_RCPT = {
    Meaning.OK: Signal.SUCCESS,
    Meaning.NO_SUCH_MAILBOX: Signal.REFUSED_UNKNOWN,
    Meaning.SENDER_IP_BLOCKED: Signal.BLOCKED,
    Meaning.RATE_LIMITED: Signal.RATE_LIMITED,
}


def signals_of(report: ProbeReport) -> tuple[Signal, ...]:
    """Return what the lane is told about this attempt; an answer about a mailbox is never a failure."""
    if report.reading is None:
        return (Signal.CONNECTION_FAILED,) if report.failure in _LOST else ()
    table = _SIGNALS_AT_RCPT if report.stage is Stage.RCPT else _SIGNALS_EARLY
    found = table.get(report.reading.meaning)
    if found is None and report.stage is Stage.CONNECT and report.reply is not None and report.reply.is_permanent:
        found = Signal.REJECTED_SILENTLY
    return (found,) if found is not None else ()

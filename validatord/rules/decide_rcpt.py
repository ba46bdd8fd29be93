"""The decision table for a reply to RCPT: meaning and force of the refusal to verdict or deferral.

Only here may a mailbox be called valid, invalid or risky, and only by a reading that speaks of the
recipient or its domain. A 4xx is never `invalid` the first time; a 5xx about us never is.
"""

from collections.abc import Callable

from validatord.mail.reply import EnhancedCode, Reply
from validatord.mail.verdict import AcceptAll, Meaning, Outcome, Reason, ReplyReading, Scope, Status
from validatord.rules.attempt import Attempt

Rule = Callable[[Attempt], Outcome]

# RFC 5321 4.2.3, 4.3.2 and RFC 7504.
_WILL_FORWARD = 251
_CANNOT_VERIFY = 252
_NOT_LOCAL = 551
_NO_MAIL_HERE = 556
_SYNTAX_CODES = frozenset({501, 553})
_MAILBOX_CODES = frozenset({550, 553})
# RFC 3463 3.2: bad destination mailbox address syntax; RFC 6531 3.5: non-ASCII addresses not permitted.
_BAD_ADDRESS_SYNTAX = EnhancedCode(5, 1, 3)
_NO_NON_ASCII = EnhancedCode(5, 6, 7)

_ABOUT_A_MAILBOX = frozenset(
    {Meaning.NO_SUCH_MAILBOX, Meaning.MAILBOX_FULL, Meaning.MAILBOX_DISABLED, Meaning.RECIPIENT_RATE_LIMITED}
)
_ABOUT_A_DOMAIN = frozenset({Meaning.RELAY_DENIED, Meaning.DOMAIN_NOT_HOSTED})


def decide_rcpt(attempt: Attempt, reading: ReplyReading) -> Outcome:
    """Judge a reply to RCPT."""
    reply = attempt.report.reply
    if reply is not None and reply.enhanced == _NO_NON_ASCII and attempt.report.mailbox.needs_smtputf8:
        return smtputf8_unsupported(attempt)
    meaning = _hold_to_scope(reading)
    rules = _SOFT if attempt.is_soft else _HARD
    return rules[meaning](attempt)


def is_bare(reply: Reply, reading: ReplyReading) -> bool:
    """Whether a refusal is 550 or 553 with neither known words nor an enhanced code: alone it proves nothing."""
    return reply.code in _MAILBOX_CODES and reply.enhanced is None and reading.rule.startswith("bare:")


def _hold_to_scope(reading: ReplyReading) -> Meaning:
    """Keep a reading that speaks of somebody else from judging the mailbox or its domain."""
    is_theirs = reading.scope in {Scope.RECIPIENT, Scope.DOMAIN}
    if reading.meaning in _ABOUT_A_MAILBOX and reading.scope is not Scope.RECIPIENT:
        return Meaning.POLICY_REJECTED
    if reading.meaning in _ABOUT_A_DOMAIN and not is_theirs:
        return Meaning.POLICY_REJECTED
    return reading.meaning


def _accepted(attempt: Attempt) -> Outcome:
    report = attempt.report
    code = report.reply.code if report.reply is not None else 0
    if code == _CANNOT_VERIFY:
        return attempt.end_unknown(Reason.CANNOT_VERIFY)
    if report.provider.accepts_everything:
        return attempt.end(Status.ACCEPT_ALL, Reason.ACCEPT_ALL, "provider_accepts_everything")
    if report.control is AcceptAll.ACCEPTS_ALL:
        return attempt.end(Status.ACCEPT_ALL, Reason.ACCEPT_ALL)
    # What the best host refuses says nothing about a backup that takes everything (RFC 5321 5.1).
    is_told_apart = not (report.is_backup_mx and report.is_control_cached)
    if report.control is AcceptAll.REJECTS_UNKNOWN and is_told_apart:
        return attempt.end(Status.VALID, Reason.FORWARDED if code == _WILL_FORWARD else Reason.ACCEPTED)
    return attempt.again(Reason.BACKUP_MX_ONLY if report.is_backup_mx else Reason.ACCEPT_ALL_UNDETERMINED)


def _no_such_mailbox(attempt: Attempt) -> Outcome:
    reply = attempt.report.reply
    if reply is not None and reply.code == _NOT_LOCAL:
        # A forward path in the text is reported with the reply and not followed.
        return attempt.end(Status.INVALID, Reason.USER_NOT_LOCAL)
    return attempt.end(Status.INVALID, Reason.NO_SUCH_MAILBOX)


def _no_such_mailbox_soft(attempt: Attempt) -> Outcome:
    if attempt.is_same_text_long_after:
        return attempt.end(Status.INVALID, Reason.NO_SUCH_MAILBOX_SOFT, "repeated", low=True)
    return attempt.again(Reason.NO_SUCH_MAILBOX_SOFT)


def _mailbox_full(attempt: Attempt) -> Outcome:
    return attempt.end(Status.RISKY, Reason.MAILBOX_FULL)


def _mailbox_disabled(attempt: Attempt) -> Outcome:
    return attempt.end(Status.INVALID, Reason.MAILBOX_DISABLED)


def _recipient_rate_limited(attempt: Attempt) -> Outcome:
    report = attempt.report
    if report.control is AcceptAll.REJECTS_UNKNOWN and not report.provider.accepts_everything:
        return attempt.end(Status.VALID, Reason.RECIPIENT_RATE_LIMITED)
    return attempt.again(Reason.RECIPIENT_RATE_LIMITED)


def _policy_rejected(attempt: Attempt) -> Outcome:
    report = attempt.report
    control = report.postmaster if report.provider.postmaster_control else None
    if control is not None and report.is_same_for_postmaster:
        return attempt.end_unknown(Reason.POLICY_REJECTED, "same_for_postmaster")
    if control is not None and control.meaning is Meaning.OK:
        return attempt.end(Status.INVALID, Reason.NO_SUCH_MAILBOX, "postmaster_accepted")
    reply, reading = report.reply, report.reading
    is_explained = reply is None or reading is None or not is_bare(reply, reading)
    if not is_explained and _is_control_answered(attempt, AcceptAll.ACCEPTS_ALL):
        return attempt.end(Status.INVALID, Reason.NO_SUCH_MAILBOX, "control_accepted", low=True)
    return attempt.once(Reason.POLICY_REJECTED, attempt.retry.longest)


def _is_control_answered(attempt: Attempt, *states: AcceptAll) -> bool:
    """Whether the control recipient was asked in this session and ended in one of `states`."""
    return attempt.report.control in states and not attempt.report.is_control_cached


def _relay_denied(attempt: Attempt) -> Outcome:
    return _not_taken_here(attempt, Reason.RELAY_DENIED)


def _domain_not_hosted(attempt: Attempt) -> Outcome:
    reply = attempt.report.reply
    text = reply.text.casefold() if reply is not None else ""
    if (reply is not None and reply.code == _NO_MAIL_HERE) or "nullmx" in text or "null mx" in text:
        return attempt.end(Status.INVALID, Reason.DOMAIN_NOT_HOSTED)
    return _not_taken_here(attempt, Reason.DOMAIN_NOT_HOSTED)


def _not_taken_here(attempt: Attempt, reason: Reason) -> Outcome:
    if attempt.report.is_backup_mx:
        # A backup that was forgotten when the domain moved; the best host was not heard.
        return attempt.again(reason)
    # Once more after the longest wait: a domain that is moving answers like this for some hours.
    return attempt.once(reason, attempt.retry.longest, attempt.end(Status.INVALID, reason, low=True))


def _protocol_error(attempt: Attempt) -> Outcome:
    report = attempt.report
    reply = report.reply
    enhanced = reply.enhanced if reply is not None else None
    if reply is None or not (reply.code in _SYNTAX_CODES or enhanced == _BAD_ADDRESS_SYNTAX):
        return attempt.once(Reason.PROTOCOL_ERROR, attempt.retry.get_wait(0))
    is_plain_name_heard = _is_control_answered(attempt, AcceptAll.REJECTS_UNKNOWN, AcceptAll.ACCEPTS_ALL)
    if is_plain_name_heard or (report.postmaster is not None and not report.is_same_for_postmaster):
        return attempt.end(Status.INVALID, Reason.ADDRESS_REFUSED, "plain_name_heard", low=True)
    return attempt.end_unknown(Reason.ADDRESS_REFUSED)


def smtputf8_unsupported(attempt: Attempt) -> Outcome:
    """Judge a non-ASCII local part at a host without RFC 6531: no mail can reach it there now."""
    low = attempt.end(Status.INVALID, Reason.SMTPUTF8_UNSUPPORTED, low=True)
    return attempt.once(Reason.SMTPUTF8_UNSUPPORTED, attempt.retry.longest, low)


def _again(reason: Reason) -> Rule:
    return lambda attempt: attempt.again(reason)


def _end_unknown(reason: Reason) -> Rule:
    return lambda attempt: attempt.end_unknown(reason)


def _once_soon(reason: Reason) -> Rule:
    return lambda attempt: attempt.once(reason, attempt.retry.get_wait(0))


_HARD: dict[Meaning, Rule] = {
    Meaning.OK: _accepted,
    Meaning.NO_SUCH_MAILBOX: _no_such_mailbox,
    Meaning.MAILBOX_FULL: _mailbox_full,
    Meaning.MAILBOX_DISABLED: _mailbox_disabled,
    Meaning.RECIPIENT_RATE_LIMITED: _recipient_rate_limited,
    Meaning.GREYLISTED: _again(Reason.GREYLISTED),
    Meaning.RATE_LIMITED: _again(Reason.RATE_LIMITED),
    # From this address never again: the lane's breaker opens, and going round it would be evasion.
    Meaning.SENDER_IP_BLOCKED: _end_unknown(Reason.SENDER_IP_BLOCKED),
    Meaning.SENDER_REJECTED: _end_unknown(Reason.SENDER_REJECTED),
    Meaning.POLICY_REJECTED: _policy_rejected,
    Meaning.RELAY_DENIED: _relay_denied,
    Meaning.DOMAIN_NOT_HOSTED: _domain_not_hosted,
    Meaning.TEMPORARY_FAILURE: _again(Reason.TEMPORARY_FAILURE),
    # It was asked alone and still had too many: the host counts us, not the envelope.
    Meaning.TOO_MANY_RECIPIENTS: _again(Reason.RATE_LIMITED),
    Meaning.TLS_REQUIRED: _once_soon(Reason.TLS_REQUIRED),
    Meaning.AUTH_REQUIRED: _end_unknown(Reason.AUTH_REQUIRED),
    Meaning.PROTOCOL_ERROR: _protocol_error,
}

_SOFT: dict[Meaning, Rule] = {
    **_HARD,
    Meaning.NO_SUCH_MAILBOX: _no_such_mailbox_soft,
    Meaning.MAILBOX_DISABLED: _again(Reason.TEMPORARY_FAILURE),
    Meaning.SENDER_IP_BLOCKED: _again(Reason.SENDER_IP_BLOCKED),
    Meaning.SENDER_REJECTED: _again(Reason.SENDER_REJECTED),
    Meaning.POLICY_REJECTED: _again(Reason.TEMPORARY_FAILURE),
    Meaning.RELAY_DENIED: _again(Reason.RELAY_DENIED_SOFT),
    Meaning.DOMAIN_NOT_HOSTED: _again(Reason.RELAY_DENIED_SOFT),
    Meaning.TLS_REQUIRED: _again(Reason.TLS_REQUIRED),
    Meaning.AUTH_REQUIRED: _again(Reason.AUTH_REQUIRED),
    Meaning.PROTOCOL_ERROR: _once_soon(Reason.PROTOCOL_ERROR),
}

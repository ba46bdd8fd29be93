"""What a visit makes of one conversation: reports about mailboxes, and how the walk goes on.

Synchronous: everything a conversation changes in the visit, the walk and the lanes changes here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from validatord import metrics
from validatord.errors import SessionFailed
from validatord.mail.address import Mailbox
from validatord.mail.probe import ProbeReport, Signal
from validatord.mail.reply import Reply
from validatord.mail.transcript import Exchange
from validatord.mail.verdict import Meaning, ReplyReading, Stage
from validatord.rules import decide
from validatord.rules.replies import normalise_text, read_reply
from validatord.smtp.dialogue import Session
from validatord.smtp.plan import ConversationReport, MailboxAnswer
from validatord.verification import hold
from validatord.verification.alarms import note_refusal
from validatord.verification.context import Case, Tools, Visit
from validatord.verification.hold import Answered
from validatord.verification.turns import Talk
from validatord.verification.walk import Trouble, Walk, early_signals

# A host that takes two conversations and answers nothing in them is not asked a third time.
_MOST_STALLS = 2
# Sender refused, TLS required, pipelining broken: each may cost one more session, never a loop.
_MOST_REPAIRS = 3
_CLOSING = 421  # RFC 5321 3.8: said of the session, not of a recipient


@dataclass(frozen=True, slots=True)
class Listener:
    """What a conversation may change."""

    visit: Visit
    walk: Walk
    talk: Talk
    tools: Tools


def hear(report: ConversationReport, session: Session, batch: Sequence[Case], listener: Listener) -> Answered:
    """Learn from a conversation and return what it said about mailboxes; raises its GateClosed."""
    walk = listener.walk
    _learn_control(report, session, listener)
    _learn_tls(report, session, listener)
    if report.one_rcpt_per_envelope:
        listener.talk.lanes.provider.is_one_rcpt_per_envelope = True
    repairs = _choose_repairs(report, session, listener)
    answered = _report_answers(report, session, batch, repairs, listener)
    _tell_lanes(answered, session, listener)
    heard, answered = answered, hold.hold(answered, report, session, listener.visit, walk)
    if report.refusal is not None and report.refusal.reply is not None:
        _hear_refused_mail(report, session, report.refusal.reply, listener)
    elif heard or repairs:
        walk.stalls = 0
    elif report.unanswered:
        _hear_stall(report, session, listener)
    if report.gate is not None and not answered:
        raise report.gate
    return answered + hold.release(listener.visit)


def _learn_control(report: ConversationReport, session: Session, listener: Listener) -> None:
    visit = listener.visit
    answers = [
        (exchange.reply, _read(exchange, exchange.reply, session))
        for exchange in report.control
        if exchange.reply is not None and exchange.reply.code != _CLOSING
    ]
    if not answers:
        return
    is_second_wanted = visit.settings.accept_all.is_confirmed_by_second_shape
    visit.accept_all = decide.read_control(answers, is_second_wanted=is_second_wanted)
    visit.has_new_control = True
    visit.is_control_of_backup = listener.walk.is_backup(session.host_name)


def _learn_tls(report: ConversationReport, session: Session, listener: Listener) -> None:
    """Remember a host that took our words in TLS after it had demanded it."""
    if listener.walk.use_tls and session.tls and report.answers:
        listener.tools.memory.note_tls(session.host_name, wanted=True)


def _choose_repairs(report: ConversationReport, session: Session, listener: Listener) -> frozenset[Meaning]:
    """Choose what the next session with this host does otherwise; return the refusals that it makes void.

    Postfix and Exim refuse a sender, and often plain text, at RCPT: every recipient of the group says so.
    """
    walk = listener.walk
    refused = {answer.reading.meaning: answer for answer in report.answers.values() if answer.reading is not None}
    repairs: set[Meaning] = set()
    if Meaning.TLS_REQUIRED in refused and not session.tls and not walk.use_tls:
        walk.use_tls = True
        repairs.add(Meaning.TLS_REQUIRED)
    named = refused.get(Meaning.SENDER_REJECTED)
    if named is not None and _is_final(named) and _take_other_sender(report, listener.visit, walk):
        repairs.add(Meaning.SENDER_REJECTED)
        if named.exchange.reply is not None and named.reading is not None:
            note_refusal(named.exchange.reply, named.reading, listener.visit, listener.tools)
    return frozenset(repairs)


def _is_final(answer: MailboxAnswer) -> bool:
    return answer.reading is not None and not answer.reading.temporary


def _report_answers(
    report: ConversationReport,
    session: Session,
    batch: Sequence[Case],
    repairs: frozenset[Meaning],
    listener: Listener,
) -> Answered:
    """Put every answer into a report; whose refusal is void is asked again instead."""
    cases = {case.mailbox: case for case in batch}
    postmaster = _read_postmaster(report, session)
    return [
        (cases[mailbox], _to_probe(mailbox, answer, postmaster, session.host_name, listener))
        for mailbox, answer in report.answers.items()
        if answer.reading is None or answer.reading.meaning not in repairs
    ]


def _to_probe(
    mailbox: Mailbox,
    answer: MailboxAnswer,
    postmaster: tuple[Reply, ReplyReading] | None,
    host_name: str,
    listener: Listener,
) -> ProbeReport:
    visit = listener.visit
    exchange = answer.exchange
    is_same = (
        postmaster is not None
        and exchange.reply is not None
        and normalise_text(exchange.reply, str(mailbox)) == normalise_text(postmaster[0], f"postmaster@{visit.domain}")
    )
    is_backup = listener.walk.is_backup(host_name)
    return ProbeReport(
        mailbox=mailbox,
        provider=visit.provider,
        stage=exchange.stage,
        reply=exchange.reply,
        reading=answer.reading,
        failure=exchange.failure or "",
        control=visit.accept_all,
        postmaster=postmaster[1] if postmaster is not None else None,
        is_same_for_postmaster=is_same,
        is_backup_mx=is_backup,
        is_implicit_mx=visit.mx is not None and visit.mx.is_implicit,
        # What the best host said to the control recipient tells nothing about a backup.
        is_control_cached=not visit.has_new_control or is_backup is not visit.is_control_of_backup,
        transcript=answer.transcript,
    )


def _read_postmaster(report: ConversationReport, session: Session) -> tuple[Reply, ReplyReading] | None:
    exchange = report.postmaster
    if exchange is None or exchange.reply is None:
        return None
    return exchange.reply, _read(exchange, exchange.reply, session)


def _read(exchange: Exchange, reply: Reply, session: Session) -> ReplyReading:
    """Read the reply to a control, whose address stands in the command."""
    recipient = exchange.command.partition("<")[2].partition(">")[0]
    return read_reply(reply, Stage.RCPT, mx_host=session.host_name, recipient=recipient)


def _tell_lanes(answered: Answered, session: Session, listener: Listener) -> None:
    visit = listener.visit
    for _, probe in answered:
        metrics.count_rcpt(visit.provider.key, probe.reading.meaning if probe.reading is not None else "unanswered")
        for signal in decide.signals_of(probe):
            listener.talk.lanes.observe(signal, visit.domain, session.host_name)
        if probe.reply is not None and probe.reading is not None:
            note_refusal(probe.reply, probe.reading, visit, listener.tools, str(probe.mailbox))


def _hear_refused_mail(report: ConversationReport, session: Session, reply: Reply, listener: Listener) -> None:
    """MAIL was refused: that is about us or the host, and says nothing about any mailbox."""
    visit, walk = listener.visit, listener.walk
    reading = read_reply(reply, Stage.MAIL, mx_host=session.host_name)
    for signal in early_signals(Stage.MAIL, reply, reading):
        listener.talk.lanes.observe(signal, visit.domain, session.host_name)
    note_refusal(reply, reading, visit, listener.tools)
    trouble = Trouble(Stage.MAIL, "", reply, reading, report.transcript)
    if reading.meaning is Meaning.TLS_REQUIRED and not session.tls and _may_repair(walk):
        walk.use_tls, walk.trouble = True, trouble
    elif reading.meaning is Meaning.SENDER_REJECTED and _take_other_sender(report, visit, walk):
        walk.trouble = trouble
    elif reading.temporary and reading.meaning not in {Meaning.GREYLISTED, Meaning.RATE_LIMITED}:
        walk.leave(trouble, session.host_name, is_spoken=True)
    else:
        walk.end(trouble)


def _take_other_sender(report: ConversationReport, visit: Visit, walk: Walk) -> bool:
    """Use the identity's alternative sender, once; without one the refusal stands."""
    other = visit.identity.alternative_sender
    is_refused = other in {walk.sender, report.transcript.envelope_sender}
    if not other or is_refused or not _may_repair(walk):
        return False
    walk.sender = other
    return True


def _may_repair(walk: Walk) -> bool:
    walk.repairs += 1
    return walk.repairs <= _MOST_REPAIRS


def _hear_stall(report: ConversationReport, session: Session, listener: Listener) -> None:
    """Nothing was answered: once more without pipelining, then this host is given up."""
    walk = listener.walk
    if report.spent and report.failure is None and session.rcpt_count:
        return  # a held session that had no budget left: the next one is new
    walk.stalls += 1
    walk.may_pipeline = False
    failure = report.failure or SessionFailed()
    trouble = Trouble(Stage.RCPT, failure.kind, transcript=report.transcript)
    walk.trouble = trouble
    if walk.stalls >= _MOST_STALLS:
        listener.talk.lanes.observe(Signal.CONNECTION_FAILED, listener.visit.domain, session.host_name)
        walk.end(trouble)

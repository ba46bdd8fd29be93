"""What a visit makes of one conversation: reports about mailboxes, and how the walk goes on.

Synchronous: everything a conversation changes in the visit, the walk and the lanes changes here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from validatord.errors import SessionFailed
from validatord.mail.address import Mailbox
from validatord.mail.probe import SMTPUTF8_UNSUPPORTED, ProbeReport, Signal
from validatord.mail.reply import Reply
from validatord.mail.verdict import Meaning, ReplyReading, Stage
from validatord.rules import decide
from validatord.rules.replies import normalise_text, read_reply
from validatord.smtp.dialogue import Session
from validatord.smtp.plan import ConversationReport, MailboxAnswer
from validatord.verification.alarms import note_refusal
from validatord.verification.context import Case, Tools, Visit
from validatord.verification.turns import Talk
from validatord.verification.walk import Trouble, Walk, early_signals

# A host that takes two conversations and answers nothing in them is not asked a third time.
_MOST_STALLS = 2
# Sender refused, TLS required, pipelining broken: each may cost one more session, never a loop.
_MOST_REPAIRS = 3
_CLOSING = 421  # RFC 5321 3.8: said of the session, not of a recipient
_NOT_TAKEN_HERE = frozenset({Meaning.RELAY_DENIED, Meaning.DOMAIN_NOT_HOSTED})

Answered = list[tuple[Case, ProbeReport]]


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
    answered = _report_answers(report, session, batch, listener)
    _tell_lanes(answered, session, listener)
    heard, answered = answered, _hold_for_another_host(answered, session, listener)
    if report.refusal is not None and report.refusal.reply is not None:
        _hear_refused_mail(report, session, report.refusal.reply, listener)
    elif heard:
        walk.stalls = 0
    elif report.unanswered:
        _hear_stall(report, session, listener)
    if report.gate is not None and not answered:
        raise report.gate
    return answered


def _learn_control(report: ConversationReport, session: Session, listener: Listener) -> None:
    visit = listener.visit
    answers = [
        (exchange.reply, read_reply(exchange.reply, Stage.RCPT, mx_host=session.host_name))
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


def _report_answers(
    report: ConversationReport, session: Session, batch: Sequence[Case], listener: Listener
) -> Answered:
    """Put every answer into a report; a recipient that demands TLS is asked again with it instead."""
    cases = {case.mailbox: case for case in batch}
    postmaster = _read_postmaster(report, session)
    found: Answered = []
    for mailbox, answer in report.answers.items():
        if _demands_tls(answer.reading, session, listener.walk):
            continue
        found.append((cases[mailbox], _to_probe(mailbox, answer, postmaster, session.host_name, listener)))
    return found


def _demands_tls(reading: ReplyReading | None, session: Session, walk: Walk) -> bool:
    if reading is None or reading.meaning is not Meaning.TLS_REQUIRED or session.tls:
        return False
    if walk.use_tls:
        return False
    walk.use_tls = True
    return True


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
    return exchange.reply, read_reply(exchange.reply, Stage.RCPT, mx_host=session.host_name)


def _tell_lanes(answered: Answered, session: Session, listener: Listener) -> None:
    visit = listener.visit
    for _, probe in answered:
        for signal in decide.signals_of(probe):
            listener.talk.lanes.observe(signal, visit.domain, session.host_name)
        if probe.reply is not None and probe.reading is not None:
            note_refusal(probe.reply, probe.reading, visit, listener.tools, str(probe.mailbox))


def _hold_for_another_host(answered: Answered, session: Session, listener: Listener) -> Answered:
    """Keep back what a host of equal preference may answer otherwise, and go there.

    One host of a pair may have lost the domain from its table, or may not know SMTPUTF8.
    """
    visit, walk = listener.visit, listener.walk
    stop = walk.stop
    if stop is None or stop.host_name != session.host_name or not walk.has_equal_host:
        return answered
    held = [(case, probe) for case, probe in answered if case.mailbox not in visit.held and _may_differ(probe)]
    if not held:
        return answered
    visit.held.update((case.mailbox, probe) for case, probe in held)
    probe = held[0][1]
    trouble = Trouble(probe.stage, probe.failure, probe.reply, probe.reading, session.transcript(""))
    walk.leave(trouble, session.host_name, is_spoken=True)
    return [(case, probe) for case, probe in answered if case.mailbox not in visit.held]


def _may_differ(probe: ProbeReport) -> bool:
    if probe.failure == SMTPUTF8_UNSUPPORTED:
        return True
    return probe.reading is not None and probe.reading.meaning in _NOT_TAKEN_HERE and not probe.reading.temporary


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
    elif reading.meaning is Meaning.SENDER_REJECTED and _take_other_sender(visit, walk):
        walk.trouble = trouble
    elif reading.temporary and reading.meaning not in {Meaning.GREYLISTED, Meaning.RATE_LIMITED}:
        walk.leave(trouble, session.host_name, is_spoken=True)
    else:
        walk.end(trouble)


def _take_other_sender(visit: Visit, walk: Walk) -> bool:
    """Use the identity's alternative sender, once; without one the refusal stands."""
    other = visit.identity.alternative_sender
    if not other or walk.sender == other or not _may_repair(walk):
        return False
    walk.sender = other
    return True


def _may_repair(walk: Walk) -> bool:
    walk.repairs += 1
    return walk.repairs <= _MOST_REPAIRS


def _hear_stall(report: ConversationReport, session: Session, listener: Listener) -> None:
    """Nothing was answered: once more without pipelining, then this host is given up."""
    walk = listener.walk
    if report.spent and report.failure is None:
        return  # a held session that had no budget left: the next one is new
    walk.stalls += 1
    walk.may_pipeline = False
    failure = report.failure or SessionFailed()
    trouble = Trouble(Stage.RCPT, failure.kind, transcript=report.transcript)
    walk.trouble = trouble
    if walk.stalls >= _MOST_STALLS:
        listener.talk.lanes.observe(Signal.CONNECTION_FAILED, listener.visit.domain, session.host_name)
        walk.end(trouble)

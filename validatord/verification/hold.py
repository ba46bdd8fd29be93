"""Answers that are kept back within a visit, since another conversation may say more.

    a host of equal preference may know the domain, or SMTPUTF8, where this one does not
    a host that shut down in the middle of a group (421) spoke of the session, not of the mailbox
    a host that hung up before the control recipient left its acceptances without their control

Whoever is kept back stays pending, once; what was said stands as the answer if nobody says more.
"""

from dataclasses import replace

from validatord.mail.probe import SMTPUTF8_UNSUPPORTED, ProbeReport
from validatord.mail.verdict import AcceptAll, Meaning
from validatord.smtp.dialogue import Session
from validatord.smtp.plan import ConversationReport
from validatord.verification.context import Case, Visit
from validatord.verification.walk import Trouble, Walk

_CLOSING = 421  # RFC 5321 3.8
_NOT_TAKEN_HERE = frozenset({Meaning.RELAY_DENIED, Meaning.DOMAIN_NOT_HOSTED})
_EXISTS = frozenset({Meaning.OK, Meaning.RECIPIENT_RATE_LIMITED})
_UNKNOWN_STATE = frozenset({AcceptAll.NOT_ASKED, AcceptAll.UNDETERMINED})

Answered = list[tuple[Case, ProbeReport]]


def hold(answered: Answered, report: ConversationReport, session: Session, visit: Visit, walk: Walk) -> Answered:
    """Keep back what another conversation may answer better; return the rest."""
    new = [(case, probe) for case, probe in answered if case.mailbox not in visit.held]
    held = {case.mailbox: probe for case, probe in new if _is_shut_down(probe, report)}
    if _lacks_control(report, visit):
        held |= {case.mailbox: probe for case, probe in new if _wants_control(probe)}
    elsewhere = {case.mailbox: probe for case, probe in new if _may_differ(probe)}
    if elsewhere and _go_to_equal(next(iter(elsewhere.values())), session, walk):
        held |= elsewhere
    visit.held |= held
    return [(case, probe) for case, probe in answered if case.mailbox not in held]


def release(visit: Visit) -> Answered:
    """Let those go who waited for the control recipient alone, once it was answered."""
    if not visit.has_new_control:
        return []
    found = [(case, visit.held[case.mailbox]) for case in visit.pending if case.mailbox in visit.held]
    ready = {case: probe for case, probe in found if _wants_control(probe)}
    visit.pending = type(visit.pending)(case for case in visit.pending if case not in ready)
    is_told_apart = visit.is_control_of_backup
    return [
        (case, replace(probe, control=visit.accept_all, is_control_cached=probe.is_backup_mx is not is_told_apart))
        for case, probe in ready.items()
    ]


def take_witness(visit: Visit) -> Case | None:
    """Take, once, a mailbox that was accepted already: asked alone, so that the control recipient follows at once."""
    if visit.has_new_control or visit.has_taken_witness:
        return None
    for case in visit.pending:
        probe = visit.held.get(case.mailbox)
        if probe is not None and _wants_control(probe):
            visit.has_taken_witness = True
            visit.pending.remove(case)
            return case
    return None


def _is_shut_down(probe: ProbeReport, report: ConversationReport) -> bool:
    """Whether a host that had answered others told this one of the session's end."""
    if probe.reply is None or probe.reply.code != _CLOSING or probe.reading is None:
        return False
    others = [answer for answer in report.answers.values() if answer.exchange.reply is not None]
    return probe.reading.meaning is Meaning.TEMPORARY_FAILURE and len(others) > 1


def _lacks_control(report: ConversationReport, visit: Visit) -> bool:
    is_answered = any(exchange.reply is not None and exchange.reply.code != _CLOSING for exchange in report.control)
    is_wanted = visit.accept_all in _UNKNOWN_STATE and not visit.has_new_control
    return is_wanted and not is_answered and not report.is_stopped_early and report.gate is None


def _wants_control(probe: ProbeReport) -> bool:
    return probe.reading is not None and probe.reading.meaning in _EXISTS and not probe.provider.accepts_everything


def _may_differ(probe: ProbeReport) -> bool:
    if probe.failure == SMTPUTF8_UNSUPPORTED:
        return True
    return probe.reading is not None and probe.reading.meaning in _NOT_TAKEN_HERE and not probe.reading.temporary


def _go_to_equal(probe: ProbeReport, session: Session, walk: Walk) -> bool:
    """Go on to another host of the same preference, if there is one."""
    stop = walk.stop
    if stop is None or stop.host_name != session.host_name or not walk.has_equal_host:
        return False
    trouble = Trouble(probe.stage, probe.failure, probe.reply, probe.reading, session.transcript(""))
    walk.leave(trouble, session.host_name, is_spoken=True)
    return True

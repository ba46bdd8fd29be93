"""Step 1 of a visit: what needs no asking.

A verdict that is still fresh answers the next request for the same mailbox; a domain that must not be
probed, or that accepts everything, is answered without a packet.
"""

from collections import deque
from collections.abc import Mapping
from datetime import datetime

from validatord.mail.request import Finding, ScoreFacts
from validatord.mail.verdict import AcceptAll, Reason, Status, Verdict
from validatord.rules import score
from validatord.settings import Settings
from validatord.store.records import Finished
from validatord.verification.context import Case, Tools, Visit
from validatord.verification.judge import Evidence, Rows, add_outcome

VISIT_FAILED = "visit_failed"  # the token of what was given up


def answer_known(visit: Visit, fresh: Mapping[str, Finding], tools: Tools) -> Rows:
    """Answer what the ledger or the operator's lists answer; the rest stays pending."""
    rows = Rows()
    ban = tools.lists.find_ban(visit.domain)
    left: deque[Case] = deque()
    for case in visit.pending:
        known = fresh.get(str(case.mailbox))
        if known is not None and _may_answer(known, case):
            rows.finished += [Finished(request, known, request.attempt) for request in case.requests]
        elif ban is not None:
            _answer_banned(rows, visit, case, ban, tools)
        else:
            left.append(case)
    visit.pending = left
    return rows


def _may_answer(known: Finding, case: Case) -> bool:
    """Whether nobody of those who wait wants a newer verdict; if one does, all get it."""
    wanted = [request.reuse_from for request in case.requests if request.reuse_from is not None]
    return not wanted or (known.checked_at is not None and known.checked_at >= max(wanted))


def _answer_banned(rows: Rows, visit: Visit, case: Case, ban: Reason, tools: Tools) -> None:
    verdict = Verdict(Status.UNKNOWN, ban, (ban.value,))
    for request in case.requests:
        add_outcome(rows, visit, request, verdict, Evidence("risk"), tools)


def answer_disposable(visit: Visit, tools: Tools) -> Rows:
    """Answer everybody of a disposable domain, which its mail hosts may have shown only now, unless it is probed."""
    rows = Rows()
    if visit.settings.policy.is_disposable_probed or not tools.lists.is_disposable(visit.domain, visit.mails):
        return rows
    verdict = Verdict(Status.RISKY, Reason.DISPOSABLE, (Reason.DISPOSABLE.value,))
    for case in visit.pending:
        for request in case.requests:
            add_outcome(rows, visit, request, verdict, Evidence("risk"), tools)
    visit.pending.clear()
    return rows


def make_failed(settings: Settings, now: datetime) -> Finding:
    """Return what is said of mailboxes whose visits always failed by our own fault: nothing."""
    reason = Reason.TEMPORARY_FAILURE
    verdict = Verdict(Status.UNKNOWN, reason, (reason.value, VISIT_FAILED))
    found = Finding(verdict.status, reason, (), 0, checked_at=now, expires_at=now + settings.freshness.ttl)
    return score.apply(found, ScoreFacts(verdict), settings.score)


def answer_accept_all(visit: Visit, tools: Tools) -> Rows:
    """Answer everybody left of a domain that accepts all: asking them would say nothing more."""
    rows = Rows()
    if visit.accept_all is not AcceptAll.ACCEPTS_ALL:
        return rows
    tokens = ("provider_accepts_everything",) if visit.provider.accepts_everything else ()
    verdict = Verdict(Status.ACCEPT_ALL, Reason.ACCEPT_ALL, (Reason.ACCEPT_ALL.value, *tokens))
    host = visit.mx.hosts[0].name if visit.mx is not None and visit.mx.hosts else ""
    for case in visit.pending:
        for request in case.requests:
            add_outcome(rows, visit, request, verdict, Evidence("domain", mx_host=host), tools)
    visit.pending.clear()
    return rows

"""Steps 5 and 6 of a visit: from what was learned about mailboxes to the rows that say so.

Judging, scoring and policy are `rules/`'s work; here their answers are put together for every request
of a mailbox, with the evidence beside them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from validatord.mail.address import Mailbox
from validatord.mail.mx import MXAnswer
from validatord.mail.probe import ProbeReport
from validatord.mail.request import Finding, History, VerificationRequest
from validatord.mail.transcript import Transcript
from validatord.mail.verdict import Deferral, Handover, Outcome, Reason, Status, Verdict
from validatord.rules import decide, features, history, policy, score
from validatord.rules.identical import is_guarded
from validatord.rules.retry import RetryPlan
from validatord.settings import Settings
from validatord.store.records import Deferred, Finished, HandedOver
from validatord.verification.context import Case, Tools, Visit

_SHOWN_REPLY = 500


@dataclass(frozen=True, slots=True)
class Evidence:
    """What stands beside a verdict: who says it, and what was said."""

    source: str
    reply: str = ""
    mx_host: str = ""
    transcript: Transcript | None = None
    is_inferred: bool = False  # concluded from a refusal that does not plainly speak of the mailbox


@dataclass(slots=True)
class Rows:
    """What a visit writes about requests."""

    finished: list[Finished] = field(default_factory=list[Finished])
    deferred: list[Deferred] = field(default_factory=list[Deferred])
    handed_over: list[HandedOver] = field(default_factory=list[HandedOver])

    def add(self, other: "Rows") -> None:
        """Take the rows of another step over."""
        self.finished += other.finished
        self.deferred += other.deferred
        self.handed_over += other.handed_over


def judge(visit: Visit, reports: Sequence[tuple[Case, ProbeReport]], tools: Tools) -> Rows:
    """Judge every report for every request of its mailbox."""
    retry = plan_retry(visit, tools)
    rows = Rows()
    for case, report in reports:
        evidence = Evidence(
            source="probe",
            reply=str(report.reply)[:_SHOWN_REPLY] if report.reply is not None else "",
            mx_host=report.transcript.mx_host,
            transcript=report.transcript,
            is_inferred=report.reading is not None and is_guarded(report.reading),
        )
        for request in case.requests:
            add_outcome(rows, visit, request, decide.decide(report, request, retry), evidence, tools)
    return rows


def decide_by_mx(visit: Visit, mx: MXAnswer, tools: Tools) -> Rows:
    """Judge every pending mailbox by a look-up that found no host to ask."""
    retry = plan_retry(visit, tools)
    rows = Rows()
    for case in visit.pending:
        for request in case.requests:
            outcome = decide.decide_mx(mx, request, retry)
            if outcome is not None:
                add_outcome(rows, visit, request, outcome, Evidence("dns"), tools)
    visit.pending.clear()
    return rows


def give_up(visit: Visit, tools: Tools) -> Rows:
    """End what could not even be asked for longer than the settings allow; the rest stays pending.

    However long its gate stays closed, the domain is looked at in time for all its requests, those of
    later visits included. Who waits for a daily cap is told so.
    """
    rows = Rows()
    if visit.not_before is None or not visit.gate_cause:
        return rows
    retry = plan_retry(visit, tools)
    reason, reopens_at = gate_reason(visit.gate_cause), visit.not_before
    visit.not_before = min(visit.not_before, retry.now + retry.give_up_after / 4)
    for request in [request for case in visit.pending for request in case.requests]:
        waiting_since = request.first_tried_at or request.created_at
        if waiting_since is not None and retry.is_given_up(waiting_since):
            verdict = Verdict(Status.UNKNOWN, reason, (reason.value, "given_up"))
            add_outcome(rows, visit, request, verdict, Evidence("probe"), tools)
        elif reason is Reason.DAILY_CAP:
            deferral = decide.defer_for_gate(reopens_at, reason, request.pin)
            add_outcome(rows, visit, request, deferral, Evidence("probe"), tools)
        elif waiting_since is not None:
            visit.not_before = min(visit.not_before, waiting_since + retry.give_up_after)
    return rows


def gate_reason(cause: str) -> Reason:
    """Return the public reason of a closed gate."""
    return Reason.DAILY_CAP if "per_day" in cause else Reason.PROVIDER_PAUSED


def plan_retry(visit: Visit, tools: Tools) -> RetryPlan:
    """Return the schedule by which this visit defers."""
    retry = visit.settings.retry
    return RetryPlan(
        now=tools.clock.now(),
        delays=retry.delays,
        jitter=retry.jitter,
        rng=tools.rng,
        min_wait=retry.min_wait,
        max_wait=retry.max_wait,
        give_up_after=retry.give_up_after,
        source_address=visit.identity.source_address,
        node=tools.node,
    )


def add_outcome(
    rows: Rows, visit: Visit, request: VerificationRequest, outcome: Outcome, evidence: Evidence, tools: Tools
) -> None:
    """Put one outcome into the rows, in the form the ledger takes."""
    if isinstance(outcome, Deferral):
        rows.deferred.append(Deferred(request, outcome))
        return
    verdict = outcome.verdict if isinstance(outcome, Handover) else outcome
    wanted = tools.policy_of(request.client)
    finding = make_finding(visit, request, verdict, evidence, tools)
    # Without a key nobody would ever take the request up again.
    has_bouncer = bool(visit.settings.bouncer.api_key.get_secret_value())
    if has_bouncer and policy.qualifies_for_handover(verdict, wanted, priority=request.priority):
        rows.handed_over.append(HandedOver(request, finding))
    else:
        rows.finished.append(Finished(request, finding, request.attempt + 1))


def make_finding(
    visit: Visit, request: VerificationRequest, verdict: Verdict, evidence: Evidence, tools: Tools
) -> Finding:
    """Score a verdict and put it together with its evidence."""
    mailbox = Mailbox(request.local_part, request.domain)
    flags = tools.lists.flags(mailbox, visit.mails)
    mx = visit.mx
    now = tools.clock.now()
    facts = score.ScoreFacts(
        verdict=verdict,
        flags=flags,
        past=history.weigh(visit.histories.get(str(mailbox), History()), now, visit.settings.history),
        has_mx=mx is not None and bool(mx.hosts) and not mx.is_implicit,
        has_address=mx is not None and mx.is_implicit,
        is_healthy=bool(visit.facts.spf and visit.facts.dmarc),
    )
    found = Finding(
        status=verdict.status.value,
        reason=verdict.reason.value,
        reasons=verdict.reasons,
        confidence=0,
        mx_host=evidence.mx_host,
        mx_hosts=tuple(host.name for host in mx.hosts) if mx is not None else (),
        reply=evidence.reply,
        dns_trace={"lines": list(mx.trace), "outcome": mx.outcome.value} if mx is not None else {},
        smtp_trace=evidence.transcript.to_json() if evidence.transcript is not None else {},
        source=evidence.source,
        checked_at=now,
        expires_at=now + visit.settings.freshness.ttl,
    )
    chance = _ask_model(visit, mailbox, replace(found, flags=flags, score_facts=facts), tools)
    found = score.apply(found, replace(facts, chance=chance) if chance is not None else facts, visit.settings.score)
    if evidence.is_inferred:
        return found  # what may have to be taken back must not have been used again meanwhile
    return replace(found, fresh_until=find_fresh_until(Status(found.status), visit.settings, now))


def _ask_model(visit: Visit, mailbox: Mailbox, finding: Finding, tools: Tools) -> float | None:
    """Return what the model gives a mailbox; None: there is no model, or it says nothing about this."""
    model, record = tools.find_model(), visit.records.get(str(mailbox))
    if model is None or record is None or finding.status not in model.sections:
        return None
    domain = replace(visit.facts, provider_key=visit.provider.key)
    return model.predict(finding.status, features.gather(mailbox.local_part, finding, domain, record))


def find_fresh_until(status: Status, settings: Settings, now: datetime) -> datetime | None:
    """Return how long a verdict is reused; `unknown` never is."""
    fresh = settings.freshness
    spans = {
        Status.VALID: fresh.valid,
        Status.FREE_PROVIDER: fresh.valid,
        Status.INVALID: fresh.invalid,
        Status.RISKY: fresh.risky,
        Status.ACCEPT_ALL: fresh.accept_all,
    }
    return now + spans[status] if status in spans else None

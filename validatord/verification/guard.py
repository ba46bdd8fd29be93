"""The second thoughts of a visit: a refusal that unlike domains of a provider get in the same words is about us.

What was concluded from such words in the last minutes is taken back, and the lane is shut unless the
provider takes mail from us elsewhere.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from loguru import logger

from validatord.mail.probe import ProbeReport, Signal
from validatord.mail.request import Finding, ScoreFacts
from validatord.mail.verdict import Meaning, Reason, Stage, Status, Verdict
from validatord.rules import score
from validatord.rules.identical import is_guarded
from validatord.rules.reply_text import normalise_text
from validatord.store.records import Finished
from validatord.store.retract import Retraction
from validatord.verification.context import Case, Tools, Visit
from validatord.verification.judge import Rows, plan_retry

_WINDOW = timedelta(minutes=10)
_RETRACTED = "retracted"  # the token of what was taken back
# What may be concluded about a mailbox from a refusal that does not plainly speak of one.
_CONCLUSIONS = frozenset(
    {
        Reason.NO_SUCH_MAILBOX.value,
        Reason.RELAY_DENIED.value,
        Reason.DOMAIN_NOT_HOSTED.value,
        Reason.ADDRESS_REFUSED.value,
    }
)


def observe(visit: Visit, reports: Sequence[tuple[Case, ProbeReport]], rows: Rows, tools: Tools) -> Retraction | None:
    """Note the refusals of a conversation that is recorded; return what has to be taken back, if anything."""
    concluded = _find_concluded(rows.finished)
    ids: dict[int, None] = {}
    key = visit.provider.key
    for case, report in reports:
        reply, reading = report.reply, report.reading
        if report.stage is not Stage.RCPT or reply is None or reading is None or reading.temporary:
            continue
        if not is_guarded(reading):
            tools.refusals.observe_other(key, visit.domain)
            continue
        text, now = normalise_text(reply, str(report.mailbox)), tools.clock.now()
        mine = [request.request_id for request in case.requests if request.request_id in concluded]
        if tools.refusals.observe(key, visit.domain, text, now, request_ids=mine):
            affected = tools.refusals.find_affected(key, text, now)
            ids.update(dict.fromkeys(affected.request_ids))
            _shut_lane(visit, tools)
    return _retract(visit, tuple(ids), tools) if ids else None


def _find_concluded(finished: Iterable[Finished]) -> frozenset[int]:
    return frozenset(item.request.request_id for item in finished if item.finding.reason in _CONCLUSIONS)


def _shut_lane(visit: Visit, tools: Tools) -> None:
    lane = visit.lane
    if lane is None or tools.memory.took_lately(lane.name, tools.clock.monotonic(), _WINDOW):
        return
    logger.bind(lane=lane.name).warning("several domains refuse everybody in the same words: the lane is shut")
    lane.observe(Signal.BLOCKED_EARLY, visit.domain)


def _retract(visit: Visit, ids: tuple[int, ...], tools: Tools) -> Retraction:
    retry = plan_retry(visit, tools)
    return Retraction(
        request_ids=ids,
        since=retry.now - _WINDOW - visit.settings.smtp.visit_timeout,
        due_at=retry.find_due_after(retry.longest),
        most_deferrals=len(retry.delays),
        said=_say_nothing(visit, retry.now),
    )


def _say_nothing(visit: Visit, now: datetime) -> Finding:
    reason = Reason.POLICY_REJECTED
    verdict = Verdict(Status.UNKNOWN, reason, (reason.value, _RETRACTED))
    return score.apply(
        Finding(verdict.status, reason, (), 0, checked_at=now), ScoreFacts(verdict), visit.settings.score
    )


def note_taken(visit: Visit, reports: Sequence[tuple[Case, ProbeReport]], tools: Tools) -> None:
    """Remember that the lane's provider took a recipient: then its refusals are not of us as a whole."""
    is_taken = any(report.reading is not None and report.reading.meaning is Meaning.OK for _, report in reports)
    if is_taken:
        tools.memory.note_taken(visit.lane_name, tools.clock.monotonic())

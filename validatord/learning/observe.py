"""Verdicts with their outcome, out of the ledger page by page, each with the evidence as it was at the verdict.

Nothing that happened at or after the verdict enters its evidence: events are cut off there, of the domain's
weekly sums only whole weeks before it count. What the ledger knows of a domain's DNS and provider is of
today, since it keeps no older state.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta

from validatord.learning.labels import Label, find_label, is_mailed
from validatord.mail.request import DomainWeek, Finding, History, ScoreFacts
from validatord.mail.track_record import TrackRecord
from validatord.mail.verdict import Reason, Status, Verdict
from validatord.rules import features, history, score
from validatord.rules.model_file import STATUSES, Spans
from validatord.settings import Settings
from validatord.store import learning
from validatord.store.database import Database
from validatord.store.models import StoredVerdict

_REQUESTS_AT_ONCE = 20_000
_PAGE = 2_000
_WEEK = timedelta(days=7)
_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_TIMES = 20  # of each kind, as in a history at scoring
_TIMES = {
    "hard_bounce": "hard_bounces",
    "soft_bounce": "soft_bounces",
    "open": "opens",
    "click": "clicks",
    "reply": "replies",
    "complaint": "complaints",
}
_WEEKS = {**_TIMES, **dict.fromkeys(("open", "click", "reply"), "signs_of_life")}
_REASON_OF = {reason.value: reason for reason in Reason}

Lists = frozenset[tuple[int, str]]
Events = Mapping[str, list[tuple[str, datetime]]]
Tell = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Observation:
    """A verdict, what was known then, and what became of it; `rules` is the rules' probability, 0 to 1."""

    email: str
    domain: str
    status: str
    moment: datetime
    label: Label
    numbers: tuple[float, ...]
    rules: float


@dataclass(frozen=True, slots=True)
class Span:
    """Which verdicts: made after `since`, their window closed by `until`."""

    until: datetime
    since: datetime = _EVER
    spans: Spans = field(default_factory=Spans)


def be_silent(_what: str, _count: int) -> None:
    """Tell nobody how far the work is."""


async def find_mailed_lists(database: Database, window: timedelta, tell: Tell = be_silent) -> Lists:
    """Return the lists that were evidently mailed, as submission and status."""
    counts: dict[tuple[int, str], tuple[int, int]] = {}
    last = await learning.find_last_request(database)
    for after in range(0, last, _REQUESTS_AT_ONCE):
        for news in await learning.count_list_news(database, after, after + _REQUESTS_AT_ONCE, window):
            key = (news.submission_id, news.status)
            mailboxes, with_news = counts.get(key, (0, 0))
            counts[key] = (mailboxes + news.mailboxes, with_news + news.with_news)
        tell("lists", min(_REQUESTS_AT_ONCE, last - after))
    return frozenset(key for key, (mailboxes, with_news) in counts.items() if is_mailed(mailboxes, with_news))


async def observe(
    database: Database, settings: Settings, span: Span, lists: Lists, tell: Tell = be_silent
) -> AsyncGenerator[Observation]:
    """Yield every verdict whose outcome is known; a page of addresses is in memory at a time."""
    after = ""
    while (page := await learning.find_page(database, after, _PAGE)) is not None:
        verdicts = await learning.load_page(database, page, span.since, span.until - span.spans.window)
        for observation in await _observe_page(database, verdicts, settings, span.spans, lists):
            yield observation
        tell("verdicts", page.verdicts)
        after = page.last


async def _observe_page(
    database: Database, found: Sequence[StoredVerdict], settings: Settings, spans: Spans, lists: Lists
) -> list[Observation]:
    verdicts = [verdict for verdict in found if find_facts(verdict.finding) is not None]
    if not verdicts:
        return []
    latest = max(verdict.checked_at for verdict in verdicts) + spans.window
    events = await learning.load_events(database, [verdict.email for verdict in verdicts], latest)
    labelled = await _label(database, verdicts, events, spans.window, lists)
    weeks = await learning.load_weeks(database, [verdict.domain.domain for verdict, _ in labelled])
    moments = [(verdict.domain.domain, verdict.checked_at) for verdict, _ in labelled]
    records = await learning.load_domain_records(database, moments, spans.half_life)
    observations: list[Observation] = []
    for (verdict, label), record in zip(labelled, records, strict=True):
        told = _Told(events.get(verdict.email.lower(), []), weeks.get(verdict.domain.domain, []), record)
        observation = _observe_one(verdict, label, told, settings, spans)
        observations += [observation] if observation is not None else []
    return observations


async def _label(
    database: Database, verdicts: Sequence[StoredVerdict], events: Events, window: timedelta, lists: Lists
) -> list[tuple[StoredVerdict, Label]]:
    submissions = await learning.load_lists(database, [(verdict.email, verdict.checked_at) for verdict in verdicts])
    found: list[tuple[StoredVerdict, Label]] = []
    for verdict, on_lists in zip(verdicts, submissions, strict=True):
        facts = find_facts(verdict.finding)
        was_mailed = facts is not None and any((one, facts.verdict.status.value) in lists for one in on_lists)
        told = events.get(verdict.email.lower(), [])
        label = find_label(told, verdict.checked_at, window, was_mailed=was_mailed)
        if label is not None:
            found.append((verdict, label))
    return found


@dataclass(frozen=True, slots=True)
class _Told:
    """What campaigns told of a mailbox and its domain, whenever it happened."""

    events: Sequence[tuple[str, datetime]]
    weeks: Sequence[tuple[date, str, int]]
    record: tuple[float, float, float]


def _observe_one(
    stored: StoredVerdict, label: Label, told: _Told, settings: Settings, spans: Spans
) -> Observation | None:
    moment, facts = stored.checked_at, find_facts(stored.finding)
    if facts is None:
        return None
    past = history.weigh(_history_before(told, moment), moment, settings.history)
    facts = replace(facts, past=past, chance=None)
    found = score.score(facts, settings.score)
    # A bounce before the verdict, or a disposable domain, made it risky: nobody asks the model about that.
    if found.status is not facts.verdict.status:
        return None
    record = TrackRecord(*told.record, *_record_before(told.events, moment, spans.half_life))
    local_part = stored.email.rpartition("@")[0]
    evidence = features.gather(local_part, replace(stored.finding, score_facts=facts), stored.domain, record)
    return Observation(
        email=stored.email,
        domain=stored.domain.domain,
        status=facts.verdict.status.value,
        moment=moment,
        label=label,
        numbers=features.measure(evidence),
        rules=found.confidence / 100,
    )


def find_facts(finding: Finding) -> ScoreFacts | None:
    """Return what the probe itself found and it was counted from, whatever a bounce made of it later.

    None where the model has nothing to say, or the row is odd.
    """
    facts = finding.score_facts or _restore_facts(finding)
    if facts is None or facts.verdict.status.value not in STATUSES or facts.opinion is not None:
        return None
    return facts


def _restore_facts(finding: Finding) -> ScoreFacts | None:
    """Read the facts of a verdict that an older version wrote from its reasons."""
    reason = Reason.ACCEPT_ALL.value if Reason.ACCEPT_ALL.value in finding.reasons else finding.reason
    status = Status.ACCEPT_ALL.value if reason == Reason.ACCEPT_ALL.value else finding.status
    if reason not in _REASON_OF or status not in STATUSES:
        return None
    return ScoreFacts(
        verdict=Verdict(Status(status), _REASON_OF[reason], is_low_confidence="low_confidence" in finding.reasons),
        flags=finding.flags,
        has_mx="mx" in finding.reasons,
        has_address="address_only" in finding.reasons,
        is_healthy="domain_health" in finding.reasons,
    )


def _history_before(told: _Told, moment: datetime) -> History:
    times: dict[str, list[datetime]] = {}
    for kind, at in reversed(told.events):
        if at < moment and len(times.setdefault(_TIMES[kind], [])) < _MOST_TIMES:
            times[_TIMES[kind]].append(at)
    weeks: dict[date, dict[str, int]] = {}
    for monday, kind, count in told.weeks:
        if datetime.combine(monday, time(), UTC) + _WEEK <= moment:
            week = weeks.setdefault(monday, {})
            week[_WEEKS[kind]] = week.get(_WEEKS[kind], 0) + count
    return History(
        **{name: tuple(found) for name, found in times.items()},
        weeks=tuple(DomainWeek(monday, **counts) for monday, counts in sorted(weeks.items(), reverse=True)),
    )


def _record_before(
    events: Sequence[tuple[str, datetime]], moment: datetime, half_life: timedelta
) -> tuple[float, float]:
    """Return how often the mailbox showed life, and bounced softly, before a moment; older events count less."""
    alive, soft = 0.0, 0.0
    for kind, at in events:
        if at < moment and kind != "hard_bounce":
            weight = 0.5 ** ((moment - at) / half_life)
            alive, soft = (alive, soft + weight) if kind == "soft_bounce" else (alive + weight, soft)
    return alive, soft

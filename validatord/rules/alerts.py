"""What needs a person: one table of rules, from which the daemon's own alerts and Prometheus' file are made.

A rule looks at one reading (`loops/watch.py` takes them, `expression` is the same for Prometheus). It fires when
its reading was beyond the threshold for as long as `hold_seconds`, and is over when it was not for `clear_after`:
so nothing flutters. A reading that cannot be taken changes nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from validatord.settings import AlertSettings

WARNING, CRITICAL = "warning", "critical"
_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One thing that may be wrong.

    `summary` may name {value} and {threshold}; `fix` says what to do. `threshold` comes from the settings;
    `is_below` turns the comparison round. `expression` is PromQL with {threshold} in it.
    """

    name: str
    severity: str
    reading: str
    threshold: Callable[[AlertSettings], float]
    hold_seconds: float
    summary: str
    fix: str
    expression: str
    is_below: bool = False

    def is_beyond(self, value: float, settings: AlertSettings) -> bool:
        """Whether a reading lies beyond the threshold."""
        limit = self.threshold(settings)
        return value < limit if self.is_below else value > limit

    def describe(self, value: float, settings: AlertSettings) -> str:
        """Return the summary with its figures."""
        return self.summary.format(value=_format(value), threshold=_format(self.threshold(settings)))


def _above(limit: float) -> Callable[[AlertSettings], float]:
    return lambda _: limit


_SHARE = "sum(increase({bad}[15m])) / sum(increase({all}[15m])) > {threshold} and sum(increase({all}[15m])) >= 20"


def _share(bad: str, every: str) -> str:
    return _SHARE.replace("{bad}", bad).replace("{all}", every)


RULES: tuple[AlertRule, ...] = (
    AlertRule(
        "PostgreSQLAway",
        CRITICAL,
        "postgresql_away",
        _above(0),
        2 * _MINUTE,
        "PostgreSQL does not answer",
        "nothing is verified meanwhile and nothing is lost; look at the server and at database.url",
        'min(validatord_up{{part="postgresql"}}) < 1',
    ),
    AlertRule(
        "RedisAway",
        WARNING,
        "redis_away",
        _above(0),
        5 * _MINUTE,
        "Redis does not answer: no arq jobs are taken in",
        "verification goes on; jobs wait in Redis; look at the server and at redis.url",
        'min(validatord_up{{part="redis"}}) < 1',
    ),
    AlertRule(
        "AddressListed",
        CRITICAL,
        "listed_identities",
        _above(0),
        0,
        "{value} of our addresses is on a block list that several providers name",
        "probing from it rests; see validatord doctor, ask the list to remove it, then: validatord queue lane reset",
        "max(validatord_listed_identities) > {threshold}",
    ),
    AlertRule(
        "LaneBlocked",
        WARNING,
        "blocked_lanes",
        _above(0),
        0,
        "{value} large providers refuse us",
        "their addresses wait and are not judged; validatord explain on one of them shows the refusal",
        'sum(validatord_lanes{{state="open",cause="sender_ip_blocked",provider!="other"}}) > {threshold}',
    ),
    AlertRule(
        "NoProgress",
        CRITICAL,
        "no_progress_seconds",
        lambda settings: settings.no_progress.total_seconds(),
        0,
        "work is due for {value} seconds, and nothing was decided meanwhile",
        "see validatord status and the log: closed lanes, DNS, port 25",
        "max(validatord_queue_oldest_due_seconds) > {threshold}"
        " and on() sum(increase(validatord_written_rows_total[15m])) == 0",
    ),
    AlertRule(
        "Backlog",
        WARNING,
        "backlog",
        lambda settings: settings.backlog,
        10 * _MINUTE,
        "{value} requests are not decided yet (more than {threshold})",
        "see validatord queue stats; raise alerts.backlog where such lists are usual",
        'max(validatord_requests{{state="unfinished"}}) > {threshold}',
    ),
    AlertRule(
        "VisitErrors",
        WARNING,
        "visit_error_share",
        lambda settings: settings.error_share,
        5 * _MINUTE,
        "{value} of the visits ended in an error of ours (more than {threshold})",
        "the log has each with its trace; what was not asked is asked again",
        _share('validatord_visits_total{{outcome=~"failed|given_up"}}', "validatord_visits_total"),
    ),
    AlertRule(
        "BouncerErrors",
        WARNING,
        "bouncer_error_share",
        lambda settings: settings.error_share,
        5 * _MINUTE,
        "{value} of the calls to Bouncer failed (more than {threshold})",
        "nothing is paid twice; see validatord bouncer status",
        _share('validatord_bouncer_calls_total{{outcome!="2xx"}}', "validatord_bouncer_calls_total"),
    ),
    AlertRule(
        "HTTPErrors",
        WARNING,
        "http_error_share",
        lambda settings: settings.error_share,
        5 * _MINUTE,
        "{value} of the HTTP requests ended with a 5xx (more than {threshold})",
        "see the log; 503 means that PostgreSQL is away or too much waits",
        _share('validatord_http_requests_total{{status=~"5.."}}', "validatord_http_requests_total"),
    ),
    AlertRule(
        "LimiterBusy",
        WARNING,
        "limiter_use",
        lambda settings: settings.limiter_share,
        10 * _MINUTE,
        "Bouncer's call limits are used to {value} (more than {threshold})",
        "results come later; larger batches need fewer calls (bouncer.batch_size)",
        "max(validatord_bouncer_limiter_use) > {threshold}",
    ),
    AlertRule(
        "BouncerSlow",
        WARNING,
        "bouncer_seconds",
        lambda settings: settings.api_seconds,
        5 * _MINUTE,
        "Bouncer answers in {value} seconds on average (more than {threshold})",
        "nothing is lost; results come later",
        'sum(increase(validatord_bouncer_call_seconds_sum{{act!="download"}}[15m]))'
        ' / sum(increase(validatord_bouncer_call_seconds_count{{act!="download"}}[15m])) > {threshold}',
    ),
    AlertRule(
        "BouncerStopped",
        CRITICAL,
        "bouncer_stopped",
        _above(0),
        0,
        "Bouncer is not asked any more: its key is refused, credits are gone, or its books do not agree",
        "validatord bouncer status says which; free verification goes on",
        "max(validatord_bouncer_stopped) > {threshold}",
    ),
    AlertRule(
        "BatchUnclear",
        CRITICAL,
        "unclear_batches",
        _above(0),
        0,
        "{value} batches may or may not have been taken by Bouncer; nothing is bought meanwhile",
        "validatord bouncer status; then adopt, resubmit or abandon it",
        'sum(validatord_bouncer_batches{{state=~"submit_unknown|lost"}}) > {threshold}',
    ),
    AlertRule(
        "CreditsLow",
        WARNING,
        "credits",
        lambda settings: settings.credits,
        0,
        "{value} credits are left at Bouncer (fewer than {threshold})",
        "buy more, or lower the budgets; free verification goes on",
        "min(validatord_bouncer_credits) < {threshold}",
        is_below=True,
    ),
    AlertRule(
        "WorkerFailures",
        WARNING,
        "failures_per_hour",
        lambda settings: settings.failures_per_hour,
        0,
        "{value} failures of workers within an hour (more than {threshold})",
        "each was survived; the log has them with their traces",
        "sum(increase(validatord_failures_total[1h])) + sum(increase(validatord_intake_restarts_total[1h]))"
        " > {threshold}",
    ),
    AlertRule(
        "DeadLetters",
        WARNING,
        "dead_letters",
        _above(0),
        0,
        "{value} dead letters wait for a person: unreadable jobs, undeliverable messages, Bouncer's letters",
        "see validatord queue stats, validatord webhooks list, validatord bouncer dead-letters",
        "sum(validatord_dead_letters) > {threshold}",
    ),
    AlertRule(
        "OldTransaction",
        WARNING,
        "transaction_seconds",
        lambda settings: settings.transaction.total_seconds(),
        0,
        "a transaction in PostgreSQL is open for {value} seconds (more than {threshold})",
        "dead rows cannot go while it is open: find it in pg_stat_activity and end it",
        "max(validatord_oldest_transaction_seconds) > {threshold}",
    ),
    AlertRule(
        "DeadRows",
        WARNING,
        "dead_row_ratio",
        _above(2),
        10 * _MINUTE,
        "a table has {value} dead rows for each living one (more than {threshold})",
        "look for an old transaction and whether autovacuum runs",
        'max(validatord_table_rows{{state="dead"}} / ignoring(state) (validatord_table_rows{{state="live"}} + 1)'
        ' and ignoring(state) validatord_table_rows{{state="dead"}} > 10000) > {threshold}',
    ),
    AlertRule(
        "ReloadRefused",
        WARNING,
        "reload_refused",
        _above(0),
        0,
        "the last reload was refused; the settings in force are older than the file",
        "validatord reload names each problem",
        'min(validatord_config{{what="applied"}}) < 1',
    ),
    AlertRule(
        "LoopBlocked",
        WARNING,
        "loop_blocks",
        _above(3),
        0,
        "the event loop was blocked for over a second {value} times within a quarter of an hour",
        "the machine has too little CPU or memory, or this is a bug: please report it",
        "sum(increase(validatord_loop_lag_seconds_count[15m]))"
        ' - sum(increase(validatord_loop_lag_seconds_bucket{{le="1.0"}}[15m])) > {threshold}',
    ),
)


@dataclass(frozen=True, slots=True)
class Alert:
    """How one rule stands: since when it is beyond, fires, is quiet again; and when it was last told."""

    rule: AlertRule
    value: float = 0.0
    beyond_since: datetime | None = None
    since: datetime | None = None  # it fires
    quiet_since: datetime | None = None
    told_at: datetime | None = None
    cleared_at: datetime | None = None

    @property
    def is_firing(self) -> bool:
        """Whether it fires."""
        return self.since is not None and self.cleared_at is None


def look(alert: Alert, value: float | None, settings: AlertSettings, now: datetime) -> Alert:
    """Return how the alert stands after a reading; None changes nothing."""
    if value is None:
        return alert
    if alert.rule.is_beyond(value, settings):
        return _look_beyond(replace(alert, value=value, quiet_since=None), now)
    if not alert.is_firing:
        return replace(alert, beyond_since=None)
    quiet_since = alert.quiet_since or now
    is_over = now - quiet_since >= settings.clear_after
    if is_over:
        return replace(alert, beyond_since=None, quiet_since=None, cleared_at=now)
    return replace(alert, quiet_since=quiet_since)


def _look_beyond(alert: Alert, now: datetime) -> Alert:
    beyond_since = alert.beyond_since or now
    alert = replace(alert, beyond_since=beyond_since)
    if alert.is_firing or (now - beyond_since).total_seconds() < alert.rule.hold_seconds:
        return alert
    return replace(alert, since=now, told_at=None, cleared_at=None)


def find_news(before: Iterable[Alert], after: Iterable[Alert]) -> list[Alert]:
    """Return the alerts that began or ended between two looks."""
    return [new for old, new in zip(before, after, strict=True) if old.is_firing is not new.is_firing]


def find_reminders(alerts: Sequence[Alert], every: timedelta, now: datetime) -> list[Alert]:
    """Return those that were told long ago and still fire."""
    return [alert for alert in alerts if alert.is_firing and alert.told_at is not None and now - alert.told_at >= every]


def make_message(node: str, alerts: Sequence[Alert], settings: AlertSettings) -> Mapping[str, object]:
    """Word one message about alerts that began, ended or still hold: the payload of an `alert`."""
    entries = [
        {
            "name": alert.rule.name,
            "severity": alert.rule.severity,
            "state": "firing" if alert.is_firing else "over",
            "since": alert.since.isoformat(timespec="seconds") if alert.since else None,
            "value": alert.value,
            "summary": alert.rule.describe(alert.value, settings),
            "fix": alert.rule.fix,
        }
        for alert in sorted(alerts, key=lambda one: (not one.is_firing, one.rule.severity, one.rule.name))
    ]
    return {"node": node, "alerts": entries}


def _format(value: float) -> str:
    if 0 < value < 1:
        return f"{value:.1%}"
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"  # noqa: PLR2004 two digits say enough

"""Readings for the alert rules: what counters did within a time, beside what the ledger and this process are like now.

Counters only ever rise; what they rose by within a quarter of an hour or an hour is told from samples kept here.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from validatord import metrics
from validatord.store.figures import LedgerFigures

QUARTER, HOUR = 900.0, 3600.0
_FEWEST = 20  # of anything before a share of it says something
_FEWEST_ROWS = 10_000  # dead ones, before their number says something
_UNCLEAR = frozenset({"submit_unknown", "lost"})
_BAD_VISITS = frozenset({"failed", "given_up"})


@dataclass(frozen=True, slots=True)
class LocalFigures:
    """What this process is like now, lent by the roof.

    `lanes` counts by provider key, state and cause. `limits` are Bouncer's allowed calls a minute by bucket.
    """

    lanes: Mapping[tuple[str, str, str], int] = field(default_factory=dict[tuple[str, str, str], int])
    listed_identities: int = 0
    sessions: Mapping[str, int] = field(default_factory=dict[str, int])
    visits: int = 0
    is_redis_wanted: bool = False
    is_redis_up: bool = False
    intake: Mapping[str, float] = field(default_factory=dict[str, float])
    is_reload_refused: bool = False
    limits: Mapping[str, float] = field(default_factory=dict[str, float])
    keyed: frozenset[str] = frozenset()  # the passes that have a key


@dataclass(frozen=True, slots=True)
class _Sample:
    at: float
    counts: Mapping[str, float]


class History:
    """What counters rose by: `note` is called at every look, `rose` answers for a time back from the last one."""

    def __init__(self, keep_seconds: float = HOUR) -> None:
        self._keep = keep_seconds
        self._samples: deque[_Sample] = deque()

    def note(self, at: float) -> None:
        """Keep what the counters say at a moment of the clock that never jumps."""
        self._samples.append(_Sample(at, _count()))
        # One sample from before the time is needed to tell what rose within it.
        while len(self._samples) > 1 and at - self._samples[1].at >= self._keep:
            self._samples.popleft()

    @property
    def age_seconds(self) -> float:
        """How far back this knows anything."""
        return self._samples[-1].at - self._samples[0].at if self._samples else 0.0

    def rose(self, name: str, seconds: float) -> float:
        """Return by how much a counter rose within that time, or since the first note."""
        if not self._samples:
            return 0.0
        last = self._samples[-1]
        first = next((sample for sample in self._samples if last.at - sample.at <= seconds), last)
        return last.counts[name] - first.counts[name]


def _count() -> Mapping[str, float]:
    """Add the counters up as the rules want them, in one walk."""
    found = dict.fromkeys(_COUNTS, 0.0)
    for sample, labels, value in metrics.list_samples():
        for name, (wanted, fits) in _COUNTS.items():
            if sample == wanted and fits(labels):
                found[name] += value
    return found


def _any(_: Mapping[str, str]) -> bool:
    return True


_COUNTS: Mapping[str, tuple[str, Callable[[Mapping[str, str]], bool]]] = {
    "visits": ("validatord_visits_total", _any),
    "bad_visits": ("validatord_visits_total", lambda labels: labels["outcome"] in _BAD_VISITS),
    "calls": ("validatord_bouncer_calls_total", _any),
    "bad_calls": ("validatord_bouncer_calls_total", lambda labels: labels["outcome"] != "2xx"),
    "call_seconds": ("validatord_bouncer_call_seconds_sum", lambda labels: labels["act"] != "download"),
    "timed_calls": ("validatord_bouncer_call_seconds_count", lambda labels: labels["act"] != "download"),
    "http": ("validatord_http_requests_total", _any),
    "bad_http": ("validatord_http_requests_total", lambda labels: labels["status"].startswith("5")),
    "failures": ("validatord_failures_total", _any),
    "restarts": ("validatord_intake_restarts_total", _any),
    "rows": ("validatord_written_rows_total", _any),
    "lags": ("validatord_loop_lag_seconds_count", _any),
    "small_lags": ("validatord_loop_lag_seconds_bucket", lambda labels: labels["le"] == "1.0"),
}


def take(history: History, local: LocalFigures, ledger: LedgerFigures | None) -> dict[str, float | None]:
    """Return every reading a rule may name; None where it cannot be taken now."""
    found: dict[str, float | None] = {
        "postgresql_away": float(ledger is None),
        "redis_away": float(local.is_redis_wanted and not local.is_redis_up),
        "listed_identities": local.listed_identities,
        "blocked_lanes": sum(
            count
            for (provider, state, cause), count in local.lanes.items()
            if state == "open" and cause == "sender_ip_blocked" and metrics.provider_label(provider) != metrics.OTHER
        ),
        "visit_error_share": _share(history, "bad_visits", "visits"),
        "bouncer_error_share": _share(history, "bad_calls", "calls"),
        "http_error_share": _share(history, "bad_http", "http"),
        "bouncer_seconds": _mean(history.rose("call_seconds", QUARTER), history.rose("timed_calls", QUARTER)),
        "failures_per_hour": history.rose("failures", HOUR) + history.rose("restarts", HOUR),
        "reload_refused": float(local.is_reload_refused),
        "loop_blocks": history.rose("lags", QUARTER) - history.rose("small_lags", QUARTER),
    }
    return found | (_take_ledger(history, local, ledger) if ledger is not None else {})


def _take_ledger(history: History, local: LocalFigures, ledger: LedgerFigures) -> dict[str, float | None]:
    left = [
        float(account.credits)
        for tier, account in ledger.accounts.items()
        if tier in local.keyed and account.credits is not None
    ]
    is_still = history.age_seconds >= QUARTER and history.rose("rows", QUARTER) == 0
    return {
        "no_progress_seconds": ledger.oldest_due_seconds if is_still else 0.0,
        "backlog": ledger.unfinished,
        "limiter_use": max(use_of(local, ledger).values(), default=0.0),
        "bouncer_stopped": sum(stopped_of(local, ledger).values()),
        "unclear_batches": sum(count for (_, state), count in ledger.bouncer_batches.items() if state in _UNCLEAR),
        "credits": min(left, default=None),
        "dead_letters": ledger.bouncer_letters + ledger.rejected_jobs + ledger.messages_dead,
        "transaction_seconds": ledger.oldest_transaction_seconds,
        "dead_row_ratio": _find_worst_ratio(ledger),
    }


def use_of(local: LocalFigures, ledger: LedgerFigures) -> dict[str, float]:
    """Return the share of the calls a minute allows that are used, by bucket."""
    return {name: ledger.calls.get(name, 0) / limit for name, limit in local.limits.items() if limit > 0}


def stopped_of(local: LocalFigures, ledger: LedgerFigures) -> dict[str, float]:
    """Return 1 for each account with a key that is stopped or paused, else 0."""
    return {
        tier: float(account.stopped_ts is not None or account.paused_ts is not None)
        for tier, account in ledger.accounts.items()
        if tier in local.keyed
    }


def _find_worst_ratio(ledger: LedgerFigures) -> float:
    ratios = [
        dead / (ledger.tables.get((name, "live"), 0) + 1)
        for (name, state), dead in ledger.tables.items()
        if state == "dead" and dead > _FEWEST_ROWS
    ]
    return max(ratios, default=0.0)


def _share(history: History, bad: str, every: str) -> float:
    count = history.rose(every, QUARTER)
    return history.rose(bad, QUARTER) / count if count >= _FEWEST else 0.0


def _mean(total: float, count: float) -> float:
    return total / count if count else 0.0

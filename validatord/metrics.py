"""Figures for operators: counters, gauges and histograms, and their text for Prometheus.

The one home of prometheus-client. Every figure is told by a plain function that any room may call: it
never raises and never waits. Labels are closed sets: no address, no domain and no client stands in one. A
provider is named only as the shipped table names it, and a family that would grow without bounds says
`other`.
"""

import functools
import sys
import tomllib
from collections.abc import Mapping
from typing import Generic, TypeVar

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from validatord import data

prometheus_client.disable_created_metrics()  # a second series for each, which nobody asks for
REGISTRY = CollectorRegistry(auto_describe=True)
CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST
OTHER = "other"
_MOST_CHILDREN = 2000  # of one family; a closed set of labels never comes near

_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_SLOW = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

Kind = TypeVar("Kind", Counter, Gauge, Histogram)


class _Family(Generic[Kind]):
    """One figure by its labels; what stands behind a set of labels is looked up once."""

    def __init__(self, metric: Kind, labels: int) -> None:
        self._metric = metric
        self._children: dict[tuple[str, ...], Kind] = {}
        self._rest = (OTHER,) * labels

    def of(self, *labels: str) -> Kind:
        """Return the figure of these labels."""
        child = self._children.get(labels)
        if child is None:
            known = labels if len(self._children) < _MOST_CHILDREN else self._rest
            child = self._children.setdefault(known, self._metric.labels(*known))
        return child

    def forget(self) -> None:
        """Drop every set of labels: for gauges that are told anew as a whole."""
        self._metric.clear()
        self._children.clear()


def _counter(name: str, says: str, *labels: str) -> _Family[Counter]:
    return _Family(Counter(f"validatord_{name}", says, labels, registry=REGISTRY), len(labels))


def _gauge(name: str, says: str, *labels: str) -> _Family[Gauge]:
    return _Family(Gauge(f"validatord_{name}", says, labels, registry=REGISTRY), len(labels))


def _histogram(name: str, says: str, *labels: str, buckets: tuple[float, ...] = _QUICK) -> _Family[Histogram]:
    return _Family(Histogram(f"validatord_{name}", says, labels, registry=REGISTRY, buckets=buckets), len(labels))


def _lone_counter(name: str, says: str) -> Counter:
    return Counter(f"validatord_{name}", says, registry=REGISTRY)


def _lone_histogram(name: str, says: str, buckets: tuple[float, ...] = _QUICK) -> Histogram:
    return Histogram(f"validatord_{name}", says, registry=REGISTRY, buckets=buckets)


# --- what was decided ----------------------------------------------------------------------------

_VERDICTS = _counter("verdicts_total", "Mailboxes decided.", "status", "reason", "provider")
_DEFERRALS = _counter("deferrals_total", "Mailboxes put off to a later attempt.", "reason", "provider")
_HANDOVERS = _counter("handovers_total", "Mailboxes left to Bouncer.", "provider")
_VISITS = _counter("visits_total", "Visits by how they ended.", "outcome")
_SUBMITTED = _counter("intake_addresses_total", "Addresses taken in.", "outcome")

# --- probing -------------------------------------------------------------------------------------

_SESSIONS = _counter("session_starts_total", "SMTP sessions by how their opening ended.", "outcome")
_REPLIES = _counter("replies_total", "SMTP replies; class none: there was no reply.", "stage", "class")
_RCPT = _counter("rcpt_total", "RCPT by what their replies mean.", "provider", "meaning")
_ROUND_TRIPS = _histogram("round_trip_seconds", "From a command to its reply.", "stage", buckets=_SLOW)
_MX_LOOKUPS = _counter("mx_lookups_total", "MX look-ups by where the answer came from.", "source")
_DNS_QUERIES = _counter("dns_queries_total", "DNS queries sent, by what came back.", "outcome")
_DNS_SECONDS = _lone_histogram("dns_query_seconds", "From a DNS query to its answer, or to giving it up.")

# --- the ledger ----------------------------------------------------------------------------------

_LEASE_SECONDS = _lone_histogram("lease_seconds", "One statement that leases due domains.")
_WRITE_SECONDS = _lone_histogram("write_seconds", "One transaction that records what visits learned.")
_WRITTEN_ROWS = _lone_counter("written_rows_total", "Outcomes of mailboxes written to the ledger.")
_STORE_FAILURES = _counter("store_failures_total", "Writes and leases that PostgreSQL did not take.", "work")

# --- the process ---------------------------------------------------------------------------------

_LOOP_LAG = _lone_histogram("loop_lag_seconds", "How late the event loop is.")
_LOOP_RUNS = _counter("loop_runs_total", "Rounds of what happens by itself.", "loop", "outcome")
_FAILURES = _counter("failures_total", "Unexpected errors that a worker survived.", "worker")
_RELOADS = _counter("reloads_total", "Reloads of the settings.", "outcome")
_BUILD = Info("validatord_build", "What runs.", registry=REGISTRY)

# --- the doors and what goes out -----------------------------------------------------------------

_INTAKE_JOBS = _counter("intake_jobs_total", "arq jobs by how they ended.", "outcome")
_INTAKE_RESTARTS = _lone_counter("intake_restarts_total", "Times the arq worker was started anew.")
_HTTP = _counter("http_requests_total", "HTTP requests by route, as it is declared.", "method", "route", "status")
_HTTP_SECONDS = _histogram("http_request_seconds", "From a request's head to the end of its answer.", "route")
_BOUNCER_CALLS = _counter("bouncer_calls_total", "Calls to the Bouncer API.", "act", "outcome")
_BOUNCER_SECONDS = _histogram("bouncer_call_seconds", "One call to the Bouncer API.", "act", buckets=_SLOW)
_DELIVERIES = _counter("deliveries_total", "Webhooks and alert mails sent.", "kind", "outcome")
_DELIVERY_SECONDS = _histogram("delivery_seconds", "One delivery of a webhook or mail.", "kind", buckets=_SLOW)

# --- gauges, told anew by the watch --------------------------------------------------------------

_GAUGES: dict[str, _Family[Gauge]] = {
    name: _gauge(name, says, *labels)
    for name, says, *labels in (
        ("lanes", "Lanes by provider, state and what shut them.", "provider", "state", "cause"),
        ("listed_identities", "Addresses of ours that rest because of a block list.", "node"),
        ("bouncer_stopped", "1 while nothing is bought with an account.", "pass"),
        ("sessions", "SMTP sessions now.", "state"),
        ("visits_running", "Visits now.", "state"),
        ("requests", "Mailboxes that are not decided yet.", "state"),
        ("queue_oldest_due_seconds", "How long the oldest due domain waits.", "queue"),
        ("domains", "Domains with pending work.", "state"),
        ("intake", "arq intake: jobs queued, jobs ahead, 1 while connected, 1 while paused.", "what"),
        ("up", "1 while a part works.", "part"),
        ("bouncer_credits", "Credits left when last asked.", "pass"),
        ("bouncer_queue", "Addresses on their way through Bouncer.", "pass", "status"),
        ("bouncer_batches", "Bouncer batches.", "pass", "state"),
        ("bouncer_limiter_use", "Share of the calls a minute allows that are used.", "bucket"),
        ("outbox", "Webhooks and alerts waiting to be sent.", "state"),
        ("dead_letters", "What needs a person: dead letters and rejected jobs.", "kind"),
        ("table_rows", "Rows of a table as PostgreSQL estimates them.", "table", "state"),
        ("oldest_transaction_seconds", "Age of the oldest open transaction.", "database"),
        ("alert_firing", "1 while an alert fires.", "alert"),
        ("config", "1 while the last reload was applied; changes that need a restart.", "what"),
    )
}


def provider_label(key: str) -> str:
    """Return a provider as a label: its key in the shipped table, or `other`, or `none`."""
    return (key if key in _list_shipped_providers() else OTHER) if key else "none"


@functools.cache
def _list_shipped_providers() -> frozenset[str]:
    return frozenset(tomllib.loads(data.read_text("config/providers.toml")).get("providers", {}))


def provider_of_lane(lane: str) -> str:
    """Return the label of the provider a lane leads to; a lane is named identity/provider."""
    return provider_label(lane.partition("/")[2])


# --- telling -------------------------------------------------------------------------------------


def count_verdict(status: str, reason: str, provider: str) -> None:
    """Count a decided mailbox; `provider` is a label already."""
    _VERDICTS.of(status, reason, provider).inc()


def count_deferral(reason: str, provider: str) -> None:
    """Count a mailbox that is put off."""
    _DEFERRALS.of(reason, provider).inc()


def count_handover(provider: str) -> None:
    """Count a mailbox that Bouncer shall decide."""
    _HANDOVERS.of(provider).inc()


def count_visit(outcome: str) -> None:
    """Count a visit: done, failed, away, lost, cancelled or given_up."""
    _VISITS.of(outcome).inc()


def count_submitted(outcome: str, number: int) -> None:
    """Count addresses taken in: queued, answered or known (sent in twice)."""
    if number > 0:
        _SUBMITTED.of(outcome).inc(number)


def count_session(outcome: str) -> None:
    """Count a session: opened, refused, or the kind of its failure."""
    _SESSIONS.of(outcome).inc()


def observe_reply(stage: str, code: int, seconds: float) -> None:
    """Count a reply and how long it took; code 0: there was none, and no time is noted."""
    _REPLIES.of(stage, f"{code // 100}xx" if 200 <= code < 600 else "none").inc()  # noqa: PLR2004 RFC 5321 4.2
    if code:
        _ROUND_TRIPS.of(stage).observe(seconds)


def count_rcpt(provider_key: str, meaning: str) -> None:
    """Count an RCPT by what its reply means; `unanswered` where there was none."""
    _RCPT.of(provider_label(provider_key), meaning).inc()


def count_mx_lookup(source: str) -> None:
    """Count a look-up of mail hosts: memory, joined (somebody asks already) or network."""
    _MX_LOOKUPS.of(source).inc()


def observe_dns_query(outcome: str, seconds: float) -> None:
    """Count a DNS query: answered, or the kind of its failure."""
    _DNS_QUERIES.of(outcome).inc()
    _DNS_SECONDS.observe(seconds)


def observe_lease(seconds: float) -> None:
    """Note how long leasing took."""
    _LEASE_SECONDS.observe(seconds)


def observe_write(seconds: float, rows: int) -> None:
    """Note how long recording took, and how many outcomes it wrote."""
    _WRITE_SECONDS.observe(seconds)
    _WRITTEN_ROWS.inc(rows)


def count_store_failure(work: str) -> None:
    """Count what PostgreSQL did not take: write or lease."""
    _STORE_FAILURES.of(work).inc()


def observe_loop_lag(seconds: float) -> None:
    """Note how late the event loop came round."""
    _LOOP_LAG.observe(seconds)


def count_loop_run(loop: str, outcome: str) -> None:
    """Count a round of a loop: done, away or failed."""
    _LOOP_RUNS.of(loop, outcome).inc()


def count_failure(worker: str) -> None:
    """Count an unexpected error that a worker survived."""
    _FAILURES.of(worker).inc()


def count_reload(outcome: str) -> None:
    """Count a reload: applied or refused."""
    _RELOADS.of(outcome).inc()


def count_intake_job(outcome: str) -> None:
    """Count an arq job: settled, put_off or rejected."""
    _INTAKE_JOBS.of(outcome).inc()


def count_intake_restart() -> None:
    """Count a new arq worker after one that died."""
    _INTAKE_RESTARTS.inc()


def observe_http(method: str, route: str, status: int, seconds: float) -> None:
    """Note a request; `route` is the declared pattern, empty where nothing fitted."""
    known = route or "none"
    _HTTP.of(method if method in _METHODS else OTHER, known, str(status)).inc()
    _HTTP_SECONDS.of(known).observe(seconds)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def observe_bouncer_call(act: str, outcome: str, seconds: float) -> None:
    """Note a call to the Bouncer API; `outcome` is the class of its HTTP status, or breakdown."""
    _BOUNCER_CALLS.of(act, outcome).inc()
    _BOUNCER_SECONDS.of(act).observe(seconds)


def observe_delivery(kind: str, outcome: str, seconds: float) -> None:
    """Note a delivery: webhook or mail; delivered, refused, failed or given_up."""
    _DELIVERIES.of(kind, outcome).inc()
    _DELIVERY_SECONDS.of(kind).observe(seconds)


def set_gauge(name: str, values: Mapping[tuple[str, ...], float]) -> None:
    """Tell a whole gauge anew: label values → figure; sets of labels that are missing go.

    Raises:
        KeyError: there is no such gauge.
    """
    gauge = _GAUGES[name]
    gauge.forget()
    for labels, value in values.items():
        gauge.of(*labels).set(value)


# --- reading -------------------------------------------------------------------------------------


def describe_build(version: str, node: str) -> None:
    """Say what runs, once, at the start."""
    python = ".".join(map(str, sys.version_info[:3]))
    _BUILD.info({"version": version, "python": python, "node": node})


def register_process() -> None:
    """Add memory, CPU time, descriptors and the collector's work of this process; once is enough."""
    if "process_cpu_seconds_total" not in list_names():
        prometheus_client.ProcessCollector(registry=REGISTRY)
        prometheus_client.GCCollector(registry=REGISTRY)


def render() -> bytes:
    """Return everything as text, in the form of `CONTENT_TYPE`."""
    return prometheus_client.generate_latest(REGISTRY)


def read(name: str, labels: Mapping[str, str] | None = None) -> float:
    """Return one sample by its full name and labels, 0 where nothing was told yet."""
    return REGISTRY.get_sample_value(name, dict(labels or {})) or 0.0


def total(name: str, **labels: str) -> float:
    """Return the sum of a family's samples of that name that carry these labels."""
    return sum(
        value
        for sample, found, value in list_samples()
        if sample == name and all(found.get(key) == wanted for key, wanted in labels.items())
    )


def list_samples() -> list[tuple[str, Mapping[str, str], float]]:
    """Return every sample that was told: its name, its labels, its value."""
    return [(s.name, s.labels, s.value) for family in REGISTRY.collect() for s in family.samples]


def list_names() -> frozenset[str]:
    """Return the name of every sample there can be, told or not."""
    found: set[str] = set()
    for family in REGISTRY.collect():
        endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "info": ("_info",)}
        found |= {family.name + ending for ending in endings.get(family.type, ("",))}
    return frozenset(found)

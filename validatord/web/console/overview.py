"""The first page: what happens now, what waits, and what needs a person."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from validatord.errors import ConfigurationError
from validatord.rules import policy
from validatord.rules.policy import ClientPolicy, Labels
from validatord.store import alerts, bouncer_limits, bouncer_reports, clients, console, nodes, pauses, submissions
from validatord.store.bouncer_batches import list_batches
from validatord.store.bouncer_limits import Account
from validatord.store.console import Unfinished
from validatord.store.submissions import Submission
from validatord.web.console import charts, lanes, render
from validatord.web.console.charts import Curve, Piece
from validatord.web.console.desk import DESK, Desk
from validatord.web.console.lanes import LaneView
from validatord.web.fields import CHECK_MARK

_MINUTES = 30
_MIX_DAYS = timedelta(days=30)
_SHOWN = 6
_LOW_CREDITS = 1000
# What the page says itself, at once and with where to go.
_TOLD_BELOW = frozenset({"BouncerStopped", "BatchUnclear", "CreditsLow", "DeadLetters"})
_PLACES = {
    "AddressListed": "/console/lanes",
    "LaneBlocked": "/console/lanes",
    "NoProgress": "/console/lanes",
    "Backlog": "/console/submissions",
    "VisitErrors": "/console/lanes",
    "BouncerErrors": "/console/bouncer",
    "BouncerSlow": "/console/bouncer",
    "LimiterBusy": "/console/bouncer",
    "ReloadRefused": "/console/settings",
}


@dataclass(frozen=True, slots=True)
class Task:
    """Something only a person can do, and where."""

    text: str
    detail: str
    path: str


@dataclass(frozen=True, slots=True)
class Throughput:
    """Verdicts of the last minute, and of each of the last minutes as a curve."""

    last_minute: int
    by_minute: tuple[int, ...]
    curve: Curve


@dataclass(frozen=True, slots=True)
class Overview:
    """The facts of the page; what a client's key may not see is None or empty."""

    unfinished: Unfinished
    mix: tuple[Piece, ...]
    mixed: int
    recent: tuple[Submission, ...]
    states: Mapping[int, str]
    throughput: Throughput | None = None
    running: tuple[str, ...] = ()
    troubled: tuple[LaneView, ...] = ()
    credits: int | None = None
    credits_at: datetime | None = None
    has_bouncer: bool = False
    tasks: tuple[Task, ...] = ()
    domains_due: int = 0
    domains_asked: int = 0

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever sent in."""
        return not self.recent


@dataclass(slots=True)
class Tape:
    """Minutes that are over do not change: each is counted once."""

    counted: dict[datetime, int] = field(default_factory=dict[datetime, int])

    async def read(self, desk: Desk) -> tuple[int, ...]:
        """Return the verdicts of the last full minutes, the oldest first."""
        this = desk.now.replace(second=0, microsecond=0)
        wanted = [this - timedelta(minutes=back) for back in range(_MINUTES, 0, -1)]
        missing = [minute for minute in wanted if minute not in self.counted]
        if missing:
            found = await console.count_by_minute(desk.database, missing[0])
            self.counted = {minute: found.get(minute, self.counted.get(minute, 0)) for minute in wanted}
        return tuple(self.counted[minute] for minute in wanted)


TAPE = web.AppKey("console tape", Tape)


async def load_overview(desk: Desk, tape: Tape) -> Overview:
    """Gather the facts of the page for whoever sits at the desk."""
    since = desk.now - _MIX_DAYS
    mix = await _load_mix(desk, since)
    recent = await submissions.list_submissions(desk.database, _SHOWN, client=desk.client, without=CHECK_MARK)
    common: dict[str, Any] = {
        "unfinished": await console.sum_unfinished(desk.database, desk.client),
        "mix": charts.stack(mix),
        "mixed": sum(mix.values()),
        "recent": tuple(recent),
        "states": await console.load_states(desk.database, [item.submission_id for item in recent]),
    }
    if desk.client is not None:
        return Overview(**common)
    account = (await bouncer_limits.load_accounts(desk.database))["main"]
    queue = (await desk.services.health()).get("queue_stats", {})
    return Overview(
        **common,
        throughput=await _load_throughput(desk, tape),
        running=tuple(await nodes.is_running(desk.database)),
        troubled=tuple(lane for lane in await lanes.load_lanes(desk) if lane.is_troubled)[:_SHOWN],
        credits=account.credits,
        credits_at=account.credits_ts,
        has_bouncer=bool(desk.services.snapshot().bouncer.api_key.get_secret_value()),
        tasks=tuple(await list_tasks(desk, account)),
        domains_due=queue.get("domains_due", 0),
        domains_asked=queue.get("domains_leased", 0),
    )


async def _load_mix(desk: Desk, since: datetime) -> dict[str, int]:
    """Return recent verdicts by status, each as its own client wants it shown."""
    policies = await clients.load_policies(desk.database)
    found: Counter[str] = Counter()
    for client, counts in (await console.sum_counts(desk.database, desk.client, since)).items():
        for (status, _), number in Labels(_read(policies.get(client, {}))).count(counts).items():
            found[status] += number
    return dict(found)


def _read(values: Mapping[str, Any]) -> ClientPolicy:
    try:
        return policy.read(values)
    except ConfigurationError:
        return ClientPolicy()  # the client's own pages say that its policy cannot be read


async def _load_throughput(desk: Desk, tape: Tape) -> Throughput:
    by_minute = await tape.read(desk)
    last_minute = await console.count_since(desk.database, desk.now - timedelta(minutes=1))
    return Throughput(last_minute, by_minute, charts.draw_curve((*by_minute, last_minute)))


async def list_tasks(desk: Desk, account: Account) -> list[Task]:
    """Name what waits for a person: what the watch told, what was paused, what Bouncer cannot decide."""
    told = await alerts.list_alerts(desk.database, timedelta())
    found = [
        Task(alert.summary, f"since {alert.since:%Y-%m-%d %H:%M} UTC", _PLACES.get(alert.name, ""))
        for alert in told
        if alert.cleared_at is None and alert.name not in _TOLD_BELOW
    ]
    found += [
        Task(f"Paused: {pause.kind.value} {pause.key}".strip(), pause.reason, "/console/lanes")
        for pause in await pauses.load(desk.database)
    ]
    return found + await _list_bouncer_tasks(desk, account)


async def _list_bouncer_tasks(desk: Desk, account: Account) -> list[Task]:
    found: list[Task] = []
    if account.stopped_ts is not None:
        found.append(Task("Bouncer refuses our key", account.last_error or "", "/console/bouncer"))
    elif account.paused_ts is not None:
        found.append(Task("Bouncer is paused", account.last_error or account.pause_reason or "", "/console/bouncer"))
    unclear = await list_batches(desk.database, ("submit_unknown", "lost"))
    if unclear:
        text = (
            f"{len(unclear)} Bouncer batches nobody knows the fate of" if unclear[1:] else "A Bouncer batch is unclear"
        )
        found.append(Task(text, "Look it up at Bouncer, then adopt it, buy again, or let it go.", "/console/bouncer"))
    letters = await bouncer_reports.count_dead_letters(desk.database)
    if letters:
        text = f"{letters:,} dead letters" if letters > 1 else "1 dead letter"
        found.append(Task(text, "Set aside by Bouncer's batches; nobody has looked yet.", "/console/bouncer#letters"))
    if account.credits is not None and account.credits < _LOW_CREDITS:
        found.append(Task(f"Bouncer credits run low: {account.credits:,} left", "", "/console/bouncer"))
    return found


async def show_overview(request: web.Request) -> web.StreamResponse:
    """Show the page."""
    facts = await load_overview(request[DESK], request.app[TAPE])
    return render.page(request, "overview.html", facts=facts)


ROUTES = (web.get("/", show_overview),)

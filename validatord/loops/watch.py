"""The watch: takes figures, tells the gauges, and looks whether anything needs a person.

What begins and ends is gathered for `alerts.digest` and told in one message through the outbox, with the state
of each alert in the same transaction, so that a restart tells nothing twice. While PostgreSQL is away the message
goes by mail at once, past the outbox.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from loguru import logger

from validatord import metrics
from validatord.clock import Clock
from validatord.errors import StoreAway
from validatord.loops.readings import History, LocalFigures, stopped_of, take, use_of
from validatord.rules import alerts as rules
from validatord.rules.alerts import Alert
from validatord.settings import AlertSettings
from validatord.store import alerts, figures
from validatord.store.alerts import AlertRow
from validatord.store.database import Database
from validatord.store.figures import LedgerFigures

SendDirectly = Callable[[Mapping[str, Any]], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen at one look; `ledger` is None while PostgreSQL is away."""

    at: datetime
    local: LocalFigures
    ledger: LedgerFigures | None


class Watch:
    """`run_once` is one look.

    `look_inside` tells what this process is like now. `send_directly` sends a message past the ledger and
    says whether it was taken; without it, what is wrong with the ledger itself is only logged.
    """

    def __init__(
        self,
        database: Database,
        node: str,
        clock: Clock,
        settings: Callable[[], AlertSettings],
        look_inside: Callable[[], LocalFigures],
        *,
        send_directly: SendDirectly | None = None,
    ) -> None:
        self.sight: Sight | None = None
        self.alerts: tuple[Alert, ...] = tuple(Alert(rule) for rule in rules.RULES)
        self._database, self._node, self._clock = database, node, clock
        self._settings = settings
        self._look_inside = look_inside
        self._send_directly = send_directly
        self._history = History()
        self._news: dict[str, Alert] = {}
        self._told_at: datetime | None = None
        self._is_loaded = False

    def __repr__(self) -> str:
        return f"<Watch {sum(alert.is_firing for alert in self.alerts)} alerts>"

    def describe(self) -> list[dict[str, Any]]:
        """Return what fires now, as the API shows it."""
        firing = [alert for alert in self.alerts if alert.is_firing]
        message = rules.make_message(self._node, firing, self._settings())
        return cast("list[dict[str, Any]]", message["alerts"])

    async def run_once(self) -> int:
        """Look once; returns how many alerts fire."""
        now, settings = self._clock.now(), self._settings()
        sight = Sight(now, self._look_inside(), await self._measure())
        self.sight = sight
        show(sight, self._node)
        self._history.note(self._clock.monotonic())
        if settings.is_enabled:
            await self._judge(sight, settings)
        return sum(alert.is_firing for alert in self.alerts)

    async def _measure(self) -> LedgerFigures | None:
        try:
            return await figures.measure(self._database)
        except StoreAway:
            return None

    # --- judging -------------------------------------------------------------------------------

    async def _judge(self, sight: Sight, settings: AlertSettings) -> None:
        if not self._is_loaded and sight.ledger is not None:
            await self._load()
        readings = take(self._history, sight.local, sight.ledger)
        before = self.alerts
        self.alerts = tuple(rules.look(alert, readings.get(alert.rule.reading), settings, sight.at) for alert in before)
        for alert in rules.find_news(before, self.alerts):
            self._note(alert, settings)
        for alert in rules.find_reminders(self.alerts, settings.remind, sight.at):
            self._news.setdefault(alert.rule.name, alert)
        metrics.set_gauge("alert_firing", {(alert.rule.name,): float(alert.is_firing) for alert in self.alerts})
        if self._news and self._is_time(settings, sight.at):
            await self._tell(settings, sight)

    async def _load(self) -> None:
        """Go on where an earlier process of this node stopped: what was told is not told again."""
        kept = {row.name: row for row in await alerts.load_alerts(self._database, self._node)}
        self.alerts = tuple(
            replace(alert, since=row.since, beyond_since=row.since, told_at=row.told_at, value=row.value)
            if (row := kept.get(alert.rule.name)) is not None and not alert.is_firing
            else alert
            for alert in self.alerts
        )
        self._is_loaded = True

    def _note(self, alert: Alert, settings: AlertSettings) -> None:
        said = logger.bind(alert=alert.rule.name, summary=alert.rule.describe(alert.value, settings))
        if alert.is_firing:
            said.bind(fix=alert.rule.fix).warning("alert")
        else:
            said.info("alert is over")
        waiting = self._news.get(alert.rule.name)
        if waiting is not None and not alert.is_firing and waiting.told_at is None:
            self._news.pop(alert.rule.name)  # it began and ended before anybody was told
        else:
            self._news[alert.rule.name] = alert

    def _is_time(self, settings: AlertSettings, now: datetime) -> bool:
        return self._told_at is None or not self._told_at <= now < self._told_at + settings.digest

    # --- telling -------------------------------------------------------------------------------

    async def _tell(self, settings: AlertSettings, sight: Sight) -> None:
        current = {alert.rule.name: alert for alert in self.alerts}
        news = [current[name] for name in self._news]
        told = {alert.rule.name: replace(alert, told_at=sight.at) for alert in news}
        message = rules.make_message(self._node, news, settings)
        if sight.ledger is not None:
            await alerts.save_alerts(self._database, self._node, self._to_rows(told.values(), settings), message)
        elif self._send_directly is None or not await self._send_directly(message):
            return  # told when the ledger is back, or at the next look
        self.alerts = tuple(told.get(alert.rule.name, alert) for alert in self.alerts)
        self._news.clear()
        self._told_at = sight.at

    def _to_rows(self, told: Any, settings: AlertSettings) -> Sequence[AlertRow]:
        return [
            AlertRow(
                self._node,
                alert.rule.name,
                alert.rule.severity,
                alert.rule.describe(alert.value, settings),
                alert.value,
                alert.since or self._clock.now(),
                alert.told_at,
                alert.cleared_at,
            )
            for alert in told
        ]


def show(sight: Sight, node: str) -> None:
    """Tell the gauges what was seen; what the ledger says stays while it is away."""
    local, ledger = sight.local, sight.ledger
    lanes: dict[tuple[str, ...], float] = {}
    for (provider, state, cause), count in local.lanes.items():
        labels = (metrics.provider_label(provider), state, cause)
        lanes[labels] = lanes.get(labels, 0) + count
    metrics.set_gauge("lanes", lanes)
    metrics.set_gauge("listed_identities", {(node,): local.listed_identities})
    metrics.set_gauge("sessions", {(state,): count for state, count in local.sessions.items()})
    metrics.set_gauge("visits_running", {("running",): local.visits})
    metrics.set_gauge("intake", {(what,): value for what, value in local.intake.items()})
    up = {("postgresql",): float(ledger is not None)}
    metrics.set_gauge("up", up | ({("redis",): float(local.is_redis_up)} if local.is_redis_wanted else {}))
    if ledger is not None:
        _show_ledger(local, ledger)


def _show_ledger(local: LocalFigures, ledger: LedgerFigures) -> None:
    gauges: dict[str, Mapping[tuple[str, ...], float]] = {
        "requests": {("unfinished",): ledger.unfinished, ("handed_over",): ledger.handed_over},
        "domains": {
            ("due",): ledger.domains_due,
            ("later",): ledger.domains_later,
            ("leased",): ledger.domains_leased,
        },
        "queue_oldest_due_seconds": {("domains",): ledger.oldest_due_seconds},
        "outbox": {("pending",): ledger.messages_pending, ("dead",): ledger.messages_dead},
        "dead_letters": {
            ("bouncer",): ledger.bouncer_letters,
            ("jobs",): ledger.rejected_jobs,
            ("messages",): ledger.messages_dead,
        },
        "table_rows": ledger.tables,
        "oldest_transaction_seconds": {("ledger",): ledger.oldest_transaction_seconds},
        "bouncer_queue": ledger.bouncer_queue,
        "bouncer_batches": ledger.bouncer_batches,
        "bouncer_limiter_use": {(name,): share for name, share in use_of(local, ledger).items()},
        "bouncer_stopped": {(tier,): value for tier, value in stopped_of(local, ledger).items()},
        "bouncer_credits": {
            (tier,): account.credits
            for tier, account in ledger.accounts.items()
            if tier in local.keyed and account.credits is not None
        },
    }
    for name, values in gauges.items():
        metrics.set_gauge(name, values)

"""How the daemon is: what works and since when, what waits, how the lanes stand, whom it cannot reach.

Collects what the parts of this process know and what the ledger says; judges only whether work is taken in and
done. `/healthz`, `/readyz`, `/health` and the watch read it.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from validatord import __version__
from validatord.bouncer.breaker import State as BreakerState
from validatord.bouncer.limiter import limits_of
from validatord.clock import Clock
from validatord.engine import Engine
from validatord.intake.supervisor import IntakeState
from validatord.loops.readings import LocalFigures, use_of
from validatord.loops.watch import Sight, Watch
from validatord.reloader import ReloadState
from validatord.settings import Settings
from validatord.store.bouncer_limits import Account
from validatord.store.figures import LedgerFigures

_LIVELY_SECONDS = 30.0
_MOST_LANES = 200
_NOTHING: Mapping[str, Account] = {}


@dataclass(slots=True)
class Part:
    """One part: whether it works, since when that is so, and what there is to say; `is_needed` for being ready."""

    is_ok: bool
    since: datetime
    detail: str = ""
    is_needed: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        found: dict[str, Any] = {"ok": self.is_ok, "since": self.since.isoformat(timespec="seconds")}
        return found | {"needed": self.is_needed} | ({"detail": self.detail} if self.detail else {})


@dataclass(slots=True)
class Parties:
    """What the daemon lends: those that are not there (no Redis configured, no key) say so by being None."""

    engine: Engine
    reload: Callable[[], ReloadState]
    is_stopping: Callable[[], bool]
    intake: Callable[[], IntakeState | None] = lambda: None
    breaker: Callable[[], BreakerState | None] = lambda: None
    watch: Watch | None = None


@dataclass(slots=True)
class Health:
    """Answers how the daemon is at any moment."""

    parties: Parties
    snapshot: Callable[[], Settings]
    clock: Clock
    started_at: datetime = field(init=False)
    _parts: dict[str, Part] = field(default_factory=dict[str, Part])

    def __post_init__(self) -> None:
        self.started_at = self.clock.now()

    # --- for the watch ---------------------------------------------------------------------------

    def look_inside(self) -> LocalFigures:
        """Return what this process is like now."""
        settings, parties = self.snapshot(), self.parties
        running = parties.engine.running
        intake = parties.intake()
        pool, bouncer = running.tools.pool, settings.bouncer
        keys = {"main": bouncer.api_key, "deep": bouncer.deep_api_key}
        return LocalFigures(
            lanes=Counter(
                (name.partition("/")[2], str(lane.breaker.state), lane.breaker.cause)
                for name, lane in running.tools.lanes.list_lanes()
            ),
            listed_identities=len(running.tools.lanes.paused_identities),
            sessions={"open": pool.total_open, "idle": pool.idle_count},
            visits=len(running.dispatcher.active),
            is_redis_wanted=intake is not None,
            is_redis_up=intake is not None and intake.is_connected,
            intake=_figures_of(intake),
            is_reload_refused=parties.reload().is_refused,
            limits=limits_of(bouncer),
            keyed=frozenset(tier for tier, key in keys.items() if key.get_secret_value()),
        )

    # --- ready? ----------------------------------------------------------------------------------

    async def readiness(self) -> dict[str, Any]:
        """Return every part with since when it is as it is; `ok` if all that is needed works."""
        await self._look_at_parts()
        parts = {name: part.to_json() for name, part in self._parts.items()}
        is_ok = all(part.is_ok for part in self._parts.values() if part.is_needed)
        return {"ok": is_ok, "node": self.parties.engine.node, "parts": parts}

    async def _look_at_parts(self) -> None:
        parties = self.parties
        engine, intake, reload = parties.engine, parties.intake(), parties.reload()
        problem = await engine.find_trouble()
        self._note("postgresql", not problem, problem)
        self._note("node", engine.holds_node, "" if engine.holds_node else "the lock of this node is lost")
        is_lively = engine.is_lively(_LIVELY_SECONDS)
        self._note("dispatcher", is_lively, "" if is_lively else f"did not come round for {_LIVELY_SECONDS:g} s")
        self._note("process", not parties.is_stopping(), "stopping" if parties.is_stopping() else "")
        if intake is not None:
            said = intake.paused_for or ("" if intake.is_connected else intake.last_error or "not connected yet")
            self._note("arq", intake.is_connected and not intake.paused_for, said, is_needed=False)
        self._note("settings", not reload.is_refused, "; ".join(reload.problems), is_needed=False)

    def _note(self, name: str, is_ok: bool, detail: str, *, is_needed: bool = True) -> None:
        known = self._parts.get(name)
        if known is None or known.is_ok is not is_ok:
            self._parts[name] = Part(is_ok, self.clock.now(), detail, is_needed)
        else:
            known.detail = detail

    # --- the whole report --------------------------------------------------------------------------

    async def report(self) -> dict[str, Any]:
        """Return everything there is to say."""
        ready = await self.readiness()
        watch, now = self.parties.watch, self.clock.now()
        sight = watch.sight if watch is not None else None
        local = self.look_inside()
        ledger = sight.ledger if sight is not None else None
        return {
            "ok": ready["ok"],
            "timestamp": now.isoformat(timespec="seconds"),
            "node": ready["node"],
            "version": __version__,
            "started_at": self.started_at.isoformat(timespec="seconds"),
            "parts": ready["parts"],
            "redis": self._describe_redis(),
            "database": ready["parts"]["postgresql"],
            "bouncer_api": self._describe_bouncer(local, ledger),
            "queue_stats": _describe_queue(sight),
            "rate_limit_status": _describe_limits(local, ledger),
            "lanes": self._describe_lanes(),
            "running": {"visits": local.visits, **local.sessions},
            "reload": _describe_reload(self.parties.reload()),
            "alerts": [] if watch is None else watch.describe(),
        }

    def _describe_redis(self) -> dict[str, Any]:
        intake = self.parties.intake()
        if intake is None:
            return {"status": "off"}
        return {
            "status": "connected" if intake.is_connected else "away",
            "paused_for": intake.paused_for,
            "queued": intake.queued,
            "ahead": intake.ahead,
            "restarts": intake.restarts,
        }

    def _describe_bouncer(self, local: LocalFigures, ledger: LedgerFigures | None) -> dict[str, Any]:
        if not local.keyed:
            return {"status": "off"}
        breaker = self.parties.breaker()
        accounts: Mapping[str, Account] = ledger.accounts if ledger is not None else _NOTHING
        found = {tier: _describe_account(account) for tier, account in accounts.items() if tier in local.keyed}
        is_stopped = any(one["stopped"] or one["paused_for"] for one in found.values())
        status = "stopped" if is_stopped else "away" if breaker is BreakerState.OPEN else "ok"
        return {"status": status, "breaker": str(breaker) if breaker is not None else None, "accounts": found}

    def _describe_lanes(self) -> list[dict[str, Any]]:
        lanes = self.parties.engine.running.tools.lanes.list_lanes()
        worth = [(name, lane) for name, lane in lanes if not lane.is_idle or lane.retry_at() is not None]
        return [
            {
                "lane": name,
                "state": str(lane.breaker.state),
                "cause": lane.breaker.cause,
                "retry_at": at.isoformat(timespec="seconds") if (at := lane.retry_at()) else None,
                "slots": lane.slots,
                "running": lane.running,
                "visits": lane.visits,
            }
            for name, lane in worth[:_MOST_LANES]
        ]


def _describe_account(account: Account) -> dict[str, Any]:
    return {
        "credits": account.credits,
        "credits_at": account.credits_ts.isoformat(timespec="seconds") if account.credits_ts else None,
        "stopped": account.stopped_ts is not None,
        "paused_for": account.pause_reason if account.paused_ts is not None else None,
    }


def _figures_of(intake: IntakeState | None) -> dict[str, float]:
    if intake is None:
        return {}
    return {
        "queued": intake.queued,
        "ahead": intake.ahead,
        "connected": float(intake.is_connected),
        "paused": float(bool(intake.paused_for)),
    }


def _describe_queue(sight: Sight | None) -> dict[str, Any]:
    if sight is None or sight.ledger is None:
        return {}
    ledger = sight.ledger
    return {
        "at": sight.at.isoformat(timespec="seconds"),
        "unfinished": ledger.unfinished,
        "handed_over": ledger.handed_over,
        "domains_due": ledger.domains_due,
        "domains_later": ledger.domains_later,
        "domains_leased": ledger.domains_leased,
        "oldest_due_seconds": round(ledger.oldest_due_seconds, 1),
        "messages_pending": ledger.messages_pending,
        "messages_dead": ledger.messages_dead,
        "dead_letters": ledger.bouncer_letters,
        "rejected_jobs": ledger.rejected_jobs,
        "bouncer": {f"{tier}_{status}": count for (tier, status), count in ledger.bouncer_queue.items()},
    }


def _describe_limits(local: LocalFigures, ledger: LedgerFigures | None) -> dict[str, Any]:
    if ledger is None:
        return {}
    used = use_of(local, ledger)
    return {
        name: {"calls": ledger.calls.get(name, 0), "per_minute": limit, "use": round(used.get(name, 0.0), 3)}
        for name, limit in local.limits.items()
    }


def _describe_reload(state: ReloadState) -> dict[str, Any]:
    return {
        "count": state.done,
        "at": state.at.isoformat(timespec="seconds") if state.at else None,
        "refused": state.is_refused,
        "problems": list(state.problems),
        "needs_restart": list(state.needs_restart),
    }

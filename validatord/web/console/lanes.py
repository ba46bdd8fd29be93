"""Domains and lanes: which receivers are shut, why and until when, and what waits for which domain."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from aiohttp import web

from validatord.store import console, pauses
from validatord.store.console import DomainRow
from validatord.store.pauses import Pause, PauseKind
from validatord.web.console import render
from validatord.web.console.desk import DESK, Desk, read_form

_IDENTITY = "identity:"
_MOST_DOMAINS = 100
_CAUSES = {
    "sender_ip_blocked": "they block our IP address",
    "rate_limited": "they want fewer questions",
    "no_connection": "no host answers",
    "unknown_ratio": "too many unknown mailboxes in a row",
}
_LONGEST_PREFIX = 255
_LONGEST_KEY = 400
_WITHOUT_KEY = frozenset({PauseKind.INTAKE, PauseKind.VERIFICATION})
_BACK = "/console/lanes"


@dataclass(frozen=True, slots=True)
class LaneView:
    """One lane as one node sees it: `state` is open to work, shut, or trying again."""

    name: str
    node: str
    identity: str
    provider: str
    state: str
    cause: str
    until: datetime | None
    factor: float
    rcpt_today: int
    updated_at: datetime

    @property
    def is_troubled(self) -> bool:
        """Whether nobody may go there now, or only one to try."""
        return self.state != "open"


@dataclass(frozen=True, slots=True)
class ListedIdentity:
    """An identity that rests, since a block list names its address."""

    name: str
    node: str
    until: datetime
    dnsbl: str


@dataclass(frozen=True, slots=True)
class LanesPage:
    """The facts of the page."""

    lanes: tuple[LaneView, ...]
    listed: tuple[ListedIdentity, ...]
    domains: tuple[DomainRow, ...]
    resting: tuple[Pause, ...]
    prefix: str
    lane: str

    def rests(self, kind: str, key: str = "") -> bool:
        """Whether an operator has paused it."""
        return any(pause.kind.value == kind and pause.key == key for pause in self.resting)


async def load_lanes(desk: Desk) -> list[LaneView]:
    """Return all lanes, those in trouble first; this process's own are of this moment."""
    found = [
        view_lane(row.node, row.lane, row.snapshot, row.updated_at, desk.now)
        for row in await console.load_lanes(desk.database)
        if not row.lane.startswith(_IDENTITY)
    ]
    live = desk.services.lanes.snapshot() if desk.services.lanes is not None else {}
    node = desk.services.snapshot().service.node
    fresh = [
        view_lane(node, name, data, desk.now, desk.now) for name, data in live.items() if not name.startswith(_IDENTITY)
    ]
    known = {(lane.node, lane.name) for lane in fresh}
    found = fresh + [lane for lane in found if (lane.node, lane.name) not in known]
    return sorted(found, key=lambda lane: (not lane.is_troubled, lane.provider, lane.identity, lane.node))


def view_lane(node: str, name: str, snapshot: Mapping[str, Any], at: datetime, now: datetime) -> LaneView:
    """Read what a lane wrote of itself; what is odd in it is left out."""
    breaker = _part(snapshot, "breaker")
    speed = _part(snapshot, "speed")
    until, paused = _instant(breaker.get("until")), _instant(breaker.get("paused_until"))
    state, cause, end = "open", "", None
    if until is not None and until > now:
        state, cause, end = "shut", str(breaker.get("cause", "")), until
    elif paused is not None and paused > now:
        state, cause, end = "shut", "rate_limited", paused
    elif until is not None:
        state, cause = "trying again", str(breaker.get("cause", ""))
    is_today = speed.get("day") == now.date().isoformat()
    identity, _, provider = name.partition("/")
    return LaneView(
        name=name,
        node=node,
        identity=identity,
        provider=provider or name,
        state=state,
        cause=_CAUSES.get(cause, cause),
        until=end,
        factor=_number(speed.get("factor"), 1.0),
        rcpt_today=int(_number(speed.get("rcpt"), 0)) if is_today else 0,
        updated_at=at,
    )


async def load_listed(desk: Desk) -> list[ListedIdentity]:
    """Return the identities that rest because of a block list."""
    found: list[ListedIdentity] = []
    for row in await console.load_lanes(desk.database):
        until = _instant(row.snapshot.get("until"))
        if row.lane.startswith(_IDENTITY) and until is not None and until > desk.now:
            name = row.lane.removeprefix(_IDENTITY)
            found.append(ListedIdentity(name, row.node, until, str(row.snapshot.get("dnsbl", ""))))
    return found


async def load_page(desk: Desk, prefix: str, lane: str) -> LanesPage:
    """Gather the facts of the page."""
    prefix = prefix.strip().lower()[:_LONGEST_PREFIX].replace("\x00", "")
    domains = await console.list_domains(
        desk.database, prefix, lane[:_LONGEST_PREFIX].replace("\x00", ""), _MOST_DOMAINS
    )
    return LanesPage(
        lanes=tuple(await load_lanes(desk)),
        listed=tuple(await load_listed(desk)),
        domains=tuple(domains),
        resting=tuple(await pauses.load(desk.database)),
        prefix=prefix,
        lane=lane,
    )


async def show_lanes(request: web.Request) -> web.StreamResponse:
    """Show the page."""
    desk = request[DESK]
    desk.require_admin()
    facts = await load_page(desk, request.query.get("domain", ""), request.query.get("lane", ""))
    return render.page(request, "lanes.html", facts=facts)


async def pause_something(request: web.Request) -> web.StreamResponse:
    """Let a lane, a domain or everything rest, or go on; or open a lane that a receiver's refusals shut."""
    desk = request[DESK]
    desk.require_admin()
    form = await read_form(request)
    try:
        kind = PauseKind(form.get("kind", ""))
    except ValueError:
        raise web.HTTPBadRequest from None
    raise render.go(request, _BACK, await _act(desk, kind, form))


async def _act(desk: Desk, kind: PauseKind, form: Mapping[str, str]) -> str:
    key, act = form.get("key", "").strip(), form.get("act", "")
    if bool(key) == (kind in _WITHOUT_KEY) or len(key) > _LONGEST_KEY:
        raise web.HTTPBadRequest
    what = f"{kind.value} {key}".strip()
    if act == "pause":
        reason, by = form.get("reason", "").strip(), f"console: {desk.require().client}"
        is_new = await pauses.pause(desk.database, kind, key, reason=reason, by=by)
        return f"Paused: {what}." if is_new else f"It was paused already: {what}."
    if act == "resume":
        return f"Goes on: {what}." if await pauses.resume(desk.database, kind, key) else f"It was not paused: {what}."
    if act == "reset" and kind is PauseKind.LANE and key.count("/") == 1:
        await pauses.reset_lane(desk.database, key, by=f"console: {desk.require().client}")
        return f"Every daemon lets {key} go again."
    raise web.HTTPBadRequest


def _part(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = data.get(name)
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}


def _instant(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _number(value: Any, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) else otherwise


ROUTES = (web.get("/lanes", show_lanes), web.post("/pauses", pause_something))

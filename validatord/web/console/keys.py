"""API keys: made here and shown once, listed, rotated, revoked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web

from validatord.store import keys
from validatord.store.keys import Key, NewKey, Scope
from validatord.web.auth import DOORKEEPER
from validatord.web.console import render
from validatord.web.console.desk import DESK, Desk, read_form, read_number

_OVERLAP = timedelta(days=1)
_LONGEST_CLIENT, _LONGEST_LABEL = 100, 100
_LIFETIMES = {"": None, "30": timedelta(days=30), "90": timedelta(days=90), "365": timedelta(days=365)}
_BACK = "/console/keys"


@dataclass(frozen=True, slots=True)
class KeyView:
    """One key and whether it is good now."""

    key: Key
    state: str

    @property
    def is_live(self) -> bool:
        """Whether it opens the door."""
        return self.state == "live"


@dataclass(frozen=True, slots=True)
class KeysPage:
    """The facts of the page; `made` is a key just made: its text is seen this once."""

    views: tuple[KeyView, ...]
    own: int
    made: NewKey | None = None
    problem: str = ""


async def load_page(desk: Desk, made: NewKey | None = None, problem: str = "") -> KeysPage:
    """Gather the facts of the page."""
    found = await keys.list_keys(desk.database)
    return KeysPage(
        tuple(KeyView(key, _state_of(key, desk.now)) for key in found), desk.require().key_id, made, problem
    )


def _state_of(key: Key, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "live"


async def show_keys(request: web.Request) -> web.StreamResponse:
    """Show the page."""
    desk = request[DESK]
    desk.require_admin()
    return _show(request, await load_page(desk))


async def make_key(request: web.Request) -> web.StreamResponse:
    """Make a key and show it, this once."""
    desk = request[DESK]
    desk.require_admin()
    form = await read_form(request)
    scopes = [scope for scope in Scope if f"scope_{scope.value}" in form]
    client = form.get("client", "").strip()
    problem = _find_fault(client, form.get("label", ""), scopes)
    if problem:
        return _show(request, await load_page(desk, problem=problem), status=422)
    lifetime = _LIFETIMES.get(form.get("lifetime", ""))
    made = await keys.create_key(desk.database, client, scopes, label=form.get("label", "").strip(), lifetime=lifetime)
    return _show(request, await load_page(desk, made))


def _find_fault(client: str, label: str, scopes: Sequence[Scope]) -> str:
    if not client or len(client) > _LONGEST_CLIENT or not client.isprintable():
        return f"A client has a name of 1 to {_LONGEST_CLIENT} printable characters."
    if len(label.strip()) > _LONGEST_LABEL:
        return f"A label has at most {_LONGEST_LABEL} characters."
    return "" if scopes else "Choose at least one scope: a key without any opens nothing."


async def act_on_key(request: web.Request) -> web.StreamResponse:
    """Rotate or revoke a key."""
    desk = request[DESK]
    desk.require_admin()
    number, act = read_number(request, "key"), (await read_form(request)).get("act", "")
    if act == "rotate":
        made = await keys.rotate_key(desk.database, number, _OVERLAP)
        problem = "" if made else "That key is revoked, or has a successor already."
        return _show(request, await load_page(desk, made, problem), status=200 if made else 409)
    if act != "revoke":
        raise web.HTTPBadRequest
    is_done = await keys.revoke_key(desk.database, number)
    request.config_dict[DOORKEEPER].ring.forget()
    raise render.go(request, _BACK, "The key is dead." if is_done else "It was dead already.")


def _show(request: web.Request, facts: KeysPage, *, status: int = 200) -> web.StreamResponse:
    scopes = {
        Scope.SUBMIT: "send lists in",
        Scope.READ: "read results",
        Scope.EVENTS: "report bounces and openings",
        Scope.ADMIN: "everything, of every client",
    }
    return render.page(request, "keys.html", status=status, facts=facts, scopes=scopes, here=_BACK, back=_BACK)


ROUTES = (web.get("/keys", show_keys), web.post("/keys", make_key), web.post("/keys/{key}", act_on_key))

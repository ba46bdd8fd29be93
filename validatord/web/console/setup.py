"""The settings in force and the lists in use: to look at; both are changed in files and read again at a reload."""

from dataclasses import dataclass
from typing import Any, cast

from aiohttp import web
from pydantic import BaseModel

from validatord.rules.lists import ListSource
from validatord.settings import IdentitySettings, ReloadableTree, Settings, StaticTree
from validatord.settings_text import format_value
from validatord.web.console import mailbox, render
from validatord.web.console.desk import DESK, Desk

_LONGEST_DOMAIN = 255


@dataclass(frozen=True, slots=True)
class Row:
    """One setting: its value as the file writes it, secrets hidden, and whether it is not the default."""

    key: str
    value: str
    description: str
    is_changed: bool


@dataclass(frozen=True, slots=True)
class Table:
    """One section of the settings."""

    name: str
    said: str
    needs_restart: bool
    rows: tuple[Row, ...]

    @property
    def changed(self) -> int:
        """How many settings are not the default."""
        return sum(row.is_changed for row in self.rows)


def list_tables(settings: Settings) -> tuple[Table, ...]:
    """Return every section in the file's order."""
    found: list[Table] = []
    for tree, needs_restart in ((StaticTree, True), (ReloadableTree, False)):
        for name in tree.model_fields:
            section: object = getattr(settings, name)
            parts = cast("tuple[BaseModel, ...]", section if isinstance(section, tuple) else (section,))
            found += [_table_of(name, part, needs_restart=needs_restart) for part in parts]
    return tuple(found)


def _table_of(name: str, part: BaseModel, *, needs_restart: bool) -> Table:
    rows: list[Row] = []
    for key, member in type(part).model_fields.items():
        value: Any = getattr(part, key)
        rows.append(Row(key, format_value(value), member.description or "", is_changed=value != member.default))
    title = f"{name}: {part.name}" if isinstance(part, IdentitySettings) else name
    return Table(title, (type(part).__doc__ or "").strip(), needs_restart, tuple(rows))


async def show_settings(request: web.Request) -> web.StreamResponse:
    """Show the settings in force."""
    desk = request[DESK]
    desk.require_admin()
    return render.page(request, "settings.html", tables=list_tables(desk.services.snapshot()))


@dataclass(frozen=True, slots=True)
class Found:
    """What the lists say of a domain or an address."""

    text: str
    says: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListsPage:
    """The facts of the page."""

    sources: tuple[ListSource, ...]
    found: Found | None


def load_lists(desk: Desk, text: str) -> ListsPage:
    """Return where the lists come from, and what they say of a text where one is given."""
    lists = desk.services.submitter.rules.lists
    text = text.strip()[:_LONGEST_DOMAIN]
    return ListsPage(tuple(lists.describe()), _look_up(desk, text) if text else None)


def _look_up(desk: Desk, text: str) -> Found:
    lists = desk.services.submitter.rules.lists
    parsed, fault = mailbox.read_mailbox(desk, text if "@" in text else f"somebody@{text}")
    if parsed is None:
        return Found(text, (fault,))
    flags, ban = lists.flags(parsed), lists.find_ban(parsed.domain)
    says = [
        "disposable: a throw-away domain" if flags.is_disposable else "",
        "free: a free provider" if flags.is_free else "",
        "role: names a function, not a person" if flags.is_role and "@" in text else "",
        f"{ban.value}: never asked" if ban is not None else "",
        f"perhaps {flags.suggestion} was meant" if flags.suggestion and "@" in text else "",
    ]
    return Found(text, tuple(filter(None, says)) or ("No list says anything about it.",))


async def show_lists(request: web.Request) -> web.StreamResponse:
    """Show the lists."""
    desk = request[DESK]
    desk.require_admin()
    return render.page(request, "lists.html", facts=load_lists(desk, request.query.get("text", "")))


ROUTES = (web.get("/settings", show_settings), web.get("/lists", show_lists))

"""From a page's facts to HTML: the one home of Jinja2. Everything a template shows is escaped."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from validatord.web.console import static, wording
from validatord.web.console.desk import DESK, Desk
from validatord.web.console.sessions import SEALER

THEME_COOKIE = "validatord_theme"
FLASH_COOKIE = "validatord_flash"
PATH = "/console"
_THEMES = {"auto": "light", "light": "dark", "dark": "auto"}
_FLASH_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Link:
    """One line of the navigation; `path` is where it leads."""

    name: str
    path: str


_FOR_ALL = (
    Link("Overview", "/console/"),
    Link("Submit a list", "/console/submit"),
    Link("Submissions", "/console/submissions"),
)
_OPERATION = (
    Link("Domains and lanes", "/console/lanes"),
    Link("Bouncer", "/console/bouncer"),
    Link("Settings", "/console/settings"),
    Link("Lists", "/console/lists"),
)
_ACCESS = (
    Link("Clients", "/console/clients"),
    Link("Keys", "/console/keys"),
    Link("Webhooks", "/console/webhooks"),
)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(wording.FILTERS)
    shared = cast("dict[str, Any]", environment.globals)
    shared |= {"static": static.address_of}
    return environment


def draw(template: str, **values: object) -> str:
    """Return a template with its values."""
    return _environment().get_template(template).render(**values)


def page(request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """Answer with a page: its own values, and what every page shows."""
    desk = request[DESK]
    flash = _read_flash(request)
    theme = request.cookies.get(THEME_COOKIE, "auto")
    theme = theme if theme in _THEMES else "auto"
    common: dict[str, Any] = {
        "access": desk.access,
        "csrf": csrf_field(desk),
        "flash": flash,
        "here": request.path,
        "back": request.path_qs,
        "menu": list_menu(desk),
        "now": desk.now,
        "theme": theme,
        "next_theme": _THEMES[theme],
    }
    response = web.Response(text=draw(template, **(common | values)), content_type="text/html", status=status)
    if flash is not None:
        response.del_cookie(FLASH_COOKIE, path=PATH)
    return response


def csrf_field(desk: Desk) -> Markup:
    """Return the hidden field that every form carries."""
    return Markup('<input type="hidden" name="csrf" value="{}">').format(desk.token)


def list_menu(desk: Desk) -> tuple[tuple[str, tuple[Link, ...]], ...]:
    """Return the navigation that this key may use."""
    if desk.access is None:
        return ()
    if not desk.access.is_admin:
        return (("", _FOR_ALL),)
    return (("", _FOR_ALL), ("Operation", _OPERATION), ("Access", _ACCESS))


def go(request: web.Request, where: str, text: str = "", kind: str = "good") -> web.HTTPSeeOther:
    """Return the way to a page after a form, with a word about what was done."""
    answer = web.HTTPSeeOther(where)
    if text:
        sealed = request[SEALER].wrap([kind, text])
        answer.set_cookie(FLASH_COOKIE, sealed, path=PATH, max_age=_FLASH_SECONDS, httponly=True, samesite="Strict")
    return answer


def is_own_path(where: str) -> bool:
    """Whether an address is one of the console's own: nobody is sent anywhere else."""
    has_odd = any(letter in "\\\r\n\t" or not letter.isprintable() for letter in where)
    return where.startswith("/console/") and not has_odd and "//" not in where and ".." not in where


def _read_flash(request: web.Request) -> dict[str, str] | None:
    found = request[SEALER].unwrap(request.cookies.get(FLASH_COOKIE, ""))
    return {"kind": str(found[0]), "text": str(found[1])} if found else None

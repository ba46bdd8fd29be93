"""Coming in with a key, going out, and the colours one likes."""

from aiohttp import web

from validatord.web.auth import DOORKEEPER
from validatord.web.console import render, sessions
from validatord.web.console.desk import DESK, read_form
from validatord.web.console.render import is_own_path
from validatord.web.console.sessions import SEALER, Session

_HOME = "/console/"
_A_YEAR_SECONDS = 365 * 86_400
_REFUSED = "No live key of that text is known here. A key is shown once, when it is made."


async def show_login(request: web.Request) -> web.StreamResponse:
    """Show the form, unless somebody is logged in already."""
    where = _wanted(request.query.get("next", ""))
    if request[DESK].access is not None:
        raise web.HTTPSeeOther(where)
    return _show(request, where)


async def log_in(request: web.Request) -> web.StreamResponse:
    """Take a key and begin a session with it; refused keys are counted as the API counts them."""
    form = await read_form(request)
    where = _wanted(form.get("next", ""))
    door = request.config_dict[DOORKEEPER]
    address = door.limits.find_address(request)
    door.limits.check_failures(address)
    found = await door.ring.find(form.get("key", "").strip())
    if found is None:
        door.limits.count_failure(address)
        return _show(request, where, _REFUSED)
    answer = web.HTTPSeeOther(where)
    _set_cookie(request, answer, sessions.begin(request[DESK].now, found.key_id))
    raise answer


async def log_out(_request: web.Request) -> web.StreamResponse:
    """End the session of this browser."""
    answer = web.HTTPSeeOther("/console/login")
    answer.del_cookie(sessions.COOKIE, path=render.PATH)
    raise answer


async def choose_theme(request: web.Request) -> web.StreamResponse:
    """Keep the colours this browser wants."""
    form = await read_form(request)
    answer = web.HTTPSeeOther(_wanted(form.get("back", "")))
    answer.set_cookie(
        render.THEME_COOKIE,
        form.get("theme", "auto")[:5],
        path=render.PATH,
        max_age=_A_YEAR_SECONDS,
        httponly=True,
        samesite="Strict",
    )
    raise answer


def _show(request: web.Request, where: str, problem: str = "") -> web.StreamResponse:
    response = render.page(request, "login.html", status=401 if problem else 200, problem=problem, next=where)
    # The form's token belongs to a session, so there must be one before anybody is known.
    _set_cookie(request, response, request[DESK].session)
    return response


def _set_cookie(request: web.Request, response: web.StreamResponse, session: Session) -> None:
    is_secure = request.secure or request.headers.get("X-Forwarded-Proto") == "https"
    response.set_cookie(
        sessions.COOKIE,
        request[SEALER].seal(session),
        path=render.PATH,
        max_age=int(sessions.LONGEST.total_seconds()),
        httponly=True,
        samesite="Strict",
        secure=is_secure,
    )


def _wanted(where: str) -> str:
    return where if is_own_path(where) else _HOME


ROUTES = (
    web.get("/login", show_login),
    web.post("/login", log_in),
    web.post("/logout", log_out),
    web.post("/theme", choose_theme),
)

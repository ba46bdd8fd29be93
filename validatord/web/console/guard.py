"""Who may come in: the session, the key behind it, the token of every form, and the headers of every page.

What goes wrong becomes a page in plain words; no page ever holds a stack trace.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import quote, urlsplit

from aiohttp import web
from loguru import logger

from validatord.errors import ConfigurationError, StoreAway
from validatord.store import console, secrets
from validatord.web.auth import Access
from validatord.web.console import render, sessions
from validatord.web.console.desk import DESK, Desk, read_form
from validatord.web.console.sessions import SEALER, Sealer, Session
from validatord.web.problems import Problem
from validatord.web.services import SERVICES

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
_OPEN = frozenset({"/console/login", "/console/theme"})
_STATIC = "/console/static/"
# The form with a file is read as a stream; its handler looks at the token itself, before anything else.
STREAMED = frozenset({"/console/submit"})
_TITLES = {
    400: ("That could not be read", "The form was not what it should be. Go back and try again."),
    403: ("Not with this key", "Your key may not do this."),
    404: ("Nothing here", "There is no such page, or it belongs to another client."),
    409: ("Not now", "The state of things does not allow it."),
    405: ("Nothing here", "This page is not asked like that."),
    413: ("Too large", "That is more than a form may carry."),
}
_BROKEN = ("Something went wrong on our side", "It is in the daemon's log. Nothing you sent was half done.")
_AWAY = ("The ledger is away", "PostgreSQL does not answer just now. Nothing is lost; try again in a moment.")


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Give every answer of the console its headers; private pages are kept nowhere."""
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")


async def load_sealer(app: web.Application, request: web.Request) -> Sealer:
    """Return what seals this installation's sessions; its secret is made once and kept in the ledger."""
    holder = app[SEALERS]
    if not holder:
        holder.append(Sealer(await secrets.get_or_create(request.config_dict[SERVICES].database, sessions.SECRET_NAME)))
    return holder[0]


SEALERS = web.AppKey("console sealers", list[Sealer])


@web.middleware
async def keep_door(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let in who has a session, and say in a page what went wrong."""
    if request.path.startswith(_STATIC):
        return await handler(request)
    try:
        await _set_desk(request)
        if request[DESK].access is None and request.path not in _OPEN:
            return _send_to_login(request)
        await _check_token(request)
        return await handler(request)
    except Exception as error:
        if isinstance(error, web.HTTPException) and error.status < HTTPStatus.BAD_REQUEST:
            raise
        return _say(request, *_explain(request, error))


def _explain(request: web.Request, error: Exception) -> tuple[int, str, str]:
    """Return the status, title and sentence of what went wrong."""
    if isinstance(error, web.HTTPException):
        title, text = _TITLES.get(error.status, _BROKEN)
        is_own = error.text is not None and not error.text.startswith(str(error.status))
        return error.status, title, str(error.text) if is_own else text
    if isinstance(error, Problem):
        return error.kind.http_status, error.kind.title, str(error)
    if isinstance(error, ConfigurationError):
        # A stored policy that cannot be read: nothing is shown under a wrong label.
        return HTTPStatus.CONFLICT, _TITLES[HTTPStatus.CONFLICT][0], "; ".join(error.problems)
    if isinstance(error, StoreAway):
        return HTTPStatus.SERVICE_UNAVAILABLE, *_AWAY
    logger.bind(method=request.method, path=request.path[:100]).opt(exception=error).error("console page failed")
    return HTTPStatus.INTERNAL_SERVER_ERROR, *_BROKEN


async def _set_desk(request: web.Request) -> None:
    services = request.config_dict[SERVICES]
    sealer = await load_sealer(request.app, request)
    request[SEALER] = sealer
    now = services.clock.now()
    session = sealer.open(request.cookies.get(sessions.COOKIE, ""), now) or sessions.begin(now)
    access = await _find_access(request, session)
    if access is None and session.key_id is not None:
        session = sessions.begin(now)  # the key was revoked or has run out
    request[DESK] = Desk(services, session, sealer.token_of(session), access)


async def _find_access(request: web.Request, session: Session) -> Access | None:
    if session.key_id is None:
        return None
    found = await console.find_live_key(request.config_dict[SERVICES].database, session.key_id)
    return Access(found.client, found.scopes, found.key_id) if found is not None else None


async def _check_token(request: web.Request) -> None:
    """Refuse a form that another site may have sent."""
    if request.method in {"GET", "HEAD"}:
        return
    if request.method != "POST":
        raise web.HTTPMethodNotAllowed(request.method, ["GET", "POST"])
    origin = request.headers.get("Origin")
    is_foreign = origin is not None and urlsplit(origin).netloc != request.host
    if is_foreign or request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        raise web.HTTPForbidden(text="This form came from another site.")
    if request.content_type == "multipart/form-data" and request.path in STREAMED:
        return
    if request.content_type != "application/x-www-form-urlencoded":
        raise web.HTTPBadRequest
    require_token(request, (await read_form(request)).get("csrf", ""))


def require_token(request: web.Request, token: str) -> None:
    """Refuse a form without its session's token.

    Raises:
        HTTPForbidden: it is missing or another's.
    """
    if not request[SEALER].is_token_of(request[DESK].session, token):
        raise web.HTTPForbidden(text="This form is out of date. Load the page again, then send it once more.")


def _send_to_login(request: web.Request) -> web.StreamResponse:
    wanted = request.path_qs if request.method == "GET" else "/console/"
    where = f"/console/login?next={quote(wanted, safe='')}"
    if "HX-Request" in request.headers:
        return web.Response(status=HTTPStatus.UNAUTHORIZED, headers={"HX-Redirect": where})
    raise web.HTTPSeeOther(where)


def _say(request: web.Request, code: int, title: str, text: str) -> web.StreamResponse:
    has_frame = DESK in request and request[DESK].access is not None
    if DESK not in request:
        return web.Response(text=f"{title}. {text}\n", status=code)
    return render.page(
        request, "error.html" if has_frame else "error_outside.html", status=code, title=title, text=text
    )

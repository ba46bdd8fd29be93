"""What a page is made with: who sits there, what may be seen, and what the roof lent."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl

from aiohttp import web

from validatord.store.database import Database
from validatord.store.keys import Scope
from validatord.web.auth import Access
from validatord.web.console.sessions import Session
from validatord.web.services import WebServices


@dataclass(frozen=True, slots=True)
class Desk:
    """One request's place: `access` is None only where nobody has logged in."""

    services: WebServices
    session: Session
    token: str  # of this session's forms
    access: Access | None = None

    @property
    def database(self) -> Database:
        """The ledger."""
        return self.services.database

    @property
    def now(self) -> datetime:
        """The present, for distances in time."""
        return self.services.clock.now()

    @property
    def client(self) -> str | None:
        """Whose work may be seen; None: everybody's."""
        return self.require().sees

    def require(self) -> Access:
        """Return who is logged in.

        Raises:
            HTTPUnauthorized: nobody.
        """
        if self.access is None:
            raise web.HTTPUnauthorized
        return self.access

    def require_admin(self) -> Access:
        """Return who is logged in, with a key that may see and do everything.

        Raises:
            HTTPForbidden: the key may not.
        """
        access = self.require()
        if not access.is_admin:
            raise web.HTTPForbidden(text="Your key sees its own client only; this page needs the scope admin.")
        return access

    def require_scope(self, scope: Scope) -> Access:
        """Return who is logged in, with a key that holds this scope.

        Raises:
            HTTPForbidden: the key has not.
        """
        access = self.require()
        if not access.may(scope):
            raise web.HTTPForbidden(text=f"This needs a key with the scope {scope.value}.")
        return access


DESK = web.RequestKey("console desk", Desk)
ROOT = web.AppKey("console root", web.Application)  # the application the console is a part of
FORM = web.RequestKey("console form", dict[str, str])
_LONGEST_FORM = 262_144  # bytes; lists come as streams
_MOST_FIELDS = 200
_LARGEST = 2**63  # of the ledger's numbers


async def read_form(request: web.Request) -> dict[str, str]:
    """Return the fields of a form; of a field that stands twice the last counts.

    Raises:
        HTTPRequestEntityTooLarge: it is longer than any form of ours.
        HTTPBadRequest: it is no form.
    """
    if FORM in request:
        return request[FORM]
    body = await request.content.read(_LONGEST_FORM + 1)
    while not request.content.at_eof() and len(body) <= _LONGEST_FORM:
        body += await request.content.read(_LONGEST_FORM + 1 - len(body))
    if len(body) > _LONGEST_FORM:
        raise web.HTTPRequestEntityTooLarge(_LONGEST_FORM, len(body))
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise web.HTTPBadRequest from error
    # PostgreSQL's text knows no NUL.
    request[FORM] = {name: value.replace("\x00", "") for name, value in fields}
    return request[FORM]


def read_number(request: web.Request, name: str) -> int:
    """Return a number out of the address.

    Raises:
        HTTPNotFound: it is none, or none that the ledger could hold.
    """
    text = request.match_info[name]
    if not (text.isascii() and text.isdigit()) or int(text[:20]) >= _LARGEST:
        raise web.HTTPNotFound
    return int(text)


def read_limit(request: web.Request, name: str) -> int | None:
    """Return a number out of the query, or None where there is none that makes sense."""
    text = request.query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and int(text[:20]) < _LARGEST else None

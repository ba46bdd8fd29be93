"""Who asks: an API key becomes an `Access`, or the same 401 whatever was wrong with it.

Keys are looked up in the ledger once a second at most, so a revoked key is dead within that second; one
revoked through this process is dead at once. Refused keys are counted per address.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from validatord.clock import Clock
from validatord.store import keys
from validatord.store.database import Database
from validatord.store.keys import FoundKey, Scope
from validatord.web import problems
from validatord.web.limits import Limits
from validatord.web.problems import Handler, Problem

_REMEMBERED_SECONDS = 1.0
_MOST_REMEMBERED = 10_000
_NOTE_SECONDS = 60.0
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="validatord"'}
_SCHEME = "bearer "


@dataclass(frozen=True, slots=True)
class Access:
    """Who asks and what they may do."""

    client: str
    scopes: frozenset[Scope]
    key_id: int

    @property
    def is_admin(self) -> bool:
        """Whether all clients may be seen."""
        return Scope.ADMIN in self.scopes

    @property
    def sees(self) -> str | None:
        """The client whose things may be seen; None: those of all."""
        return None if self.is_admin else self.client

    def may(self, scope: Scope) -> bool:
        """Whether that scope is held; admin holds all."""
        return scope in self.scopes or self.is_admin


ACCESS = web.RequestKey("access", Access)


class KeyRing:
    """The keys seen lately, each for a second."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[float, FoundKey]] = OrderedDict()
        self._noted: dict[int, float] = {}

    async def find(self, text: str) -> FoundKey | None:
        """Return what a presented key may do, or None."""
        if len(text) != keys.LENGTH or not text.startswith(keys.MARK) or not text.isascii():
            return None
        presented = keys.digest(text)
        now = self._clock.monotonic()
        known = self._known.get(presented)
        if known is not None and now - known[0] < _REMEMBERED_SECONDS:
            return known[1]
        found = await keys.find_key(self._database, presented)
        self._known.pop(presented, None)
        if found is not None:
            self._remember(presented, found, now)
            await self._note(found, now)
        return found

    def forget(self) -> None:
        """Ask the ledger about every key anew: one was revoked."""
        self._known.clear()

    def _remember(self, presented: bytes, found: FoundKey, now: float) -> None:
        self._known[presented] = (now, found)
        while len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)

    async def _note(self, found: FoundKey, now: float) -> None:
        if now - self._noted.get(found.key_id, -_NOTE_SECONDS) >= _NOTE_SECONDS:
            self._noted[found.key_id] = now
            await keys.note_use(self._database, [found.key_id])


@dataclass(frozen=True, slots=True)
class Doorkeeper:
    """Asks for a key, and counts."""

    ring: KeyRing
    limits: Limits

    async def admit(self, request: web.Request, scope: Scope | None, text: str | None = None) -> Access:
        """Return who asks; None as the scope: any live key will do. `text` is a key from elsewhere in the request.

        Raises:
            Problem: 401, 403, or 429 where it was too much.
        """
        address = self.limits.find_address(request)
        self.limits.check_failures(address)
        text = text if text is not None else read_key(request)
        found = await self.ring.find(text) if text is not None else None
        if found is None:
            self.limits.count_failure(address)
            raise Problem(problems.UNAUTHORIZED, headers=_CHALLENGE)
        access = Access(found.client, found.scopes, found.key_id)
        self.limits.take(access.key_id)
        if scope is not None and not access.may(scope):
            raise Problem(problems.FORBIDDEN, f"this needs a key with the scope {scope.value}")
        request[ACCESS] = access
        return access


DOORKEEPER = web.AppKey("doorkeeper", Doorkeeper)


def read_key(request: web.Request) -> str | None:
    """Return the key of `Authorization: Bearer …` or `X-Api-Key`; one alone, or it is none."""
    given = request.headers.getall("Authorization", [])
    own = request.headers.getall("X-Api-Key", [])
    if len(given) + len(own) != 1:
        return None
    if own:
        return own[0].strip()
    return given[0][len(_SCHEME) :].strip() if given[0][: len(_SCHEME)].lower() == _SCHEME else None


def require(scope: Scope | None) -> Callable[[Handler], Handler]:
    """Guard a plain handler: afterwards `request[ACCESS]` says who asks."""

    def guard(handler: Handler) -> Handler:
        async def admit_first(request: web.Request) -> web.StreamResponse:
            await request.app[DOORKEEPER].admit(request, scope)
            return await handler(request)

        return admit_first

    return guard

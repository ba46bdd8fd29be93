"""An open HTTP door on the test's own ledger, and somebody who knocks."""

from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from validatord.clock import SystemClock
from validatord.intake.submit import IntakeRules, Submitter
from validatord.settings import Settings
from validatord.store import keys
from validatord.store.database import Database
from validatord.store.keys import Scope
from validatord.web.server import WebServer
from validatord.web.services import WebServices


@dataclass(slots=True)
class Door:
    """The open door, its ledger, and calls to it; `settings` may be replaced while it is open."""

    server: WebServer
    database: Database
    session: aiohttp.ClientSession
    settings: Settings
    woken: list[int] = field(default_factory=list)
    tell: Callable[[Collection[int]], None] = lambda _: None  # that something of submissions was written

    async def make_key(self, client: str = "crm", *scopes: str) -> str:
        """Return the text of a new key, for everything but admin unless scopes are named."""
        wanted = [Scope(scope) for scope in scopes or ("submit", "read", "events")]
        return (await keys.create_key(self.database, client, wanted)).text

    async def call(self, method: str, path: str, key: str | None = None, **rest: Any) -> tuple[int, Any]:
        """Return the status and the JSON of an answer."""
        status, _, body = await self.call_whole(method, path, key, **rest)
        return status, body

    async def call_whole(self, method: str, path: str, key: str | None = None, **rest: Any) -> tuple[int, Any, Any]:
        """Return the status, headers and JSON of an answer."""
        headers = dict(rest.pop("headers", {})) | ({"Authorization": f"Bearer {key}"} if key else {})
        async with self.session.request(method, self.server.url + path, headers=headers, **rest) as response:
            is_json = response.content_type.endswith("json") and "ndjson" not in response.content_type
            return (
                response.status,
                response.headers,
                await (response.json(content_type=None) if is_json else response.text()),
            )


def make_settings(**web: Any) -> Settings:
    """Return settings of a door on a free port of loopback, where example domains count."""
    return Settings.of(lookup={"public_addresses_only": False}, web={"port": 0} | web)


@pytest.fixture
async def door(database: Database) -> AsyncIterator[Door]:
    """An open door."""
    async for opened in open_door(database, make_settings()):
        yield opened


async def open_door(database: Database, settings: Settings) -> AsyncIterator[Door]:
    """Open a door with settings of the test's own."""
    clock, woken, listeners = SystemClock(), list[int](), list[Callable[[Collection[int]], None]]()
    found: list[Door] = []
    submitter = Submitter(database, clock, IntakeRules.of(settings), wake=lambda: woken.append(1))
    services = WebServices(
        database=database,
        submitter=submitter,
        snapshot=lambda: found[0].settings if found else settings,
        clock=clock,
        wake=lambda: woken.append(1),
        listen=listeners.append,
    )
    server = await WebServer.open(services)
    async with aiohttp.ClientSession() as session:
        found.append(Door(server, database, session, settings, woken, listeners[0]))
        yield found[0]
    await server.aclose()

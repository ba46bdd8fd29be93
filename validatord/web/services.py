"""What the HTTP door works with, lent by the roof; every handler finds it in its application."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import web

from validatord.clock import Clock
from validatord.intake.submit import Submitter
from validatord.settings import Settings
from validatord.store.database import Database


class Lanes(Protocol):
    """What the engine lends: the lanes of this process as they are now."""

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """Return the state of each lane, by its name."""
        ...


async def _say_nothing() -> dict[str, Any]:
    return {"ok": True}


@dataclass(frozen=True, slots=True)
class WebServices:
    """What every sub-room of the web may use.

    `snapshot` gives the settings in force, `listen` takes who wants to be told of submissions that something
    was written about, `wake` tells the dispatcher that work came in. `health` gives the report behind
    `GET /health`, `readiness` that behind `GET /readyz`; their `ok` says whether the answer is 200 or 503.
    """

    database: Database
    submitter: Submitter
    snapshot: Callable[[], Settings]
    clock: Clock
    wake: Callable[[], None] = lambda: None
    lanes: Lanes | None = None
    listen: Callable[[Callable[[Collection[int]], None]], None] = lambda _: None
    health: Callable[[], Awaitable[dict[str, Any]]] = field(default=_say_nothing)
    readiness: Callable[[], Awaitable[dict[str, Any]]] = field(default=_say_nothing)


SERVICES = web.AppKey("services", WebServices)

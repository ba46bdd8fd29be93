"""A door in a thread of its own, for tools that speak HTTP without our event loop."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.integration.web.conftest import make_settings, open_door
from validatord.store.database import Database


@dataclass(frozen=True, slots=True)
class Address:
    """Where the door is, and keys to it."""

    url: str
    key: str
    admin_key: str


@contextmanager
def serve(dsn: str, **web: Any) -> Iterator[Address]:
    """Open a door on a ledger until the block ends."""
    loop = asyncio.new_event_loop()
    ready: list[Address] = []
    is_open, stop = threading.Event(), asyncio.Event()

    async def run() -> None:
        database = await Database.open(dsn, pool_size=10)
        async for door in open_door(database, make_settings(**web)):
            admin = await door.make_key("operator", "submit", "read", "events", "admin")
            ready.append(Address(door.server.url, await door.make_key("crm"), admin))
            is_open.set()
            await stop.wait()
        await database.aclose()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), daemon=True)
    thread.start()
    assert is_open.wait(30)
    try:
        yield ready[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()

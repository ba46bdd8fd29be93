"""The HTTP door in a process of its own, so that its memory can be measured; says its URL and a key, then serves."""

import asyncio
import sys

from validatord.clock import SystemClock
from validatord.intake.submit import IntakeRules, Submitter
from validatord.settings import Settings
from validatord.store import keys
from validatord.store.database import Database
from validatord.store.keys import Scope
from validatord.web.server import WebServer
from validatord.web.services import WebServices


async def main(dsn: str) -> None:
    """Serve until standard input ends."""
    settings, clock = Settings.of(web={"port": 0}), SystemClock()
    database = await Database.open(dsn, pool_size=5)
    submitter = Submitter(database, clock, IntakeRules.of(settings))
    server = await WebServer.open(WebServices(database, submitter, lambda: settings, clock))
    key = await keys.create_key(database, "crm", [Scope.READ])
    sys.stdout.write(f"{server.url} {key.text}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await server.aclose()
    await database.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

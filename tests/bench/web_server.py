"""The servers that the measurement of the HTTP door talks to, each a process of its own.

`ours` is the door as the daemon opens it. `trivial` is bare aiohttp that answers with the same bytes and
looks nothing up; `bare` is bare aiohttp that runs the same statements, without keys, models or limits.
Run by `tests.bench.bench_web`; writes where it listens to standard output.
"""

import asyncio
import gc
import sys
from typing import Any

import orjson
from aiohttp import web

from tests.bench.bench_intake import make_addresses
from validatord.clock import SystemClock
from validatord.intake.submit import IntakeRules, Submitter
from validatord.intake.wire import SubmittedChunk
from validatord.settings import Settings
from validatord.store import keys, migrations, results
from validatord.store.database import Database
from validatord.store.keys import Scope
from validatord.web.rendering import render_result
from validatord.web.server import WebServer
from validatord.web.services import WebServices

ROWS = 1000


def build_services(database: Database) -> WebServices:
    """What the daemon lends the door; the limit of one key is lifted, since one key asks for all."""
    settings = Settings.of(web={"port": 0, "requests_per_second": 0})
    clock = SystemClock()
    return WebServices(database, Submitter(database, clock, IntakeRules.of(settings)), lambda: settings, clock)


async def serve_ours(database: Database) -> None:
    """Open the door and tell where, and a key."""
    services = build_services(database)
    key = (await keys.create_key(database, "bench", [Scope.SUBMIT, Scope.READ])).text
    chunk = SubmittedChunk("bench", "read", tuple(make_addresses(ROWS)))
    submission = (await services.submitter.submit(chunk)).submission_id
    server = await WebServer.open(services)
    _tell(server.url, key=key, submission=submission)
    await asyncio.Event().wait()


async def serve_bare(database: Database, submission: int) -> None:
    """Bare aiohttp: the same bytes, with the same look-up and insert, or with none."""
    found = await results.find_result(database, submission, 1)
    assert found is not None
    body = orjson.dumps(render_result(found.row))
    submitter = build_services(database).submitter

    async def trivial(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    async def look_up(request: web.Request) -> web.Response:
        row = await results.find_result(database, submission, int(request.match_info["index"]))
        assert row is not None
        return web.Response(body=orjson.dumps(render_result(row.row)), content_type="application/json")

    async def insert(request: web.Request) -> web.Response:
        items = orjson.loads(await request.read())["items"]
        name = request.headers["X-Name"]
        made = await submitter.submit(SubmittedChunk("bench", name, tuple(items)))
        return web.Response(body=orjson.dumps({"submission": made.submission_id}), content_type="application/json")

    app = web.Application(client_max_size=0)
    app.router.add_get("/trivial/{index}", trivial)
    app.router.add_get("/look-up/{index}", look_up)
    app.router.add_post("/insert", insert)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    _tell(f"http://{host}:{port}")
    await asyncio.Event().wait()


def _tell(url: str, **more: Any) -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)  # as the daemon does
    sys.stdout.write(orjson.dumps({"url": url, **more}).decode() + "\n")
    sys.stdout.flush()


async def main(kind: str, dsn: str, submission: int) -> None:
    """Serve until killed."""
    database = await Database.open(dsn, pool_size=10)
    await migrations.migrate(database)
    await (serve_ours(database) if kind == "ours" else serve_bare(database, submission))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))

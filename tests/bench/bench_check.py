"""How long a single check takes over HTTP, against mail servers that answer at once.

Run with `python -m tests.bench.bench_check [checks]`. First at domains nobody has asked yet (DNS, a session,
the control recipient), then at a domain that is known and whose session is held.
"""

import asyncio
import statistics
import sys
import time
from pathlib import Path

import aiohttp

from tests import services
from tests.acceptance.desk import Desk, open_desk
from tests.bench import report
from tests.bench.report import Figure
from validatord.embedded.postgres import EmbeddedPostgres
from validatord.sandbox.spec import SandboxSpec
from validatord.store import keys
from validatord.store.database import Database
from validatord.store.keys import Scope

_PLAIN = {"store": {"flush_interval": "250ms", "dispatch_interval": "500ms"}}  # as everybody has them


async def ask(session: aiohttp.ClientSession, url: str, emails: list[str]) -> list[float]:
    """Check one after the other; return how long each took, in milliseconds."""
    waits: list[float] = []
    for email in emails:
        began = time.perf_counter()
        async with session.post(f"{url}/v1/check", json={"email": email}) as answer:
            assert answer.status == 200, await answer.text()
        waits.append((time.perf_counter() - began) * 1000)
    return waits


async def wait_until_open(session: aiohttp.ClientSession, url: str) -> None:
    """The door opens a moment after the node is seen."""
    for _ in range(400):
        try:
            async with session.get(f"{url}/healthz"):
                return
        except aiohttp.ClientConnectionError:
            await asyncio.sleep(0.05)
    raise TimeoutError


async def run(desk: Desk, dsn: str, checks: int) -> list[Figure]:
    """Measure on an open desk."""
    await desk.stage.start_daemon()
    database = await Database.open(dsn, pool_size=1)
    key = (await keys.create_key(database, "bench", [Scope.SUBMIT])).text
    await database.aclose()
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:
        await wait_until_open(session, desk.stage.web_url)
        new = await ask(session, desk.stage.web_url, [f"user1@d{number}.example" for number in range(checks)])
        known = await ask(session, desk.stage.web_url, [f"user{number}@d0.example" for number in range(2, checks)])
    return [
        Figure("checks at new domains, median ms", statistics.median(new)),
        Figure("checks at new domains, 95th percentile ms", statistics.quantiles(new, n=20)[18]),
        Figure("checks at a known domain, median ms", statistics.median(known)),
        Figure("checks at a known domain, 95th percentile ms", statistics.quantiles(known, n=20)[18], most=100),
    ]


async def measure(folder: Path, dsn: str, checks: int) -> list[Figure]:
    """Open a small internet and measure."""
    spec = SandboxSpec.of({f"d{number}.example": "postfix" for number in range(checks)})
    async with open_desk(folder, dsn, spec, _PLAIN) as desk:
        return await run(desk, dsn, checks)


def main() -> int:
    """Measure on a PostgreSQL of our own, and return 1 where a bound is missed."""
    checks = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with services.open_state_dir(is_on_disk=True) as folder:
        server = EmbeddedPostgres(folder)
        server.start()
        try:
            desk = folder / "desk"
            desk.mkdir()
            return report.show(asyncio.run(measure(desk, server.dsn, checks)))
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(main())

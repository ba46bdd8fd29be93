"""What an upload of a million rows costs the door in memory and time.

Run with `python -m tests.bench.bench_upload [rows]`; the list is made while it is sent, by this process.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp

from tests import services
from tests.bench import report
from tests.bench.bench_web import start
from tests.bench.report import Figure
from validatord.embedded.postgres import EmbeddedPostgres

_BLOCK = 5_000
_MB = 2**20


def read_rss(pid: int) -> int:
    """Return the resident memory of a process in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


async def make_list(rows: int) -> AsyncIterator[bytes]:
    """A CSV of contacts at domains of very different size."""
    yield b"id,e-mail,name\n"
    for first in range(0, rows, _BLOCK):
        lines = (
            f'{number},first.last{number}@{"gmail.com" if number % 3 == 0 else f"company{number % 9973}.com"},"A, B"\n'
            for number in range(first, min(first + _BLOCK, rows))
        )
        yield "".join(lines).encode()


async def watch(pid: int, seen: list[int]) -> None:
    """Note the memory of the server again and again."""
    while True:
        seen.append(read_rss(pid))
        await asyncio.sleep(0.2)


async def upload(server: dict[str, Any], rows: int) -> tuple[float, list[int], float]:
    """Send the list; return seconds, the memory meanwhile, and the slowest read beside it in milliseconds."""
    seen, slowest = [read_rss(server["pid"])], 0.0
    headers = {"Authorization": f"Bearer {server['key']}"}
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=None)) as session:
        watching = asyncio.create_task(watch(server["pid"], seen))
        started = time.perf_counter()
        sending = asyncio.create_task(_send(session, server["url"], rows))
        while not sending.done():
            began = time.perf_counter()
            async with session.get(f"{server['url']}/v1/submissions") as answer:
                await answer.read()
            slowest = max(slowest, time.perf_counter() - began)
            await asyncio.wait({sending}, timeout=0.5)
        assert sending.result()["queued"] == rows
        watching.cancel()
    return time.perf_counter() - started, seen, slowest * 1000


async def _send(session: aiohttp.ClientSession, url: str, rows: int) -> dict[str, Any]:
    path = f"{url}/v1/uploads?name=million&column=e-mail"
    async with session.post(path, data=make_list(rows), headers={"Content-Type": "text/csv"}) as answer:
        return await answer.json()


async def measure(dsn: str, rows: int) -> list[Figure]:
    """Upload and return what it took."""
    async with AsyncExitStack() as stack:
        server = await start(stack, "ours", dsn)
        seconds, seen, slowest = await upload(server, rows)
    return [
        Figure("rows", rows),
        Figure("rows a second", rows / seconds),
        Figure("memory at the beginning, MB", seen[0] / _MB),
        Figure("memory grew by, MB", (max(seen) - seen[0]) / _MB, most=80),
        Figure("slowest read beside it, ms", slowest),
    ]


def main() -> int:
    """Measure on a PostgreSQL of our own, and return 1 where a bound is missed."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with services.open_state_dir(is_on_disk=True) as folder:
        server = EmbeddedPostgres(folder)
        server.start()
        try:
            return report.show(asyncio.run(measure(server.dsn, rows)))
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(main())

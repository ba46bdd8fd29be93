"""How many requests a second the HTTP door answers, beside bare aiohttp in the same run.

Run with `python -m tests.bench.bench_web [seconds]`; PostgreSQL syncs its commits as in production. The
client shares the machine with the servers; figures are medians of rounds that take turns.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import orjson

from tests import services
from tests.bench import report
from tests.bench.bench_intake import make_addresses
from tests.bench.report import Figure
from tests.bench.web_server import ROWS
from validatord.embedded.postgres import EmbeddedPostgres

_ROUNDS = 5
_READERS = 32
_POSTERS = 8
_ITEMS = 1000

Make = Callable[[int], bytes]


class Load:
    """Asks one server, on connections that stay, as fast as it answers; the client does as little as it can."""

    def __init__(self, port: int, make: Make) -> None:
        self._port = port
        self._make = make
        self._number = 0
        self.waits: list[float] = []

    async def run(self, connections: int, seconds: float) -> float:
        """Return answers a second."""
        ends = time.perf_counter() + seconds
        started = time.perf_counter()
        counts = await asyncio.gather(*(self._ask(ends) for _ in range(connections)))
        return sum(counts) / (time.perf_counter() - started)

    async def _ask(self, ends: float) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)
        count = 0
        while (began := time.perf_counter()) < ends:
            self._number += 1
            writer.write(self._make(self._number))
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")), head
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
            self.waits.append(time.perf_counter() - began)
            count += 1
        writer.close()
        return count


def make_get(path: Callable[[int], str], key: str = "") -> Make:
    """Requests for results, one after the other."""
    tail = f" HTTP/1.1\r\nHost: x\r\n{f'Authorization: Bearer {key}' if key else 'X-No: y'}\r\n\r\n".encode()
    return lambda number: b"GET " + path(number).encode() + tail


def make_post(path: str, key: str = "") -> Make:
    """Lists of a thousand addresses, each a submission of its own."""
    addresses = make_addresses(_ITEMS)
    plain = orjson.dumps({"items": addresses})

    def make(number: int) -> bytes:
        name = f"{path.strip('/').replace('/', '-')}-{time.time_ns()}-{number}"
        body = orjson.dumps({"items": addresses, "name": name}) if key else plain
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nX-Name: {name}\r\nContent-Type: application/json\r\n"
        head += f"Authorization: Bearer {key}\r\n" if key else ""
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    return make


async def end(process: asyncio.subprocess.Process) -> None:
    """End a server."""
    process.kill()
    await process.wait()


async def start(stack: AsyncExitStack, kind: str, dsn: str, submission: int = 0) -> dict[str, Any]:
    """Start a server and return what it says."""
    command = (sys.executable, "-m", "tests.bench.web_server", kind, dsn, str(submission))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    stack.push_async_callback(end, process)
    assert process.stdout is not None
    while line := await process.stdout.readline():
        if line.startswith(b"{"):
            found = orjson.loads(line)
            return found | {"port": int(found["url"].rpartition(":")[2]), "pid": process.pid}
    raise RuntimeError(kind)


async def measure(dsn: str, seconds: float) -> list[Figure]:
    """Let all of them take turns and return the medians."""
    async with AsyncExitStack() as stack:
        ours = await start(stack, "ours", dsn)
        bare = await start(stack, "bare", dsn, ours["submission"])
        number, key = ours["submission"], ours["key"]
        loads = {
            "read": Load(ours["port"], make_get(lambda n: f"/v1/submissions/{number}/results/{n % ROWS}", key)),
            "trivial": Load(bare["port"], make_get(lambda n: f"/trivial/{n % ROWS}")),
            "look-up": Load(bare["port"], make_get(lambda n: f"/look-up/{n % ROWS}")),
            "post": Load(ours["port"], make_post("/v1/submissions", key)),
            "insert": Load(bare["port"], make_post("/insert")),
        }
        rates: dict[str, list[float]] = {name: [] for name in loads}
        for _ in range(_ROUNDS):
            for name, load in loads.items():
                rates[name].append(await load.run(_POSTERS if name in {"post", "insert"} else _READERS, seconds))
    median = {name: statistics.median(found) for name, found in rates.items()}
    p99 = statistics.quantiles(loads["read"].waits, n=100)[98] * 1000
    return [
        Figure("reads of one result a second, key checked", median["read"], least=1500),
        Figure("the slowest hundredth of them takes, ms", p99),
        Figure("bare aiohttp with the same look-up, a second", median["look-up"]),
        Figure("bare aiohttp with the same bytes and no look-up", median["trivial"]),
        Figure("reads: ours to bare with look-up", median["read"] / median["look-up"], least=0.6, digits=2),
        Figure("reads: ours to bare without look-up", median["read"] / median["trivial"], digits=2),
        Figure("posts of 1,000 addresses a second", median["post"], least=80),
        Figure("bare aiohttp with the same insert, a second", median["insert"]),
        Figure("posts: ours to bare", median["post"] / median["insert"], least=0.6, digits=2),
    ]


def main() -> int:
    """Measure on a PostgreSQL of our own, and return 1 where a bound is missed."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    with services.open_state_dir(is_on_disk=True) as folder:
        server = EmbeddedPostgres(folder)
        server.start()
        try:
            return report.show(asyncio.run(measure(server.dsn, seconds)))
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(main())

"""How much goes through the paid side: `python -m tests.bench.bench_bouncer --addresses 1000000`.

A real PostgreSQL, the sandbox Bouncer as a process of its own with its clock running fast, the driver here.
Says addresses per second, the memory of this process, and the longest the event loop was held up.
"""

import argparse
import asyncio
import gc
import json
import random
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from loguru import logger

from tests.fakes.bouncer_rig import OWN, POLICY, make_settings
from tests.services import open_state_dir
from validatord.clock import SystemClock
from validatord.embedded.postgres import EmbeddedPostgres
from validatord.loops.bouncer_driver import BouncerDriver
from validatord.rules.policy import read as read_policy
from validatord.store import migrations, rows
from validatord.store.database import Database

_SEED = """
WITH client AS (INSERT INTO clients (name) VALUES ('bench') RETURNING name),
submission AS (
    INSERT INTO submissions (client, submission, requests) SELECT name, 'list', $1 FROM client RETURNING id
)
INSERT INTO requests (submission_id, idx, address, email, domain, priority, due_at)
SELECT s.id, n, 'user' || n || '@domain' || n % 20011 || '.example', 'user' || n || '@domain' || n % 20011 || '.example',
    'domain' || n % 20011 || '.example', 50, now()
FROM submission AS s, generate_series(0, $1::bigint - 1) AS n
"""
_HAND_OVER = "UPDATE requests SET state = 'handed_over', due_at = NULL, attempt = 1, probe = $1"
_LEFT = """
SELECT EXISTS (SELECT FROM requests WHERE state = 'handed_over')
    OR EXISTS (SELECT FROM bouncer_batches WHERE state NOT IN ('cleaned', 'parked'))
"""


class Watch:
    """The memory of this process and how long its loop was held up."""

    def __init__(self) -> None:
        self.most_rss = 0
        self.lags: list[float] = []

    async def run(self) -> None:
        """Look every few milliseconds."""
        while True:
            started = time.perf_counter()
            await asyncio.sleep(0.005)
            self.lags.append(time.perf_counter() - started - 0.005)
            if len(self.lags) % 20 == 0:
                text = Path("/proc/self/status").read_text(encoding="ascii")
                rss = int(text.partition("VmRSS:")[2].split()[0]) // 1024
                self.most_rss = max(self.most_rss, rss)

    def __str__(self) -> str:
        ordered = sorted(self.lags)
        late = ordered[int(len(ordered) * 0.999)]
        return f"RSS at most {self.most_rss} MB; loop held up p99.9 {late * 1e3:.0f} ms, max {ordered[-1] * 1e3:.0f} ms"


def start_service(folder: str) -> tuple[subprocess.Popen[bytes], str]:
    """Start the sandbox Bouncer and return where it is."""
    ready = Path(folder, "bouncer.json")
    command = [sys.executable, "-m", "validatord.sandbox.bouncer_command", "--ready-file", str(ready)]
    command += ["--speed", "100000", "--unlimited", "--control", "--credits", "100000000"]
    process = subprocess.Popen(command)
    while not ready.exists():
        time.sleep(0.02)
    return process, json.loads(ready.read_text(encoding="utf-8"))["url"]


async def measure(dsn: str, url: str, addresses: int, batch_size: int) -> None:
    """Seed, drive to the end, report."""
    database = await Database.open(dsn, pool_size=6, statement_timeout=timedelta(minutes=10))
    await migrations.migrate(database)
    started = time.perf_counter()
    await database.fetch(_SEED, addresses)
    await database.fetch(_HAND_OVER, rows.finding_to_json(OWN))
    await database.fetch("ANALYZE")
    sys.stdout.write(f"{addresses:,} addresses handed over in {time.perf_counter() - started:.1f} s\n")
    settings = make_settings(
        url,
        batch_size=batch_size,
        max_open_batches=15,
        read_timeout=timedelta(seconds=30),
        call_timeout=timedelta(seconds=60),
    )
    policy = read_policy(POLICY)
    driver = BouncerDriver(database, lambda: settings, lambda _: policy, SystemClock(), random.Random(1))
    gc.collect()
    gc.freeze()  # as the daemon does once it is ready
    watch = Watch()
    task = asyncio.create_task(watch.run())
    started = time.perf_counter()
    while await database.fetch_value(_LEFT):
        if not await driver.run_once():
            await asyncio.sleep(0.01)
    seconds = time.perf_counter() - started
    task.cancel()
    await driver.aclose()
    done = await database.fetch("SELECT status, count(*) AS n FROM requests GROUP BY status ORDER BY status")
    await database.aclose()
    sys.stdout.write(f"{addresses:,} addresses in {seconds:.1f} s: {addresses / seconds:,.0f}/s; {watch}\n")
    sys.stdout.write(", ".join(f"{row['n']:,} {row['status']}" for row in done) + "\n")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--addresses", type=int, default=100_000)
    parser.add_argument("--batch-size", type=int, default=10_000)
    found = parser.parse_args()
    logger.remove()
    with open_state_dir() as state, tempfile.TemporaryDirectory() as folder:
        server = EmbeddedPostgres(state)
        dsn = server.start()
        service, url = start_service(folder)
        try:
            asyncio.run(measure(dsn, url, found.addresses, found.batch_size))
        finally:
            service.terminate()
            service.wait()
            server.stop()


if __name__ == "__main__":
    main()

"""How many addresses a second go from arq into committed rows, on real servers.

Run with `python -m tests.bench.bench_intake [addresses]`; PostgreSQL syncs its commits as in production.
"""

import asyncio
import resource
import sys
import time

from tests import services
from tests.bench import report
from tests.bench.report import Figure
from validatord.clock import SystemClock
from validatord.embedded.postgres import EmbeddedPostgres
from validatord.intake import client
from validatord.intake.arq_worker import WorkerRules
from validatord.intake.jobs import Jobs
from validatord.intake.submit import IntakeRules, Submitter
from validatord.intake.supervisor import Intake
from validatord.settings import Settings
from validatord.store import migrations, submissions
from validatord.store.database import Database


def make_addresses(count: int) -> list[str]:
    """Addresses over domains of very different size, one in a hundred broken."""
    found: list[str] = []
    for number in range(count):
        domain = "gmail.com" if number % 3 == 0 else f"company{number % 9973}.com"
        found.append(f"first.last{number}@{domain}" if number % 100 else f"broken {number}@{domain}")
    return found


def count_cpu() -> float:
    """CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def enqueue(redis_url: str, count: int) -> float:
    """Send the list as another service would; return addresses per second."""
    addresses = make_addresses(count)
    redis = await client.open_redis(redis_url)
    started = time.perf_counter()
    await client.enqueue(redis, addresses, client="bench", submission="list")
    seconds = time.perf_counter() - started
    await redis.aclose()
    return count / seconds


def build(database: Database, redis_url: str) -> tuple[Jobs, Intake]:
    """The intake as the daemon builds it."""
    settings, clock = Settings(), SystemClock()
    jobs = Jobs(database, Submitter(database, clock, IntakeRules.of(settings)), clock)
    rules = WorkerRules(client.DEFAULT_QUEUE, settings.redis.poll_delay, settings.redis.max_jobs)
    return jobs, Intake(redis_url, database, jobs, clock, rules, lambda: settings.store.marks)


async def watch(jobs: Jobs, count: int) -> float:
    """Wait until all is taken in and return the longest time the event loop stood still, in seconds."""
    worst = 0.0
    while jobs.counts.addresses < count:
        before = time.perf_counter()
        await asyncio.sleep(0.01)
        worst = max(worst, time.perf_counter() - before - 0.01)
    return worst


async def measure(dsn: str, redis_url: str, count: int) -> list[Figure]:
    """Enqueue, take in, and return the rates."""
    sent = await enqueue(redis_url, count)
    database = await Database.open(dsn, pool_size=5)
    await migrations.migrate(database)
    jobs, intake = build(database, redis_url)
    stop = asyncio.Event()
    started, cpu = time.perf_counter(), count_cpu()
    running = asyncio.create_task(intake.run(stop))
    worst = await watch(jobs, count)
    seconds, cpu = time.perf_counter() - started, count_cpu() - cpu
    stop.set()
    await running
    progress = await submissions.get_progress(database, "bench", "list")
    assert progress is not None
    assert progress.requests == count
    await database.aclose()
    return [
        Figure("enqueued, addresses/s", sent),
        Figure("arq to committed rows, addresses/s", count / seconds, least=20_000),
        Figure("CPU of the process per address, µs", cpu / count * 1e6, digits=1),
        Figure("longest stand-still of the event loop, ms", worst * 1000),
    ]


def main() -> int:
    """Measure on servers of our own, and return 1 where a bound is missed."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with services.open_state_dir(is_on_disk=True) as folder, services.run_redis() as redis:
        server = EmbeddedPostgres(folder)
        server.start()
        try:
            return report.show(asyncio.run(measure(server.dsn, redis.url, count)))
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(main())

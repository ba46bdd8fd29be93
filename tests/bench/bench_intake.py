"""How many addresses a second go from arq into committed rows, on real servers.

Run with `python -m tests.bench.bench_intake [addresses]`; PostgreSQL syncs its commits as in production.
"""

import asyncio
import resource
import sys
import time

from tests import services
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


def say(words: str) -> None:
    """Write a line for the person who waits."""
    sys.stdout.write(f"{words}\n")


def count_cpu() -> float:
    """CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def enqueue(redis_url: str, count: int) -> None:
    """Send the list as another service would."""
    addresses = make_addresses(count)
    redis = await client.open_redis(redis_url)
    started = time.perf_counter()
    await client.enqueue(redis, addresses, client="bench", submission="list")
    say(f"enqueue            {count / (time.perf_counter() - started):>10,.0f} addresses/s")
    await redis.aclose()


def build(database: Database, redis_url: str) -> tuple[Jobs, Intake]:
    """The intake as the daemon builds it."""
    settings, clock = Settings(), SystemClock()
    jobs = Jobs(database, Submitter(database, clock, IntakeRules.of(settings)), clock)
    rules = WorkerRules(client.DEFAULT_QUEUE, settings.redis.poll_delay, settings.redis.max_jobs)
    return jobs, Intake(redis_url, database, jobs, clock, rules, lambda: settings.store.high_water)


async def watch(jobs: Jobs, count: int) -> float:
    """Wait until all is taken in and return the longest time the event loop stood still, in seconds."""
    worst = 0.0
    while jobs.counts.addresses < count:
        before = time.perf_counter()
        await asyncio.sleep(0.01)
        worst = max(worst, time.perf_counter() - before - 0.01)
    return worst


async def measure(dsn: str, redis_url: str, count: int) -> None:
    """Enqueue, take in, and say the rates."""
    await enqueue(redis_url, count)
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
    say(f"arq to ledger      {count / seconds:>10,.0f} addresses/s, {cpu / count * 1e6:.1f} us CPU each")
    say(f"longest loop stall {worst * 1000:>10,.0f} ms")
    await database.aclose()


def main() -> None:
    """Measure on servers of our own."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with services.open_state_dir() as folder, services.run_redis() as redis:
        server = EmbeddedPostgres(folder)
        server.start()
        try:
            asyncio.run(measure(server.dsn, redis.url, count))
        finally:
            server.stop()


if __name__ == "__main__":
    main()

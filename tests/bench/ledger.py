"""How fast the ledger takes in, leases and writes: `python -m tests.bench.ledger --rows 1000000`.

Domains follow Zipf's law, as in real lists: one of the biggest holds a twelfth of all addresses.
"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from tests.services import open_state_dir
from validatord.embedded.postgres import EmbeddedPostgres
from validatord.mail.address import Mailbox
from validatord.mail.request import DomainFacts, Finding
from validatord.store import leases, migrations, records, submissions
from validatord.store.database import Database
from validatord.store.nodes import NodeLock
from validatord.store.submissions import Chunk, ChunkItem

_CHUNK = 500
_WRITE_ROWS = 200


def say(words: object) -> None:
    """Write a line for the person who waits."""
    sys.stdout.write(f"{words}\n")


class Timings:
    """Durations of one kind of call, in seconds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seconds: list[float] = []

    @contextmanager
    def measure(self) -> Iterator[None]:
        """Time a block."""
        started = time.perf_counter()
        yield
        self.seconds.append(time.perf_counter() - started)

    def __str__(self) -> str:
        ordered = sorted(self.seconds)
        middle, late = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
        return f"{self.name}: {len(ordered):,} calls, p50 {middle * 1e3:.1f} ms, p99 {late * 1e3:.1f} ms"


def make_items(rows: int, rng: random.Random) -> list[ChunkItem]:
    """Make that many addresses."""
    domains = [f"domain{number}.example" for number in range(max(100, rows * 145_610 // 1_000_000))]
    chosen = rng.choices(domains, [1 / (place + 1) for place in range(len(domains))], k=rows)
    return [ChunkItem(idx, f"user{idx}@{name}", Mailbox(f"user{idx}", name)) for idx, name in enumerate(chosen)]


def make_finding() -> Finding:
    """Make a verdict of the usual size."""
    now = datetime.now(UTC)
    trace = {"mx_host": "mx.example.net", "exchanges": [{"stage": "rcpt", "code": 250, "lines": ["2.1.5 ok"]}] * 5}
    return Finding(
        "valid",
        "accepted",
        ("accepted", "mx_found"),
        95,
        mx_host="mx.example.net",
        mx_hosts=("mx.example.net",),
        reply="250 2.1.5 ok",
        dns_trace={"lines": ["MX 10 mx.example.net"]},
        smtp_trace=trace,
        checked_at=now,
        expires_at=now + timedelta(days=60),
        fresh_until=now + timedelta(days=7),
    )


async def take_in(database: Database, items: list[ChunkItem]) -> None:
    """Submit everything."""
    timings = Timings("add_chunk of 500")
    started = time.perf_counter()
    for start in range(0, len(items), _CHUNK):
        with timings.measure():
            await submissions.add_chunk(database, Chunk("bench", "one", 50, tuple(items[start : start + _CHUNK])))
    say(timings)
    say(f"intake: {len(items) / (time.perf_counter() - started):,.0f} addresses/s")


async def work_off(database: Database, rows: int) -> None:
    """Lease, finish and release everything, in the dispatcher's and recorder's sizes."""
    lock = await NodeLock.acquire(database, "bench")
    spec = leases.LeaseSpec(
        node="bench", epoch=lock.epoch, limit=200, per_domain=20, per_lane=200, lease=timedelta(minutes=2)
    )
    leasing, writing = Timings("lease_domains of 200"), Timings("write_records")
    finding, done, started = make_finding(), 0, time.perf_counter()
    while True:
        with leasing.measure():
            visits = await leases.lease_domains(database, spec)
        if not visits:
            break
        for batch in _batches(visits, finding):
            with writing.measure():
                await records.write_records(database, "bench", lock.epoch, batch)
        before, done = done, done + sum(len(visit.requests) for visit in visits)
        if before * 10 // rows != done * 10 // rows:
            say(f"  {done:>9,} done, {done / (time.perf_counter() - started):,.0f} rows/s so far")
    say(leasing)
    say(writing)
    await lock.aclose()


def _batches(visits: list[leases.DomainVisit], finding: Finding) -> Iterator[list[records.VisitRecord]]:
    batch: list[records.VisitRecord] = []
    rows = 0
    for visit in visits:
        finished = tuple(records.Finished(request, finding, 1) for request in visit.requests)
        batch.append(records.VisitRecord(visit.domain, "lane", finished, facts=DomainFacts(visit.domain), release=True))
        rows += len(finished)
        if rows >= _WRITE_ROWS:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch


async def run(dsn: str, rows: int) -> None:
    """Run the whole bench."""
    database = await Database.open(dsn)
    await migrations.migrate(database)
    await take_in(database, make_items(rows, random.Random(1)))
    await work_off(database, rows)
    timings = Timings("get_progress")
    with timings.measure():
        progress = await submissions.get_progress(database, "bench", "one")
    say(timings)
    say(progress)
    await database.aclose()


def main() -> None:
    """Read the arguments, run on a PostgreSQL of our own with durable settings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    rows = parser.parse_args().rows
    with open_state_dir(is_on_disk=True) as folder:
        server = EmbeddedPostgres(folder)
        try:
            asyncio.run(run(server.start(), rows))
        finally:
            server.stop()


if __name__ == "__main__":
    main()

"""A soak in short: addresses without a pause for so many minutes, one list after the other, and what grows.

    python -m tests.chaos.soak MINUTES

Lists come in through Redis, as from another service; every list is other addresses of the same receivers.
Memory, files, threads, table sizes and dead rows are looked at again and again; at the end every address
must have exactly one result. The exit status is 0 if nothing grew beyond its bound and nothing was lost.
"""

import asyncio
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests import services
from tests.acceptance.play import CLIENT
from tests.chaos.world import World, open_world
from validatord.intake import client
from validatord.sandbox.command import Scenario

_LIST, _DOMAINS = 5000, 100
_LOOK_SECONDS = 5.0
_SETTLED = 0.25  # of the time: caches and pools fill first
_MOST_BYTES_AN_HOUR = 20 * 2**20


@dataclass
class Course:
    """What was seen: seconds since the start, and values by name."""

    at: list[float] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, seconds: float, **values: float) -> None:
        """Keep one look."""
        self.at.append(seconds)
        for name, value in values.items():
            self.values.setdefault(name, []).append(value)

    def settled(self, name: str) -> list[float]:
        """The values after the first part."""
        return self.values[name][int(len(self.at) * _SETTLED) :]

    def slope(self, name: str) -> float:
        """Growth an hour, by least squares over the settled part."""
        seconds = self.at[int(len(self.at) * _SETTLED) :]
        return statistics.linear_regression(seconds, self.settled(name)).slope * 3600


async def run(minutes: float, folder: Path) -> int:
    """Send, look, judge; return the exit status."""
    scenario = Scenario("bench", 200, _LIST, _DOMAINS)
    course = Course()
    async with open_world(folder, scenario, has_redis=True, is_gated=False, speed=20) as world:
        await world.start()
        began = time.monotonic()
        sending = asyncio.create_task(send_on(world, began + minutes * 60))
        while not sending.done():
            await asyncio.wait({sending}, timeout=_LOOK_SECONDS)
            await look(world, course, time.monotonic() - began)
        lists = sending.result()
        await until_done(world, lists * _LIST)
        await look(world, course, time.monotonic() - began)
        return await judge(world, course, lists)


async def send_on(world: World, end: float) -> int:
    """Send list after list, as fast as they are finished; return how many."""
    redis = await client.open_redis(world.redis.url if world.redis else "")
    lists = 0
    while time.monotonic() < end:
        # Another tag makes another address of the same mailbox.
        addresses = [address.replace("@", f"+{lists}@") for address in world.addresses]
        await client.enqueue(redis, addresses, client=CLIENT, submission=f"list {lists}")
        lists += 1
        await until_done(world, lists * _LIST - _LIST // 2)
    await redis.aclose(close_connection_pool=True)
    return lists


async def until_done(world: World, count: int) -> None:
    """Wait until so many requests are finished."""
    while await world.database.fetch_value("SELECT coalesce(sum(finished), 0) FROM submissions") < count:
        world.stage.check_daemon()
        await asyncio.sleep(0.2)


async def look(world: World, course: Course, seconds: float) -> None:
    """Look at the daemon and at the tables."""
    now = world.vitals()
    row = await world.database.fetch_row(
        "SELECT (SELECT coalesce(sum(finished), 0) FROM submissions)::float AS done,"
        " pg_total_relation_size('requests')::float AS requests_bytes,"
        " pg_total_relation_size('domain_queue')::float AS queue_bytes,"
        " (SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'domain_queue')::float AS dead"
    )
    assert row is not None
    course.add(
        seconds, rss=now.rss_bytes, files=now.files, threads=now.threads, cpu=now.cpu_seconds, **dict(row.items())
    )


async def judge(world: World, course: Course, lists: int) -> int:
    """Say what was found; the exit status."""
    await world.stop_well()
    lost = lists * _LIST - await world.database.fetch_value("SELECT count(*) FROM requests WHERE state = 'done'")
    doubled = await world.database.fetch_value(
        "SELECT count(*) FROM (SELECT FROM email_validation GROUP BY contact_id, email HAVING count(*) > 1) AS it"
    )
    counters = await world.stage.counters()
    asked_twice = sum(count > 1 for address, count in counters["rcpts"].items() if "+" in address)
    seconds, done = course.at[-1], course.values["done"][-1]
    files, threads, slope = course.settled("files"), course.settled("threads"), course.slope("rss")
    say(f"{done:.0f} addresses in {lists} lists in {seconds / 60:.1f} minutes: {done / seconds:.0f} a second")
    say(f"{lost} lost, {doubled} doubled, {asked_twice} asked twice")
    rss = [value / 2**20 for value in course.settled("rss")]
    say(f"memory {rss[0]:.0f} to {rss[-1]:.0f} MB, highest {max(rss):.0f}: {slope / 2**20:+.1f} MB an hour")
    say(f"open files {min(files):.0f} to {max(files):.0f}, threads {min(threads):.0f} to {max(threads):.0f}")
    say(f"CPU {course.values['cpu'][-1] / done * 1000:.2f} s per 1,000 addresses")
    sizes = {name: course.settled(name) for name in ("requests_bytes", "queue_bytes", "dead")}
    say(
        f"requests {sizes['requests_bytes'][-1] / done:.0f} bytes a row, domain_queue {sizes['queue_bytes'][-1] / 1024:.0f} KB"
    )
    growing = slope > _MOST_BYTES_AN_HOUR and rss[-1] - rss[0] > 5  # noise of a short run is no slope
    return int(bool(lost or doubled or asked_twice or growing))


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run on servers of its own."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 15.0
    with services.open_state_dir() as folder:
        return asyncio.run(run(minutes, folder))


if __name__ == "__main__":
    sys.exit(main())

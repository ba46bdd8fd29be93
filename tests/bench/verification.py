"""One measured run through the real path: arq, the daemon as a process of its own, PostgreSQL, the sandbox."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench import usage
from validatord.intake import client
from validatord.sandbox.command import Scenario
from validatord.stage import Stage
from validatord.store import submissions
from validatord.store.database import Database

SESSIONS = 4
CLIENT, SUBMISSION = "bench", "list"
OVERRIDES: dict[str, dict[str, Any]] = {
    # A sandbox needs no politeness towards strangers; the lanes still hold their four sessions.
    "pacing": {
        "sessions": SESSIONS,
        "per_domain_concurrency": SESSIONS,
        "visit_size": 2 * SESSIONS * 20,  # two rounds of full conversations, no half-empty third
        "session_interval": "1ms",
        "rcpt_per_minute": 1_000_000,
        "is_slow_start": False,
        "unknown_ratio": 1.0,
    },
}


@dataclass(frozen=True, slots=True)
class Load:
    """What is measured: a Zipf-like list, and hosts that answer after 20 to 200 ms divided by `speed`."""

    addresses: int = 20_000
    domains: int = 400
    speed: float = 1.0
    most_seconds: float = 300.0
    overrides: dict[str, dict[str, Any]] = field(default_factory=lambda: OVERRIDES)

    @property
    def scenario(self) -> Scenario:
        """The sandbox's world and list."""
        return Scenario("bench", 1, self.addresses, self.domains)

    def make_stage(self, folder: Path) -> Stage:
        """Return the stage for it, not yet started."""
        given = {"scenario": "bench", "addresses": self.addresses, "domains": self.domains, "speed": self.speed}
        arguments = tuple(word for name, value in given.items() for word in (f"--{name}", str(value)))
        return Stage(folder, sandbox_arguments=arguments, overrides=self.overrides)


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds so far."""

    daemon: float
    postgres: float
    redis: float

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(self.daemon - other.daemon, self.postgres - other.postgres, self.redis - other.redis)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run found.

    `wrong` are verdicts against the truth, by what was said and what is right; `waiting` says where and why
    something has no end.
    """

    addresses: int
    unfinished: int
    wrong: Counter[tuple[str, ...]]
    waiting: Counter[str]
    seconds: float
    cpu: Usage
    peak_memory: float
    counters: dict[str, Any]
    postgres_version: str

    @property
    def rcpts(self) -> int:
        """RCPT commands the hosts saw."""
        return self.counters["total"]["commands"].get("RCPT", 0)

    @property
    def most_sessions(self) -> int:
        """The most sessions any provider saw at the same time."""
        return max(self.counters["most_sessions_by_client"].values(), default=0)


async def run(load: Load, folder: Path, tell: Callable[[str], None] = lambda _: None) -> Measured:
    """Start everything, send the list through arq, wait for its end, compare, stop everything."""
    stage = load.make_stage(folder)
    try:
        await stage.start_stores()
        await stage.start_sandbox()
        stage.write_config()
        await stage.start_daemon()
        return await _measure(load, stage, tell)
    finally:
        await stage.stop()
        if stage.postgres is not None:
            stage.postgres.remove()


async def _measure(load: Load, stage: Stage, tell: Callable[[str], None]) -> Measured:
    truth = {line.address: {(a.value, b.value) for a, b in line.outcomes} for line in _list_of(load)}
    assert stage.daemon_process is not None
    before, started = read_usage(stage), time.monotonic()
    await send(stage, list(truth))
    database = await Database.open(stage.dsn, pool_size=1, application_name="bench")
    try:
        await _wait(load, stage, database, tell)
        seconds, used = time.monotonic() - started, read_usage(stage) - before
        memory = usage.read_memory(stage.daemon_process.pid, is_peak=True)
        rows = await _fetch_all(database)
        version = await database.fetch_value("SHOW server_version")
    finally:
        await database.aclose()
    done = [row for row in rows if row.state == "done"]
    wrong = Counter(
        (str(row.status), str(row.reason), *min(truth[row.address]))
        for row in done
        if (row.status, row.reason) not in truth[row.address]
    )
    waiting = Counter(
        f"{row.deferral_reason}: {row.reply or ''} {row.email.rpartition('@')[2]}"
        for row in rows
        if row.state != "done"
    )
    counters = await stage.counters()
    return Measured(len(truth), len(truth) - len(done), wrong, waiting, seconds, used, memory, counters, version)


def _list_of(load: Load) -> Any:
    return load.scenario.make_sample().addresses


def read_usage(stage: Stage) -> Usage:
    """Return the CPU seconds of the stage's processes so far."""
    assert stage.daemon_process is not None
    assert stage.postgres is not None
    assert stage.postgres.pid is not None
    redis = stage.redis.pid if stage.redis is not None else None
    return Usage(
        usage.read_cpu(stage.daemon_process.pid),
        usage.read_family_cpu(stage.postgres.pid),
        usage.read_cpu(redis) if redis else 0.0,
    )


async def send(stage: Stage, addresses: list[str]) -> None:
    """Send the list as another service would."""
    redis = await client.open_redis(stage.redis_url)
    try:
        await client.enqueue(redis, addresses, client=CLIENT, submission=SUBMISSION)
    finally:
        await redis.aclose()


async def _wait(load: Load, stage: Stage, database: Database, tell: Callable[[str], None]) -> None:
    """Wait until all is finished or the time is up."""
    started = told = time.monotonic()
    while (now := time.monotonic()) - started < load.most_seconds:
        stage.check_daemon()
        progress = await submissions.get_progress(database, CLIENT, SUBMISSION)
        if progress is not None and progress.finished >= load.addresses:
            return
        if now - told > 10 and progress is not None:
            tell(f"  {now - started:5.0f} s  {progress.finished:>7,} of {load.addresses:,}")
            told = now
        await asyncio.sleep(min(1.0, load.most_seconds / 100))


async def _fetch_all(database: Database) -> list[submissions.ResultRow]:
    progress = await submissions.get_progress(database, CLIENT, SUBMISSION)
    found: list[submissions.ResultRow] = []
    while progress is not None and (
        page := await submissions.fetch_results(
            database, progress.submission_id, found[-1].idx if found else -1, limit=5000
        )
    ):
        found += page
    return found

"""A whole intake on real servers, and words to look at what it did."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from arq.connections import ArqRedis

from validatord.clock import SystemClock
from validatord.intake import client
from validatord.intake.arq_worker import WorkerRules
from validatord.intake.jobs import Jobs
from validatord.intake.submit import IntakeRules, Submitter
from validatord.intake.supervisor import Intake
from validatord.settings import Settings
from validatord.store.database import Database

QUEUE = client.DEFAULT_QUEUE
SETTINGS = Settings.of(
    lookup={"public_addresses_only": False},
    policy={"never_probe": ["never.example"], "opt_out": ["optout.example"]},
)
RULES = IntakeRules.of(SETTINGS)


@dataclass
class Bench:
    """An intake that can be started, with all it works on."""

    redis_url: str
    database: Database
    redis: ArqRedis
    high_water: int = 1_000_000
    woken: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        clock = SystemClock()
        self.submitter = Submitter(self.database, clock, RULES, wake=lambda: self.woken.append(1))
        self.jobs = Jobs(self.database, self.submitter, clock)
        rules = WorkerRules(QUEUE, timedelta(milliseconds=10), 10)
        self.intake = Intake(
            self.redis_url, self.database, self.jobs, clock, rules, lambda: (self.high_water, self.high_water * 9 // 10)
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the intake for the length of a block."""
        stop = asyncio.Event()
        task = asyncio.create_task(self.intake.run(stop))
        try:
            yield
            assert not task.done()
        finally:
            stop.set()
            await task

    async def is_empty(self) -> bool:
        """Whether no job waits."""
        return await self.redis.zcard(QUEUE) == 0

    async def fetch(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Ask the ledger."""
        return [tuple(row) for row in await self.database.fetch(query, *arguments)]

    async def reasons(self) -> dict[str, str]:
        """Why jobs were rejected, by job id."""
        return dict(await self.fetch("SELECT job_id, reason FROM rejected_jobs"))


async def eventually(check: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait until something holds: real servers say so only when asked."""
    async with asyncio.timeout(seconds):
        while True:
            found = check()
            if (await found) if asyncio.iscoroutine(found) else found:
                return
            await asyncio.sleep(0.01)


@pytest.fixture
async def bench(database: Database, redis_url: str) -> AsyncIterator[Bench]:
    """An intake on an empty ledger and an empty Redis; not started."""
    redis = await client.open_redis(redis_url)
    yield Bench(redis_url, database, redis)
    await redis.aclose(close_connection_pool=True)

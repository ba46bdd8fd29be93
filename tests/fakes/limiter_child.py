"""A process that calls the sandbox Bouncer as often as the shared limiter lets it."""

import asyncio
import contextlib
import multiprocessing
import random
import time
from dataclasses import dataclass, field
from typing import Any

from loguru import logger

from tests.fakes.bouncer_rig import make_settings
from validatord.bouncer.client import Access, BouncerClient
from validatord.bouncer.limiter import Act, CallLimiter
from validatord.clock import SystemClock
from validatord.errors import BouncerRejected
from validatord.store.database import Database

_CONTEXT = multiprocessing.get_context("forkserver")
_CALLERS = 10


@dataclass(frozen=True, slots=True)
class Load:
    """How long to press, and against what limits."""

    dsn: str
    url: str
    key: str
    seconds: float
    limits: dict[str, Any] = field(default_factory=dict)


def start(load: Load) -> Any:
    """Start such a process."""
    process = _CONTEXT.Process(target=_run, args=(load,), daemon=True)
    process.start()
    return process


def _run(load: Load) -> None:
    logger.remove()
    asyncio.run(_press(load))


async def _press(load: Load) -> None:
    database = await Database.open(load.dsn, pool_size=4)
    settings = make_settings(load.url, **load.limits).bouncer
    limiter = CallLimiter(database, SystemClock(), random.Random(1))
    client = BouncerClient()
    end = time.monotonic() + load.seconds

    async def call() -> None:
        while time.monotonic() < end:
            await limiter.take(Act.STATUS, settings)
            with contextlib.suppress(BouncerRejected):  # there is no such batch; the call is what counts
                await client.read_status(Access.of(settings), "0" * 24, with_stats=False)

    await asyncio.gather(*(call() for _ in range(_CALLERS)))
    await client.aclose()
    await database.aclose()

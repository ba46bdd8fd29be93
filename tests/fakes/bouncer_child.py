"""A driver in a process of its own, so that it can be killed for real.

The processes are forked from one that has everything imported already: starting one costs a few milliseconds.
"""

import asyncio
import multiprocessing
import os
import random
from dataclasses import dataclass, field
from typing import Any

from loguru import logger

from tests.fakes.bouncer_rig import POLICY, make_settings
from validatord.bouncer.wire import hash_payload
from validatord.clock import SystemClock
from validatord.loops.bouncer_driver import BouncerDriver
from validatord.rules.policy import read as read_policy
from validatord.sandbox.bouncer import SandboxBouncer
from validatord.store import bouncer_batches, bouncer_queue
from validatord.store.database import Database

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.fakes.bouncer_child"])
_LEFT = """
SELECT (SELECT count(*) FROM requests WHERE state = 'handed_over')
     + (SELECT count(*) FROM bouncer_batches WHERE state NOT IN ('cleaned', 'parked'))
"""
_OPEN = "SELECT count(*) FROM bouncer_batches WHERE state NOT IN ('cleaned', 'parked', 'submit_unknown')"
_UNKNOWN = "SELECT count(*) FROM bouncer_batches WHERE state = 'submit_unknown'"


@dataclass(frozen=True, slots=True)
class Order:
    """What a child is to do."""

    dsn: str
    url: str
    crashpoint: str = ""
    seed: int = 1
    changes: dict[str, Any] = field(default_factory=dict)


def start(order: Order) -> Any:
    """Start a child; its `pid` may be killed, its `exitcode` is 0 once nothing is left that it may do."""
    process = _CONTEXT.Process(target=_run, args=(order,), daemon=True)
    process.start()
    return process


def _run(order: Order) -> None:
    os.environ["VALIDATORD_CRASH_POINT"] = order.crashpoint
    logger.remove()
    asyncio.run(_drive(order))


async def _drive(order: Order) -> None:
    database = await Database.open(order.dsn, pool_size=4)
    settings = make_settings(order.url, **order.changes)
    policy = read_policy(POLICY)
    rng = random.Random(order.seed)
    driver = BouncerDriver(database, lambda: settings, lambda _: policy, SystemClock(), rng)
    while True:
        await driver.run_once()
        left = await database.fetch_value(_LEFT)
        is_blocked = await database.fetch_value(_UNKNOWN) and not await database.fetch_value(_OPEN)
        if not left or is_blocked:
            break
        await asyncio.sleep(0.002)
    await driver.aclose(1.0)
    await database.aclose()


async def join(process: Any, seconds: float = 60.0) -> int:
    """Wait for a child's end and return its exit code."""
    await asyncio.to_thread(process.join, seconds)
    if process.exitcode is None:
        process.kill()
        await asyncio.to_thread(process.join)
        msg = "the child did not come to an end"
        raise TimeoutError(msg)
    return process.exitcode


async def resolve_unknown(database: Database, service: SandboxBouncer) -> str:
    """Do what an operator does who can look at the provider's books: adopt what is there, resubmit what is not."""
    for batch in await bouncer_batches.list_batches(database, ["submit_unknown", "submitting"]):
        if batch.state == "submitting":
            await bouncer_batches.record_interrupted(database, [])
        digest = hash_payload(await bouncer_batches.load_payload(database, batch.id))
        assert digest == batch.payload_hash
        known = {row["batch_id"] for row in await database.fetch("SELECT batch_id FROM bouncer_batches")}
        refs = [ref for ref, taken, _ in service.ledger.creates if taken == digest and ref not in known]
        assert len(refs) <= 1, "a create was sent twice"
        if refs:
            await bouncer_queue.adopt_batch(database, batch.id, refs[0])
            return "adopted"
        await bouncer_queue.resubmit_batch(database, batch.id)
        return "resubmitted"
    return ""

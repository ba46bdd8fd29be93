"""Receivers that let us wait on purpose: their visits end on time, and they never hold more than their share."""

import asyncio
import time
from dataclasses import replace

import pytest

from tests.integration.verification.world import World
from validatord.sandbox.personality import Personality, Waits
from validatord.sandbox.spec import SandboxSpec
from validatord.store.database import Database

# One byte a second, twenty times as fast.
DRIP = Personality("drip", waits=Waits(byte=1.0))
SPEED = 20.0
DEADLINES = {
    "greeting_timeout": "1500ms",
    "ehlo_timeout": "1s",
    "mail_timeout": "1s",
    "rcpt_timeout": "1500ms",
    "session_timeout": "6s",
    "visit_timeout": "7500ms",
}


async def test_a_tarpit_ends_on_its_deadline(database: Database) -> None:
    """One byte a second: the greeting has thirty seconds, here one and a half, and not two more."""
    spec = replace(SandboxSpec.of({"tarpit.example": DRIP}), speed=SPEED)
    async with World(database, spec, smtp=DEADLINES) as world:
        await world.submit("user1@tarpit.example")
        began = time.monotonic()
        await world.visit()
        # The greeting's deadline, or EHLO's after a greeting that just made it.
        assert 1.0 <= time.monotonic() - began <= 2.5 + 2 / SPEED + 0.5
        assert (await world.outcome("user1@tarpit.example")).startswith("waits")


@pytest.mark.parametrize("count", [10, 30])
async def test_tarpits_hold_three_tenths_of_the_places(database: Database, count: int) -> None:
    """Of ten places three may be slow; whoever comes after them is put off, and nobody else waits for them."""
    tarpits = [f"tarpit-{number:02}.example" for number in range(count)]
    good = [f"acme-{number:02}.example" for number in range(10)]
    spec = replace(SandboxSpec.of({**dict.fromkeys(tarpits, DRIP), **dict.fromkeys(good, "postfix")}), speed=SPEED)
    async with World(database, spec, smtp=DEADLINES, pacing={"global_concurrency": 10}) as world:
        await world.submit(*(f"user1@{domain}" for domain in (*tarpits, *good)))
        most = 0

        async def watch() -> None:
            nonlocal most
            while True:
                most = max(most, world.tools.lanes.tarpits.used)
                await asyncio.sleep(0.01)

        watching = asyncio.create_task(watch())
        began = time.monotonic()
        await world.visit_all()
        watching.cancel()

        assert most == 3
        assert world.tools.lanes.tarpits.used == 0
        outcomes = await world.count_outcomes()
        assert outcomes["valid accepted"] == 10
        assert outcomes["waits "] == count - 3  # put off without an attempt
        assert time.monotonic() - began < 8


async def test_a_slow_answer_of_one_mailbox_is_waited_for(database: Database) -> None:
    """Slowness alone is no fault: as long as places are left, the answer counts."""
    spec = replace(SandboxSpec.of({"acme.example": "exchange"}), speed=10)
    async with World(database, spec, smtp={"rcpt_timeout": "1s"}) as world:
        assert await world.check("unknown1@acme.example", "user2@acme.example") == [
            "invalid no_such_mailbox",
            "valid accepted",
        ]


async def test_what_a_slow_host_has_answered_stays(database: Database) -> None:
    """Cut for want of places, a conversation keeps the answers it has."""
    slow_refusals = Personality("slow", waits=Waits(refusal=1.0))
    async with World(
        database,
        SandboxSpec.of({"acme.example": slow_refusals}),
        smtp={"rcpt_timeout": "1s", "rcpt_per_envelope": 2},
        pacing={"global_concurrency": 1},
    ) as world:
        assert world.tools.lanes.tarpits.take()
        await world.submit("user1@acme.example", "user2@acme.example", "unknown3@acme.example")
        await world.run()
        assert await world.outcome("unknown3@acme.example") == "waits None"
        assert world.tools.lanes.tarpits.used == 1

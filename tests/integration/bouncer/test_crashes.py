"""F29: `kill -9` between any two steps; the sandbox keeps running, and its books are the judge."""

import asyncio
import os
import random
import signal
from typing import Any

import pytest

from tests.fakes import bouncer_child
from tests.fakes.bouncer_child import Order
from tests.fakes.bouncer_rig import Rig, check_books, hand_over, make_emails

# Where a process may end, and whether nobody can know afterwards what became of a create.
POINTS = {
    "bouncer.before_intent": False,
    "bouncer.after_intent": True,
    "bouncer.after_answer": True,
    "bouncer.after_created": False,
    "bouncer.after_poll": False,
    "bouncer.after_download": False,
    "bouncer.after_stored": False,
    "bouncer.before_ingest": False,
    "bouncer.rows_copied": False,
    "bouncer.verdicts_written": False,
    "bouncer.before_ingest_commit": False,
    "bouncer.after_ingest": False,
    "bouncer.before_delete": False,
    "bouncer.after_delete": False,
    "bouncer.after_cleaned": False,
}
_TWICE = ("bouncer.after_intent", "bouncer.after_answer", "bouncer.rows_copied", "bouncer.after_delete")


async def _finish(rig: Rig, dsn: str) -> None:
    """Start a fresh process, as often as an operator has to say something, until all is done."""
    for _ in range(10):
        child = bouncer_child.start(Order(dsn, rig.service.url))
        assert await bouncer_child.join(child) == 0
        if not await bouncer_child.resolve_unknown(rig.database, rig.service):
            return
    pytest.fail("there is always one more unknown create")


@pytest.mark.parametrize(("point", "time"), [*((point, 1) for point in POINTS), *((point, 2) for point in _TWICE)])
async def test_f29_killed_at(rig: Rig, dsn: str, point: str, time: int) -> None:
    """Killed there, the next process goes on: no second create for an unknown one, no loss, nothing doubled."""
    emails = make_emails(120)
    await hand_over(rig.database, emails)

    child = bouncer_child.start(Order(dsn, rig.service.url, f"{point}:{time}"))
    assert await bouncer_child.join(child) == -signal.SIGKILL
    creates = rig.service.ledger.count("create")
    child = bouncer_child.start(Order(dsn, rig.service.url))
    assert await bouncer_child.join(child) == 0
    states = await rig.states()

    # Where a process dies in the middle of something else, a create may have been under way beside it.
    assert states.get("submit_unknown", 0) >= POINTS[point]
    if states.get("submit_unknown"):
        assert rig.service.ledger.count("create") == creates, "a create followed an unknown one"
    await bouncer_child.resolve_unknown(rig.database, rig.service)
    await _finish(rig, dsn)
    await check_books(rig, emails)


async def test_f29_killed_between_the_last_byte_and_the_answer(rig: Rig, dsn: str) -> None:
    """The create was taken, the process died before it could hear so: adopted, nobody pays twice."""
    emails = make_emails(120)
    await hand_over(rig.database, emails)
    fault = rig.service.break_("F06.silence", skip=1)
    child = bouncer_child.start(Order(dsn, rig.service.url))

    async def kill() -> None:
        os.kill(child.pid, signal.SIGKILL)

    fault.hook = kill
    fault.act = "reset"
    assert await bouncer_child.join(child) == -signal.SIGKILL

    child = bouncer_child.start(Order(dsn, rig.service.url))
    assert await bouncer_child.join(child) == 0
    assert await bouncer_child.resolve_unknown(rig.database, rig.service) == "adopted"
    await _finish(rig, dsn)
    await check_books(rig, emails)


async def test_f29_killed_at_random(rig: Rig, dsn: str) -> None:
    """Killed at any moment, again and again: no double charge, nothing lost, nothing doubled."""
    emails = make_emails(600)
    await hand_over(rig.database, emails)
    rng = random.Random(7)

    kills = await kill_at_random(rig, dsn, rng, kills=8, longest_seconds=0.25)
    await _finish(rig, dsn)

    assert kills >= 4
    await check_books(rig, emails)
    assert await rig.fetch("SELECT count(*) FROM bouncer_results") == 600


async def kill_at_random(
    rig: Rig,
    dsn: str,
    rng: random.Random,
    *,
    kills: int,
    longest_seconds: float,
    changes: dict[str, Any] | None = None,
) -> int:
    """Start and kill processes; what they left unknown is resolved as an operator would. Returns how many died."""
    died = 0
    for number in range(kills * 4):
        if died >= kills:
            break
        aim = _aim_at_create(rig, rng)
        child = bouncer_child.start(Order(dsn, rig.service.url, seed=number, changes=changes or {}))
        aim["pid"] = child.pid
        await asyncio.sleep(rng.uniform(0.02, longest_seconds))
        rig.service.faults.clear()
        child.kill()
        died += await bouncer_child.join(child) == -signal.SIGKILL
        await bouncer_child.resolve_unknown(rig.database, rig.service)
    return died


def _aim_at_create(rig: Rig, rng: random.Random) -> dict[str, int]:
    """Let every third process die while its create is there: taken or not, the answer never leaves."""
    aim: dict[str, int] = {}

    async def kill() -> None:
        if "pid" in aim:
            os.kill(aim["pid"], signal.SIGKILL)

    if rng.random() < 1 / 3:
        fault = rig.service.break_("F06.reset")
        fault.is_worked_on, fault.hook = rng.random() < 1 / 2, kill
    return aim


async def test_two_processes_one_driver(rig: Rig, dsn: str) -> None:
    """Of two processes one drives; when it dies the other takes over."""
    emails = make_emails(300)
    rig.service.world.is_stopped = True
    await hand_over(rig.database, emails)
    first = bouncer_child.start(Order(dsn, rig.service.url))
    while rig.service.ledger.count("status") < 3:
        await asyncio.sleep(0.01)
    second = bouncer_child.start(Order(dsn, rig.service.url))
    await asyncio.sleep(0.3)
    first.kill()
    await bouncer_child.join(first)
    rig.service.world.is_stopped = False

    assert await bouncer_child.join(second) == 0
    await check_books(rig, emails)

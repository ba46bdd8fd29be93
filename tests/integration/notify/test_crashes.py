"""A notifier killed at any step loses no message and renames none."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.fakes.receiver import Receiver
from tests.integration.notify.test_notifier import add, make, pass_time, put, turn
from tests.integration.store.ledger import look
from validatord import crash
from validatord.store.database import Database

_POINTS = ("before_spread_commit", "spread", "leased", "sent", "sent:3")
_ROOT = Path(__file__).parents[3]


async def _run_child(dsn: str, point: str) -> int:
    environment = {**os.environ, crash.VARIABLE: f"notifier.{point}"}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fakes.notifier_child", dsn, env=environment, cwd=_ROOT
    )
    return await asyncio.wait_for(child.wait(), 50)


@pytest.mark.parametrize("point", _POINTS)
async def test_killed(database: Database, dsn: str, point: str) -> None:
    """After kill -9 at that step every message still arrives, in order, and a doubled one under the same id."""
    async with Receiver() as receiver:
        await add(database, receiver.url)
        for number in range(6):
            await put(database, {"submission_id": number % 2, "number": number})
        assert await _run_child(dsn, point) == -signal.SIGKILL
        notifier = make(database)
        for _ in range(8):
            await turn(notifier)
            await pass_time(database)

    first: dict[object, str] = {}
    for got in receiver.got:
        assert first.setdefault(got.data["number"], got.event_id) == got.event_id
    assert len(set(first.values())) == 6
    assert all([n for n in first if n % 2 == rest] == list(range(rest, 6, 2)) for rest in range(2))  # type: ignore[operator]
    assert await look(database, "SELECT DISTINCT state FROM deliveries") == [{"state": "delivered"}]


def test_every_point_has_its_test() -> None:
    """The points that stand in the code are those above."""
    source = "".join((_ROOT / "validatord" / name).read_text() for name in ("loops/notifier.py", "store/deliveries.py"))

    assert set(re.findall(r'crash\.point\("notifier\.(\w+)"\)', source)) == {
        point.partition(":")[0] for point in _POINTS
    }

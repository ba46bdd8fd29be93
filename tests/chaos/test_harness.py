"""The harness itself: a judge that cannot say no, or a gate that lets everything pass, would prove nothing."""

import asyncio
import contextlib
import re
import time
from pathlib import Path

import pytest

from tests.chaos import oracle
from tests.chaos.gate import Gate, Way, after_bytes, after_words
from tests.chaos.world import World, open_world
from validatord.sandbox.command import Scenario

pytestmark = pytest.mark.timeout(120)


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionResetError):
        while data := await reader.read(100):
            writer.write(data)
    writer.close()


@pytest.fixture
async def echo_port() -> int:
    """A server that says what it hears."""
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def talk(port: int, words: bytes, seconds: float = 0.3) -> bytes:
    """Say something and return what comes back in time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(words)
        async with asyncio.timeout(seconds):
            return await reader.read(100)
    finally:
        writer.close()


async def test_the_gate_does_what_it_says(echo_port: int) -> None:
    """It lets pass, refuses, drops, stalls, slows, and cuts after so many bytes or words."""
    async with Gate(("127.0.0.1", echo_port)) as gate:
        assert await talk(gate.port, b"one") == b"one"
        await gate.refuse()
        with pytest.raises(ConnectionRefusedError):
            await talk(gate.port, b"two")
        await gate.open()
        await gate.drop()
        with pytest.raises(ConnectionResetError):
            await talk(gate.port, b"three", 5)
        await gate.open()
        gate.stall()
        with pytest.raises(TimeoutError):
            await talk(gate.port, b"four")
        await gate.open()
        gate.slow(0.1)
        began = time.monotonic()
        assert await talk(gate.port, b"five", 5) == b"five"
        assert time.monotonic() - began >= 0.2
        await gate.open()
        gate.cut = after_bytes(4)
        assert await talk(gate.port, b"sixteen", 5) == b"sixt"
        await gate.open()
        gate.cut = after_words(b"eight")
        with pytest.raises(ConnectionResetError):
            await talk(gate.port, b"seven eight", 5)
        assert gate.cuts == 2
        assert after_bytes(3, Way.TO_SERVER)(Way.TO_DAEMON, b"nine") is None


async def test_the_oracle_notices(folder: Path, dsn: str) -> None:
    """A lost request, a verdict that is wrong, a repeated question, an error in the log: each is found."""
    async with open_world(folder, Scenario("bench", 1, 60, 5), dsn=dsn) as world:
        await world.submit()
        await world.start()
        await world.until_finished()
        await world.stop_well()
        await world.judge()

        await expect_no(world, "UPDATE requests SET status = 'risky' WHERE idx = 7")
        await expect_no(world, "DELETE FROM requests WHERE idx = 7")
        await expect_no(world, "UPDATE requests SET address = 'x@y.example' WHERE idx = 7")
        with world.stage.log_path.open("a") as log:
            log.write("2026-05-01 ERROR planted\n")
        with pytest.raises(AssertionError):
            oracle.judge_log(world)
        oracle.judge_log(world, "planted")


async def expect_no(world: World, damage: str) -> None:
    """Damage the ledger, hear the oracle's no, and repair it."""
    await world.database.fetch("CREATE TABLE kept AS SELECT * FROM requests")
    await world.database.fetch(damage)
    with pytest.raises(AssertionError):
        await oracle.judge_ledger(world)
    await world.database.fetch("DELETE FROM requests")
    await world.database.fetch("INSERT INTO requests OVERRIDING SYSTEM VALUE SELECT * FROM kept")
    await world.database.fetch("DROP TABLE kept")
    await oracle.judge_ledger(world)


def test_every_crash_point_is_named_once() -> None:
    """A name stands for one moment, so that the n-th time there is always the same."""
    found: list[str] = []
    for path in (Path(__file__).parents[2] / "validatord").rglob("*.py"):
        found += re.findall(r'crash\.point\("([a-z_.]+)"\)', path.read_text(encoding="utf-8"))

    assert sorted(found) == sorted(set(found))

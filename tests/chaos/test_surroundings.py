"""Logs that cannot be written, slow clients of the API, a clock that jumps, receivers of webhooks: F18, F24, F25, F36."""

import asyncio
import itertools
import os
import statistics
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.acceptance.play import CLIENT, until
from tests.chaos.world import World, open_world
from tests.fakes.receiver import OK, Got, Receiver, answer
from validatord.sandbox.command import Scenario
from validatord.store import keys, nodes, webhooks
from validatord.store.keys import Scope

pytestmark = pytest.mark.timeout(150)
DAY = 86_400


# --- F18: logs -----------------------------------------------------------------------------------


async def verify_silently(world: World) -> None:
    """Start the daemon, which cannot say that it is ready, and let it verify everything."""
    await world.submit()
    await world.launch()

    async def is_running() -> bool:
        return await nodes.is_running(world.database) == ["stage"]

    await until(is_running, "the node", 30)
    await world.until_finished()
    await world.stop_well()
    await world.judge()


async def test_f18_the_disk_of_the_log_is_full(folder: Path, dsn: str) -> None:
    """Every write of a line fails: the service goes on."""
    async with open_world(folder, Scenario("bench", 118, 300, 20), dsn=dsn, is_gated=False) as world:
        world.stage.output_path = Path("/dev/full")
        await verify_silently(world)


async def test_f18_nobody_reads_the_output(folder: Path, dsn: str) -> None:
    """Standard output is a pipe whose reader has gone: the service goes on."""
    async with open_world(folder, Scenario("bench", 118, 300, 20), dsn=dsn, is_gated=False) as world:
        world.stage.output_path = folder / "pipe"
        os.mkfifo(world.stage.output_path)
        reader = os.open(world.stage.output_path, os.O_RDONLY | os.O_NONBLOCK)
        await world.launch()
        os.close(reader)
        await world.submit()
        await world.until_finished()
        await world.stop_well()
        await world.judge()


async def test_f18_the_log_is_taken_away(folder: Path, dsn: str) -> None:
    """The file is removed under the daemon: the service goes on."""
    async with open_world(folder, Scenario("bench", 118, 300, 20), dsn=dsn, is_gated=False) as world:
        await world.start()
        world.stage.log_path.rename(folder / "rotated")
        world.stage.log_path.touch()
        await world.submit()
        await world.until_finished()
        await world.stop_well()
        await world.judge()


# --- F24: slow clients of the API ----------------------------------------------------------------


async def _drip(port: int, opening: bytes, piece: bytes) -> float:
    """Be one slow connection; return after how many seconds it was dropped."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(opening)
        reading = asyncio.ensure_future(reader.read())
        while not reading.done():
            if piece:
                writer.write(piece)
            await asyncio.wait({reading}, timeout=1)
    except OSError:
        pass
    finally:
        writer.transport.abort()
    return time.monotonic() - began


_POST = b"POST /v1/submissions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
_KINDS = (
    (b"", b""),
    (b"GET /v1/sub", b""),
    (b"GET / HTTP/1.1\r\nX-Slow: ", b"a"),
    (_POST + b"Authorization: Bearer %s\r\nContent-Length: 100000\r\n\r\n{", b" "),
)


async def ask_well(session: aiohttp.ClientSession, url: str, times: int) -> list[float]:
    """Ask as a client does that behaves, again and again; return the seconds each answer took."""
    found: list[float] = []
    for _ in range(times):
        began = time.monotonic()
        async with session.get(url) as response:
            await response.read()
            assert response.status == 200
        found.append(time.monotonic() - began)
    return found


async def test_f24_slow_clients(folder: Path, dsn: str) -> None:
    """400 connections of four slow kinds: each is dropped in time, and whoever behaves is answered meanwhile."""
    settings = {"web": {"header_timeout": "3s", "stall_timeout": "3s", "idle_timeout": "3s"}}
    async with open_world(folder, Scenario("bench", 124, 50, 5), dsn=dsn, is_gated=False, settings=settings) as world:
        await world.start()
        before = world.vitals()
        text = (await keys.create_key(world.database, CLIENT, [Scope.READ, Scope.SUBMIT])).text
        port = int(urlsplit(world.stage.web_url).port or 0)
        url = f"{world.stage.web_url}/openapi.json"
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {text}"}) as session:
            quiet = await ask_well(session, url, 50)
            kinds = [(opening.replace(b"%s", text.encode()), piece) for opening, piece in _KINDS]
            slow = [asyncio.ensure_future(_drip(port, *kind)) for kind in kinds * 100]
            await asyncio.sleep(1)
            busy = await ask_well(session, url, 50)
            lasted = await asyncio.gather(*slow)
        assert max(lasted) < 30
        assert statistics.median(busy) < 0.2 + 5 * statistics.median(quiet)
        await until(lambda: world.vitals().files <= before.files + 12, "the connections to be gone", 10)
        await world.stop_well()


# --- F25: the wall clock jumps -------------------------------------------------------------------


async def jump(world: World, offsets: Callable[[int], float], seconds: float) -> None:
    """Move the daemon's wall clock every second; something must be finished again and again all the while."""
    path = world.stage.folder / "offset"
    end = time.monotonic() + seconds
    for number in itertools.count():
        if time.monotonic() > end:
            return
        path.with_suffix(".new").write_text(str(offsets(number)))
        path.with_suffix(".new").replace(path)
        before = await world.finished()
        if before < len(world.addresses):
            await world.until_finished(before + 1, 5)  # no stall
        await asyncio.sleep(0.5)


@pytest.mark.parametrize(
    ("offsets", "most"),
    [
        (lambda number: DAY if number else 0, DAY),
        pytest.param(lambda number: -DAY if number else 0, DAY, marks=pytest.mark.campaign),
        pytest.param(lambda number: 10.0 * number, 100, marks=pytest.mark.campaign),
    ],
    ids=["a day ahead", "a day back", "ten seconds every second"],
)
async def test_f25_the_clock_jumps(folder: Path, dsn: str, offsets: Callable[[int], float], most: float) -> None:
    """No stall, no storm, no lost lease, nobody asked twice; nothing is dated wrongly by more than the jump."""
    async with open_world(folder, Scenario("bench", 125, 3000, 60), dsn=dsn, is_gated=False, speed=4) as world:
        world.stage.program = ("-m", "tests.chaos.jumping", str(world.stage.folder / "offset"))
        world.stage.environment["PYTHONPATH"] = str(Path(__file__).parents[2])
        await world.submit()
        await world.start()
        await world.until_finished(50)
        await jump(world, offsets, 3)
        await world.until_finished()
        await world.stop_well()

        await world.judge()
        wrong = await world.database.fetch_value(
            "SELECT max(abs(extract(epoch FROM checked_at - now()))) FROM requests WHERE checked_at IS NOT NULL"
        )
        assert 5 < float(wrong) < most + 100, "the clock has not jumped"


# --- F36: receivers of webhooks ------------------------------------------------------------------


@pytest.fixture
async def teller(folder: Path, dsn: str) -> AsyncIterator[World]:
    """A world whose daemon tells of finished submissions, soon and soon again."""
    told = {
        "delays": ["200ms"] * 30,
        "interval": "100ms",
        "timeout": "1s",
        "allow_targets": ["127.0.0.1/32"],
    }
    scenario = Scenario("bench", 136, 40, 4)
    async with open_world(folder, scenario, dsn=dsn, is_gated=False, settings={"webhooks": told}) as world:
        yield world


def by_turns(*replies: bytes) -> Callable[[Got], bytes]:
    """Answer each in its turn, then kindly."""
    left = list(replies)
    return lambda _: left.pop(0) if left else OK


async def test_f36_receivers_of_every_kind(teller: World) -> None:
    """Down, 500, slow, redirecting to loopback, answering 10 MB: told in the end, under one id, and bounded."""
    world = teller
    redirect = answer(302, Location="http://127.0.0.1:9/private")
    kinds = {
        "broken": by_turns(answer(500), answer(503), answer(429)),
        "slow": by_turns(b"", b""),
        "redirecting": by_turns(redirect, redirect),
        "huge": by_turns(answer(200, b"x" * 10_000_000)),
    }
    receivers = {name: Receiver(reply) for name, reply in kinds.items()} | {"down": Receiver()}
    try:
        for name, receiver in receivers.items():
            await receiver.__aenter__()
            await webhooks.add_webhook(world.database, CLIENT, receiver.url, "whsec_" + "a" * 32, ())
            if name == "down":
                await receiver.__aexit__()
        await world.submit()
        await world.start()
        before = world.vitals()
        await world.until_finished()
        await asyncio.sleep(1)
        await receivers["down"].__aenter__()

        async def is_told() -> bool:
            left = "SELECT count(*) FROM deliveries WHERE state <> 'delivered'"
            return await world.database.fetch_value(left) == 0 and bool(receivers["down"].got)

        await until(is_told, "everybody to be told", 40, world.stage.check_daemon)
        for receiver in receivers.values():
            assert len({got.event_id for got in receiver.got}) == 1
        assert receivers["huge"].taken < 10_000_000 or len(receivers["huge"].got) >= 1
        assert world.vitals().rss_bytes - before.rss_bytes < 32_000_000
        await world.stop_well()
        await world.judge()
    finally:
        for receiver in receivers.values():
            await receiver.__aexit__()

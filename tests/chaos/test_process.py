"""The process under its service manager, and short of what it needs: F26, F29, F30, F35."""

import asyncio
import contextlib
import resource
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.acceptance.play import until
from tests.chaos import oracle
from tests.chaos.world import World, make_sample, open_world
from validatord.sandbox.command import Scenario
from validatord.sandbox.spec import SandboxSpec

pytestmark = pytest.mark.timeout(150)
FEW_FILES = 48


class Manager:
    """What systemd does about its watchdog: it listens for a word, and kills whoever says none for too long."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.path = str(folder / "notify")
        self.seconds = seconds
        self.fed: list[float] = []
        self.said: list[str] = []
        self.killed = 0

    @asynccontextmanager
    async def watch(self, world: World) -> AsyncIterator[None]:
        """Watch over the daemon of a world, which is told so in its environment."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        listener.bind(self.path)
        world.stage.environment |= {"NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": str(int(self.seconds * 1e6))}
        watching = asyncio.create_task(self._listen(listener, world))
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            listener.close()

    async def _listen(self, listener: socket.socket, world: World) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout(0.05):
                    self._hear((await loop.sock_recv(listener, 4096)).decode())
            except TimeoutError:
                is_late = self.fed and time.monotonic() - self.fed[-1] > self.seconds
                if is_late and world.daemon.returncode is None:
                    self.killed += 1
                    self.fed.clear()
                    world.daemon.kill()

    def _hear(self, text: str) -> None:
        self.said.append(text)
        if "WATCHDOG=1" in text or "READY=1" in text:
            self.fed.append(time.monotonic())


@asynccontextmanager
async def open_planted(folder: Path, dsn: str, block: float) -> AsyncIterator[World]:
    """A world whose daemon blocks for so long at SIGUSR1."""
    async with open_world(folder, Scenario("bench", 126, 1500, 40), dsn=dsn, is_gated=False, speed=5) as world:
        world.stage.program = ("-m", "tests.chaos.planted", str(block))
        world.stage.environment["PYTHONPATH"] = str(Path(__file__).parents[2])
        yield world


async def test_f26_the_loop_is_blocked_for_a_while(folder: Path, dsn: str) -> None:
    """A planted call blocks for three seconds: no lease is lost, nobody is asked twice, work goes on."""
    manager = Manager(folder, 6)
    async with open_planted(folder, dsn, 3) as world, manager.watch(world):
        await world.submit()
        await world.start()
        await world.until_finished(100)
        epoch = await world.database.fetch_value("SELECT epoch FROM nodes")
        world.daemon.send_signal(signal.SIGUSR1)
        await world.until_finished()
        await world.stop_well()
        assert await world.database.fetch_value("SELECT epoch FROM nodes") == epoch
        assert manager.killed == 0
        await world.judge()


async def test_f26_the_loop_is_blocked_for_too_long(folder: Path, dsn: str) -> None:
    """No word for longer than the watchdog waits: the service manager kills, and a new start takes up the work."""
    manager = Manager(folder, 2)
    async with open_planted(folder, dsn, 40) as world, manager.watch(world):
        await world.submit()
        await world.start()
        await world.until_finished(100)
        world.daemon.send_signal(signal.SIGUSR1)
        async with asyncio.timeout(15):
            await world.daemon.wait()
        assert manager.killed == 1
        await world.kill()
        await world.start()
        await world.until_finished()
        await world.stop_well()
        await world.judge()


async def test_f29_a_thousand_hangups(folder: Path, dsn: str) -> None:
    """A thousand in ten seconds, and some during the stop: no leak, the last settings win, nothing is lost."""
    async with open_world(folder, Scenario("bench", 129, 1500, 40), dsn=dsn, is_gated=False, speed=5) as world:
        await world.start()
        before = world.vitals()
        await world.submit()
        for count in range(1000):
            if count % 50 == 0:
                world.stage.overrides["pacing"]["visit_size"] = 60 + count // 50
                world.write_settings()
            world.daemon.send_signal(signal.SIGHUP)
            await asyncio.sleep(0.005)
        await world.until_said("visit_size: .* → 79")
        await world.until_finished()
        await oracle.judge_growth(world, before)
        world.daemon.send_signal(signal.SIGTERM)
        with contextlib.suppress(ProcessLookupError):
            for _ in range(20):
                world.daemon.send_signal(signal.SIGHUP)
        async with asyncio.timeout(30):
            assert await world.daemon.wait() == 0
        await world.judge()


async def test_f30_a_stop_under_load(folder: Path, dsn: str) -> None:
    """Hundreds of sessions in flight: nothing new is begun, exit 0 in thirty seconds, nothing stays leased."""
    settings = {"pacing": {"sessions": 12, "global_concurrency": 400}}
    scenario = Scenario("bench", 130, 3000, 300)
    async with open_world(folder, scenario, dsn=dsn, is_gated=False, speed=1, settings=settings) as world:
        await world.submit()
        await world.start()
        await world.until_finished(300)
        status, seconds = await world.stop()
        assert (status, await world.count_leases()) == (0, 0)
        assert seconds < 30
        assert await world.finished() < 3000
        await until(lambda: world.count_sessions_is(0), "the sessions to end")
        await world.stage.tell_sandbox("counters")
        await world.judge()


@pytest.mark.campaign
@pytest.mark.timeout(300)
async def test_f35_out_of_file_descriptors(folder: Path, dsn: str) -> None:
    """Fewer files than sessions: fewer sessions, no verdict by it, no crash, and full work when there are more."""
    # A failed look-up is remembered for up to half a minute.
    settings = {"pacing": {"global_concurrency": 200}, "retry": {"delays": ["31s"] * 3, "jitter": 0.0}}
    scenario = Scenario("bench", 135, 1200, 200)
    async with open_world(folder, scenario, dsn=dsn, is_gated=False, speed=2, settings=settings) as world:
        await world.start()
        pid = world.pid
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (FEW_FILES, 4096))
        await world.submit()
        await world.until_finished(60)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (4096, 4096))
        await world.until_finished(seconds=200)
        assert world.pid == pid
        await world.stop_well()
        await oracle.judge_ledger(world)


async def test_f35_no_way_over_ipv6(folder: Path, dsn: str) -> None:
    """Hosts have an IPv6 address nobody can reach from here: they are asked over IPv4."""
    spec = SandboxSpec.of({f"six-{number}.example": "postfix" for number in range(10)})
    records = {(f"mx1.six-{number}.example", "AAAA"): ["2001:db8::1"] for number in range(10)}
    outcomes = {f"user1@six-{number}.example": "valid accepted" for number in range(10)}
    settings = {"lookup": {"is_ipv6_enabled": True, "is_ipv4_preferred": False}, "smtp": {"connect_timeout": "1s"}}
    sample = make_sample(replace(spec, records=records), outcomes)
    async with open_world(folder, sample, dsn=dsn, is_gated=False, settings=settings) as world:
        await world.submit()
        await world.start()
        await world.until_finished()
        await world.stop_well()
        await world.judge()

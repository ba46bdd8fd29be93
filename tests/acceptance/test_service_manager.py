"""What a service manager sees: ready when it is, reloading as the protocol says, watched, and restarted in time."""

import asyncio
import contextlib
import resource
import signal
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from tests.acceptance.play import Play, open_play, until
from tests.acceptance.test_signals import count_descriptors
from validatord.sandbox.command import Scenario
from validatord.store import nodes

pytestmark = pytest.mark.timeout(150)
# Hours are seconds, so that what is put off comes back within a test.
SOON = {"retry": {"delays": ["1s", "1s", "1s", "1s"], "jitter": 0.0, "min_wait": "500ms"}}


@dataclass
class Manager:
    """The other end of NOTIFY_SOCKET: everything it was told, and when it was last told to be alive."""

    path: Path
    said: list[dict[str, str]] = field(default_factory=list)
    fed_at: float = 0.0

    def hear(self, data: bytes) -> None:
        """Take one datagram."""
        message = dict(line.split("=", 1) for line in data.decode().splitlines())
        if "WATCHDOG" in message:
            self.fed_at = time.monotonic()
        self.said.append(message)

    def count(self, key: str) -> int:
        """How many messages had a key."""
        return sum(key in message for message in self.said)


class _Ear(asyncio.DatagramProtocol):
    def __init__(self, manager: Manager) -> None:
        self._manager = manager

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._manager.hear(data)


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[Manager]:
    """A service manager that listens."""
    found = Manager(tmp_path / "notify")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(found.path))
    listener.setblocking(False)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Ear(found), sock=listener)
    yield found
    transport.close()


def watch(play: Play, manager: Manager, seconds: float) -> None:
    """Have the daemon's next start be watched."""
    play.stage.environment |= {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": str(int(seconds * 1e6))}


async def test_the_protocol(tmp_path: Path, dsn: str, manager: Manager) -> None:
    """READY once, RELOADING with the time and READY after it, the refusal in the status, STOPPING at the end."""
    async with open_play(tmp_path, Scenario("demo", 1, 60), dsn=dsn) as play:
        watch(play, manager, 2)
        await play.start()
        await until(lambda: manager.count("READY") == 1, "ready")
        began = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        play.daemon.send_signal(signal.SIGHUP)
        await until(lambda: manager.count("READY") == 2, "ready again")
        good = play.stage.config_path.read_text()
        play.write_settings("[smtp]\nport = 0\n")
        play.daemon.send_signal(signal.SIGHUP)
        await until(lambda: manager.count("READY") == 3, "ready although refused")
        assert await ask(play, "/readyz") == (200, "smtp.port")
        play.write_settings(good)
        await until(lambda: manager.count("WATCHDOG") > 1, "the watchdog")
        await play.stop()
        await until(lambda: manager.count("STOPPING") == 1, "stopping")

    reloads = [message for message in manager.said if "RELOADING" in message]
    assert [message["RELOADING"] for message in reloads] == ["1", "1"]
    assert all(int(message["MONOTONIC_USEC"]) >= began for message in reloads)
    assert [message["STATUS"] for message in manager.said if "READY" in message] == [
        "verifying",
        "verifying",
        "verifying; the last reload was refused",
    ]
    order = [key for message in manager.said for key in ("READY", "RELOADING", "STOPPING") if key in message]
    assert order == ["READY", "RELOADING", "READY", "RELOADING", "READY", "STOPPING"]


async def ask(play: Play, path: str) -> tuple[int, str]:
    """Return the status and which setting is refused."""
    async with aiohttp.ClientSession() as session, session.get(play.stage.web_url + path) as response:
        report = await response.json()
    return response.status, "smtp.port" if "smtp.port" in report["parts"]["settings"].get("detail", "") else ""


async def test_not_ready_before_postgresql(tmp_path: Path, manager: Manager) -> None:
    """Before PostgreSQL is there it says what it waits for; a reload meanwhile is taken, and READY comes at the end."""
    async with open_play(tmp_path, Scenario("bench", 13, 100, 10)) as play:
        watch(play, manager, 2)
        postgres = play.stage.postgres
        assert postgres is not None
        await asyncio.to_thread(postgres.stop)
        await play.stage.launch_daemon()
        await until(lambda: {"STATUS": "waiting for PostgreSQL"} in manager.said, "the status")
        play.stage.overrides["pacing"]["visit_size"] = 7
        play.write_settings()
        play.daemon.send_signal(signal.SIGHUP)
        await until(lambda: "visit_size: 100 → 7" in play.log, "the reload")
        assert manager.count("READY") == 0
        assert manager.count("RELOADING") == 0

        await asyncio.to_thread(postgres.start)

        await until(lambda: manager.count("READY") == 1, "ready")
        assert await nodes.is_running(play.database) == ["stage"]
        await play.stop()


async def test_a_loop_that_is_blocked_for_a_while(tmp_path: Path, dsn: str) -> None:
    """Five seconds without a turn: the log says so, no lease is lost and nobody is asked twice."""
    async with open_play(tmp_path, Scenario("bench", 19, 600, 30), dsn=dsn, speed=4) as play:
        await play.submit()
        await play.start()
        await play.until_finished(100)
        play.daemon.send_signal(signal.SIGSTOP)
        await asyncio.sleep(5)
        play.daemon.send_signal(signal.SIGCONT)

        await until(lambda: "the event loop was blocked" in play.log, "the warning")
        await play.until_finished()
        await play.stop()
        assert "lease lost" not in play.log
        await play.judge_results()


async def test_a_loop_that_is_blocked_for_good(tmp_path: Path, dsn: str, manager: Manager) -> None:
    """Who does not feed the watchdog is killed and started again as systemd does it; every address has one result."""
    async with open_play(tmp_path, Scenario("bench", 23, 600, 30), dsn=dsn, speed=4) as play:
        watch(play, manager, 2)
        await play.submit()
        await play.start()
        await play.until_finished(100)
        await until(lambda: manager.fed_at > 0, "the watchdog")
        play.daemon.send_signal(signal.SIGSTOP)

        await until(lambda: time.monotonic() - manager.fed_at > 2, "the watchdog's limit")
        await play.kill()
        await play.start()

        await play.until_finished()
        await play.stop()
        await play.judge()


async def test_postgresql_that_is_silent_ends_the_feeding(tmp_path: Path, manager: Manager) -> None:
    """A PostgreSQL that takes questions and answers none is no state to stay in; one that is away is waited for."""
    async with open_play(tmp_path, Scenario("bench", 29, 60, 6)) as play:
        watch(play, manager, 2)
        await play.start()
        await until(lambda: manager.fed_at > 0, "the watchdog")
        postgres = play.stage.postgres
        assert postgres is not None
        await asyncio.to_thread(postgres.stop)
        away_at = time.monotonic()
        await until(lambda: manager.fed_at > away_at + 1, "food although PostgreSQL is away")
        await asyncio.to_thread(postgres.start)
        await until(lambda: "node lock taken again" in play.log, "PostgreSQL again")
        await play.stop()


async def test_out_of_file_descriptors(tmp_path: Path, dsn: str) -> None:
    """With hardly a descriptor to spare it goes on with fewer sessions, judges nobody by it, and recovers by itself."""
    async with open_play(tmp_path, Scenario("bench", 31, 400, 40), dsn=dsn, settings=SOON) as play:
        await play.start()
        before = resource.prlimit(play.daemon.pid, resource.RLIMIT_NOFILE)
        few = count_descriptors(play.daemon.pid) + 6
        resource.prlimit(play.daemon.pid, resource.RLIMIT_NOFILE, (few, before[1]))
        await play.submit()
        await play.until_finished(40, seconds=60)
        assert play.daemon.returncode is None

        resource.prlimit(play.daemon.pid, resource.RLIMIT_NOFILE, before)

        await play.until_finished()
        assert (await play.stop())[0] == 0
        with contextlib.suppress(ValueError):
            assert play.log.count("Traceback") < 50
        await play.judge_results()

"""What a service manager sees: ready when it is, reloading as the protocol says, watched, and restarted in time."""

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from tests.acceptance.play import Play, open_play, until
from validatord.sandbox.command import Scenario
from validatord.store import nodes

pytestmark = pytest.mark.timeout(150)


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


async def test_a_postgresql_that_is_away_is_waited_for(tmp_path: Path, manager: Manager) -> None:
    """The watchdog is fed while PostgreSQL is known to be away: a restart would only lose what waits in memory."""
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

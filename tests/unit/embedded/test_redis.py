"""The embedded Redis: durable, without TCP, outlives nobody."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests import services
from tests.unit.embedded import children
from validatord import errors
from validatord.embedded import process, redis
from validatord.embedded.redis import EmbeddedRedis, find_redis_server


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """A state folder."""
    with services.open_state_dir() as folder:
        yield folder


@pytest.fixture
def server(state_dir: Path) -> Iterator[EmbeddedRedis]:
    """A server in it, not started."""
    found = EmbeddedRedis(state_dir)
    yield found
    found.stop()


def test_work_survives_a_restart(server: EmbeddedRedis) -> None:
    """What waits is there after a stop and a start; nothing listens on TCP, nothing is evicted."""
    with Redis.from_url(server.start()) as client:
        client.set("kept", "42")
        names = ("port", "appendonly", "appendfsync", "maxmemory-policy")
        settings = {name: client.config_get(name)[name] for name in names}
    server.stop()

    with Redis.from_url(server.start()) as client:
        assert client.get("kept") == b"42"
    assert settings == {"port": "0", "appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}


def test_a_killed_server_comes_back(server: EmbeddedRedis) -> None:
    """After kill -9 what was acknowledged and flushed is there; the socket left behind is in nobody's way."""
    with Redis.from_url(server.start()) as client:
        client.set("kept", "42")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    children.wait_for_end(server.pid, "redis-server")

    with Redis.from_url(server.start()) as client:
        assert client.get("kept") == b"42"


def test_a_second_one_joins(server: EmbeddedRedis, state_dir: Path) -> None:
    """Another object, as of another process, uses the running server and leaves it running."""
    url = server.start()
    second = EmbeddedRedis(state_dir)

    assert second.start() == url
    assert (server.started_by_us, second.started_by_us) == (True, False)
    second.stop()

    with Redis.from_url(url) as client:
        assert client.ping()


def test_starts_at_the_same_time_share_one_server(state_dir: Path) -> None:
    """However many start at once, one server runs."""
    servers = [EmbeddedRedis(state_dir) for _ in range(3)]
    threads = [threading.Thread(target=server.start) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [server.started_by_us for server in servers].count(True) == 1
    for server in servers:
        server.stop()


def test_a_stop_is_final_and_repeatable(server: EmbeddedRedis) -> None:
    """After a stop the process is gone; a second stop, or one before any start, does nothing."""
    server.stop()
    server.start()
    pid = server.pid
    server.stop()
    server.stop()

    assert pid is not None
    assert not process.is_alive(pid, "redis")
    with pytest.raises(errors.StoreError, match="was not started"):
        _ = server.url


def test_a_server_whose_parent_is_killed_ends(state_dir: Path) -> None:
    """A crash of ours leaves no server that nobody owns."""
    with children.run_and_kill(children.REDIS, state_dir) as pid:
        children.wait_for_end(pid, "redis")


@pytest.mark.parametrize("name", ["d" * 120, "with blank and ü"])
def test_an_unusual_path_gets_a_plain_socket(state_dir: Path, name: str) -> None:
    """A path too long for a socket, or in need of quoting in a URL, gets a socket elsewhere, which a second one finds."""
    first, second = EmbeddedRedis(state_dir / name), EmbeddedRedis(state_dir / name)
    with Redis.from_url(first.start()) as client:
        assert client.ping()
    folder = Path(first.url.removeprefix("unix://")).parent

    assert second.start() == first.url
    first.stop()
    assert not folder.exists()


def test_without_a_program_the_error_says_what_to_install(
    server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a configured Redis nor a program: every way out is named."""
    monkeypatch.setattr(redis.shutil, "which", lambda _name: None)
    monkeypatch.setattr(redis.importlib.util, "find_spec", lambda _name: None)

    assert find_redis_server() is None
    with pytest.raises(errors.StoreError, match=r"set redis\.url, or install redis-server"):
        server.start()


def test_a_program_of_the_system_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """redis-server or valkey-server on the PATH comes before the wheel's."""
    program = tmp_path / "valkey-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_redis_server() == program


def test_a_server_that_cannot_start_says_why(server: EmbeddedRedis, state_dir: Path) -> None:
    """The end of the server's own log stands in the error."""
    (state_dir / "redis").mkdir()
    (state_dir / "redis" / "appendonly.aof").write_text("this is no log of commands\n")

    with pytest.raises(errors.StoreError, match="Bad file format"):
        server.start()

    assert not server.started_by_us


def test_a_socket_nobody_answers_is_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listener that says nothing, or no listener at all, is not taken for a server."""
    monkeypatch.setattr(redis, "_ASK_SECONDS", 0.05)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()

        assert not redis.answers(tmp_path / "s")
    assert not redis.answers(tmp_path / "none")

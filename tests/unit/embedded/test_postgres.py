"""The embedded PostgreSQL: comes up whatever it finds, keeps its data, outlives nobody."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests import services
from tests.unit.embedded import children
from validatord import data, errors
from validatord.embedded import place, postgres, process
from validatord.embedded.postgres import FAST_AND_LOOSE, EmbeddedPostgres
from validatord.embedded.process import Account

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """A state folder with a stopped cluster, to be copied."""
    with services.open_state_dir() as folder:
        server = EmbeddedPostgres(folder, options=FAST_AND_LOOSE)
        server.start()
        server.stop()
        yield folder


@pytest.fixture
def state_dir(cluster: Path) -> Iterator[Path]:
    """A state folder of the test's own with a stopped cluster in it."""
    with services.open_state_dir() as folder:
        subprocess.run(["cp", "-a", f"{cluster}/.", str(folder)], check=True)
        yield folder


@pytest.fixture
def server(state_dir: Path) -> Iterator[EmbeddedPostgres]:
    """A server on it, not started."""
    found = EmbeddedPostgres(state_dir, options=FAST_AND_LOOSE)
    yield found
    found.stop()


async def ask(dsn: str, query: str) -> object:
    """Return one value."""
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_data_survive_a_restart(server: EmbeddedPostgres) -> None:
    """What was committed is there after a stop and a start, without TCP and under one settled name."""
    dsn = server.start()
    await ask(dsn, "CREATE TABLE kept AS SELECT 42 AS answer")
    server.stop()

    assert server.start() == dsn
    assert await ask(dsn, "SELECT answer FROM kept") == 42
    assert await ask(dsn, "SHOW listen_addresses") == ""


async def test_the_first_start_makes_the_cluster() -> None:
    """From an empty folder to a durable server that answers."""
    with services.open_state_dir() as folder:
        server = EmbeddedPostgres(folder / "new" / "state")

        dsn = server.start()

        try:
            assert await ask(dsn, "SHOW fsync") == "on"
            assert server.started_by_us
        finally:
            server.remove()


async def test_a_second_one_joins(server: EmbeddedPostgres, state_dir: Path) -> None:
    """Another object, as of another process, uses the running server and leaves it running."""
    dsn = server.start()
    second = EmbeddedPostgres(state_dir)

    assert second.start() == dsn
    assert (server.started_by_us, second.started_by_us) == (True, False)
    second.stop()

    assert await ask(dsn, "SELECT 1") == 1


def test_a_stop_is_final_and_repeatable(server: EmbeddedPostgres) -> None:
    """After a stop the process is gone; a second stop, or one before any start, does nothing."""
    server.stop()
    server.start()
    pid = server.pid
    server.stop()
    server.stop()

    assert pid is not None
    assert not process.is_alive(pid, "postgres")
    with pytest.raises(errors.StoreError, match="was not started"):
        _ = server.dsn


async def test_a_killed_server_comes_back(state_dir: Path) -> None:
    """After kill -9 the next start finds the stale pid file and a zombie, recovers, and serves all that was committed."""
    server = EmbeddedPostgres(state_dir)
    dsn = server.start()
    await ask(dsn, "CREATE TABLE kept AS SELECT 42 AS answer")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    while process.is_alive(server.pid, "postgres"):
        time.sleep(0.001)

    server.start()

    assert await ask(dsn, "SELECT answer FROM kept") == 42
    server.stop()


@pytest.mark.parametrize("pid", [os.getpid(), 2**22 + 1, -5], ids=["ours", "nobody's", "no number"])
async def test_a_stale_pid_file_is_no_server(server: EmbeddedPostgres, pid: int) -> None:
    """A pid file of a dead process, or whose number belongs to another program by now, keeps nobody out."""
    lines = [str(pid), str(server.data_dir), "1", "5432", str(server.data_dir), "", "", "ready"]
    (server.data_dir / "postmaster.pid").write_text("\n".join(lines))

    assert await ask(server.start(), "SELECT 1") == 1
    assert server.started_by_us


def test_a_server_whose_parent_is_killed_ends(state_dir: Path) -> None:
    """A crash of ours leaves no server that nobody owns, and the next start is not in its way."""
    with children.run_and_kill(children.POSTGRES, state_dir) as pid:
        children.wait_for_end(pid, "postgres")

    server = EmbeddedPostgres(state_dir, options=FAST_AND_LOOSE)
    server.start()
    assert server.started_by_us
    server.stop()


async def test_a_server_outlives_the_thread_that_asked_for_it(server: EmbeddedPostgres) -> None:
    """The kernel's bond is to a thread; it must not be one that ends before the process."""
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()

    for _ in range(3):
        assert await ask(server.dsn, "SELECT 1") == 1


async def test_starts_at_the_same_time_share_one_server(state_dir: Path) -> None:
    """However many start at once, one server runs and all of them use it."""
    servers = [EmbeddedPostgres(state_dir, options=FAST_AND_LOOSE) for _ in range(3)]
    threads = [threading.Thread(target=server.start) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [server.started_by_us for server in servers].count(True) == 1
    assert {await ask(server.dsn, "SELECT 1") for server in servers} == {1}
    for server in servers:
        server.stop()


async def test_a_long_path_gets_a_short_socket() -> None:
    """A unix socket's path holds hardly more than a hundred bytes: the state may lie deeper than that."""
    with services.open_state_dir() as folder:
        deep = folder / ("d" * 60) / ("e" * 60)
        first, second = EmbeddedPostgres(deep, options=FAST_AND_LOOSE), EmbeddedPostgres(deep)
        try:
            assert await ask(first.start(), "SELECT 1") == 1
            assert second.start() == first.dsn
            sockets = Path(folder_of(first.dsn))
        finally:
            first.remove()

        assert not sockets.exists()


def folder_of(dsn: str) -> str:
    """Return the folder of the socket in a DSN."""
    return dsn.partition("host=")[2].partition("&")[0]


def test_a_server_that_cannot_start_says_why(state_dir: Path) -> None:
    """The end of the server's own log stands in the error."""
    server = EmbeddedPostgres(state_dir, options={"shared_buffers": "much"}, patience_seconds=0.3)

    with pytest.raises(errors.StoreError, match=r'invalid value for parameter "shared_buffers"'):
        server.start()

    assert not server.started_by_us


def test_data_of_another_version_are_not_touched(server: EmbeddedPostgres) -> None:
    """Data of an older PostgreSQL need a dump; the message says so."""
    (server.data_dir / "PG_VERSION").write_text("9\n")

    with pytest.raises(errors.StoreError, match="are of PostgreSQL 9, the programs are"):
        server.start()


def test_a_link_that_leads_nowhere_is_told(state_dir: Path) -> None:
    """Data that are gone are not silently replaced by an empty cluster."""
    shutil.rmtree(state_dir / "postgres")
    (state_dir / "postgres").symlink_to(state_dir / "gone")

    with pytest.raises(errors.StoreError, match="which is gone"):
        EmbeddedPostgres(state_dir).start()


def test_interrupted_clusters_are_cleared_away() -> None:
    """What an interrupted first start left is removed by the next."""
    with services.open_state_dir() as folder:
        (folder / "postgres-new-x" / "base").mkdir(parents=True)
        server = EmbeddedPostgres(folder, options=FAST_AND_LOOSE)
        server.start()
        server.stop()

        assert [path.name for path in folder.glob("postgres-new*")] == []


def test_only_one_process_starts_at_a_time(state_dir: Path) -> None:
    """Who finds the lock held for too long says so instead of waiting for ever."""
    with process.locked(state_dir / "postgres.lock", 1), pytest.raises(errors.StoreError, match="for too long"):
        EmbeddedPostgres(state_dir, patience_seconds=0.1).start()


def test_without_the_wheel_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a configured database nor the extra: both ways out are named."""
    monkeypatch.setattr(place.importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(errors.StoreError, match=r"set database\.url, or install the extra `embedded`"):
        place.find_programs(Account.current())


def test_a_socket_nobody_answers_is_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listener that says nothing, or no listener at all, is not taken for a server."""
    monkeypatch.setattr(postgres, "_ASK_SECONDS", 0.05)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()

        assert not postgres.answers(tmp_path / "s")
    assert not postgres.answers(tmp_path / "none")


@only_root
def test_root_drops_to_a_user_that_exists(server: EmbeddedPostgres) -> None:
    """As root the server runs as an unprivileged user, and the rights of the folders above stay as they were."""
    rights = [folder.stat().st_mode for folder in server.data_dir.parents]

    server.start()

    assert server.pid is not None
    assert Path(f"/proc/{server.pid}").stat().st_uid == server.data_dir.stat().st_uid != 0
    assert [folder.stat().st_mode for folder in server.data_dir.parents] == rights


@only_root
async def test_a_state_folder_out_of_reach_points_elsewhere() -> None:
    """As root with private state the data lie where the server's user reaches them, and are found again."""
    with services.open_state_dir() as folder:
        folder.chmod(0o700)
        server = EmbeddedPostgres(folder, options=FAST_AND_LOOSE)
        await ask(server.start(), "CREATE TABLE kept AS SELECT 42 AS answer")
        server.stop()

        try:
            assert (folder / "postgres").is_symlink()
            assert await ask(server.start(), "SELECT answer FROM kept") == 42
        finally:
            data_dir = server.data_dir
            server.remove()
        assert not data_dir.exists()
        assert not (folder / "postgres").is_symlink()


@only_root
def test_data_whose_state_folder_is_gone_are_cleared_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who deletes a private temporary state folder leaves its data elsewhere: the next start of anybody removes them."""
    with services.open_state_dir() as temporary:
        monkeypatch.setattr(place.tempfile, "gettempdir", lambda: str(temporary))
        found: list[Path] = []
        for name in ("first", "second"):
            (temporary / name).mkdir(mode=0o700)
            server = EmbeddedPostgres(temporary / name, options=FAST_AND_LOOSE)
            server.start()
            server.stop()
            found.append(server.data_dir)
            shutil.rmtree(temporary / name)

        assert [folder.exists() for folder in found] == [False, True]


@only_root
def test_programs_out_of_reach_are_copied_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the wheel below a private folder the programs run from a copy that only root can change."""
    with services.open_state_dir() as cache:
        monkeypatch.setattr(place, "_PROGRAM_CACHES", (cache,))
        package = place._find_package()
        private = tmp_path / "private"
        private.mkdir(mode=0o700)
        (private / package.name).symlink_to(package)
        (private / f"{package.name}.libs").symlink_to(package.with_name(f"{package.name}.libs"))
        monkeypatch.setattr(place, "_find_package", lambda: private / package.name)
        monkeypatch.setattr(place, "is_reachable", lambda path, _account: not str(path).startswith(str(private)))
        nobody = place.choose_account(tmp_path / "none")

        programs = place.find_programs(nobody)
        told = subprocess.run([programs / "postgres", "--version"], check=True, capture_output=True, **nobody.drop)
        made = subprocess.run([programs / "initdb", "--version"], check=True, capture_output=True, **nobody.drop)

        assert b"PostgreSQL" in told.stdout + made.stdout
        assert programs.is_relative_to(cache)
        assert place.find_programs(nobody) == programs


@only_root
def test_programs_somebody_else_may_change_are_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy planted by another user is not used."""
    with services.open_state_dir() as cache:
        monkeypatch.setattr(place, "_PROGRAM_CACHES", (cache,))
        programs = next(place._find_package().glob("pginstall*/bin"))
        first = place._copy_programs(programs)
        next(cache.iterdir()).chmod(0o777)

        assert first.exists()
        with pytest.raises(errors.StoreError, match="can be copied neither"):
            place._copy_programs(programs)


@only_root
def test_it_works_as_a_normal_user() -> None:
    """Without root nothing is dropped, copied or moved: the same code, the user's own folder."""
    python = children.find_python()
    with services.open_state_dir() as folder:
        home = folder / "home"
        home.mkdir()
        os.chown(home, children.USER.uid, children.USER.gid)
        code = children.POSTGRES_ONCE.format(state_dir=str(home / "state"))

        done = subprocess.run(
            [python, "-c", code], env=children.environment(), check=False, capture_output=True, text=True, cwd="/",
            **children.USER.drop,
        )  # fmt: skip

        assert (done.stdout.strip(), done.returncode) == ("True True", 0), done.stderr
        assert (home / "state" / "postgres" / "PG_VERSION").stat().st_uid == children.USER.uid


@only_root
def test_data_of_somebody_else_are_not_taken(state_dir: Path) -> None:
    """Data owned by root cannot be served: PostgreSQL refuses, and we say what to do."""
    os.chown(state_dir / "postgres", 0, 0)

    with pytest.raises(errors.StoreError, match="belongs to user 0"):
        EmbeddedPostgres(state_dir).start()


def test_reach_is_read_from_mode_bits(tmp_path: Path) -> None:
    """Owner, group and others count, each for itself; a path that is not there is out of reach."""
    target = tmp_path / "file"
    target.write_text("x")
    found = target.stat()
    stranger = Account(found.st_uid + 77, found.st_gid + 77)
    target.chmod(0o604)

    assert process._may(target, stranger, 4)
    assert not process._may(target, Account(stranger.uid, found.st_gid), 4)
    assert not process._may(tmp_path / "none", stranger, 4)
    assert process.is_reachable(data.get_path("sql"), Account.current())

"""Child processes: how they are stopped, and what keeps them apart."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests import services
from validatord.embedded import place, process
from validatord.embedded.process import Account, EmbeddedFailed


def spawn(code: str) -> "subprocess.Popen[bytes]":
    """Run shell code that says when it is ready."""
    child = subprocess.Popen(
        ["/bin/sh", "-c", f"{code}; echo ready; while :; do sleep 0.05; done"], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    child.stdout.close()
    return child


def test_who_does_not_listen_is_killed() -> None:
    """A server that ignores every polite signal ends all the same."""
    child = spawn("trap '' INT TERM")

    process.stop(child, (signal.SIGINT, signal.SIGTERM), 0.05)

    assert child.returncode == -signal.SIGKILL


def test_who_listens_ends_by_the_first_signal() -> None:
    """No harder signal follows where the first one works."""
    child = spawn("trap 'exit 7' TERM")

    process.stop(child, (signal.SIGTERM, signal.SIGQUIT), 10)

    assert child.returncode == 7


def test_a_zombie_and_another_program_are_not_alive() -> None:
    """A number in a pid file counts only if that very program runs under it."""
    child = spawn("true")
    assert process.is_alive(child.pid, "sh")
    assert not process.is_alive(child.pid, "postgres")

    child.kill()
    deadline = time.monotonic() + 5
    while process.is_alive(child.pid, "sh") and time.monotonic() < deadline:
        time.sleep(0.001)

    assert not process.is_alive(child.pid, "sh")  # a zombie until somebody waits for it
    child.wait()
    assert not process.is_alive(child.pid, "sh")


def test_a_program_that_is_not_there_is_reported(tmp_path: Path) -> None:
    """What goes wrong in the thread that starts servers reaches the one who asked."""
    spec = process.Launch([str(tmp_path / "none")], Account.current(), tmp_path / "log", signal.SIGTERM)

    with pytest.raises(FileNotFoundError):
        process.launch(spec)


def test_an_endless_log_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server's log does not grow from start to start without end; below the limit it goes on."""
    log = tmp_path / "log"
    spec = process.Launch(["/bin/echo", "hello"], Account.current(), log, signal.SIGTERM)

    process.launch(spec).wait()
    process.launch(spec).wait()
    assert log.read_text() == "hello\nhello\n"

    monkeypatch.setattr(process, "_LOG_LIMIT", 5)
    process.launch(spec).wait()
    assert log.read_text() == "hello\n"


def test_no_log_has_no_end(tmp_path: Path) -> None:
    """An error message about a server that wrote nothing is still an error message."""
    assert process.read_tail(tmp_path / "none") == ""


def test_root_may_go_everywhere(tmp_path: Path) -> None:
    """Mode bits do not bind root."""
    assert process.is_reachable(tmp_path, Account(0, 0))


@pytest.mark.parametrize("path", ["/run/" + "x" * 100, "/run/with blank", "/run/ü", "/run/a?b"])
def test_unfit_socket_paths(path: str) -> None:
    """Too long for the kernel, or in need of quoting in a URL."""
    assert not process.fits_socket(Path(path))
    assert process.fits_socket(Path("/run/plain-name_1.sock"))


def test_without_an_unprivileged_user_root_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL does not run as root, and we add no users: the way out is named."""
    monkeypatch.setattr(place.os, "geteuid", lambda: 0)
    monkeypatch.setattr(place, "_UNPRIVILEGED", ("no-such-user",))

    with pytest.raises(EmbeddedFailed, match="start the service as a user"):
        place.choose_account(tmp_path / "none")


def test_a_wheel_without_programs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation that lost its programs is not a missing file somewhere deep."""
    monkeypatch.setattr(place, "_find_package", lambda: tmp_path)

    with pytest.raises(EmbeddedFailed, match="carries no PostgreSQL"):
        place.find_programs(Account.current())


def test_nowhere_to_put_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the server's user reaches nothing at all, the setting to change is named."""
    with services.open_state_dir() as folder:
        monkeypatch.setattr(place, "is_reachable", lambda _path, _account: False)

        with pytest.raises(EmbeddedFailed, match=r"set service\.state_dir"):
            place.make_data_dir(folder, Account(65_534, 65_534))

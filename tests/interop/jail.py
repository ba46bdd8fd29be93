"""The tree the servers live in: users, devices and names of its own, and how a program is run in it.

Everything a test writes stands under `/srv` of the tree, which is emptied before and after. What a server has started and not ended is
found by its root directory: nothing but ours has this one.
"""

import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.interop import guard

# Users that exist in the tree alone; the numbers are far from what a system hands out.
_USERS = {
    "postfix": 61001,
    "postgrey": 61002,
    "Debian-exim": 61003,
    "opensmtpd": 61004,
    "opensmtpq": 61005,
    "smmta": 61006,
    "smmsp": 61007,
    "nsd": 61008,
    "mail": 61009,
    "postdrop": 61010,
    "known": 61020,
}
_DEVICES = {"null": (1, 3), "zero": (1, 5), "random": (1, 8), "urandom": (1, 9)}
_STOP_SECONDS = 10.0
_PROJECT = Path(__file__).parents[2]


class Jail:
    """A tree of unpacked servers."""

    def __init__(self, tree: Path, resolver: str) -> None:
        self.tree = tree
        self._resolver = resolver

    def __repr__(self) -> str:
        return f"<Jail {self.tree}>"

    def prepare(self) -> None:
        """Write what the system would have in /etc and /dev, and empty what an earlier run left."""
        self.clean()
        etc, dev = self.tree / "etc", self.tree / "dev"
        for folder in (etc, dev, self.tree / "srv", self.tree / "tmp", self.tree / "var/empty"):
            folder.mkdir(parents=True, exist_ok=True)
        (self.tree / "tmp").chmod(0o1777)
        root = "root:x:0:0:root:/:/bin/sh\n"
        people = "".join(f"{name}:x:{uid}:{uid}:{name}:/var/empty:/bin/sh\n" for name, uid in _USERS.items())
        (etc / "passwd").write_text(root + people)
        (etc / "group").write_text("root:x:0:\n" + "".join(f"{name}:x:{uid}:\n" for name, uid in _USERS.items()))
        (etc / "shadow").write_text("".join(f"{name}:*:19000:0:99999:7:::\n" for name in ("root", *_USERS)))
        (etc / "hosts").write_text("127.0.0.1 localhost\n")
        (etc / "resolv.conf").write_text(f"nameserver {self._resolver}\noptions timeout:2 attempts:2\n")
        (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\nservices: files\n")
        (etc / "mailname").write_text("interop.example\n")
        for name, numbers in _DEVICES.items():
            _make_device(dev / name, numbers)
        _run_tool(["ldconfig", "-r", str(self.tree)])

    def clean(self) -> None:
        """Remove what servers and tests wrote."""
        shutil.rmtree(self.tree / "srv", ignore_errors=True)
        for name in ("run", "var/spool", "var/run", "var/lock"):
            shutil.rmtree(self.tree / name, ignore_errors=True)
            (self.tree / name).mkdir(parents=True, exist_ok=True)

    def path(self, inside: str) -> Path:
        """Where a path of the tree is for us."""
        return self.tree / inside.lstrip("/")

    def write(self, inside: str, text: str, mode: int = 0o644) -> Path:
        """Write a file of the tree and return where it is for us."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path

    def make_folder(self, inside: str, owner: str = "root", mode: int = 0o755) -> Path:
        """Make a folder of the tree, owned by one of its users."""
        path = self.path(inside)
        path.mkdir(parents=True, exist_ok=True)
        self.give(inside, owner)
        path.chmod(mode)
        return path

    def give(self, inside: str, owner: str) -> None:
        """Make a user of the tree the owner."""
        uid = _USERS.get(owner, 0)
        os.chown(self.path(inside), uid, uid)

    def run(self, *command: str, seconds: float = 30.0) -> str:
        """Run a program of the tree to its end and return what it wrote."""
        return _run_tool(["chroot", str(self.tree), *command], seconds)

    def start(self, command: Sequence[str], log: str) -> "Process":
        """Start a server of the tree; its output goes into `log`."""
        path = self.path(log)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as out:
            process = subprocess.Popen(
                ["chroot", str(self.tree), *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={"PATH": "/usr/sbin:/usr/bin", "LC_ALL": "C"},
                start_new_session=True,
            )
        return Process(process, path)

    @contextmanager
    def guarded(self) -> Generator[None]:
        """Prepare the tree; whatever becomes of us, nothing runs in it afterwards."""
        guard.end_all(self.tree)  # of a run before the guard could do its work
        self.prepare()
        command = [sys.executable, "-m", "tests.interop.guard", str(self.tree)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=_PROJECT, start_new_session=True):
            try:
                yield
            finally:
                guard.end_all(self.tree)
                self.clean()


class Process:
    """A server that was started; `stop` ends it and all it has started."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.log = log
        self._process = process

    def wait_for_port(self, address: str, port: int, seconds: float = 20.0) -> None:
        """Return once the server listens; never connects, since that would be a client without manners."""
        wait_until(lambda: is_listening(address, port) or self._process.poll() is not None, seconds)
        if not is_listening(address, port):
            state = self._process.poll()
            raise RuntimeError(f"no server at {address}:{port} (exit status {state}): {self.tail()}")

    def tail(self) -> str:
        """The last of what the server said."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-2000:]

    def stop(self) -> None:
        """End the server and what it has started, politely first."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_STOP_SECONDS)


def wait_until(is_true: Callable[[], object], seconds: float, *, every: float = 0.02) -> bool:
    """Wait for something another process does."""
    end = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True


def is_listening(address: str, port: int) -> bool:
    """Whether a TCP socket listens there, by the kernel's own table."""
    packed = socket.inet_aton(address)[::-1].hex().upper() if sys.byteorder == "little" else ""
    wanted = {f"{packed}:{port:04X}", f"00000000:{port:04X}"}
    rows = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return any(row.split()[1] in wanted and row.split()[3] == "0A" for row in rows)


@contextmanager
def collect_syslog(jail: Jail, log: str) -> Generator[Path]:
    """Take what programs of the tree send to syslog and append it to `log`."""
    place = jail.path("/dev/log")
    place.unlink(missing_ok=True)
    target = jail.write(log, "")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as collector:
        # The way over /proc: a socket's path may have 107 characters only.
        folder = os.open(place.parent, os.O_PATH)
        collector.bind(f"/proc/self/fd/{folder}/log")
        os.close(folder)
        place.chmod(0o666)
        thread = threading.Thread(target=_append_all, args=(collector, target), name="syslog", daemon=True)
        thread.start()
        try:
            yield target
        finally:
            collector.shutdown(socket.SHUT_RDWR)
            thread.join()
            place.unlink()


def _append_all(collector: socket.socket, target: Path) -> None:
    with target.open("ab", buffering=0) as out:
        while line := collector.recv(65536):
            out.write(line.partition(b">")[2].rstrip(b"\0\n") + b"\n")


def _make_device(path: Path, numbers: tuple[int, int]) -> None:
    if path.exists():
        return
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(*numbers))
    except PermissionError:
        path.touch()  # a container that grants no devices; only /dev/null is written to
    path.chmod(0o666)


def _run_tool(command: list[str], seconds: float = 30.0) -> str:
    quiet = subprocess.DEVNULL
    done = subprocess.run(command, stdin=quiet, capture_output=True, text=True, timeout=seconds, check=False, cwd="/")
    if done.returncode:
        raise RuntimeError(f"{command}: exit status {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout

"""Mail servers and a name server out of Debian's packages, unpacked into a folder instead of installed.

apt resolves, fetches and checks the packages with an empty list of what is installed, so that all they
need comes with them; its state lives in the folder as well. Nothing of the system changes, no two mail
servers get in each other's way and none is started. Run as a program, it fetches the packages, and says
in one line why it cannot.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

CANNOT_BE_RUN = 3  # exit status: nothing failed, and nothing could be tried
FOLDER = Path(__file__).parents[2] / ".state" / "interop"

# Each line is resolved by itself: as installed packages they exclude one another.
_SETS = (
    ("postfix", "postgrey"),
    ("exim4-daemon-heavy",),
    ("opensmtpd",),
    ("sendmail-bin", "sendmail-cf", "m4", "dash"),
    ("nsd",),
)
_NEEDLESS = ("./usr/share/doc", "./usr/share/man", "./usr/share/locale", "./usr/share/lintian", "./etc/init.d")
_MERGED = ("bin", "sbin", "lib", "lib64")
_TOOLS = ("apt-get", "dpkg-deb", "tar", "chroot")
_FETCH_SECONDS = 900
_UNPACK_SECONDS = 120


class NotObtainableError(Exception):
    """The servers cannot be had here; the message is one line that says why."""


def obtain(folder: Path = FOLDER) -> Path:
    """Return the folder that holds all servers; fetch them when it does not exist yet.

    Raises:
        NotObtainableError: this machine or this user cannot have them.
    """
    _check_machine()
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    tree = folder.resolve() / f"tree-{recipe}"
    folder.mkdir(parents=True, exist_ok=True)
    with hold(folder / "fetching"):
        if not tree.exists():
            _fetch(folder)
            _unpack(folder, tree)
    return tree


@contextlib.contextmanager
def hold(path: Path) -> Generator[None]:
    """Keep others out while this is done; waits for them first."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _check_machine() -> None:
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        raise NotObtainableError(f"no {missing[0]} here: the mail servers come out of Debian's packages")
    if os.geteuid() != 0:
        raise NotObtainableError("only root may run mail servers in a folder of their own")


def _fetch(folder: Path) -> None:
    """Let apt fetch the packages with all they depend on into `folder`."""
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "nothing-installed").touch()
    for old in (folder / "archives").glob("*.deb"):
        old.unlink()
    _apt(folder, "update")
    for names in _SETS:
        _apt(folder, "install", "--yes", "--download-only", *names)


def _apt(folder: Path, *arguments: str) -> None:
    options = {
        "Dir::State::status": folder / "nothing-installed",
        "Dir::State::lists": folder / "lists",
        "Dir::Cache::archives": folder / "archives",
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Acquire::Retries": "3",
        "APT::Update::Error-Mode": "any",
    }
    command = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in options.items()), *arguments]
    _run(command, _FETCH_SECONDS, os.environ | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"})


def _unpack(folder: Path, tree: Path) -> None:
    """Unpack all packages into one tree: each server has its own paths in it."""
    for old in folder.glob("tree-*"):
        shutil.rmtree(old)
    growing = folder / "tree-growing"
    for name in _MERGED:
        (growing / "usr" / name).mkdir(parents=True)
        (growing / name).symlink_to(f"usr/{name}")
    for package in sorted((folder / "archives").glob("*.deb")):
        excluded = " ".join(f"--exclude={name}" for name in _NEEDLESS)
        # The same as `dpkg-deb --extract`, but a package's lib/ goes where the link of that name points.
        command = f'dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --keep-directory-symlink {excluded}'
        _run(["bash", "-o", "pipefail", "-c", command, "unpack", str(package), str(growing)], _UNPACK_SECONDS)
    named = {name for names in _SETS for name in names}
    found = (package.name.split("_") for package in sorted((folder / "archives").glob("*.deb")))
    versions = [f"{name} {version.replace('%3a', ':')}" for name, version, *_ in found if name in named]
    (growing / "versions").write_text(", ".join(versions))
    _drop_privileges(growing)
    growing.rename(tree)
    for spent in ("archives", "lists"):
        shutil.rmtree(folder / spent)


def _drop_privileges(tree: Path) -> None:
    """Root needs no set-user-ID programs, and nobody else should find some lying about."""
    for path in tree.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_mode & 0o6000:
            path.chmod(path.stat().st_mode & 0o777)


def _run(command: list[str], seconds: int, environ: dict[str, str] | None = None) -> None:
    try:
        done = subprocess.run(command, timeout=seconds, env=environ, capture_output=True, text=True, check=False)
    except subprocess.TimeoutExpired:
        raise NotObtainableError(f"{command[0]} took more than {seconds} seconds") from None
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.startswith(("E:", "dpkg", "tar"))]
        raise NotObtainableError(f"{command[0]} failed: {said[0] if said else f'exit status {done.returncode}'}")


if __name__ == "__main__":
    try:
        sys.stdout.write(f"interop: {(obtain() / 'versions').read_text()}\n")
    except NotObtainableError as reason:
        sys.stderr.write(f"interop: cannot be run: {reason}\n")
        sys.exit(CANNOT_BE_RUN)

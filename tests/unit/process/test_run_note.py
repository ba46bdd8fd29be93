"""A note is found by whoever needs it, and one of a dead process by nobody."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from validatord.run_note import NoteWriter, read_notes, run_folders, start_time


def test_written_and_found(tmp_path: Path) -> None:
    """What a running process writes last is what is read."""
    writer = NoteWriter(tmp_path / "run", "main")
    assert writer.write({"begun": 1})
    assert writer.write({"begun": 2, "problems": ["a"]})

    [note] = read_notes([tmp_path / "nowhere", tmp_path / "run"])

    assert (note.node, note.pid, dict(note.reload)) == ("main", os.getpid(), {"begun": 2, "problems": ["a"]})
    writer.remove()
    writer.remove()
    assert read_notes([tmp_path / "run"]) == []


def test_a_dead_process_leaves_no_note(tmp_path: Path) -> None:
    """A note whose process is gone is taken away, even where its number is used again."""
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    for name, pid in (("gone", int(dead.stdout)), ("reused", os.getpid())):
        text = json.dumps({"node": name, "pid": pid, "started": "1", "reload": {}})
        (tmp_path / f"{name}.run.json").write_text(text)

    assert read_notes([tmp_path]) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"node": 1}', '{"node": "a", "pid": "x", "started": "", "reload": {}}']
)
def test_garbage_is_no_note(tmp_path: Path, text: str) -> None:
    """A file that is no note is left alone."""
    (tmp_path / "a.run.json").write_text(text)

    assert read_notes([tmp_path]) == []


def test_without_a_folder(tmp_path: Path) -> None:
    """Where nothing may be written the daemon goes on without a note."""
    blocked = tmp_path / "file"
    blocked.write_text("")

    assert not NoteWriter(blocked, "main").write({})


def test_a_start_time_is_of_one_process() -> None:
    """The start time of a process stays; of one that is not there there is none."""
    assert start_time(os.getpid()) == start_time(os.getpid()) != ""
    assert start_time(2**22 + 1) == ""


def test_folders() -> None:
    """A service looks where systemd says, root below /run, a person in the folder of the session."""
    assert run_folders({"RUNTIME_DIRECTORY": "/run/a"}, 0) == [Path("/run/a"), Path("/run/validatord")]
    assert run_folders({"XDG_RUNTIME_DIR": "/run/user/7"}, 7) == [Path("/run/user/7/validatord")]
    assert run_folders({}, 7)[0].name == "validatord-7"

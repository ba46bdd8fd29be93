"""`validatord reload`: have a running daemon read its settings again, and say how it went.

Needs no settings itself: those may be what is broken. Exit status 0: applied; 2: refused, and why; 3: no
daemon, or no answer.
"""

import os
import signal
import sys
import time
from pathlib import Path

import click

from validatord.run_note import Note, read_notes, run_folders

_EXIT_REFUSED = 2
_EXIT_AWAY = 3
_LOOK_SECONDS = 0.02


@click.command()
@click.option("--node", default="", help="Which daemon, by its service.node; needed where several run.")
@click.option("--pid", type=int, default=0, help="Which daemon, by its process number.")
@click.option("--wait", "patience_seconds", type=float, default=30.0, show_default=True, help="Seconds to wait.")
def reload(node: str, pid: int, patience_seconds: float) -> None:
    """Have the running daemon read its settings again; says what changed, or what is wrong."""
    folders = run_folders(os.environ, os.geteuid())
    sys.exit(_reload(folders, _choose(read_notes(folders), node, pid), patience_seconds))


def _choose(notes: list[Note], node: str, pid: int) -> Note:
    fitting = [note for note in notes if node in {"", note.node} and pid in {0, note.pid}]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(f"{note.node} ({note.pid})" for note in fitting)
        raise click.UsageError(f"several daemons run here: {names}; choose one with --node or --pid")
    click.echo("no such daemon of this user runs here; a service of systemd needs: sudo validatord reload", err=True)
    sys.exit(_EXIT_AWAY)


def _reload(folders: list[Path], note: Note, patience_seconds: float) -> int:
    before = int(note.reload.get("begun", 0))
    try:
        os.kill(note.pid, signal.SIGHUP)
    except OSError as error:
        click.echo(f"process {note.pid} cannot be told: {error.strerror}", err=True)
        return _EXIT_AWAY
    deadline = time.monotonic() + patience_seconds
    while time.monotonic() < deadline:
        found = next((other for other in read_notes(folders) if other.pid == note.pid), None)
        if found is None:
            click.echo("the daemon has ended meanwhile", err=True)
            return _EXIT_AWAY
        # One that began before we asked may have read what stood there before.
        if int(found.reload.get("done", 0)) > before:
            return _tell(found)
        time.sleep(_LOOK_SECONDS)
    click.echo(f"no answer within {patience_seconds:g} s; see the log of the daemon", err=True)
    return _EXIT_AWAY


def _tell(note: Note) -> int:
    """Say how it went, as the exit status does."""
    problems, changed, needs_restart = (_lines(note, name) for name in ("problems", "changed", "needs_restart"))
    if problems:
        click.echo(f"refused; {note.node} goes on with the settings it had:", err=True)
        click.echo("\n".join(f"  {problem}" for problem in problems), err=True)
        return _EXIT_REFUSED
    click.echo(f"applied: {len(changed)} changed" if changed else "applied: nothing changed")
    for line in [*changed, *(f"needs a restart: {change}" for change in needs_restart)]:
        click.echo(f"  {line}")
    return 0


def _lines(note: Note, name: str) -> list[str]:
    return [str(line) for line in note.reload.get(name) or ()]


COMMANDS = (reload,)

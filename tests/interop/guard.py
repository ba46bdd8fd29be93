"""Ends whatever still runs in a tree once standard input closes: a test run that is killed leaves nothing.

Servers change users and forget whose child they are, so no parent's death reaches them. Run as
`python -m tests.interop.guard TREE`.
"""

import os
import signal
import sys
import time
from pathlib import Path

_GRACE_SECONDS = 5.0


def find_running(tree: Path) -> list[int]:
    """Return the processes whose root directory is the tree or lies in it."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            root = (entry / "root").readlink()
        except OSError:
            continue  # it has ended
        if root == tree or tree in root.parents:
            found.append(int(entry.name))
    return found


def end_all(tree: Path) -> None:
    """End what runs in the tree, politely first."""
    end = time.monotonic() + _GRACE_SECONDS
    _signal(find_running(tree), signal.SIGTERM)
    while find_running(tree):
        time.sleep(0.05)
        if time.monotonic() > end:
            _signal(find_running(tree), signal.SIGKILL)


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Control-C goes to everybody; we are the last to go
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stdin.read()
    end_all(Path(sys.argv[1]))

"""What processes used, from /proc: CPU seconds and memory."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class _Stat:
    parent: int
    own: float
    ended_children: float


def read_cpu(pid: int) -> float:
    """CPU seconds of one process, without its children."""
    return _read_stat(pid).own


def read_family_cpu(pid: int) -> float:
    """CPU seconds of a process and all its children, those that have ended included."""
    parent = _read_stat(pid)
    total = parent.own + parent.ended_children
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                stat = _read_stat(int(path.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
            if stat.parent == pid:
                total += stat.own
    return total


def read_memory(pid: int, *, is_peak: bool = False) -> float:
    """Resident memory of a process in MB (10⁶ bytes), now or at its highest."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(rf"^{'VmHWM' if is_peak else 'VmRSS'}:\s+(\d+) kB", text, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024 / 1e6


def _read_stat(pid: int) -> _Stat:
    # The name may hold spaces and parentheses: everything of interest comes after the last one.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    user, system, ended_user, ended_system = (int(field) / _TICKS for field in fields[11:15])
    return _Stat(int(fields[1]), user + system, ended_user + ended_system)

"""What a process uses, seen from outside: memory, open files, threads, CPU time."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_KILOBYTE = 1024


@dataclass(frozen=True)
class Vitals:
    """One look at a process."""

    rss_bytes: int
    files: int
    sockets: int
    threads: int
    cpu_seconds: float


def look_at(pid: int) -> Vitals:
    """Look at a process that lives."""
    root = Path("/proc", str(pid))
    status = dict(line.split(":", 1) for line in root.joinpath("status").read_text().splitlines() if ":" in line)
    words = root.joinpath("stat").read_text().rpartition(")")[2].split()
    links = [_read_link(path) for path in root.joinpath("fd").iterdir()]
    return Vitals(
        rss_bytes=int(status["VmRSS"].split()[0]) * _KILOBYTE,
        files=len(links),
        sockets=sum(link.startswith("socket:") for link in links),
        threads=int(status["Threads"]),
        cpu_seconds=(int(words[11]) + int(words[12])) / _TICKS,
    )


def _read_link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""  # it was closed meanwhile

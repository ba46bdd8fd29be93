"""The measurements of this folder, one after the other; each is a program of its own with options of its own.

`python -m tests.bench` runs those that end within minutes, `python -m tests.bench long_list …` those named.
"""

import subprocess
import sys
from pathlib import Path

from tests.bench import report

_USUAL = (
    ("verify",),
    ("bench_intake",),
    ("ledger", "--rows", "100000"),
    ("bench_bouncer", "--addresses", "20000"),
    ("idle",),
)
_LATER = (("long_list",),)


def main(names: list[str]) -> int:
    """Run them and return the first exit status that is not 0."""
    known = {program[0]: program for program in (*_list_others(), *_LATER, *_USUAL)}
    chosen = names or [program[0] for program in (*_USUAL, *_list_others())]
    if unknown := set(chosen) - set(known):
        report.say(f"no such measurement: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
        return 2
    statuses: list[int] = []
    for name in chosen:
        report.say(f"\n--- {name}")
        command = [sys.executable, "-m", f"tests.bench.{name}", *known[name][1:]]
        statuses.append(subprocess.run(command, check=False).returncode)
    return next((status for status in statuses if status), 0)


def _list_others() -> list[tuple[str]]:
    listed = {program[0] for program in _USUAL}
    return [(path.stem,) for path in sorted(Path(__file__).parent.glob("bench_*.py")) if path.stem not in listed]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

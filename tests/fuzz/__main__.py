"""Fuzz everything, one after the other: `make fuzz SECONDS=…` gives each target so many seconds.

What breaks something is kept in tests/corpus/TARGET, where the normal suite replays it from then on.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.targets import TARGETS

_CORPUS = Path(__file__).parents[1] / "corpus"


def main() -> int:
    """Fuzz; the exit status is the number of targets that broke."""
    seconds, names = sys.argv[1], sys.argv[2:] or sorted(TARGETS)
    broken = 0
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "tests.fuzz.run", name, seconds, folder]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            found = re.findall(r"#(\d+)\s+DONE\s+cov: (\d+)", done.stderr)
            runs = f"{found[-1][0]} inputs, {found[-1][1]} edges" if found else "done"
            crashes = [path for path in Path(folder).iterdir() if path.name.startswith(("crash-", "timeout-", "oom-"))]
            for path in crashes:
                (_CORPUS / name / path.name[:20]).write_bytes(path.read_bytes())
            if done.returncode or crashes:
                broken += 1
                sys.stderr.write(done.stderr[-3000:])
            sys.stdout.write(f"{name}: {'BROKEN' if done.returncode or crashes else runs}\n")
            sys.stdout.flush()
    return broken


if __name__ == "__main__":
    sys.exit(main())

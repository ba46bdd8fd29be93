"""Every measurement of this folder, one after the other; each is a program of its own with options of its own."""

import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Run them all and return the first exit status that is not 0."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))
    statuses: list[int] = []
    for name in names:
        sys.stdout.write(f"\n--- {name}\n")
        sys.stdout.flush()
        statuses.append(subprocess.run([sys.executable, "-m", f"tests.bench.{name}"], check=False).returncode)
    return next((status for status in statuses if status), 0)


if __name__ == "__main__":
    sys.exit(main())

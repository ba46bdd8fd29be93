"""A validatord on a machine whose wall clock jumps; PostgreSQL's and the monotonic clock go on as they were.

    python -m tests.chaos.jumping SECONDS_FILE --config … serve

The file holds how many seconds the wall clock is off; it is read whenever somebody asks the time.
"""

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path


def main() -> None:
    """Put the jumping clock in place, then be validatord."""
    path = Path(sys.argv.pop(1))
    true_time = time.time

    def read_offset() -> float:
        try:
            return float(path.read_text())
        except (OSError, ValueError):
            return 0.0  # it is being written

    time.time = lambda: true_time() + read_offset()
    from validatord import clock

    clock.SystemClock.now = lambda _: datetime.now(UTC) + timedelta(seconds=read_offset())  # type: ignore[method-assign]
    from validatord.__main__ import main as run

    run()


if __name__ == "__main__":
    main()

"""A validatord in which a call blocks the event loop: for so many seconds, whenever SIGUSR1 comes.

python -m tests.chaos.planted SECONDS --config … serve
"""

import signal
import sys
import time


def main() -> None:
    """Plant the call, then be validatord."""
    seconds = float(sys.argv.pop(1))
    # A handler of Python's own runs in the main thread, which is the loop's, between two instructions of it.
    signal.signal(signal.SIGUSR1, lambda *_: time.sleep(seconds))
    from validatord.__main__ import main as run

    run()


if __name__ == "__main__":
    main()

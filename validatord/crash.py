"""Named points at which a test may have this process killed; without its environment variable nothing happens.

`VALIDATORD_CRASH_POINT=record.before_commit` ends the process there as `kill -9` does, `…:3` at the third time.
The names are `room.moment`; the tests find them in the source, so that none is without a test.
"""

import os
import signal

VARIABLE = "VALIDATORD_CRASH_POINT"


def point(name: str) -> None:
    """End this process at once if the variable names this point."""
    wanted, _, number = os.environ.get(VARIABLE, "").partition(":")
    if wanted != name:
        return
    if number and int(number) > 1:
        os.environ[VARIABLE] = f"{name}:{int(number) - 1}"
        return
    os.kill(os.getpid(), signal.SIGKILL)

"""From the clock that never jumps to the one that survives a restart, and back.

Pacing counts in monotonic seconds, so that a jump of the wall clock neither opens nor closes anything.
Snapshots carry wall-clock times; what is read back lies only so far in the future, so that a wrong
clock cannot close a lane for a year.
"""

from datetime import UTC, datetime, timedelta

from validatord.clock import Clock


def to_wall(clock: Clock, at: float) -> str:
    """Write a monotonic moment as an ISO time in UTC."""
    return (clock.now() + timedelta(seconds=at - clock.monotonic())).isoformat()


def from_wall(clock: Clock, text: str, *, most_seconds: float) -> float:
    """Read what `to_wall` wrote, at most that far in the future; ValueError if unreadable."""
    then = datetime.fromisoformat(text)
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    distance = (then - clock.now()).total_seconds()
    return clock.monotonic() + min(most_seconds, distance)

"""When a deferred mailbox is asked again."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

# A receiver that says "in 300 seconds" means not a second earlier: some start over when asked too soon.
_AFTER_ASKED_WAIT = timedelta(seconds=30)


def retry_due(  # noqa: PLR0913 the schedule is four settings, and the last two have defaults
    now: datetime,
    deferrals: int,
    delays: Sequence[timedelta],
    jitter: float,
    rng: random.Random,
    asked_wait: timedelta | None = None,
    *,
    min_wait: timedelta = timedelta(seconds=60),
    max_wait: timedelta = timedelta(hours=2),
) -> datetime | None:
    """Return the due time after `deferrals` earlier ones, or None once the schedule is used up.

    A delay of the schedule is spread by ± `jitter`. A wait the receiver asked for, held between
    `min_wait` and `max_wait`, takes its place and is only ever lengthened.
    """
    if deferrals >= len(delays):
        return None
    if asked_wait is None:
        return now + delays[deferrals] * (1 + rng.uniform(-jitter, jitter))
    bounded = max(min_wait, min(max_wait, asked_wait)) + _AFTER_ASKED_WAIT
    return now + bounded * (1 + rng.uniform(0, jitter))

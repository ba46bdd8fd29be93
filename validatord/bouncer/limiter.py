"""The right to make a call: reserved in the ledger before it is sent, spaced instead of in bursts.

Every process that shares the ledger shares the buckets. A call that comes late to its moment gives it up
and reserves anew, so that what left late from several processes never piles up.
"""

import random
from datetime import timedelta
from enum import StrEnum

from validatord.clock import Clock
from validatord.settings import BouncerSettings
from validatord.store import bouncer_limits
from validatord.store.bouncer_limits import Bucket
from validatord.store.database import Database


class Act(StrEnum):
    """What a call does; each has a bucket of its own."""

    CREATE = "create"
    STATUS = "status"
    DOWNLOAD = "download"
    DELETE = "delete"  # and finish
    CREDITS = "credits"


_ALL = "all"
# The provider counts these together, so a 429 to one of them stops all of them.
_TOGETHER = (frozenset({Act.STATUS, Act.DOWNLOAD, Act.DELETE}), frozenset({Act.CREATE}), frozenset({Act.CREDITS}))
_MARGIN = 1.02  # times the spacing: what the way to the provider may squeeze together
_HORIZON = timedelta(seconds=10)  # how far ahead a moment is reserved
_MOST_LATE_SECONDS = 0.5
_LONGEST_SLEEP_SECONDS = 30.0
_SHORTEST_SLEEP_SECONDS = 0.02
_SPREAD = 0.2  # share by which a wait after 429 is spread, only ever longer


class CallLimiter:
    """Waits for, or refuses, calls to the provider."""

    def __init__(self, database: Database, clock: Clock, rng: random.Random) -> None:
        self._database = database
        self._clock = clock
        self._rng = rng
        self._is_prepared = False

    async def take(self, act: Act, settings: BouncerSettings) -> None:
        """Wait until a call may be sent; then send it at once."""
        while not await self._try(act, settings, _LONGEST_SLEEP_SECONDS):
            pass

    async def try_take(self, act: Act, settings: BouncerSettings, patience_seconds: float) -> bool:
        """Wait for a call no longer than that; False: not now."""
        deadline = self._clock.monotonic() + patience_seconds
        while (left := deadline - self._clock.monotonic()) > 0:
            if await self._try(act, settings, left):
                return True
        return False

    async def block(self, act: Act, wait: timedelta) -> None:
        """The provider said "too many": let nobody through the buckets it counts together."""
        names = next(sorted(group) for group in _TOGETHER if act in group)
        spread = wait * (1 + self._rng.uniform(0, _SPREAD))
        await bouncer_limits.block_buckets(self._database, names, spread)

    async def _try(self, act: Act, settings: BouncerSettings, most_seconds: float) -> bool:
        await self._prepare()
        slot = await bouncer_limits.reserve_call(self._database, make_buckets(act, settings), _HORIZON)
        if not slot.is_granted:
            wait = max(_SHORTEST_SLEEP_SECONDS, min(slot.wait_seconds, most_seconds))
            await self._clock.sleep(min(wait, _LONGEST_SLEEP_SECONDS))
            return False
        at = self._clock.monotonic() + slot.wait_seconds
        if slot.wait_seconds > 0:
            await self._clock.sleep(slot.wait_seconds)
        return self._clock.monotonic() - at <= _MOST_LATE_SECONDS

    async def _prepare(self) -> None:
        if not self._is_prepared:
            await bouncer_limits.add_buckets(self._database, [_ALL, *Act])
            self._is_prepared = True


def limits_of(settings: BouncerSettings) -> dict[str, float]:
    """Return how many calls a minute each bucket lets through."""
    return {
        _ALL: settings.calls_per_minute,
        Act.CREATE.value: settings.creates_per_minute,
        Act.STATUS.value: settings.polls_per_minute,
        Act.DOWNLOAD.value: settings.downloads_per_minute,
        Act.DELETE.value: settings.downloads_per_minute,
        Act.CREDITS.value: settings.credit_reads_per_minute,
    }


def make_buckets(act: Act, settings: BouncerSettings) -> tuple[Bucket, Bucket]:
    """Return the buckets a call counts in: its own, and the one of all calls."""
    return (
        Bucket(act.value, _space(limits_of(settings)[act.value]), is_own=True),
        Bucket(_ALL, _space(settings.calls_per_minute), is_own=False),
    )


def _space(per_minute: float) -> timedelta:
    return timedelta(minutes=_MARGIN / per_minute)

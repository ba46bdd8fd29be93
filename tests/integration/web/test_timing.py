"""A wrong key takes as long as another wrong key: nothing can be learnt of a right one by a clock."""

import gc
import time

from tests.integration.web.conftest import Door
from validatord.clock import SystemClock
from validatord.store import keys
from validatord.web.auth import KeyRing

_TRIES = 1500


async def test_no_byte_is_told_apart(door: Door) -> None:
    """Wrong in the first byte and wrong in the last byte: by rank the two cannot be told apart.

    Keys are compared by their SHA-256 in an index, and digests in constant time. The bound is far from
    chance (z of 6), so that only a comparison that stops early, which shifts every sample, fails it.
    """
    good = await door.make_key()
    ring = KeyRing(door.database, SystemClock())
    first = good[:3] + ("A" if good[3] != "A" else "B") + good[4:]
    last = good[:-1] + ("A" if good[-1] != "A" else "B")
    samples: list[tuple[float, int]] = []

    gc.disable()
    try:
        for number in range(2 * _TRIES):
            began = time.perf_counter()
            assert await ring.find(first if number % 2 else last) is None
            samples.append((time.perf_counter() - began, number % 2))
    finally:
        gc.enable()

    ranks = sum(rank for rank, (_, kind) in enumerate(sorted(samples), start=1) if kind)
    mean, spread = _TRIES * (2 * _TRIES + 1) / 2, (_TRIES * _TRIES * (2 * _TRIES + 1) / 12) ** 0.5
    assert abs(ranks - mean) / spread < 6
    assert keys.digest(first) != keys.digest(last)

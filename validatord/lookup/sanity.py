"""Whether the resolver sees the world at all, before its "no such domain" is believed.

A resolver behind a closed network, or one that answers every question with NXDOMAIN, would make a whole
list invalid. A top-level domain that certainly exists tells the two apart; trouble of ours is no verdict.
"""

import asyncio

from validatord.clock import Clock
from validatord.errors import LookupFailed
from validatord.lookup.answer import AnswerKind
from validatord.lookup.resolver import Resolver

# Either is enough: some forwarders do not pass on questions about the root.
_CERTAIN = ("com", ".")
_GOOD_SECONDS = 600.0
_BAD_SECONDS = 30.0


class ResolverSanity:
    """Asks for names that exist, and remembers the answer for some minutes."""

    def __init__(self, resolver: Resolver, clock: Clock) -> None:
        self._resolver = resolver
        self._clock = clock
        self._lock = asyncio.Lock()
        self._until = 0.0
        self._is_seeing = False

    def __repr__(self) -> str:
        return f"ResolverSanity(is_seeing={self._is_seeing})"

    async def is_seeing(self) -> bool:
        """Whether names that certainly exist are found."""
        async with self._lock:
            if self._clock.monotonic() >= self._until:
                self._is_seeing = await self._look()
                wait = _GOOD_SECONDS if self._is_seeing else _BAD_SECONDS
                self._until = self._clock.monotonic() + wait
            return self._is_seeing

    async def _look(self) -> bool:
        for name in _CERTAIN:
            try:
                answer = await self._resolver.query(name, "NS")
            except LookupFailed:
                continue
            if answer.kind is AnswerKind.FOUND:
                return True
        return False

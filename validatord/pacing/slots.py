"""How many conversations a lane may hold at once: slow start, and the line of those who wait.

Slots grow by one for each full cohort of good turns, as many as there are slots, and are halved at the
beginning of a run of failures. Whether anybody may go at all is the breaker's business.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Slots:
    """The current limit, between 1 and `most`."""

    def __init__(self, most: int, *, is_slow_start: bool) -> None:
        self.most = most
        self._is_slow_start = is_slow_start
        self.limit = 1 if is_slow_start else most
        self._good_turns = 0
        self._has_answer = False
        self._is_failing = False

    def __repr__(self) -> str:
        return f"<Slots {self.limit} of {self.most}{', failing' if self._is_failing else ''}>"

    def apply(self, most: int, *, is_slow_start: bool) -> None:
        """Go on under another ceiling."""
        self.most, self._is_slow_start = most, is_slow_start
        self.limit = min(self.limit, most) if is_slow_start else most

    def restart(self) -> None:
        """Begin again, after a breaker closed."""
        self.limit = 1 if self._is_slow_start else self.most
        self._good_turns = 0

    def hear_answer(self) -> None:
        """The receiver spoke with us: a run of failures is over, and the turn was a good one."""
        self._has_answer = True
        self._is_failing = False

    def hear_failure(self) -> None:
        """A run of failures halves the slots once, where it begins."""
        if not self._is_failing:
            self.limit = max(1, self.limit // 2)
        self._is_failing = True
        self._has_answer = False
        self._good_turns = 0

    def end_turn(self) -> bool:
        """Count one turn that is over; True if the limit grew."""
        if not self._has_answer:
            return False
        self._has_answer = False
        self._good_turns += 1
        if self._good_turns < self.limit or self.limit >= self.most:
            return False
        self.limit += 1
        self._good_turns = 0
        return True


class Line(Generic[T]):
    """Those who wait for a slot: the higher priority first, then who came first."""

    def __init__(self) -> None:
        self._order = itertools.count()
        self._places: list[tuple[int, int, asyncio.Future[T]]] = []

    def __len__(self) -> int:
        return sum(not place.done() for _, _, place in self._places)

    def join(self, priority: int) -> asyncio.Future[T]:
        """Take a place; whoever waits on it leaves the line by being cancelled."""
        place: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._places, (-priority, next(self._order), place))
        return place

    def call_next(self) -> asyncio.Future[T] | None:
        """Return the next place that somebody still waits on, or None."""
        while self._places:
            place = heapq.heappop(self._places)[2]
            if not place.done():
                return place
        return None

    def turn_away(self, make_error: Callable[[], Exception]) -> None:
        """Send everybody home with an error."""
        while (place := self.call_next()) is not None:
            place.set_exception(make_error())


def find_result(place: "asyncio.Future[T]") -> T | None:
    """Return what a place was given, although nobody waits on it any more; None if nothing."""
    if place.done() and not place.cancelled() and place.exception() is None:
        return place.result()
    return None

"""Whether the provider is asked at all: after rounds of nothing but breakdowns it is left alone for a while.

Counted are rounds, not calls, since ten polls that fail together are one trouble. Only transport failures
and 5xx count: every other answer shows that the provider is there. It changes no batch.
"""

from datetime import timedelta
from enum import StrEnum

from validatord.clock import Clock


class State(StrEnum):
    """Calls flow; stopped until a time; one read is allowed."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class RoundBreaker:
    """Opens after so many bad rounds in a row; then one good read closes it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._bad_rounds = 0
        self._until: float | None = None
        self._has_answer = False
        self._has_breakdown = False

    def __repr__(self) -> str:
        return f"<RoundBreaker {self.state}, {self._bad_rounds} bad rounds>"

    @property
    def state(self) -> State:
        """Closed, open or half-open, as of now."""
        if self._until is None:
            return State.CLOSED
        return State.OPEN if self._clock.monotonic() < self._until else State.HALF_OPEN

    def hear_answer(self) -> None:
        """The provider answered something, whatever it was."""
        self._has_answer = True

    def hear_breakdown(self) -> None:
        """A call ended without an answer, or in a 5xx."""
        self._has_breakdown = True

    def end_round(self, failures: int, open_for: timedelta) -> bool:
        """Count the round that ends; True where the breaker opened just now."""
        has_answer, has_breakdown = self._has_answer, self._has_breakdown
        self._has_answer = self._has_breakdown = False
        if has_answer:
            self._bad_rounds, self._until = 0, None
            return False
        if not has_breakdown:
            return False
        self._bad_rounds += 1
        if self._bad_rounds < failures:
            return False
        was_closed = self._until is None
        self._until = self._clock.monotonic() + open_for.total_seconds()
        return was_closed

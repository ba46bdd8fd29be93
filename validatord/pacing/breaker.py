"""Whether a receiver may be asked at all: closed, open, half-open.

One breaker belongs to one lane. It hears how the receiver treats us, opens for a time that grows with
each cause's repetition, and then lets one trial pass. Answers about mailboxes never open it, except by
their mix: too many unknown users look like harvesting. It keeps the gate, not the number of slots.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from validatord.clock import Clock
from validatord.mail.probe import Signal
from validatord.pacing.instants import from_wall, to_wall


class State(StrEnum):
    """Traffic flows; stopped until a time; one trial allowed."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Cause(StrEnum):
    """Why a breaker is open."""

    BLOCKED = "sender_ip_blocked"
    RATE_LIMITED = "rate_limited"
    NO_CONNECTION = "no_connection"
    UNKNOWN_RATIO = "unknown_ratio"


ANSWERS = frozenset({Signal.SUCCESS, Signal.REFUSED_UNKNOWN})
_CAUSES = {
    Signal.BLOCKED_EARLY: Cause.BLOCKED,
    Signal.BLOCKED: Cause.BLOCKED,
    Signal.REJECTED_SILENTLY: Cause.BLOCKED,
    Signal.RATE_LIMITED: Cause.RATE_LIMITED,
    Signal.CONNECTION_FAILED: Cause.NO_CONNECTION,
}
OPEN_TIMES: Mapping[Cause, tuple[timedelta, ...]] = MappingProxyType(
    {
        Cause.BLOCKED: (timedelta(hours=1), timedelta(hours=4), timedelta(hours=24)),
        Cause.RATE_LIMITED: (timedelta(minutes=15), timedelta(hours=1), timedelta(hours=4)),
        Cause.NO_CONNECTION: (timedelta(minutes=10),),
        Cause.UNKNOWN_RATIO: (timedelta(minutes=30),),
    }
)


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """What opens a breaker, and for how long; each repetition of a cause takes the next open time."""

    open_times: Mapping[Cause, tuple[timedelta, ...]] = field(default_factory=lambda: OPEN_TIMES)
    blocked: int = 2  # blocked at RCPT, within …
    blocked_within: timedelta = timedelta(hours=1)
    rate_limited: int = 3  # within …
    rate_limited_within: timedelta = timedelta(minutes=10)  # of time in which anybody might go
    rate_limit_pause: timedelta = timedelta(minutes=15)  # after each of them
    connection_failures: int = 5  # in a row, over …
    connection_domains: int = 2
    silent_rejections: int = 2  # in a row
    unknown_ratio: float = 0.30
    unknown_window: int = 20
    trial_wait: timedelta = timedelta(minutes=2)  # what the others are told while a trial runs


class CircuitBreaker:
    """Closed, open or half-open; changes only in `observe`, `enter`, `leave` and by time passing."""

    def __init__(self, clock: Clock, rules: BreakerRules | None = None) -> None:
        self._clock = clock
        self._rules = rules or BreakerRules()
        self._cause: Cause | None = None
        self._until: float | None = None  # None: closed
        self._paused_until = clock.monotonic()
        self._is_trial_out = False
        self._trial_wait: timedelta | None = None  # shorter than the rules', where it was we who were cut off
        # Per cause: how often it opened in a row, and when it last ended.
        self._levels: dict[Cause, tuple[int, float]] = {}
        self._silent = 0
        # Tuples, since most lanes hear of none of these: empty ones cost nothing.
        self._blocked: tuple[float, ...] = ()
        self._rate_limited: tuple[float, ...] = ()
        self._unreachable: tuple[str, ...] = ()
        self._unknown: tuple[bool, ...] = ()

    def __repr__(self) -> str:
        wait = self.retry_in()
        why = f" {self.cause} for {wait:.0f} s" if wait is not None else ""
        return f"<CircuitBreaker {self.state}{why}>"

    def apply(self, rules: BreakerRules) -> None:
        """Go on under other rules, with what was heard so far."""
        self._rules = rules

    @property
    def state(self) -> State:
        """Closed, open or half-open, as of now; a pause counts as open."""
        now = self._clock.monotonic()
        if self._until is None:
            return State.OPEN if now < self._paused_until else State.CLOSED
        return State.OPEN if now < self._until else State.HALF_OPEN

    @property
    def cause(self) -> str:
        """What the gate is closed for: a `Cause`, or `trial` while the one trial runs; else empty."""
        if self.state is State.HALF_OPEN:
            return "trial" if self._is_trial_out else ""
        if self.state is State.CLOSED:
            return ""
        return self._cause or Cause.RATE_LIMITED

    @property
    def is_worth_keeping(self) -> bool:
        """Whether forgetting this breaker would let somebody go who should not, or go too soon."""
        repeated = any(self._step(cause) for cause in self._levels)
        return repeated or self._until is not None or self.state is State.OPEN

    @property
    def has_evidence(self) -> bool:
        """Whether it has heard something lately that a snapshot does not carry."""
        oldest = self._clock.monotonic() - self._rules.blocked_within.total_seconds()
        return self._silent > 0 or any(at > oldest for at in (*self._blocked, *self._rate_limited))

    def retry_in(self) -> float | None:
        """Return the seconds until somebody may enter, or None if one may now."""
        until = self._paused_until if self._until is None else self._until
        if (wait := until - self._clock.monotonic()) > 0:
            return wait
        is_trial_running = self._until is not None and self._is_trial_out
        wait_for_trial = self._trial_wait or self._rules.trial_wait
        return wait_for_trial.total_seconds() if is_trial_running else None

    def enter(self) -> bool:
        """Let one in, who asked `retry_in` before; True: it is the trial and asks one mailbox only."""
        if self.state is not State.HALF_OPEN:
            return False
        self._is_trial_out = True
        return True

    def leave(self, *, is_trial: bool) -> None:
        """Let one out; a trial that heard nothing leaves the breaker half-open for the next."""
        if is_trial:
            self._is_trial_out = False

    def observe(self, signal: Signal, domain: str = "") -> None:
        """Hear how the receiver treated a visit to `domain`."""
        if signal in ANSWERS:
            self._hear_answer(is_unknown=signal is Signal.REFUSED_UNKNOWN)
        elif self.state is State.HALF_OPEN or self._is_enough(signal, domain):
            self._open(_CAUSES[signal])
        elif signal is Signal.RATE_LIMITED and self._until is None:
            self._paused_until = max(self._paused_until, self._rate_limited[-1])

    def _hear_answer(self, *, is_unknown: bool) -> None:
        # An answer that was still under way when the breaker opened closes nothing.
        if self.state is State.OPEN:
            return
        self._cause = self._until = None
        self._unreachable = ()
        self._silent = 0
        self._unknown = (*self._unknown, is_unknown)[-self._rules.unknown_window :]
        is_full = len(self._unknown) == self._rules.unknown_window
        if is_full and sum(self._unknown) > self._rules.unknown_ratio * self._rules.unknown_window:
            self._open(Cause.UNKNOWN_RATIO)

    def _is_enough(self, signal: Signal, domain: str) -> bool:
        now, rules = self._clock.monotonic(), self._rules
        if signal is Signal.BLOCKED:
            self._blocked = (*self._blocked, now)[-rules.blocked :]
            return len(self._blocked) == rules.blocked and self._is_within(self._blocked, rules.blocked_within)
        if signal is Signal.REJECTED_SILENTLY:
            self._silent += 1
            return self._silent >= rules.silent_rejections
        if signal is Signal.RATE_LIMITED:
            # Counted from the end of the pause that follows: time nobody could use does not age it.
            at = self._end_of_pause()
            self._rate_limited = (*self._rate_limited, at)[-rules.rate_limited :]
            is_full = len(self._rate_limited) == rules.rate_limited
            return is_full and self._is_within(self._rate_limited, rules.rate_limited_within)
        if signal is Signal.CONNECTION_FAILED:
            self._unreachable = (*self._unreachable, domain)[-rules.connection_failures :]
            is_full = len(self._unreachable) == rules.connection_failures
            return is_full and len(set(self._unreachable)) >= rules.connection_domains
        return True  # BLOCKED_EARLY: once is enough

    @staticmethod
    def _is_within(moments: tuple[float, ...], window: timedelta) -> bool:
        return moments[-1] - moments[0] <= window.total_seconds()

    def _end_of_pause(self) -> float:
        now, pause = self._clock.monotonic(), self._rules.rate_limit_pause.total_seconds()
        if self._until is not None:
            return now
        if now < self._paused_until:
            return self._paused_until
        self._rate_limited = tuple(at + pause for at in self._rate_limited)
        return now + pause

    def _open(self, cause: Cause) -> None:
        now, step = self._clock.monotonic(), self._step(cause)
        until = now + self._rules.open_times[cause][step].total_seconds()
        # Stragglers of the same trouble must not climb the ladder; a worse trouble may take over.
        is_open = self._until is not None and now < self._until
        if is_open and (cause is self._cause or until <= (self._until or now)):
            return
        self._cause, self._until, self._trial_wait = cause, until, None
        self._levels[cause] = (step + 1, until)
        self._paused_until = now
        self._silent = 0
        self._blocked, self._rate_limited, self._unreachable, self._unknown = (), (), (), ()

    def shorten(self, within: timedelta) -> None:
        """Let a trial go soon where nobody could be reached: it was we who were cut off."""
        if self._until is not None and self._cause is Cause.NO_CONNECTION:
            self._until = min(self._until, self._clock.monotonic() + within.total_seconds())
            self._trial_wait = within

    def _step(self, cause: Cause) -> int:
        """Which open time is next: the first again after as long a rest as the longest one."""
        times = self._rules.open_times[cause]
        steps, ended_at = self._levels.get(cause, (0, 0.0))
        is_forgotten = self._clock.monotonic() - ended_at > times[-1].total_seconds()
        return 0 if is_forgotten else min(steps, len(times) - 1)

    def snapshot(self) -> dict[str, Any]:
        """Return a JSON-ready dict with wall-clock times."""
        found: dict[str, Any] = {
            "levels": {cause: [steps, to_wall(self._clock, ended)] for cause, (steps, ended) in self._levels.items()}
        }
        if self._until is not None and self._cause is not None:
            found |= {"cause": self._cause, "until": to_wall(self._clock, self._until)}
        if self._paused_until > self._clock.monotonic():
            found["paused_until"] = to_wall(self._clock, self._paused_until)
        return found

    def restore(self, data: dict[str, Any]) -> None:
        """Read what `snapshot` wrote; an open time that has passed meanwhile leaves it half-open."""
        for name, (steps, ended) in data.get("levels", {}).items():
            self._levels[Cause(name)] = (int(steps), self._from_wall(ended, Cause(name)))
        if "until" in data:
            self._cause = Cause(data["cause"])
            self._until = self._from_wall(data["until"], self._cause)
        if "paused_until" in data:
            most = self._rules.rate_limit_pause.total_seconds()
            self._paused_until = from_wall(self._clock, data["paused_until"], most_seconds=most)

    def _from_wall(self, text: str, cause: Cause) -> float:
        return from_wall(self._clock, text, most_seconds=self._rules.open_times[cause][-1].total_seconds())

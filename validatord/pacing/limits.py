"""The rules of lanes as values: what holds for each lane, and what holds across them."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from validatord.mail.provider import Pace
from validatord.pacing.breaker import BreakerRules
from validatord.settings import PacingSettings


@dataclass(frozen=True, slots=True)
class LaneRules:
    """What holds for every lane; what differs by provider stands in its `Pace`."""

    jitter: float = 0.2
    is_slow_start: bool = True
    warm_up: int = 0  # RCPT a day in a lane's first week, doubling weekly; 0: none
    slowest: float = 0.125  # the smallest share of its RCPT rate a limited lane falls to
    recover_after: timedelta = timedelta(minutes=30)  # without a limit, until the rate doubles again
    breaker: BreakerRules = field(default_factory=BreakerRules)

    @classmethod
    def of(cls, settings: PacingSettings) -> "LaneRules":
        """Take from the settings what lanes need."""
        return cls(jitter=settings.jitter, is_slow_start=settings.is_slow_start, warm_up=settings.warm_up)

    def breaker_of(self, pace: Pace) -> BreakerRules:
        """Return the breaker's rules with the provider's own guard against unknown users."""
        return replace(self.breaker, unknown_ratio=pace.unknown_ratio, unknown_window=pace.unknown_window)


@dataclass(frozen=True, slots=True)
class BookRules:
    """What holds across lanes."""

    lane: LaneRules = field(default_factory=LaneRules)
    global_concurrency: int = 96
    tarpit_share: float = 0.3  # of all turns
    failures_to_open: int = 5  # of a host or domain
    open_for: timedelta = timedelta(minutes=45)
    listing_pause: timedelta = timedelta(hours=24)
    most_names: int = 20_000  # hosts and domains in trouble that are remembered
    sweep_every: timedelta = timedelta(minutes=1)
    idle_after: timedelta = timedelta(minutes=3)  # then a lane with nothing fresh to remember is dropped
    forget_after: timedelta = timedelta(hours=1)  # then any idle lane is; what matters is kept aside
    most_kept: int = 10_000  # dropped lanes whose snapshot is kept aside

    @classmethod
    def of(cls, settings: PacingSettings) -> "BookRules":
        """Take from the settings what the book needs."""
        return cls(
            lane=LaneRules.of(settings),
            global_concurrency=settings.global_concurrency,
            failures_to_open=settings.failures_to_open,
            open_for=settings.open_for,
            listing_pause=settings.listing_pause,
        )

    @property
    def most_slow_turns(self) -> int:
        """How many turns may be lost to tarpits."""
        return max(1, int(self.global_concurrency * self.tarpit_share))

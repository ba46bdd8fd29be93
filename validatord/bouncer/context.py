"""What the story of a batch works with: the tools it calls, and what it counts on the way."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from loguru import logger

from validatord.bouncer import translate
from validatord.bouncer.breaker import RoundBreaker
from validatord.bouncer.client import BouncerClient
from validatord.bouncer.limiter import Act, CallLimiter
from validatord.bouncer.wire import Kind
from validatord.clock import Clock
from validatord.errors import BouncerError, BouncerRateLimited, BouncerRejected, BouncerUnavailable
from validatord.mail.request import Finding, VerificationRequest
from validatord.rules.policy import ClientPolicy
from validatord.settings import BouncerSettings
from validatord.store import bouncer_limits
from validatord.store.bouncer_batches import Trouble
from validatord.store.bouncer_queue import Settle
from validatord.store.database import Database

_BREAKDOWNS = frozenset({Kind.NETWORK_ERROR, Kind.API_ERROR, Kind.AMBIGUOUS})


@dataclass(slots=True)
class Tools:
    """The skills of the story, built once by the driver."""

    database: Database
    client: BouncerClient
    limiter: CallLimiter
    breaker: RoundBreaker
    clock: Clock
    rng: random.Random
    policy_of: Callable[[str], ClientPolicy]
    errors: Counter[str] = field(default_factory=Counter[str])
    unwanted_since: dict[str, float] = field(default_factory=dict[str, float])  # clients that buy nothing any more

    def hear(self, error: BouncerError) -> Trouble:
        """Count an error, tell the breaker, and return it as the ledger keeps it."""
        self.errors[error.kind] += 1
        if error.kind in _BREAKDOWNS:
            self.breaker.hear_breakdown()
        else:
            self.breaker.hear_answer()
        return Trouble(error.kind, str(error), is_failure=not isinstance(error, BouncerRateLimited))


async def obey_limit(tools: Tools, act: Act, error: BouncerRateLimited, settings: BouncerSettings) -> timedelta:
    """Put the buckets to sleep after a 429 and return for how long."""
    wait = error.wait or settings.rate_limit_wait
    await tools.limiter.block(act, wait)
    logger.bind(act=act.value, seconds=wait.total_seconds()).warning("bouncer limits our rate")
    return wait


async def stop(tools: Tools, tier: str, error: BouncerRejected, settings: BouncerSettings) -> None:
    """Ask nothing more: the key is refused. Said once."""
    if await bouncer_limits.stop_account(tools.database, tier, str(error), settings.check_interval):
        logger.bind(tier=tier, said=str(error)).error("bouncer refuses our key; nothing is asked until it is taken")


def is_key_refused(error: BouncerError) -> bool:
    """Whether the provider does not know us."""
    return isinstance(error, BouncerRejected) and error.kind == Kind.UNAUTHORISED


def is_breakdown(error: BouncerError) -> bool:
    """Whether there was no answer, or one that says the service is broken."""
    return isinstance(error, BouncerUnavailable) and error.kind in _BREAKDOWNS


def keep_own(cause: str, now: datetime) -> Settle:
    """Return how requests end that Bouncer is not asked about: with our own finding."""

    def settle(_: VerificationRequest, own: Finding | None) -> Finding:
        return translate.keep_own(own, cause, now)

    return settle

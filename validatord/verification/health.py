"""The health of a visit's domain: looked up beside the conversation, kept with the facts, never waited for long."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace

from validatord.lookup.health import DomainHealth
from validatord.verification.context import Tools, Visit

# From the beginning of the look-up; a domain whose name server is slow is not healthier for our patience.
_PATIENCE_SECONDS = 0.5


def start(visit: Visit, tools: Tools) -> None:
    """Begin the look-up, unless the ledger's facts are young enough."""
    checked_at, ttl = visit.facts.health_checked_at, visit.settings.lookup.cache_ttl
    is_fresh = checked_at is not None and tools.clock.now() - checked_at < ttl
    if visit.mx is not None and not is_fresh:
        visit.health = asyncio.create_task(
            _within(tools.lookup_health(visit.domain, visit.mx)), name=f"health {visit.domain}"
        )


async def take(visit: Visit, tools: Tools) -> None:
    """Put what was found with the visit's facts; waits for it no longer than its own small deadline."""
    task, visit.health = visit.health, None
    if task is None:
        return
    found = await task
    if found is None:
        return  # the next visit tries again
    visit.facts = replace(
        visit.facts,
        spf=found.spf,
        dmarc=found.dmarc,
        is_redundant=found.is_redundant,
        health_checked_at=tools.clock.now(),
    )


def cancel(visit: Visit) -> None:
    """Let go of a look-up that nobody needs any more."""
    if visit.health is not None:
        visit.health.cancel()
        visit.health = None


async def _within(finding: Awaitable[DomainHealth]) -> DomainHealth | None:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await finding
    except TimeoutError:
        return None

"""Hours of bad luck for the paid side: kills, lost messages, real minutes at the limit.

Run with: pytest tests/campaign -s
"""

import random
import sys
import time

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.fakes import bouncer_child
from tests.fakes.bouncer_child import Order
from tests.fakes.bouncer_machine import BouncerMachine
from tests.fakes.bouncer_rig import Rig, check_books, hand_over, make_emails
from tests.integration.bouncer.test_crashes import kill_at_random
from tests.integration.bouncer.test_limiter import press
from validatord.sandbox.bouncer import SandboxBouncer
from validatord.sandbox.bouncer_world import BouncerSpec
from validatord.store.database import Database

_ADDRESSES, _BATCH, _KILLS = 100_000, 10_000, 50


def _say(text: str) -> None:
    sys.stdout.write(f"\n{text}\n")


@pytest.mark.timeout(1800)
async def test_fifty_kills(database: Database, dsn: str) -> None:
    """50 kills at random moments over 100,000 addresses in 10 batches: 0 double charges, 0 lost, 0 doubled."""
    changes = {"batch_size": _BATCH}
    spec = BouncerSpec(speed=20.0, slots=2, is_limited=False, items_per_second=200)
    async with SandboxBouncer(spec) as service:
        rig = Rig(database, service, **changes)
        emails = make_emails(_ADDRESSES, domains=5003)
        await hand_over(database, emails)
        rng = random.Random(20261121)
        started = time.monotonic()
        kills = await kill_at_random(rig, dsn, rng, kills=_KILLS, longest_seconds=3.0, changes=changes)
        for _ in range(20):
            child = bouncer_child.start(Order(dsn, service.url, changes=changes))
            assert await bouncer_child.join(child, 600) == 0
            if not await bouncer_child.resolve_unknown(database, service):
                break
        seconds = time.monotonic() - started
        unknown = await rig.fetch("SELECT count(*) FROM bouncer_batches WHERE resolution IS NOT NULL")
        _say(
            f"{kills} kills in {seconds:.0f} s, {len(service.world.batches)} batches there, {unknown} creates were"
            f" unknown, {len(service.ledger.doubled_charges())} addresses charged twice,"
            f" {len(emails) - len(await rig.results())} lost"
        )
        assert kills == _KILLS
        await check_books(rig, emails)
        assert await rig.fetch("SELECT count(*) FROM bouncer_results") == _ADDRESSES
        assert await rig.fetch("SELECT count(*) FROM email_validation") == _ADDRESSES
        await rig.aclose()


@pytest.mark.timeout(7200)
def test_any_message_may_get_lost(dsn: str) -> None:
    """500 runs in which any message may get lost find no double charge."""
    BouncerMachine.dsn = dsn
    started = time.monotonic()

    run_state_machine_as_test(
        BouncerMachine,
        settings=settings(
            max_examples=500, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )

    _say(f"500 runs of up to 30 steps in {time.monotonic() - started:.0f} s")


@pytest.mark.timeout(600)
async def test_a_real_minute_at_the_limit(database: Database, dsn: str) -> None:
    """Two processes for two real minutes: never more than 180 calls in 60 seconds, and at least 171."""
    async with SandboxBouncer(BouncerSpec(is_limited=False)) as service:
        rig = Rig(database, service)
        most, fewest = await press(
            rig, dsn, processes=2, seconds=125, window=60.0, calls_per_minute=180, polls_per_minute=180
        )
        _say(f"at most {most}, at least {fewest} of 180 calls in any 60 s, {len(service.ledger.requests)} calls in all")
        assert most <= 180
        assert fewest >= 171
        await rig.aclose()

"""A sandbox Bouncer and a driver for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.bouncer_rig import Rig
from validatord.sandbox.bouncer import SandboxBouncer
from validatord.sandbox.bouncer_world import BouncerSpec
from validatord.store.database import Database


@pytest.fixture
async def service() -> AsyncIterator[SandboxBouncer]:
    """A service a thousand times as fast as life, without rate limits."""
    async with SandboxBouncer(BouncerSpec(speed=1000.0, is_limited=False)) as running:
        yield running


@pytest.fixture
async def rig(database: Database, service: SandboxBouncer) -> AsyncIterator[Rig]:
    """A driver against the service."""
    made = Rig(database, service)
    yield made
    await made.aclose()

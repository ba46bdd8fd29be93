"""A resolver of ours in front of a name server of ours."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.dns import FakeDNS
from validatord.lookup.resolver import Resolver
from validatord.settings import LookupSettings


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def server() -> AsyncIterator[FakeDNS]:
    async with FakeDNS() as running:
        yield running


@pytest.fixture
def settings(server: FakeDNS) -> Callable[..., LookupSettings]:
    """Short patience: a silent server costs a test a third of a second."""

    def build(**changes: Any) -> LookupSettings:
        values = {"resolvers": (server.endpoint,), "timeout": timedelta(milliseconds=300), "total": "2s"}
        return LookupSettings.model_validate(values | changes)

    return build


@pytest.fixture
async def resolver(settings: Callable[..., LookupSettings], clock: FakeClock) -> AsyncIterator[Resolver]:
    async with AsyncExitStack() as stack:
        made = Resolver(settings(), clock)
        stack.push_async_callback(made.aclose)
        yield made

"""The watchdog is fed while there is a reason to go on, and only then."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from validatord import process
from validatord.errors import StoreAway
from validatord.process import Process
from validatord.reloader import Reloader
from validatord.settings import Settings, SettingsHolder

Ping = Callable[[], Awaitable[None]]


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Process:
    """A process whose notes lie in a folder of the test's own."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(process, "_PING_SECONDS", 0.02)
    return Process(Reloader(SettingsHolder(Settings()), Settings, lambda _: None, FakeClock()), "n1")


async def count_meals(found: Process, ping: Ping, *, is_lively: bool = True, looks: int = 5) -> int:
    """Return how often the watchdog was fed in so many looks."""
    meals, looked = 0, asyncio.Semaphore(0)

    def feed() -> None:
        nonlocal meals
        meals += 1

    async def look() -> None:
        looked.release()
        await ping()

    found.notifier.feed_watchdog = feed  # pyright: ignore[reportAttributeAccessIssue]
    task = asyncio.create_task(found._feed(0.01, lambda _: is_lively, look))
    for _ in range(looks + 1):
        await looked.acquire()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return meals


async def answer() -> None:
    """Answer."""


async def be_away() -> None:
    """Be known to be away."""
    raise StoreAway


async def be_silent() -> None:
    """Take the question, and answer nothing."""
    await asyncio.Event().wait()


async def test_fed_while_all_is_well(found: Process) -> None:
    """Every look is a meal."""
    assert await count_meals(found, answer) >= 5


async def test_a_dispatcher_that_stands_still(found: Process) -> None:
    """Whoever does not move is not kept alive."""
    assert await count_meals(found, answer, is_lively=False) == 0


async def test_a_postgresql_that_is_silent(found: Process) -> None:
    """One that takes questions and answers none is no state to stay in."""
    assert await count_meals(found, be_silent) == 0


async def test_a_postgresql_that_is_away(found: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is known to be away is waited for, but not for ever."""
    assert await count_meals(found, be_away) >= 5

    monkeypatch.setattr(process, "_AWAY_PATIENCE_SECONDS", 0.0)
    assert await count_meals(found, be_away) == 0

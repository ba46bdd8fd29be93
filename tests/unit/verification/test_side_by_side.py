"""Several conversations with one domain at once: how the end of one touches the others."""

import asyncio
from datetime import UTC, datetime

import pytest

from validatord.errors import GateClosed, Stopping
from validatord.verification.ask import _run_all

SHUT = Stopping("our own stop", datetime(2026, 1, 1, tzinfo=UTC))


async def test_a_closed_gate_lets_the_others_end() -> None:
    """Who speaks when the gate closes for another is not cut: that would be asked again."""
    heard: list[str] = []
    is_closed = asyncio.Event()

    async def find_closed() -> None:
        is_closed.set()
        raise SHUT

    async def speak() -> None:
        await is_closed.wait()
        await asyncio.sleep(0)
        heard.append("answer")

    with pytest.raises(GateClosed):
        await _run_all([find_closed, speak, find_closed])
    assert heard == ["answer"]


@pytest.mark.parametrize("is_gate_first", [True, False])
async def test_any_other_failure_ends_all(is_gate_first: bool) -> None:
    """A mistake of ours, or a lease that was lost, is raised as it is, and nobody goes on talking."""
    ended: list[str] = []

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("ours")

    async def speak() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cut")

    async def find_closed() -> None:
        raise SHUT

    with pytest.raises(ValueError, match="ours"):
        await _run_all([*([find_closed] if is_gate_first else []), fail, speak])
    assert ended == ["cut"]


async def test_a_cancelled_visit_leaves_nobody_talking() -> None:
    """Cancelling reaches every conversation."""
    ended: list[str] = []

    async def speak() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cut")

    visit = asyncio.create_task(_run_all([speak, speak]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    visit.cancel()
    with pytest.raises(asyncio.CancelledError):
        await visit
    assert ended == ["cut", "cut"]

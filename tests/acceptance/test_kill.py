"""kill -9: whatever the moment, every address ends with one result, and nearly nobody is asked twice."""

import os
import random
from pathlib import Path

import pytest

from tests.acceptance.play import open_play
from validatord.sandbox.command import Scenario


async def run_with_kills(folder: Path, dsn: str, *, addresses: int, domains: int, kills: int, seed: int) -> None:
    """Verify a list while the daemon is killed at random moments, then judge."""
    rng = random.Random(seed)
    moments = sorted(rng.sample(range(1, addresses - addresses // 20), kills))
    async with open_play(folder, Scenario("bench", seed, addresses, domains), dsn=dsn) as play:
        await play.submit()
        for moment in moments:
            await play.start()
            await play.until_finished(moment)
            await play.kill()
        await play.start()
        await play.until_finished()
        status, _ = await play.stop()

        assert status == 0
        assert len(play.cut) == kills
        await play.judge()


@pytest.mark.timeout(120)
async def test_killed_at_random_five_times(tmp_path: Path, dsn: str) -> None:
    """5,000 addresses and five kills; what was committed before a kill is never asked again."""
    await run_with_kills(tmp_path, dsn, addresses=5000, domains=100, kills=5, seed=20260501)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(int(os.environ.get("CAMPAIGN_RUNS", "7"))))
async def test_killed_at_random_thirty_times(tmp_path: Path, dsn: str, seed: int) -> None:
    """20,000 addresses and thirty kills, every run with other moments."""
    await run_with_kills(tmp_path, dsn, addresses=20_000, domains=400, kills=30, seed=seed)

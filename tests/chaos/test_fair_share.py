"""One client sends very much, another very little: F38."""

import time
from pathlib import Path

import pytest

from tests.acceptance.play import until
from tests.chaos.world import open_world
from validatord.cli.intake import Wanted, submit_rows
from validatord.intake.reading import InputRow
from validatord.sandbox.command import Scenario
from validatord.settings import Settings
from validatord.store import submissions

pytestmark = pytest.mark.timeout(120)
LONGEST_SECONDS = 60


async def test_f38_ten_beside_a_flood(folder: Path, dsn: str) -> None:
    """Ten addresses that come last, at the same receivers, are done in a minute, long before the thousands."""
    async with open_world(folder, Scenario("bench", 138, 6000, 20), dsn=dsn, is_gated=False, speed=2) as world:
        await world.submit()
        await world.start()
        await world.until_finished(100)
        ten = [InputRow(number, f"user9{number:05}@acme-001.example") for number in range(10)]
        settings = Settings.of(lookup={"public_addresses_only": False})
        began = time.monotonic()
        await submit_rows(world.database, settings, ten, Wanted("small", "ten"), int)

        async def is_done() -> bool:
            progress = await submissions.get_progress(world.database, "small", "ten")
            return progress is not None and progress.finished == 10

        await until(is_done, "the ten", LONGEST_SECONDS, world.stage.check_daemon)
        assert time.monotonic() - began < LONGEST_SECONDS
        assert await world.finished() < 3000, "the flood was over first"
        await world.stop_well()

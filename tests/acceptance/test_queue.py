"""What an operator pauses rests in a running daemon, and goes on where it was."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.acceptance.play import Play, open_play, until
from validatord.sandbox.command import Scenario
from validatord.store import pauses
from validatord.store.pauses import PauseKind

SCENARIO = Scenario("bench", 3, 1000, 40)

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def play(tmp_path: Path, dsn: str) -> AsyncIterator[Play]:
    """A play whose daemon does not run yet."""
    async with open_play(tmp_path, SCENARIO, dsn=dsn) as found:
        yield found


async def test_a_paused_domain_is_not_asked(play: Play) -> None:
    """All others are, to their end; once it is resumed it is asked without a wait."""
    domain = play.addresses[0].rpartition("@")[2]
    resting = [address for address in play.addresses if address.endswith(f"@{domain}")]
    await pauses.pause(play.database, PauseKind.DOMAIN, domain)
    await play.start()
    await play.submit()

    await play.until_finished(len(play.addresses) - len(resting))

    assert (await play.look()).rcpts.keys() & set(resting) == set()
    assert await play.finished() == len(play.addresses) - len(resting)
    await pauses.resume(play.database, PauseKind.DOMAIN, domain)
    await play.until_finished()
    await play.judge()


async def test_paused_verification_ends_what_is_under_way_and_begins_nothing(play: Play) -> None:
    """The visits that run end, nobody is leased any more; afterwards all goes on and nobody is asked twice."""
    await play.start()
    await play.submit()
    await play.until_finished(50)
    await pauses.pause(play.database, PauseKind.VERIFICATION, reason="test", by="test")

    async def is_quiet() -> bool:
        return "paused kind=verification" in play.log and await play.count_leases() == 0

    await until(is_quiet, "the end of all visits", check=play.stage.check_daemon)
    finished = await play.finished()
    assert finished < len(play.addresses)
    assert await play.finished() == finished

    await pauses.resume(play.database, PauseKind.VERIFICATION)
    await play.until_finished()
    await play.judge()

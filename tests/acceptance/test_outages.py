"""PostgreSQL or Redis away in the middle of the work: the daemon stays, waits, and asks nobody twice."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.acceptance.play import CLIENT, SUBMISSION, Play, open_play, until
from validatord.embedded.redis import EmbeddedRedis
from validatord.intake import client
from validatord.sandbox.command import Scenario
from validatord.store import nodes

AWAY_SECONDS = 10.0
SCENARIO = Scenario("bench", 3, 2000, 60)

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def play(tmp_path: Path) -> AsyncIterator[Play]:
    """A play with a PostgreSQL of its own, its daemon at work on half of the list."""
    async with open_play(tmp_path, SCENARIO) as found:
        await found.submit()
        await found.start()
        await found.until_finished(600)
        yield found


async def leave_away(play: Play) -> None:
    """Let the outage last; the daemon must be there all the time."""
    end = time.monotonic() + AWAY_SECONDS
    await until(lambda: time.monotonic() > end, "the end of the outage", AWAY_SECONDS + 5, play.stage.check_daemon)


async def judge_undisturbed(play: Play, epoch: int) -> None:
    """The same process under the same epoch has finished everything, and asked everybody once."""
    await play.until_finished()
    assert await play.database.fetch_value("SELECT epoch FROM nodes") == epoch
    assert await nodes.is_running(play.database) == ["stage"]
    status, _ = await play.stop()
    assert status == 0
    assert play.cut == []
    await play.judge()


async def test_postgresql_stopped_for_ten_seconds(play: Play) -> None:
    """Conversations under way wait with what they learned, and write it under the epoch they had."""
    epoch = await play.database.fetch_value("SELECT epoch FROM nodes")
    postgres = play.stage.postgres
    assert postgres is not None

    await asyncio.to_thread(postgres.stop)
    await leave_away(play)
    await asyncio.to_thread(postgres.start)
    back = time.monotonic()
    before = await play.finished()
    await play.until_finished(before + 1)

    assert time.monotonic() - back < 5
    await judge_undisturbed(play, epoch)


async def test_postgresql_killed(play: Play) -> None:
    """A server that dies without a word costs no acknowledged row, and nobody is asked twice."""
    epoch = await play.database.fetch_value("SELECT epoch FROM nodes")
    postgres = play.stage.postgres
    assert postgres is not None
    assert postgres.pid is not None

    os.kill(postgres.pid, signal.SIGKILL)
    await asyncio.to_thread(postgres.start)

    await judge_undisturbed(play, epoch)


async def test_a_stop_while_postgresql_is_away(play: Play) -> None:
    """A stop does not wait for a server that may never come back; the next start finds what was committed."""
    postgres = play.stage.postgres
    assert postgres is not None
    await asyncio.to_thread(postgres.stop)
    await until(lambda: "PostgreSQL is away" in play.log, "the daemon to notice")

    status, seconds = await play.stop()

    assert status == 0
    assert seconds < 10
    await asyncio.to_thread(postgres.start)
    await play.start()
    await play.until_finished()
    assert (await play.stop())[0] == 0
    await play.judge_results()
    play.judge_log()


async def test_redis_stopped_for_ten_seconds_while_a_list_is_sent(tmp_path: Path, dsn: str) -> None:
    """What Redis held goes on after it, the rest is sent again, the ledger has each position once."""
    redis = EmbeddedRedis(tmp_path / "redis")
    await asyncio.to_thread(redis.start)
    try:
        async with open_play(tmp_path / "stage", SCENARIO, dsn=dsn, redis_url=redis.url) as play:
            await play.start()
            sending = asyncio.create_task(send(redis.url, play))
            await play.until_finished(200)
            await asyncio.to_thread(redis.stop)
            await leave_away(play)
            assert not sending.done()
            await asyncio.to_thread(redis.start)

            result = await sending
            await play.until_finished()
            status, _ = await play.stop()

            assert (result.addresses, status) == (len(play.addresses), 0)
            await play.judge()
    finally:
        await asyncio.to_thread(redis.stop)


async def send(redis_url: str, play: Play) -> client.EnqueueResult:
    """Send the list in slowly, as a service does that reads it from somewhere."""

    async def read() -> AsyncIterator[str]:
        for number, address in enumerate(play.addresses):
            if number >= 500:
                # The rest is there only when verdicts of the first chunk are.
                await play.until_finished(min(number // 4, 250))
            yield address

    redis = await client.open_redis(redis_url)
    try:
        return await client.enqueue(redis, read(), client=CLIENT, submission=SUBMISSION, is_confirmed=True)
    finally:
        await redis.aclose()

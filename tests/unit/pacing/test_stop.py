"""Our own stop: nobody is let in any more, and nobody waits because of it."""

import asyncio
import random

import pytest

from tests.fakes.clock import FakeClock, settle
from validatord.errors import Stopping
from validatord.mail.provider import MXProvider, Pace
from validatord.pacing.book import LaneBook
from validatord.pacing.lane import Lane
from validatord.pacing.limits import BookRules
from validatord.settings import PacingSettings

SLOW = Pace(sessions=1, rcpt_per_minute=1, rcpt_per_envelope=1)


def make_book(clock: FakeClock) -> tuple[LaneBook, Lane]:
    rules = BookRules.of(PacingSettings(jitter=0.0, is_slow_start=False))
    book = LaneBook(clock, random.Random(1), rules)
    return book, book.get("default", MXProvider(key="example.com", pace=SLOW))


async def test_whoever_stands_in_line_is_sent_home() -> None:
    """The one who holds the turn keeps it; those behind are told of the stop, not of a closed gate."""
    book, lane = make_book(FakeClock())

    async def enter() -> None:
        async with lane.turn():
            pass

    async with lane.turn() as turn:
        behind = asyncio.create_task(enter())
        await settle()
        book.close()
        with pytest.raises(Stopping):
            await behind
        assert not turn.is_over
    assert lane.running == 0


async def test_nobody_enters_after_it_also_in_lanes_opened_later() -> None:
    """Every gate of the book is closed for good, without any wait in its error."""
    clock = FakeClock()
    book, lane = make_book(clock)
    book.close()

    for each in (lane, book.get("default", MXProvider(key="example.net"))):
        with pytest.raises(Stopping) as stopping:
            async with each.turn():
                pass
        assert stopping.value.retry_at == clock.now()
        with pytest.raises(Stopping):
            await each.pace_session()


async def test_a_wait_for_the_pace_of_targets_ends_and_takes_nothing() -> None:
    """A minute's wait for a token is no reason to stay for a minute."""
    clock = FakeClock()
    book, lane = make_book(clock)
    await lane.pace_rcpt()
    waiting = asyncio.create_task(lane.pace_rcpt())
    await settle()

    book.close()

    with pytest.raises(Stopping):
        await waiting
    await clock.advance(60)
    await lane.pace_control()  # the token that was not taken is there


async def test_a_control_is_still_paced() -> None:
    """What was answered already can only be judged with its control: that is still asked, at its pace."""
    clock = FakeClock()
    book, lane = make_book(clock)
    await lane.pace_rcpt()
    waiting = asyncio.create_task(lane.pace_control())
    await settle()

    book.close()
    await settle()
    assert not waiting.done()
    await clock.advance(60)

    await waiting


async def test_the_stop_is_not_remembered() -> None:
    """A closed book has closed no breaker: the next start finds every gate as it was."""
    book, lane = make_book(FakeClock())
    book.close()

    assert lane.retry_at() is None
    assert book.snapshot() == {}

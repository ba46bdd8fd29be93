"""Two hundred domains of one provider meet one lane."""

import asyncio
import itertools
import random

from tests.fakes.clock import FakeClock
from validatord.errors import GateClosed
from validatord.mail.probe import Signal
from validatord.mail.provider import MXProvider, Pace
from validatord.pacing.book import LaneBook
from validatord.pacing.limits import BookRules, LaneRules

PROVIDER = MXProvider("big", pace=Pace(sessions=2))


class Crowd:
    """Visits to many domains of one provider, with a count of who talks at the same time."""

    def __init__(self, domains: int, *, is_slow_start: bool) -> None:
        self.clock = FakeClock()
        self.rng = random.Random(7)
        self.book = LaneBook(self.clock, self.rng, BookRules(lane=LaneRules(is_slow_start=is_slow_start, jitter=0.1)))
        self.waiting = [f"d{index}.example" for index in range(domains)]
        self.talking = 0
        self.most_talking = 0
        self.most_visits = 0
        self.began: list[float] = []

    async def run(self) -> None:
        """Dispatch as the daemon does: no visit to a busy lane, and again whenever room appears."""
        async with asyncio.TaskGroup() as visits:
            while self.waiting:
                lane = self.book.get("default", PROVIDER)
                while self.waiting and not self.book.busy():
                    visits.create_task(self.visit(self.waiting.pop()))
                    lane.enter_visit()
                self.most_visits = max(self.most_visits, lane.visits)
                self.book.changed.clear()
                await self.book.changed.wait()

    async def visit(self, domain: str) -> None:
        lane = self.book.get("default", PROVIDER)
        try:
            async with lane.turn():
                await lane.pace_session()
                self.began.append(self.clock.monotonic())
                self.talking += 1
                self.most_talking = max(self.most_talking, self.talking)
                try:
                    await self.talk(domain)
                finally:
                    self.talking -= 1
        except GateClosed:
            self.waiting.append(domain)
        finally:
            lane.leave_visit()

    async def talk(self, domain: str) -> None:
        lane = self.book.get("default", PROVIDER)
        for _ in range(self.rng.randint(1, 3)):
            await lane.pace_rcpt()
            await self.clock.sleep(self.rng.uniform(0.1, 3))
            lane.observe(Signal.SUCCESS, domain, f"mx.{domain}")


async def finish(crowd: Crowd, seconds: float) -> None:
    task = asyncio.create_task(crowd.run())
    for _ in range(int(seconds / 60)):
        await crowd.clock.advance(60)
        if task.done():
            break
    assert task.done()
    await task


async def test_never_a_third() -> None:
    """However many domains wait, a provider with two sessions sees two at most, and all get their turn."""
    for is_slow_start in (True, False):
        crowd = Crowd(200, is_slow_start=is_slow_start)
        await finish(crowd, 7200)
        assert crowd.most_talking == 2
        assert crowd.most_visits == 3
        assert len(crowd.began) == 200
        gaps = [later - earlier for earlier, later in itertools.pairwise(crowd.began)]
        assert min(gaps) >= 2 - 1e-6

"""The dispatcher: bounded, fair to failures, and never looping over a domain that cannot be visited."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from tests.fakes.clock import FakeClock, settle
from validatord.errors import LeaseLost, StoreAway
from validatord.loops.dispatcher import Dispatcher, Hands
from validatord.mail.request import DomainFacts, VerificationRequest
from validatord.store.leases import DomainVisit


def make_work(domain: str, requests: int = 2) -> DomainVisit:
    found = tuple(
        VerificationRequest(number, 1, "crm", f"a{number}@{domain}", f"a{number}", domain) for number in range(requests)
    )
    return DomainVisit(domain, "", found, DomainFacts(domain))


class Bench:
    """Hands that lease what is due and do what a test planted."""

    def __init__(self, *domains: str) -> None:
        self.clock = FakeClock()
        self.due = list(domains)
        self.visited: Counter[str] = Counter()
        self.given_up: list[str] = []
        self.given_back: list[tuple[str, float]] = []
        self.renewed: list[list[str]] = []
        self.errors: dict[str, Exception] = {}
        self.hold = asyncio.Event()
        self.hold.set()
        hands = Hands(self.lease, self.visit, self.give_up, self.renew, self.give_back)
        self.dispatcher = Dispatcher(hands, self.clock, lambda: 10)

    async def lease(self, room: int) -> Sequence[DomainVisit]:
        taken, self.due = self.due[:room], self.due[room:]
        return [make_work(domain) for domain in taken]

    async def visit(self, work: DomainVisit) -> None:
        self.visited[work.domain] += 1
        await self.hold.wait()
        if work.domain in self.errors:
            raise self.errors[work.domain]

    async def give_up(self, work: DomainVisit) -> None:
        self.given_up.append(work.domain)

    async def renew(self, domains: Sequence[str]) -> None:
        self.renewed.append(list(domains))

    async def give_back(self, domain: str, seconds: float) -> None:
        self.given_back.append((domain, seconds))
        self.due.append(domain)

    async def round(self) -> None:
        await self.dispatcher.run_once()
        await settle()


async def test_a_visit_that_always_fails_ends() -> None:
    """Five failures, each put back for a minute; then what is due is given up and counted."""
    at = Bench("poison.example")
    at.errors["poison.example"] = RuntimeError("planted")

    for _ in range(6):
        await at.round()

    assert at.visited["poison.example"] == 5
    assert at.given_back == [("poison.example", 60.0)] * 5
    assert at.given_up == ["poison.example"]
    assert (at.dispatcher.counts.failures, at.dispatcher.counts.given_up) == (5, 2)
    assert at.dispatcher.active == {}


async def test_a_success_in_between_begins_the_count_anew() -> None:
    """Trouble that passes costs nobody a verdict."""
    at = Bench("shaky.example")
    for is_good in (False, False, False, False, True, False, False, False, False):
        at.errors = {} if is_good else {"shaky.example": RuntimeError("planted")}
        at.due = ["shaky.example"]
        await at.round()

    assert at.given_up == []
    assert at.visited["shaky.example"] == 9


@pytest.mark.parametrize("error", [StoreAway(), LeaseLost()])
async def test_what_is_no_fault_of_the_visit_is_not_counted(error: Exception) -> None:
    """PostgreSQL away or a lease lost: no failure, and nothing is given back that is not ours."""
    at = Bench()
    at.errors["other.example"] = error

    for _ in range(8):
        at.due = ["other.example"]
        await at.round()

    assert (at.given_up, at.given_back, at.dispatcher.counts.failures) == ([], [], 0)


async def test_giving_up_that_fails_too_does_not_stop_the_loop() -> None:
    """Then the domain is put back like after any failure, and tried again."""
    at = Bench("poison.example")
    at.errors["poison.example"] = RuntimeError("planted")

    async def fail(_work: DomainVisit) -> None:
        raise RuntimeError("planted")

    at.dispatcher.hands = Hands(at.lease, at.visit, fail, at.renew, at.give_back)
    for _ in range(7):
        await at.round()

    assert at.visited["poison.example"] == 5
    assert len(at.given_back) == 7
    assert at.dispatcher.counts.given_up == 0


async def test_it_never_holds_more_than_the_limit() -> None:
    """Ten at a time, whatever is due; an end makes room for the next."""
    at = Bench(*(f"acme-{number}.example" for number in range(25)))
    at.hold.clear()

    await at.round()
    await at.round()
    assert len(at.dispatcher.active) == 10

    at.hold.set()
    await settle()
    await at.round()
    assert sum(at.visited.values()) == 20


async def test_leases_of_running_visits_are_renewed() -> None:
    """Those, and no others."""
    at = Bench("one.example", "two.example")
    at.hold.clear()
    await at.round()

    await at.dispatcher.renew_once()
    at.hold.set()
    await settle()
    await at.dispatcher.renew_once()

    assert at.renewed == [["one.example", "two.example"]]


async def test_a_stop_waits_for_the_grace_time_and_then_cuts() -> None:
    """Visits that end in time do; the rest is cancelled, and nothing new begins."""
    at = Bench("slow.example")
    at.hold.clear()
    await at.round()
    draining = asyncio.create_task(at.dispatcher.drain(8))
    await at.clock.advance(7)
    assert not draining.done()

    await at.clock.advance(1)
    await draining

    assert at.dispatcher.active == {}
    at.due = ["later.example"]
    assert await at.dispatcher.run_once() == 0

"""The recorder writes many visits at once, and no record harms another."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.fakes.clock import FakeClock, settle
from tests.unit.verification.made import NO, make_case, make_probe, make_visit
from tests.unit.verification.test_judge import tools
from validatord.errors import LeaseLost, StoreAway
from validatord.store.records import VisitRecord
from validatord.verification import judge
from validatord.verification.record import Recorder, count_rows


def make_record(domain: str, rows: int = 1) -> VisitRecord:
    probes = [(make_case(f"a{number}"), make_probe(f"a{number}", NO)) for number in range(rows)]
    return VisitRecord(domain, finished=tuple(judge.judge(make_visit(), probes, tools()).finished), release=True)


class Ledger:
    """Notes what is written, and fails as planted."""

    def __init__(self) -> None:
        self.written: list[list[str]] = []
        self.away = 0
        self.lost: set[str] = set()
        self.poison: set[str] = set()

    async def write(self, batch: Sequence[VisitRecord]) -> frozenset[str]:
        names = [record.domain for record in batch]
        if self.away:
            self.away -= 1
            raise StoreAway
        if self.poison & set(names):
            raise ValueError("planted")
        self.written.append(names)
        return frozenset(self.lost & set(names))


class Bench:
    """A recorder that runs on a fake clock."""

    def __init__(self, flush_rows: int = 4) -> None:
        self.ledger, self.clock = Ledger(), FakeClock()
        self.recorder = Recorder(self.ledger.write, self.clock, flush_rows=flush_rows, flush_seconds=0.25)
        self.running = asyncio.create_task(self.recorder.run())

    def hand_in(self, domain: str, rows: int = 1) -> asyncio.Task[None]:
        return asyncio.create_task(self.recorder.record(make_record(domain, rows)))

    async def end(self) -> None:
        self.recorder.close()
        await self.running


async def test_records_that_come_together_are_written_together() -> None:
    """After a quarter of a second, in one write; each visit waits until its own is committed."""
    at = Bench()
    tasks = [at.hand_in(f"{name}.example") for name in "abc"]
    await at.clock.advance(0.2)
    assert at.ledger.written == []
    await at.clock.advance(0.05)
    await asyncio.gather(*tasks)
    assert at.ledger.written == [["a.example", "b.example", "c.example"]]
    await at.end()


async def test_a_full_batch_does_not_wait() -> None:
    """As many rows as one write takes go at once; a record is never cut."""
    at = Bench()
    tasks = [at.hand_in("a.example", 3), at.hand_in("b.example", 3), at.hand_in("c.example", 9)]
    await settle()
    await at.clock.advance(0.25)
    await asyncio.gather(*tasks)
    assert at.ledger.written == [["a.example"], ["b.example"], ["c.example"]]
    await at.end()


async def test_a_lost_lease_is_told_to_its_visit_alone() -> None:
    """The others of the write are written."""
    at = Bench()
    at.ledger.lost = {"b.example"}
    good, lost = at.hand_in("a.example"), at.hand_in("b.example")
    await at.clock.advance(0.25)
    await good
    with pytest.raises(LeaseLost):
        await lost
    await at.end()


async def test_a_record_that_cannot_be_written_harms_no_other() -> None:
    """Its visit gets the error; its neighbours are written one by one."""
    at = Bench(flush_rows=10)
    at.ledger.poison = {"b.example"}
    tasks = [at.hand_in(f"{name}.example") for name in "abc"]
    await at.clock.advance(0.25)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), ValueError, type(None)]
    assert at.ledger.written == [["a.example"], ["c.example"]]
    await at.end()


async def test_what_was_found_is_kept_while_the_ledger_is_away() -> None:
    """Tried again until it is back; the visit waits as long."""
    at = Bench()
    at.ledger.away = 5
    task = at.hand_in("a.example")
    await at.clock.advance(2.5)
    assert not task.done()
    await at.clock.advance(1)
    await task
    assert at.ledger.written == [["a.example"]]
    await at.end()


async def test_closing_writes_what_is_left() -> None:
    """At once, without waiting for company."""
    at = Bench()
    task = at.hand_in("a.example")
    await settle()
    await at.end()
    await task
    assert at.ledger.written == [["a.example"]]


def test_a_release_counts_as_a_row() -> None:
    """So that releases alone fill a write as well."""
    assert count_rows(VisitRecord("a.example", release=True)) == 1
    assert count_rows(make_record("a.example", 7)) == 7


async def test_who_waits_is_served_at_once() -> None:
    """A record about a critical request is written without waiting for more, and so is the release that follows it."""
    at = Bench()
    made = make_record("a.example")
    (request, *rest), *_ = made.finished
    urgent = ((replace(request, priority=100), *rest),)
    await at.recorder.record(replace(made, finished=urgent, release=False))
    await at.recorder.record(VisitRecord("a.example", release=True))
    patient = at.hand_in("a.example")
    await settle()

    assert at.ledger.written == [["a.example"], ["a.example"]]
    await at.clock.advance(0.25)
    await patient
    await at.end()


async def test_listeners_hear_of_what_is_committed() -> None:
    """A listener is told of each record once it is committed, and of none that was lost."""
    at = Bench()
    heard: list[str] = []
    at.recorder.listeners.append(lambda record: heard.append(record.domain))
    at.ledger.lost = {"b.example"}
    tasks = [at.hand_in(f"{name}.example") for name in "ab"]
    await at.clock.advance(0.25)
    await asyncio.gather(*tasks, return_exceptions=True)

    assert heard == ["a.example"]
    await at.end()

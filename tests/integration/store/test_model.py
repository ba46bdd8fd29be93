"""The ledger against a model: whatever is done in whatever order, its invariants hold after every step."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.integration.store import ledger
from tests.integration.store.ledger import NODE, look, make_chunk, make_finding, make_item
from validatord.mail.verdict import Deferral, Reason
from validatord.store import leases, submissions
from validatord.store.database import Database
from validatord.store.leases import DomainVisit
from validatord.store.records import Deferred, Finished, HandedOver, VisitRecord
from validatord.store.submissions import Chunk, ChunkItem

DOMAINS = ("one.example", "two.example", "three.example")
OUTCOMES = (("valid", "accepted"), ("invalid", "no_such_mailbox"), ("unknown", "no_connection"))
TABLES = "clients, submissions, requests, domain_queue, domain_cache, email_validation, outbox, nodes"
Key = tuple[str, int]

chunks = st.builds(
    lambda name, start, places, priority: (name, start, places, priority),
    st.sampled_from(("spring", "autumn")),
    st.integers(0, 12),
    st.lists(st.tuples(st.sampled_from(DOMAINS), st.sampled_from("abc"), st.booleans()), min_size=1, max_size=6),
    st.sampled_from((25, 50, 100)),
)
endings = st.lists(st.sampled_from(("finish", "defer", "wait", "hand over", "nothing")), min_size=1, max_size=5)


class LedgerMachine(RuleBasedStateMachine):
    """What a daemon, its twin and its clients may do; `dsn` is set by the test."""

    dsn = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.database: Database = self.run(Database.open(self.dsn, pool_size=2))
        self.epoch = 0
        self.visits: list[tuple[int, DomainVisit]] = []
        self.written: list[tuple[int, VisitRecord]] = []
        self.known: set[Key] = set()
        self.done: dict[Key, str] = {}

    def run(self, work: Any) -> Any:
        """Run a coroutine."""
        return self.runner.run(work)

    def teardown(self) -> None:
        """Close what was opened."""
        self.run(self.database.aclose())
        self.runner.close()

    @initialize()
    def begin(self) -> None:
        """Start with an empty ledger and one node."""
        self.run(self.database.fetch(f"TRUNCATE {TABLES} CASCADE"))
        self.restart()

    @rule()
    def restart(self) -> None:
        """The process dies and starts anew: its older visits go on as those of a twin."""
        self.epoch = self.run(ledger.start_node(self.database))

    @rule(parts=chunks)
    def submit(self, parts: tuple[str, int, list[tuple[str, str, bool]], int]) -> None:
        """A client sends a chunk, perhaps one it has sent before."""
        name, start, places, priority = parts
        items = tuple(self.make_item(idx, *place) for idx, place in enumerate(places, start))
        chunk: Chunk = make_chunk(items=items, submission=name, priority=priority)
        new = {(name, item.idx) for item in items} - self.known
        result = self.run(submissions.add_chunk(self.database, chunk))
        assert (result.added, result.known) == (len(new), len(items) - len(new))
        self.known |= new
        self.done |= {key: "valid" for item in items if item.finding and (key := (name, item.idx)) in new}

    @staticmethod
    def make_item(idx: int, domain: str, local_part: str, is_known: bool) -> ChunkItem:
        """Make an item that is answered at once, or queued."""
        return make_item(idx, f"{local_part}@{domain}", finding=make_finding() if is_known else None)

    @rule(limit=st.integers(1, 3), per_domain=st.integers(1, 4))
    def lease(self, limit: int, per_domain: int) -> None:
        """The dispatcher leases; nobody else holds what it gets."""
        found = self.run(ledger.lease(self.database, self.epoch, limit=limit, per_domain=per_domain))
        held = {visit.domain for epoch, visit in self.visits if epoch == self.epoch}
        assert not held & set(found)
        self.visits += [(self.epoch, visit) for visit in found.values()]

    @rule(how=endings, outcome=st.sampled_from(OUTCOMES), release=st.booleans(), late=st.booleans())
    def write(self, how: list[str], outcome: tuple[str, str], *, release: bool, late: bool) -> None:
        """A visit, the oldest or the newest, hands in what it found: all of it or a part."""
        if not self.visits:
            return
        epoch, visit = self.visits.pop(-1 if late else 0)
        record = self.make_record(visit, how, outcome, release=release)
        lost = self.run(ledger.write(self.database, record, epoch=epoch))
        assert bool(lost) == (epoch != self.epoch)
        self.written.append((epoch, record))
        if not release and not lost:
            self.visits.append((epoch, visit))

    def make_record(
        self, visit: DomainVisit, how: list[str], outcome: tuple[str, str], *, release: bool
    ) -> VisitRecord:
        """Make a record in which the requests end in the given ways, by turns."""
        soon = Deferral(datetime.now(UTC) + timedelta(hours=1), Reason.GREYLISTED)
        wait = Deferral(datetime.now(UTC) - timedelta(seconds=1), Reason.RATE_LIMITED, counts_as_attempt=False)
        ways = [(request, how[place % len(how)]) for place, request in enumerate(visit.requests)]
        finding = make_finding(*outcome)
        return VisitRecord(
            visit.domain,
            "lane",
            tuple(Finished(request, finding, 1) for request, way in ways if way == "finish"),
            tuple(
                Deferred(request, soon if way == "defer" else wait) for request, way in ways if way in {"defer", "wait"}
            ),
            tuple(HandedOver(request, finding) for request, way in ways if way == "hand over"),
            release=release,
        )

    @rule()
    def write_again(self) -> None:
        """A write whose answer was lost is repeated: nothing that was finished changes."""
        if self.written:
            epoch, record = self.written[-1]
            self.run(ledger.write(self.database, replace(record, release=False), epoch=epoch))

    @rule()
    def let_time_pass(self) -> None:
        """What was deferred is due."""
        self.run(ledger.set_due(self.database, timedelta(hours=2)))

    @rule()
    def stop(self) -> None:
        """A clean stop: everything is given back."""
        self.run(leases.release_all(self.database, NODE, self.epoch))
        self.restart()

    @rule()
    def expire(self) -> None:
        """All leases run out and the reaper comes."""
        expired = "UPDATE domain_queue SET leased_until = now() - interval '1 s' WHERE leased_until IS NOT NULL"
        self.run(self.database.fetch(expired))
        self.run(leases.reap(self.database))
        self.restart()

    @invariant()
    def holds(self) -> None:
        """Nothing is lost, nothing doubled, nothing forgotten, and what is done stays as it is."""
        assert self.run(ledger.find_broken(self.database)) == []
        query = (
            "SELECT s.submission, r.idx, r.status FROM requests AS r JOIN submissions AS s ON s.id = r.submission_id"
        )
        rows = {(row["submission"], row["idx"]): row["status"] for row in self.run(look(self.database, query))}
        assert set(rows) == self.known
        assert {key: rows[key] for key in self.done} == self.done
        self.done = {key: status for key, status in rows.items() if status is not None}


def run_machine(dsn: str, runs: int, steps: int) -> None:
    """Let the machine run on a database."""

    class Machine(LedgerMachine):
        """On this test's database."""

    Machine.dsn = dsn
    wanted = settings(
        max_examples=runs,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    run_state_machine_as_test(Machine, settings=wanted)


def test_the_invariants_hold_after_every_step(dsn: str) -> None:
    """Submit, lease, finish, defer, hand over, repeat, crash, stop, expire: in any order."""
    run_machine(dsn, 25, 25)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_the_invariants_hold_for_long(dsn: str) -> None:
    """Five hundred runs of fifty steps."""
    run_machine(dsn, 500, 50)

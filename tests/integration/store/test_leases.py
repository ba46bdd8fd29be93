"""Leases: one holder at a time, due when something is due, fair."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.store import ledger
from tests.integration.store.ledger import NODE, addresses_of, domain_row, finish_all, lease, look, submit, write
from validatord.mail.mx import MXAnswer, MXHost, MXOutcome
from validatord.mail.request import DomainFacts, DomainWeek, History
from validatord.mail.verdict import AcceptAll, Deferral, Pin, Reason
from validatord.store import domains, events, leases
from validatord.store.database import Database
from validatord.store.events import Event
from validatord.store.records import Deferred, VisitRecord

MINUTES = timedelta(minutes=2)


@pytest.fixture
async def epoch(database: Database) -> int:
    """The node `one` has started."""
    return await ledger.start_node(database)


def defer_all(visit: leases.DomainVisit, due_at: datetime, pin: Pin | None = None) -> VisitRecord:
    """Make the record of a visit that found nothing out."""
    deferral = Deferral(due_at, Reason.GREYLISTED, pin=pin or Pin())
    return VisitRecord(visit.domain, deferred=tuple(Deferred(item, deferral) for item in visit.requests), release=True)


async def test_a_leased_domain_is_nobody_elses(database: Database, epoch: int) -> None:
    """The same domain is not leased twice."""
    await submit(database, "a@one.example")

    assert list(await lease(database, epoch)) == ["one.example"]
    assert await lease(database, epoch) == {}


async def test_two_leasers_never_share_a_domain(database: Database, epoch: int) -> None:
    """However many lease at the same time, each domain has one holder and none is forgotten."""
    other = await ledger.start_node(database, "two")
    names = [f"d{number:03}.example" for number in range(120)]
    await submit(database, *(f"a@{name}" for name in names))

    async def take(node: str, number: int) -> list[str]:
        found: list[str] = []
        while more := await lease(database, number, node=node, limit=7):
            found += more
        return found

    taken = await asyncio.gather(*(take(*who) for who in ((NODE, epoch), ("two", other)) for _ in range(2)))

    assert sorted(name for part in taken for name in part) == names


async def test_a_visit_brings_everything_known(database: Database, epoch: int) -> None:
    """Requests, facts, histories and fresh verdicts come with the lease: a visit asks the ledger nothing more."""
    now = datetime.now(UTC)
    answer = MXAnswer(
        "one.example",
        MXOutcome.OK,
        (MXHost("mx.one.example", 10, ("192.0.2.1",)),),
        looked_up_at=now,
        expires_at=now + timedelta(hours=1),
    )
    facts = DomainFacts("one.example", answer, "example", AcceptAll.REJECTS_UNKNOWN, "mx.one.example", now, 2, now)
    async with database.transaction() as connection:
        await domains.save_facts(connection, [facts])
    known = ledger.make_finding(fresh_until=now + timedelta(days=1))
    items = (ledger.make_item(0, "A@one.example", finding=known),)
    await submit(database, submission="before", items=items)
    await submit(database, "A@one.example", "b@one.example")
    await events.add_events(database, [Event("a@ONE.example", "hard_bounce", now), Event("a@one.example", "open", now)])

    visit = (await lease(database, epoch))["one.example"]

    week = DomainWeek(now.date() - timedelta(days=now.weekday()), hard_bounces=1, signs_of_life=1)
    assert visit.facts == facts
    assert visit.histories == {
        "A@one.example": History(hard_bounces=(now,), opens=(now,), weeks=(week,)),
        "b@one.example": History(weeks=(week,)),
    }
    assert visit.fresh == {"A@one.example": known}
    request = visit.requests[0]
    assert (request.client, request.address, request.local_part, request.domain) == (
        "crm", "A@one.example", "A", "one.example",
    )  # fmt: skip


async def test_an_unknown_domain_has_empty_facts(database: Database, epoch: int) -> None:
    """A domain never met comes with facts that say nothing."""
    await submit(database, "a@one.example")

    visit = (await lease(database, epoch))["one.example"]

    assert (visit.facts, visit.lane) == (DomainFacts("one.example"), "")


async def test_an_outdated_mx_answer_is_not_handed_out(database: Database) -> None:
    """What ran out is asked again; the rest of the facts stays."""
    past = datetime.now(UTC) - timedelta(hours=1)
    answer = MXAnswer("one.example", MXOutcome.NULL_MX, looked_up_at=past, expires_at=past)
    async with database.transaction() as connection:
        await domains.save_facts(connection, [DomainFacts("one.example", answer, "example")])

    found = await domains.load_facts(database, ["one.example"])

    assert (found["one.example"].mx, found["one.example"].provider_key) == (None, "example")


async def test_a_failed_look_up_hides_no_fact(database: Database) -> None:
    """DNS being away is no news about a domain."""
    later = datetime.now(UTC) + timedelta(hours=1)
    good = MXAnswer(
        "one.example", MXOutcome.OK, (MXHost("mx", 1, ("192.0.2.1",)),), looked_up_at=later, expires_at=later
    )
    async with database.transaction() as connection:
        await domains.save_facts(connection, [DomainFacts("one.example", good, spf="v=spf1 -all")])
        await domains.save_facts(connection, [DomainFacts("one.example", MXAnswer("one.example", MXOutcome.FAILED))])

    found = await domains.load_facts(database, ["one.example"])

    assert (found["one.example"].mx, found["one.example"].spf) == (good, "v=spf1 -all")
    assert await look(database, "SELECT has_mx, has_a, mx_hosts FROM domain_cache") == [
        {"has_mx": True, "has_a": False, "mx_hosts": ["mx"]}
    ]


async def test_busy_lanes_and_crowded_lanes(database: Database, epoch: int) -> None:
    """Nothing of a busy lane is leased, of another known lane no more than it can take, unknown lanes freely."""
    names = {"busy": 3, "roomy": 5, "": 4}
    for lane, number in names.items():
        await submit(
            database, *(f"a@{lane or 'new'}{place}.example" for place in range(number)), submission=lane or "new"
        )
        await database.fetch("UPDATE domain_queue SET lane = $1 WHERE domain LIKE $2", lane, f"{lane or 'new'}%")

    leased = await lease(database, epoch, busy_lanes=("busy",), per_lane=2)

    assert sorted(visit.lane for visit in leased.values()) == ["", "", "", "", "roomy", "roomy"]


async def test_a_crowded_lane_does_not_hide_others(database: Database, epoch: int) -> None:
    """Hundreds of domains of one lane at the head of the queue do not keep another lane's domain waiting."""
    for turn in range(4):
        await submit(database, *(f"a@big{turn}-{number}.example" for number in range(99)), submission=f"big{turn}")
    await database.fetch("UPDATE domain_queue SET lane = 'big'")
    await submit(database, "a@small.example", submission="small")

    first = await lease(database, epoch, limit=10, per_lane=2)
    second = await lease(database, epoch, limit=10, per_lane=2, busy_lanes=("big",))

    assert {visit.lane for visit in first.values()} == {"big"}
    assert list(second) == ["small.example"]


async def test_urgent_work_goes_first(database: Database, epoch: int) -> None:
    """Between domains and within one, priority decides before age."""
    await submit(database, "old@one.example", "old@two.example", submission="low", priority=25)
    await submit(database, "new@two.example", submission="high", priority=75)

    leased = await lease(database, epoch, limit=1)

    assert list(leased) == ["two.example"]
    assert addresses_of(leased["two.example"].requests) == ["new@two.example", "old@two.example"]


async def test_a_short_submission_passes_a_long_one(database: Database, epoch: int) -> None:
    """F38: ten addresses of one client do not wait for a thousand of another, at the same domain and priority."""
    for start in range(0, 1000, 500):
        await submit(database, *(f"bulk{n}@big.example" for n in range(start, start + 500)), start=start)
    await submit(database, *(f"few{n}@big.example" for n in range(10)), client="other")

    visit = (await lease(database, epoch, per_domain=120))["big.example"]

    few = [address for address in addresses_of(visit.requests) if address.startswith("few")]
    assert len(few) == 10


async def test_at_most_some_requests_of_each_domain(database: Database, epoch: int) -> None:
    """A big domain gives a part of its requests, in the order they came."""
    await submit(database, *(f"user{number}@one.example" for number in range(9)), "a@two.example")

    leased = await lease(database, epoch, per_domain=4)

    assert addresses_of(leased["one.example"].requests) == [f"user{number}@one.example" for number in range(4)]
    assert addresses_of(leased["two.example"].requests) == ["a@two.example"]


async def test_what_is_due_later_is_not_leased(database: Database, epoch: int) -> None:
    """A deferred request and its domain wait until their time."""
    await submit(database, "a@one.example")
    due_at = datetime.now(UTC) + timedelta(minutes=15)
    await write(database, defer_all((await lease(database, epoch))["one.example"], due_at), epoch=epoch)

    assert await lease(database, epoch) == {}
    assert (await domain_row(database, "one.example"))["next_due"] == due_at

    await ledger.set_due(database, timedelta(minutes=16))
    assert list(await lease(database, epoch)) == ["one.example"]


async def test_new_work_makes_a_waiting_domain_due(database: Database, epoch: int) -> None:
    """A domain whose requests wait for later is due at once when another one comes in; only that one is taken."""
    await submit(database, "a@one.example")
    later = datetime.now(UTC) + timedelta(hours=1)
    await write(database, defer_all((await lease(database, epoch))["one.example"], later), epoch=epoch)

    await submit(database, "b@one.example", submission="more")

    assert addresses_of((await lease(database, epoch))["one.example"].requests) == ["b@one.example"]


async def test_an_urgent_request_that_waits_does_not_make_its_domain_urgent(database: Database, epoch: int) -> None:
    """A domain is as urgent as what is due in it."""
    await submit(database, "urgent@one.example", submission="high", priority=75)
    visit = (await lease(database, epoch))["one.example"]
    await submit(database, "later@one.example", submission="low", priority=25)

    await write(database, defer_all(visit, datetime.now(UTC) + timedelta(hours=2)), epoch=epoch)

    assert (await domain_row(database, "one.example"))["priority"] == 25


async def test_release_makes_the_rest_due(database: Database, epoch: int) -> None:
    """After a visit to a part of a domain the rest is due again at once."""
    await submit(database, *(f"user{number}@one.example" for number in range(5)))
    visit = (await lease(database, epoch, per_domain=2))["one.example"]

    assert await write(database, finish_all(visit, lane="default/example"), epoch=epoch) == frozenset()

    rest = (await lease(database, epoch))["one.example"]
    assert (rest.lane, len(rest.requests)) == ("default/example", 3)


async def test_not_before_holds_against_new_work(database: Database, epoch: int) -> None:
    """A domain that must be left alone stays so when more is submitted for it."""
    await submit(database, "a@one.example")
    await lease(database, epoch)
    not_before = datetime.now(UTC) + timedelta(hours=1)

    await leases.release(database, NODE, epoch, [("one.example", not_before, "")])
    await submit(database, "b@one.example", submission="more")

    assert (await domain_row(database, "one.example"))["next_due"] == not_before
    assert await ledger.find_broken(database) == []


async def test_intake_during_a_visit_is_not_forgotten(database: Database, epoch: int) -> None:
    """What is submitted for a leased domain is due when the lease ends."""
    await submit(database, "a@one.example")
    visit = (await lease(database, epoch))["one.example"]
    await submit(database, "b@one.example", submission="more")

    await write(database, finish_all(visit), epoch=epoch)

    assert addresses_of((await lease(database, epoch))["one.example"].requests) == ["b@one.example"]


async def test_intake_and_release_race(database: Database, epoch: int) -> None:
    """However intake and release interleave, no queued request is left in a domain that is not due."""
    for turn in range(25):
        await submit(database, f"a{turn}@one.example", submission=f"first{turn}")
        visit = (await lease(database, epoch))["one.example"]

        await asyncio.gather(
            *(submit(database, f"b{turn}@one.example", submission=f"more{turn}.{n}") for n in range(2)),
            write(database, finish_all(visit), epoch=epoch),
        )

        assert await ledger.find_broken(database) == []


async def test_release_waits_for_an_open_intake(database: Database, epoch: int) -> None:
    """The due time is computed after the row is locked: it sees an intake that committed while it waited."""
    await submit(database, "a@one.example")
    visit = (await lease(database, epoch))["one.example"]
    async with database.transaction() as connection:
        await connection.execute("SELECT FROM domain_queue WHERE domain = 'one.example' FOR UPDATE")
        writing = asyncio.create_task(write(database, finish_all(visit), epoch=epoch))
        await wait_for_lock(database)
        await connection.execute(
            "INSERT INTO requests (submission_id, idx, address, email, domain, due_at)"
            " SELECT submission_id, 9, address, 'b@one.example', domain, now() FROM requests"
        )
        await connection.execute("UPDATE submissions SET requests = requests + 1")
    await writing

    assert (await domain_row(database, "one.example"))["next_due"] is not None


async def wait_for_lock(database: Database) -> None:
    """Wait until some statement of this database waits for a lock."""
    waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(5):
        while not await database.fetch_value(waits):
            await asyncio.sleep(0)


async def test_an_empty_lease_repairs_itself(database: Database, epoch: int) -> None:
    """A domain whose due time is out of date is put right instead of being leased for nothing."""
    await submit(database, "a@one.example")
    await write(database, finish_all((await lease(database, epoch))["one.example"]), epoch=epoch)
    await database.fetch("UPDATE domain_queue SET next_due = now()")

    assert await lease(database, epoch) == {}
    row = await domain_row(database, "one.example")
    assert (row["next_due"], row["leased_until"]) == (None, None)


async def test_renew_tells_what_was_lost(database: Database, epoch: int) -> None:
    """A lease that ran out and went to somebody else is not renewed, and its holder learns it."""
    other = await ledger.start_node(database, "two")
    await submit(database, "a@one.example", "a@two.example")
    await lease(database, epoch)
    await database.fetch(
        "UPDATE domain_queue SET leased_until = now() - interval '1 second' WHERE domain = 'one.example'"
    )
    assert await leases.reap(database) == 1
    assert list(await lease(database, other, node="two")) == ["one.example"]

    lost = await leases.renew(database, NODE, epoch, ["one.example", "two.example"], timedelta(hours=1))

    assert lost == {"one.example"}
    soon = datetime.now(UTC) + timedelta(minutes=30)
    assert (await domain_row(database, "two.example"))["leased_until"] > soon
    assert (await domain_row(database, "one.example"))["leased_until"] < soon


async def test_the_reaper_leaves_living_leases_alone(database: Database, epoch: int) -> None:
    """Only what ran out is taken back."""
    await submit(database, "a@one.example")
    await lease(database, epoch)

    assert await leases.reap(database) == 0
    assert await lease(database, epoch) == {}


async def test_the_reaper_finds_forgotten_domains(database: Database, epoch: int) -> None:
    """Second net: a domain with queued requests but no due time is due again."""
    await submit(database, "a@one.example")
    await database.fetch("UPDATE domain_queue SET next_due = NULL")

    assert await leases.reap(database) == 1
    assert list(await lease(database, epoch)) == ["one.example"]


async def test_a_stop_gives_everything_back(database: Database, epoch: int) -> None:
    """After a stop no lease is left and everything is due for the next start; other nodes keep theirs."""
    other = await ledger.start_node(database, "two")
    await submit(database, "a@one.example", "a@two.example", "a@three.example")
    await lease(database, other, node="two", limit=1)
    await lease(database, epoch)

    assert await leases.release_all(database, NODE, epoch) == 2

    held = await look(database, "SELECT leased_by FROM domain_queue WHERE leased_until IS NOT NULL")
    assert held == [{"leased_by": "two"}]
    assert len(await lease(database, epoch)) == 2


async def test_a_process_of_an_older_epoch_gets_no_lease(database: Database, epoch: int) -> None:
    """A half-dead twin that still asks for work gets none."""
    await submit(database, "a@one.example")
    assert await ledger.start_node(database) == epoch + 1

    assert await lease(database, epoch) == {}
    assert list(await lease(database, epoch + 1)) == ["one.example"]


async def test_the_reaper_takes_leases_of_an_older_epoch(database: Database, epoch: int) -> None:
    """A lease a twin slipped in while its successor started is taken back without waiting for its end."""
    await submit(database, "a@one.example")
    await lease(database, epoch)
    await database.fetch("UPDATE nodes SET epoch = epoch + 1")

    assert await leases.reap(database) == 1


async def test_a_greylisted_mailbox_waits_for_its_node(database: Database, epoch: int) -> None:
    """The greylist knows the node it met: another living node leaves the request alone, a dead one's goes anywhere."""
    other = await ledger.start_node(database, "two")
    await submit(database, "a@one.example")
    visit = (await lease(database, epoch))["one.example"]
    past = datetime.now(UTC) - timedelta(seconds=1)
    await write(database, defer_all(visit, past, Pin(node=NODE, mx_host="mx.one.example")), epoch=epoch)

    assert await lease(database, other, node="two") == {}
    await ledger.set_due(database, timedelta(seconds=6))
    assert (await lease(database, epoch))["one.example"].requests[0].pin == Pin(node=NODE, mx_host="mx.one.example")
    await leases.release_all(database, NODE, epoch)
    await database.fetch("UPDATE nodes SET seen_at = now() - interval '2 minutes' WHERE name = $1", NODE)
    assert list(await lease(database, other, node="two")) == ["one.example"]


async def test_a_node_that_does_not_come_loses_its_pins(database: Database, epoch: int) -> None:
    """A request long overdue on a living node is taken by another."""
    other = await ledger.start_node(database, "two")
    await submit(database, "a@one.example")
    visit = (await lease(database, epoch))["one.example"]
    past = datetime.now(UTC) - timedelta(minutes=11)
    await write(database, defer_all(visit, past, Pin(node=NODE)), epoch=epoch)

    assert list(await lease(database, other, node="two")) == ["one.example"]

"""Records: fenced, repeatable, complete."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.store import ledger
from tests.integration.store.ledger import (
    CONTACT,
    NODE,
    finish_all,
    lease,
    look,
    make_finding,
    make_item,
    submit,
    write,
)
from validatord.mail.request import DomainFacts, Flags
from validatord.mail.verdict import AcceptAll, Deferral, Pin, Reason
from validatord.store import leases, rows, submissions, validations
from validatord.store.database import Database
from validatord.store.records import Deferred, Finished, HandedOver, VisitRecord


@pytest.fixture
async def epoch(database: Database) -> int:
    """The node `one` has started."""
    return await ledger.start_node(database)


async def visit_one(database: Database, epoch: int, *addresses: str) -> leases.DomainVisit:
    """Submit addresses of one.example and lease them."""
    await submit(database, *(addresses or ("a@one.example",)))
    return (await lease(database, epoch))["one.example"]


async def test_a_verdict_is_in_every_place(database: Database, epoch: int) -> None:
    """One write: result of the request, row of the CRM, counts of the submission, message in the outbox."""
    visit = await visit_one(database, epoch, "a@one.example")
    finding = make_finding(
        "invalid",
        "no_such_mailbox",
        flags=Flags(is_role=True, suggestion="b@one.example"),
        mx_host="mx.one.example",
        mx_hosts=("mx.one.example", "mx.two.example"),
        reply="550 5.1.1 no such user",
        dns_trace={"lines": ["MX"]},
        smtp_trace={"exchanges": [1, 2]},
        expires_at=ledger.CHECKED_AT + timedelta(days=60),
    )

    await write(database, finish_all(visit, finding), epoch=epoch)

    row = (await submissions.fetch_results(database, visit.requests[0].submission_id, -1, 1))[0]
    assert (row.status, row.reason, row.reasons, row.suggestion, row.attempts, row.is_role, row.mx_host) == (
        "invalid", "no_such_mailbox", ("no_such_mailbox", "mx_found"), "b@one.example", 1, True, "mx.one.example",
    )  # fmt: skip
    stored = await validations.find(database, "a@one.example")
    assert stored is not None
    assert (stored.finding, stored.domain, stored.attempts) == (finding, "one.example", 1)
    assert [item.email for item in await validations.latest(database)] == ["a@one.example"]
    assert await ledger.find_broken(database) == []


async def test_unknown_has_its_reason_as_error(database: Database, epoch: int) -> None:
    """The CRM's `error` column says why nothing is known; a verdict has none."""
    visit = await visit_one(database, epoch, "a@one.example", "b@one.example")
    unknown = make_finding("unknown", "no_connection")
    finished = (Finished(visit.requests[0], unknown, 3), Finished(visit.requests[1], make_finding(), 1))

    await write(database, VisitRecord("one.example", finished=finished), epoch=epoch)

    found = await look(database, "SELECT email, error, attempts FROM email_validation ORDER BY email")
    assert found == [
        {"email": "a@one.example", "error": "no_connection", "attempts": 3},
        {"email": "b@one.example", "error": None, "attempts": 1},
    ]


async def test_writing_again_changes_nothing(database: Database, epoch: int) -> None:
    """A write that raised may have been stored: the repeat must not count, defer or announce twice."""
    visit = await visit_one(database, epoch, "a@one.example", "b@one.example", "c@one.example")
    first, second, third = visit.requests
    deferral = Deferral(datetime.now(UTC) + timedelta(minutes=15), Reason.GREYLISTED, pin=Pin(mx_host="mx"))
    record = VisitRecord(
        "one.example",
        finished=(Finished(first, make_finding(), 1),),
        deferred=(Deferred(second, deferral),),
        handed_over=(HandedOver(third, make_finding("risky", "mailbox_full")),),
        facts=DomainFacts("one.example", accept_all=AcceptAll.ACCEPTS_ALL),
    )

    assert await write(database, record, epoch=epoch) == frozenset()
    before = await everything(database)
    assert await write(database, record, epoch=epoch) == frozenset()

    assert await everything(database) == before
    assert await ledger.find_broken(database) == []


async def test_what_is_done_is_not_brought_back(database: Database, epoch: int) -> None:
    """A deferral or handover that arrives after the verdict changes nothing."""
    visit = await visit_one(database, epoch)
    request = visit.requests[0]
    await write(database, VisitRecord("one.example", finished=(Finished(request, make_finding(), 1),)), epoch=epoch)

    deferral = Deferral(datetime.now(UTC), Reason.GREYLISTED)
    late = VisitRecord(
        "one.example",
        deferred=(Deferred(request, deferral),),
        handed_over=(HandedOver(request, make_finding()),),
        finished=(Finished(request, make_finding("invalid", "null_mx", checked_at=ledger.CHECKED_AT), 2),),
    )
    await write(database, late, epoch=epoch)

    assert await look(database, "SELECT state, status, attempt FROM requests") == [
        {"state": "done", "status": "valid", "attempt": 1}
    ]
    assert await look(database, "SELECT requests, finished FROM submissions") == [{"requests": 1, "finished": 1}]


async def everything(database: Database) -> list[str]:
    """Return the contents of the tables a record touches, without the time of the last touch."""
    tables = (
        "requests",
        "submissions",
        "submission_counts",
        "outbox",
        "domain_queue",
        "domain_cache",
        "email_validation",
    )
    found: list[str] = []
    for table in tables:
        query = f"SELECT to_jsonb(t) - 'updated_at' - 'last_checked' AS r FROM {table} AS t"  # noqa: S608 our own names
        found += sorted(json.dumps(row["r"], sort_keys=True) for row in await look(database, query))
    return found


async def test_of_a_lost_lease_nothing_is_written(database: Database, epoch: int) -> None:
    """Fencing: the record of a domain that somebody else holds is dropped, those beside it are written."""
    await submit(database, "a@one.example", "a@two.example")
    visits = await lease(database, epoch)
    await database.fetch("UPDATE domain_queue SET lease_epoch = lease_epoch + 1 WHERE domain = 'one.example'")

    lost = await write(database, *(finish_all(visit) for visit in visits.values()), epoch=epoch)

    assert lost == {"one.example"}
    done = await look(database, "SELECT domain, state FROM requests ORDER BY domain")
    assert [row["state"] for row in done] == ["queued", "done"]


async def test_a_twin_writes_nothing(database: Database, epoch: int) -> None:
    """F32: a process that slept through its successor's start is fenced off, and the successor works on."""
    visit = await visit_one(database, epoch)
    successor = await ledger.start_node(database)
    taken = (await lease(database, successor))["one.example"]

    assert await write(database, finish_all(visit, make_finding("invalid", "null_mx")), epoch=epoch) == {"one.example"}
    assert await write(database, finish_all(taken), epoch=successor) == frozenset()

    assert await look(database, "SELECT status FROM requests") == [{"status": "valid"}]


async def test_one_address_twice_in_a_write(database: Database, epoch: int) -> None:
    """Two requests for the same contact and mailbox make one row for the CRM; each has its own result."""
    await submit(database, "a@one.example", submission="first")
    await submit(database, "a@one.example", submission="second")
    other = (make_item(0, "a@one.example", contact_id=CONTACT),)
    await submit(database, submission="third", items=other)

    await write(database, finish_all((await lease(database, epoch))["one.example"]), epoch=epoch)

    assert len(await look(database, "SELECT id FROM email_validation")) == 2
    assert await look(database, "SELECT count(*) AS done FROM requests WHERE state = 'done'") == [{"done": 3}]
    assert await look(database, "SELECT count(*) AS messages FROM outbox") == [{"messages": 3}]


async def test_a_later_verdict_takes_the_place_of_the_earlier(database: Database, epoch: int) -> None:
    """One row per contact and address: its age and id stay, its verdict is today's."""
    await write(database, finish_all(await visit_one(database, epoch)), epoch=epoch)
    before = await look(database, "SELECT id, created_at, updated_at FROM email_validation")
    await submit(database, "a@one.example", submission="again")
    now = make_finding("invalid", "no_such_mailbox", checked_at=ledger.CHECKED_AT + timedelta(days=70))

    await write(database, finish_all((await lease(database, epoch))["one.example"], now), epoch=epoch)

    after = await look(database, "SELECT id, created_at, updated_at, status FROM email_validation")
    assert [(row["id"], row["created_at"]) for row in after] == [(row["id"], row["created_at"]) for row in before]
    assert after[0]["status"] == "invalid"
    assert after[0]["updated_at"] > before[0]["updated_at"]


@pytest.mark.parametrize(("counts", "expected"), [(True, 1), (False, 0)])
async def test_only_what_taught_something_counts(
    database: Database, epoch: int, *, counts: bool, expected: int
) -> None:
    """A deferral by our own fault or wait uses up no attempt."""
    visit = await visit_one(database, epoch)
    due_at = datetime.now(UTC) - timedelta(seconds=1)
    pin = Pin(identity="default", mx_host="mx.one.example", last_text="try again")
    deferral = Deferral(due_at, Reason.RATE_LIMITED, counts_as_attempt=counts, pin=pin)
    record = VisitRecord("one.example", deferred=(Deferred(visit.requests[0], deferral),), release=True)

    await write(database, record, epoch=epoch)

    request = (await lease(database, epoch))["one.example"].requests[0]
    assert (request.attempt, request.deferrals, request.pin) == (expected, expected, pin)
    assert request.first_tried_at is not None
    progress = await submissions.get_progress(database, "crm", "spring")
    assert progress is not None
    assert (progress.waiting, progress.next_due) == ({"rate_limited": 1}, due_at)


async def test_a_handed_over_request_keeps_what_our_probe_said(database: Database, epoch: int) -> None:
    """It leaves our queue, is not finished, and what we found is kept for the one who decides."""
    visit = await visit_one(database, epoch)
    finding = make_finding("risky", "mailbox_full", flags=Flags(is_free=True), expires_at=ledger.CHECKED_AT)

    await write(
        database, VisitRecord("one.example", handed_over=((visit.requests[0], finding),), release=True), epoch=epoch
    )

    stored = await look(database, "SELECT state, due_at, probe, attempt FROM requests")
    assert [(row["state"], row["due_at"], row["attempt"]) for row in stored] == [("handed_over", None, 1)]
    assert rows.finding_from_json(stored[0]["probe"]) == finding
    progress = await submissions.get_progress(database, "crm", "spring")
    assert progress is not None
    assert (progress.finished, progress.waiting) == (0, {"handed_over": 1})


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (AcceptAll.ACCEPTS_ALL, 100),
        (AcceptAll.REJECTS_UNKNOWN, 0),
        (AcceptAll.UNDETERMINED, 50),
        (AcceptAll.NOT_ASKED, 0),
    ],
)
async def test_accept_all_as_a_number(database: Database, epoch: int, state: AcceptAll, expected: int) -> None:
    """The CRM reads a probability where we keep a state."""
    await visit_one(database, epoch)

    await write(database, VisitRecord("one.example", facts=DomainFacts("one.example", accept_all=state)), epoch=epoch)

    assert await look(database, "SELECT accept_all_prob AS probability FROM domain_cache") == [
        {"probability": expected}
    ]


async def test_texts_from_outside_never_fail_a_write(database: Database, epoch: int) -> None:
    """A reply with NUL or bytes that are no text is stored, readable, and takes nobody down with it."""
    visit = await visit_one(database, epoch)
    nasty = "550 caf\udce9 \0 no"
    finding = make_finding("invalid", "no_such_mailbox", reply=nasty, mx_host="mx\0", smtp_trace={nasty: [nasty]})

    await write(database, finish_all(visit, finding), epoch=epoch)

    stored = await validations.find(database, "a@one.example")
    assert stored is not None
    assert stored.finding.reply == "550 caf\ufffd \ufffd no"
    assert stored.finding.smtp_trace == {"550 caf\ufffd \ufffd no": ["550 caf\ufffd \ufffd no"]}


async def test_writers_of_many_submissions_do_not_block_each_other(database: Database, epoch: int) -> None:
    """Intake and results of the same submissions and domains, all at once: no deadlock, nothing miscounted."""
    names = [f"d{number}.example" for number in range(12)]

    async def take_in(turn: int) -> None:
        for part in range(4):
            addresses = [f"u{turn}.{part}@{name}" for name in (names if turn % 2 else reversed(names))]
            await submit(database, *addresses, submission=f"s{part}", start=turn * 100)

    async def work_off() -> None:
        for _ in range(12):
            visits = await lease(database, epoch, limit=5, per_domain=3)
            await write(database, *(finish_all(visit) for visit in visits.values()), epoch=epoch)

    await asyncio.gather(*(take_in(turn) for turn in range(4)), work_off(), work_off())
    while visits := await lease(database, epoch):
        await write(database, *(finish_all(visit) for visit in visits.values()), epoch=epoch)

    assert await ledger.find_broken(database) == []
    done = await look(database, "SELECT count(*) AS requests FROM requests WHERE state = 'done'")
    assert done == [{"requests": 4 * 4 * 12}]


async def test_nothing_to_write(database: Database, epoch: int) -> None:
    """An empty write is no work and no error."""
    assert await write(database, epoch=epoch) == frozenset()
    assert await leases.release(database, NODE, epoch, []) == frozenset()

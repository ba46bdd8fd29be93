"""Taking verdicts back leaves a ledger in which nothing was ever concluded."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.store.ledger import (
    CHECKED_AT,
    domain_row,
    find_broken,
    finish_all,
    lease,
    look,
    make_finding,
    start_node,
    submit,
    write,
)
from validatord.mail.request import Finding, ScoreFacts
from validatord.mail.verdict import Reason, Status, Verdict
from validatord.rules import score
from validatord.settings import ScoreSettings
from validatord.store import retract, submissions
from validatord.store.database import Database
from validatord.store.records import VisitRecord
from validatord.store.retract import Retraction, TakenBack

DUE_AT = datetime.now(UTC) + timedelta(hours=8)


def make_retraction(ids: tuple[int, ...], **more: Any) -> Retraction:
    usual: dict[str, Any] = {"since": CHECKED_AT - timedelta(minutes=10), "due_at": DUE_AT, "most_deferrals": 3}
    reason = Reason.POLICY_REJECTED
    verdict = Verdict(Status.UNKNOWN, reason, (reason.value, "retracted"))
    said = score.apply(Finding(verdict.status, reason, (), 0), ScoreFacts(verdict), ScoreSettings())
    return Retraction(**{"request_ids": ids, "said": said, **usual, **more})


def refused() -> Finding:
    return make_finding("invalid", "no_such_mailbox", fresh_until=datetime.now(UTC) + timedelta(days=3))


async def finish(database: Database, *addresses: str, **more: Any) -> tuple[int, ...]:
    """Submit addresses and let a visit of each domain find every mailbox missing; return the requests."""
    await start_node(database)
    await submit(database, *addresses, **more)
    visits = await lease(database)
    await write(database, *(finish_all(visit, refused()) for visit in visits.values()))
    return tuple(request.request_id for visit in visits.values() for request in visit.requests)


async def test_requests_are_queued_again(database: Database) -> None:
    """What was finished is due again, counts and completeness are as if it had been deferred."""
    ids = await finish(database, "a@one.example", "b@two.example")

    assert await retract.take_back(database, make_retraction(ids)) == TakenBack(queued=2)

    progress = await submissions.get_progress(database, "crm", "spring")
    assert progress is not None
    assert (progress.finished, progress.waiting) == (0, {"policy_rejected": 2})
    assert progress.finished_at is None
    assert await find_broken(database) == []
    rows = await look(database, "SELECT state, deferrals, due_at, status, reply FROM requests")
    assert rows == [{"state": "queued", "deferrals": 1, "due_at": DUE_AT, "status": None, "reply": None}] * 2
    assert (await domain_row(database, "one.example"))["next_due"] == DUE_AT


async def test_a_verdict_taken_back_is_used_by_nobody(database: Database) -> None:
    """The row that other services read says unknown, and no later request is answered from it."""
    ids = await finish(database, "a@one.example")
    assert await submissions.find_fresh(database, ["a@one.example"])

    await retract.take_back(database, make_retraction(ids))

    assert await submissions.find_fresh(database, ["a@one.example"]) == {}
    [row] = await look(database, "SELECT status, reason, reasons, confidence, error FROM email_validation")
    assert row == {
        "status": "unknown",
        "reason": "policy_rejected",
        "reasons": ["policy_rejected", "retracted"],
        "confidence": 40,
        "error": "policy_rejected",
    }


async def test_an_older_verdict_of_the_same_mailbox_stays(database: Database) -> None:
    """What was concluded before the window does not rest on the refusals inside it."""
    ids = await finish(database, "a@one.example")

    await retract.take_back(database, make_retraction(ids, since=CHECKED_AT + timedelta(seconds=1)))

    assert [row["status"] for row in await look(database, "SELECT status FROM email_validation")] == ["invalid"]


async def test_taking_back_twice_changes_nothing_more(database: Database) -> None:
    """A repeat after a lost answer finds nothing left to take back."""
    ids = await finish(database, "a@one.example")
    await retract.take_back(database, make_retraction(ids))

    assert await retract.take_back(database, make_retraction(ids)) == TakenBack()
    assert await find_broken(database) == []


async def test_what_was_deferred_often_enough_ends_as_unknown(database: Database) -> None:
    """A host that refuses everybody for ever is not asked for ever."""
    ids = await finish(database, "a@one.example", "b@two.example")

    assert await retract.take_back(database, make_retraction(ids, most_deferrals=0)) == TakenBack(ended=2)

    progress = await submissions.get_progress(database, "crm", "spring")
    assert progress is not None
    assert progress.by_reason == {("unknown", "policy_rejected"): 2}
    assert progress.finished_at is not None
    assert await find_broken(database) == []
    assert await retract.take_back(database, make_retraction(ids, most_deferrals=0)) == TakenBack()


async def test_a_leased_domain_is_due_again_when_its_visit_ends(database: Database) -> None:
    """The visit that tripped the guard still holds its domain; its release finds what was taken back."""
    await start_node(database)
    await submit(database, "a@one.example")
    visit = (await lease(database))["one.example"]
    await write(database, finish_all(visit, refused(), release=False))

    await retract.take_back(database, make_retraction((visit.requests[0].request_id,)))
    await write(database, VisitRecord(visit.domain, release=True))

    assert (await domain_row(database, "one.example"))["next_due"] == DUE_AT
    assert await find_broken(database) == []


@pytest.mark.parametrize("ids", [(), (999_999,)])
async def test_nothing_to_take_back(database: Database, ids: tuple[int, ...]) -> None:
    """Requests that do not exist, or none at all."""
    assert await retract.take_back(database, make_retraction(ids)) == TakenBack()

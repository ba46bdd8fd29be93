"""One address now: answered within the budget, or a place to look."""

import asyncio
from datetime import UTC, datetime, timedelta

from tests.integration.web.conftest import Door
from validatord.mail.request import Finding
from validatord.store import leases, nodes, records
from validatord.store.database import Database
from validatord.store.leases import LeaseSpec
from validatord.store.records import Finished, VisitRecord


async def _finish(database: Database) -> list[int]:
    """Do what a visit does: lease what is due, write its verdict; return the submissions."""
    lock = await nodes.NodeLock.acquire(database, "test")
    try:
        spec = LeaseSpec(node="test", epoch=lock.epoch, limit=9, per_domain=9, per_lane=9, lease=timedelta(minutes=1))
        visits = await leases.lease_domains(database, spec)
        finding = Finding("valid", "accepted", ("accepted",), 95, checked_at=datetime.now(UTC))
        found = [
            VisitRecord(visit.domain, "", tuple(Finished(one, finding, 1) for one in visit.requests), release=True)
            for visit in visits
        ]
        await records.write_records(database, "test", lock.epoch, found)
        return [number for record in found for number in records.list_submissions(record)]
    finally:
        await lock.aclose()


async def test_what_needs_no_asking(door: Door) -> None:
    """What is no address is answered at once."""
    status, body = await door.call("POST", "/v1/check", await door.make_key(), json={"email": "nonsense"})

    assert (status, body["result"]["status"], body["result"]["reason"]) == (200, "invalid", "syntax")


async def test_whoever_waits_is_told(door: Door) -> None:
    """The answer goes out as soon as the verdict is written, not when somebody looks the next time."""
    key = await door.make_key()
    asking = asyncio.create_task(door.call("POST", "/v1/check", key, json={"email": "jane@acme.example"}))
    while not await door.database.fetch_value("SELECT count(*) FROM requests"):
        await asyncio.sleep(0.01)
    submissions = await _finish(door.database)
    door.tell(submissions)

    status, body = await asking

    assert (status, body["result"]["status"], body["result"]["email"]) == (200, "valid", "jane@acme.example")


async def test_the_budget_is_used_up(door: Door) -> None:
    """After its budget a check says where its answer will be."""
    key = await door.make_key()

    status, headers, body = await door.call_whole(
        "POST", "/v1/check", key, json={"email": "jane@acme.example", "budget": 0.05}
    )
    _, later = await door.call("GET", headers["Location"], key)

    assert (status, body["state"], body["look_at"]) == (202, "queued", headers["Location"])
    assert later["email"] == "jane@acme.example"


async def test_a_check_is_urgent_and_alone(door: Door) -> None:
    """A check goes before everything else, and lists of submissions do not show it."""
    key = await door.make_key()
    await door.call("POST", "/v1/check", key, json={"email": "jane@acme.example", "budget": 0})

    _, listed = await door.call("GET", "/v1/submissions", key)

    assert await door.database.fetch_value("SELECT priority FROM requests") == 100
    assert listed["submissions"] == []


async def test_a_fresh_verdict(door: Door) -> None:
    """A fresh verdict answers at once; `revalidate` asks again."""
    key = await door.make_key()
    await door.call("POST", "/v1/check", key, json={"email": "jane@acme.example", "budget": 0})
    await _finish(door.database)
    await door.database.fetch("UPDATE email_validation SET fresh_until = now() + interval '1 day'")

    known, body = await door.call("POST", "/v1/check", key, json={"email": "jane@ACME.example", "budget": 0})
    asked = {"email": "jane@acme.example", "budget": 0, "revalidate": True}
    again, _ = await door.call("POST", "/v1/check", key, json=asked)

    assert (known, body["result"]["source"], again) == (200, "cache", 202)


async def test_a_mailbox(door: Door) -> None:
    """A mailbox is shown with the verdict and what it rests on; one nobody asked about is not there."""
    key = await door.make_key()
    await door.call("POST", "/v1/check", key, json={"email": "jane@acme.example", "budget": 0})
    await _finish(door.database)

    status, body = await door.call("GET", "/v1/mailboxes/jane@acme.example", key)
    missing, _ = await door.call("GET", "/v1/mailboxes/joe@acme.example", key)

    assert (status, body["verdict"]["status"], body["domain"]) == (200, "valid", "acme.example")
    assert set(body["verdict"]) >= {"contributions", "dns_trace", "smtp_trace", "reply"}
    assert missing == 404

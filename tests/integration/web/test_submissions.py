"""Lists through the door: taken in once whatever is repeated, followed, read, steered."""

import asyncio
import gzip
import json

import pytest

from tests.integration.web.conftest import Door
from validatord.store import clients, steering

LIST = ["jane@acme.example", "no mailbox", "x@mailinator.com"]
CSV = {"Content-Type": "text/csv"}
NDJSON = {"Content-Type": "application/x-ndjson"}


async def test_a_list(door: Door) -> None:
    """A list is committed when the answer comes; what needs no asking is answered in it."""
    key = await door.make_key()

    status, headers, made = await door.call_whole("POST", "/v1/submissions", key, json={"items": LIST, "name": "june"})
    _, progress = await door.call("GET", headers["Location"], key)

    assert (status, made["queued"], made["name"]) == (201, 3, "june")
    assert (progress["requests"], progress["finished"], progress["state"]) == (3, 2, "active")
    assert progress["by_status"] == {"invalid": 1, "risky": 1}
    assert progress["waiting"] == {"not_tried": 1}
    assert door.woken


async def test_contacts_and_priority(door: Door) -> None:
    """Items may carry the client's own numbers and say who goes first."""
    key, contact = await door.make_key(), "00000000-0000-4000-8000-000000000001"
    items = [{"email": "jane@acme.example", "contact_id": contact}, "joe@acme.example"]

    await door.call("POST", "/v1/submissions", key, json={"items": items, "name": "june", "priority": "high"})
    _, page = await door.call("GET", "/v1/submissions/1/results", key)
    _, listed = await door.call("GET", "/v1/submissions", key)

    assert [row["contact_id"] for row in page["results"]] == [contact, None]
    assert [item["priority"] for item in listed["submissions"]] == [75]


async def test_the_same_name_again(door: Door) -> None:
    """A list sent again under its name adds nothing; another address in a taken place is refused with the place."""
    key = await door.make_key()
    body = {"items": LIST, "name": "june"}
    await door.call("POST", "/v1/submissions", key, json=body)

    again, made = await door.call("POST", "/v1/submissions", key, json=body)
    other, problem = await door.call("POST", "/v1/submissions", key, json={"items": ["a@b.example"], "name": "june"})
    _, progress = await door.call("GET", "/v1/submissions/1", key)

    assert (again, made["submission"], progress["requests"]) == (201, 1, 3)
    assert (other, problem["type"]) == (409, "/problems/conflict")
    assert "place 0" in problem["detail"]


async def test_a_list_in_parts(door: Door) -> None:
    """Parts find their places by `first_index`; before `expected` is reached nothing is finished."""
    key = await door.make_key()
    parts = [{"items": ["bad"], "name": "june", "first_index": place, "expected": 2} for place in (0, 1)]

    await door.call("POST", "/v1/submissions", key, json=parts[0])
    _, half = await door.call("GET", "/v1/submissions/1", key)
    await door.call("POST", "/v1/submissions", key, json=parts[1])
    _, whole = await door.call("GET", "/v1/submissions/1", key)

    assert (half["finished"], half["finished_at"]) == (1, None)
    assert whole["finished_at"] is not None


async def test_pages(door: Door) -> None:
    """Pages follow one another by place; the stream says the same, packed where the reader takes it."""
    key = await door.make_key()
    await door.call("POST", "/v1/submissions", key, json={"items": [f"u{n}@acme.example" for n in range(5)]})

    _, first = await door.call("GET", "/v1/submissions/1/results?limit=3", key)
    _, second = await door.call("GET", f"/v1/submissions/1/results?limit=3&after={first['next']}", key)
    _, headers, text = await door.call_whole("GET", "/v1/submissions/1/results.ndjson", key)
    _, one = await door.call("GET", "/v1/submissions/1/results/4", key)

    rows = [json.loads(line) for line in text.splitlines()]
    assert [row["index"] for row in first["results"] + second["results"]] == [0, 1, 2, 3, 4]
    assert second["next"] is None
    assert rows == first["results"] + second["results"]
    assert rows[4] == one
    assert headers["Content-Encoding"] == "gzip"


async def test_uploads(door: Door) -> None:
    """CSV takes a named column, NDJSON texts and objects; a line that is nothing gets its answer, too."""
    key = await door.make_key()
    table = 'id;mail\n1;"jane@acme.example"\n2;joe@acme.example\n'
    lines = '"a@acme.example"\n{"email": "b@acme.example"}\n{"no": 1}\n'

    csv, made = await door.call("POST", "/v1/uploads?column=mail&name=table", key, data=table, headers=CSV)
    ndjson, _ = await door.call("POST", "/v1/uploads", key, data=lines, headers=NDJSON)
    _, first = await door.call("GET", "/v1/submissions/1/results", key)
    _, second = await door.call("GET", "/v1/submissions/2/results", key)

    assert (csv, ndjson, made["queued"]) == (201, 201, 2)
    assert [row["address"] for row in first["results"]] == ["jane@acme.example", "joe@acme.example"]
    assert [row["status"] for row in second["results"]] == [None, None, "invalid"]


async def test_an_upload_without_its_column(door: Door) -> None:
    """A column that is not there is named, and nothing is taken in."""
    key = await door.make_key()

    status, problem = await door.call("POST", "/v1/uploads?column=mail", key, data="id,name\n1,x\n", headers=CSV)

    assert status == 422
    assert 'there is no column "mail"' in problem["detail"]
    assert await door.call("GET", "/v1/submissions/1", key) != 200


async def test_a_packed_upload(door: Door) -> None:
    """An upload may be packed; what is not what it says is refused."""
    key = await door.make_key()
    packed = NDJSON | {"Content-Encoding": "gzip"}

    good, made = await door.call("POST", "/v1/uploads", key, data=gzip.compress(b'"a@acme.example"\n'), headers=packed)
    bad, problem = await door.call("POST", "/v1/uploads", key, data=b"no gzip", headers=packed)

    assert (good, made["queued"]) == (201, 1)
    assert (bad, problem["type"]) == (400, "/problems/bad-request")


async def test_an_upload_that_broke_off(door: Door) -> None:
    """What was committed before an upload broke off stays; sent again as a whole, nothing is doubled."""
    key = await door.make_key()
    lines = [b'"u%d@acme.example"\n' % number for number in range(2500)]

    async def break_off() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(door.server.url.rpartition(":")[2]))
        head = f"POST /v1/uploads?name=big HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        body = b"".join(lines[:2200])
        head += f"Content-Type: application/x-ndjson\r\nContent-Length: {len(b''.join(lines))}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        while await door.database.fetch_value("SELECT count(*) FROM requests") < 1000:
            await asyncio.sleep(0.01)
        writer.transport.abort()
        await reader.read()

    await break_off()
    _, broken = await door.call("GET", "/v1/submissions/1", key)
    status, _ = await door.call("POST", "/v1/uploads?name=big", key, data=b"".join(lines), headers=NDJSON)
    _, whole = await door.call("GET", "/v1/submissions/1", key)

    # A chunk is committed once it is known whether another one follows.
    assert (broken["requests"], broken["finished_at"]) == (1000, None)
    assert (status, whole["requests"]) == (201, 2500)


async def test_steering(door: Door) -> None:
    """A paused submission is leased by nobody, goes on where it was, and once cancelled has ended for good."""
    key = await door.make_key()
    await door.call("POST", "/v1/submissions", key, json={"items": LIST})
    states = "SELECT state FROM requests WHERE submission_id = 1 AND idx = 0"

    paused = [await door.call("POST", "/v1/submissions/1/pause", key) for _ in range(2)]
    resting = await door.database.fetch_value(states)
    await door.call("POST", "/v1/submissions/1/resume", key)
    going = await door.database.fetch_value(states)
    await door.call("POST", "/v1/submissions/1/cancel", key)
    late, problem = await door.call("POST", "/v1/submissions/1/resume", key)
    more, _ = await door.call("POST", "/v1/submissions", key, json={"items": ["new@acme.example"], "name": "june"})
    _, progress = await door.call("GET", "/v1/submissions/1", key)
    _, one = await door.call("GET", "/v1/submissions/1/results/0", key)

    assert [answer["changed"] for _, answer in paused] == [True, False]
    assert (resting, going) == ("paused", "queued")
    assert (late, problem["type"], more) == (409, "/problems/conflict", 201)
    assert (progress["state"], progress["finished"], progress["by_status"]["unknown"]) == ("cancelled", 3, 1)
    assert progress["finished_at"] is not None
    assert (one["status"], one["reason"]) == ("unknown", "cancelled")


async def test_a_cancelled_submission_takes_nothing_in(door: Door) -> None:
    """More of a cancelled list is refused."""
    key = await door.make_key()
    await door.call("POST", "/v1/submissions", key, json={"items": LIST, "name": "june"})
    await door.call("POST", "/v1/submissions/1/cancel", key)

    status, problem = await door.call("POST", "/v1/submissions", key, json={"items": LIST, "name": "june"})

    assert (status, problem["detail"]) == (409, "this submission was cancelled")


async def test_bouncer_is_left_alone(door: Door) -> None:
    """A cancel takes back what only waits to be bought; what stands in a batch keeps waiting for its answer."""
    key = await door.make_key()
    await door.call("POST", "/v1/submissions", key, json={"items": ["a@acme.example", "b@acme.example"]})
    await door.database.fetch("UPDATE requests SET state = 'handed_over', due_at = NULL")
    batch = "INSERT INTO bouncer_batches (user_id, quantity) VALUES ('crm', 1) RETURNING id"
    assigned = "UPDATE bouncer_queue SET status = 'assigned', batch_id = $1 WHERE email = 'b@acme.example'"
    await door.database.fetch(assigned, await door.database.fetch_value(batch))

    await door.call("POST", "/v1/submissions/1/cancel", key)
    rows = await door.database.fetch("SELECT state, reason FROM requests ORDER BY idx")
    queue = await door.database.fetch("SELECT email, status FROM bouncer_queue")

    assert [tuple(row.values()) for row in rows] == [("done", "cancelled"), ("handed_over", None)]
    assert [tuple(row.values()) for row in queue] == [("b@acme.example", "assigned")]


async def test_a_long_list_follows_in_steps(door: Door) -> None:
    """More requests than one step follow their submission until all have, and only once."""
    key = await door.make_key()
    lines = b"".join(b'"u%d@d%d.example"\n' % (number, number % 7) for number in range(12_000))
    await door.call("POST", "/v1/uploads", key, data=lines, headers=NDJSON)

    await steering.set_state(door.database, 1, steering.SubmissionState.CANCELLED)
    steps = 0
    while await steering.move_some(door.database, 40):
        steps += 1
    _, progress = await door.call("GET", "/v1/submissions/1", key)

    assert steps == 3
    assert (progress["finished"], progress["by_status"]) == (12_000, {"unknown": 12_000})


async def test_a_list_that_ends_early(door: Door) -> None:
    """A submission that expected more is finished once its client says that nothing comes."""
    key = await door.make_key()
    await door.call("POST", "/v1/submissions", key, json={"items": ["bad"], "expected": 5})

    _, before = await door.call("GET", "/v1/submissions/1", key)
    _, after = await door.call("POST", "/v1/submissions/1/complete", key)

    assert (before["finished_at"], after["finished_at"] is not None) == (None, True)


async def test_backpressure(door: Door) -> None:
    """Too much waiting work, or an operator's pause, is 429 with when to come back; nothing is taken in."""
    key, admin = await door.make_key(), await door.make_key("operator", "admin")
    await door.call("POST", "/v1/pauses", admin, json={"kind": "intake", "reason": "disk"})

    status, headers, problem = await door.call_whole("POST", "/v1/submissions", key, json={"items": LIST})

    assert (status, problem["type"], headers["Retry-After"]) == (429, "/problems/too-much-work", "30")
    assert await door.database.fetch_value("SELECT count(*) FROM submissions") == 0


@pytest.mark.parametrize("path", ["/validation/submit", "/validation/revalidate"])
async def test_the_older_contract(door: Door, path: str) -> None:
    """The routes of the plans answer in their own form."""
    key = await door.make_key()
    contact = "00000000-0000-4000-8000-000000000001"
    bodies = {
        "/validation/submit": {"items": [{"contactId": contact, "email": "jane@acme.example"}]},
        "/validation/revalidate": {"emails": ["jane@acme.example"]},
    }

    assert await door.call("POST", path, key, json=bodies[path]) == (200, {"ok": True, "queued": 1, "submission": 1})


async def test_the_send_gate(door: Door) -> None:
    """The gate answers under the client's labels and limits, by the campaign's date; another client's has none."""
    key, other = await door.make_key(), await door.make_key("other")
    body = {"items": LIST[1:], "name": "june", "campaign_at": "2031-05-01T08:00:00+02:00"}
    await door.call("POST", "/v1/submissions", key, json=body)

    status, shown = await door.call("GET", "/v1/submissions/1/gate", key)
    hidden, _ = await door.call("GET", "/v1/submissions/1/gate", other)

    assert (status, hidden) == (200, 404)
    assert (shown["gate"], shown["campaign_at"]) == ("block", "2031-05-01T06:00:00+00:00")
    assert [one["reason"] for one in shown["reasons"]] == ["too_few_valid", "too_many_risky", "out_of_date"]
    assert shown["numbers"] == {
        "requests": 2, "finished": 2, "sent": 2, "valid": 0, "risky": 1, "unknown_at_small_domains": 0, "outdated": 2,
    }  # fmt: skip


@pytest.mark.parametrize("wrong", ["tomorrow", "2031-05-01T08:00:00"])
async def test_a_campaigns_date_has_a_zone(door: Door, wrong: str) -> None:
    """What is no time with a zone is refused, by its name, in a body and beside an upload."""
    key = await door.make_key()

    status, problem = await door.call(
        "POST", "/v1/submissions", key, json={"items": LIST, "name": "june", "campaign_at": wrong}
    )
    beside, _ = await door.call("POST", f"/v1/uploads?campaign_at={wrong}", key, data="a@b.example", headers=CSV)

    assert (status, beside) == (422, 422)
    assert "campaign_at" in str(problem["errors"])


async def test_a_policy_broken_by_hand(door: Door) -> None:
    """Where the ledger holds a policy nobody can read, no result is shown under a wrong label: the answer names the key."""
    key = await door.make_key()
    await door.call("POST", "/v1/submissions", key, json={"items": LIST, "name": "june"})
    await clients.set_policy(door.database, "crm", {"acept_all": "risky"})

    status, problem = await door.call("GET", "/v1/submissions/1/results", key)

    assert (status, problem["type"]) == (409, "/problems/conflict")
    assert "client crm: policy.acept_all: there is no such key" in problem["detail"]

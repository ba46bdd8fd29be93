"""The open door: who may come in, and what a refusal looks like."""

import asyncio

import pytest

from tests.integration.web.conftest import Door, make_settings
from validatord.clock import SystemClock
from validatord.errors import ConfigurationError
from validatord.intake.submit import IntakeRules, Submitter
from validatord.mail.parse import parse_address
from validatord.store import submissions
from validatord.store.database import Database
from validatord.store.submissions import Chunk, ChunkItem
from validatord.web.server import WebDoor
from validatord.web.services import WebServices


async def _submit(door: Door, client: str) -> int:
    items = (ChunkItem(0, "jane@acme.example", parse_address("jane@acme.example", allow_special_use=True)),)
    return (await submissions.add_chunk(door.database, Chunk(client, "june", 50, items))).submission_id


async def test_health_is_open(door: Door) -> None:
    """Health needs no key."""
    assert await door.call("GET", "/health") == (200, {"ok": True})


async def test_a_client_sees_its_own(door: Door) -> None:
    """A client reads its own submission; another one's does not exist for it; an admin reads both."""
    number = await _submit(door, "crm")
    own, other = await door.make_key("crm"), await door.make_key("shop")
    admin = await door.make_key("operator", "admin")

    status, body = await door.call("GET", f"/v1/submissions/{number}", own)
    foreign, problem = await door.call("GET", f"/v1/submissions/{number}", other)
    all_seeing, _ = await door.call("GET", f"/v1/submissions/{number}", admin)

    assert (status, body["requests"], body["finished"], body["name"]) == (200, 1, 0, "june")
    assert (foreign, problem["type"]) == (404, "/problems/not-found")
    assert all_seeing == 200


async def test_a_missing_scope(door: Door) -> None:
    """A key without the scope is told so, which is not the answer to a wrong key."""
    key = await door.make_key("crm", "submit")

    status, problem = await door.call("GET", "/v1/submissions/1", key)

    assert (status, problem["type"]) == (403, "/problems/forbidden")


async def test_no_key(door: Door) -> None:
    """Without a key there is one answer, with how to do better in its header."""
    status, headers, problem = await door.call_whole("GET", "/v1/submissions/1")

    assert (status, problem["type"]) == (401, "/problems/unauthorized")
    assert headers["WWW-Authenticate"].startswith("Bearer")
    assert headers["Content-Type"] == "application/problem+json"


async def test_nowhere(door: Door) -> None:
    """A path that does not exist is a problem like any other."""
    status, problem = await door.call("GET", "/nowhere")

    assert (status, problem["type"]) == (404, "/problems/not-found")


async def test_the_ledger_is_away(door: Door) -> None:
    """Without PostgreSQL the answer is 503 and when to come back, not a failure of ours."""
    key = await door.make_key()
    await door.database.aclose()

    status, headers, problem = await door.call_whole("POST", "/v1/submissions", key, json={"items": ["a@b.example"]})

    assert (status, problem["type"], headers["Retry-After"]) == (503, "/problems/unavailable", "6")


async def test_a_taken_port(door: Door) -> None:
    """A door whose port is taken waits for it, and opens once it is free."""
    port = int(door.server.url.rpartition(":")[2])
    settings = make_settings(port=port)
    submitter = Submitter(door.database, SystemClock(), IntakeRules.of(settings))
    waiting = WebDoor(WebServices(door.database, submitter, lambda: settings, SystemClock()))

    await waiting.open()
    await door.server.aclose()
    for _ in range(200):
        await asyncio.sleep(0.05)
        if waiting.is_open:
            break
    answer = await door.call("GET", "/healthz")
    await waiting.aclose()

    assert answer[0] == 200


async def test_a_door_that_cannot_be(database: Database) -> None:
    """An address that is not ours is an error that names the setting."""
    settings = make_settings(host="192.0.2.1")
    submitter = Submitter(database, SystemClock(), IntakeRules.of(settings))

    with pytest.raises(ConfigurationError, match=r"web: cannot listen on 192\.0\.2\.1"):
        await WebDoor(WebServices(database, submitter, lambda: settings, SystemClock())).open()


async def test_too_much_waits(door: Door) -> None:
    """Above the high-water mark nothing more comes in until the low-water mark is reached."""
    key = await door.make_key()
    store = door.settings.store.model_copy(update={"high_water": 2, "low_water": 1})
    door.settings = door.settings.model_copy(update={"store": store})
    await door.call("POST", "/v1/submissions", key, json={"items": ["a@acme.example", "b@acme.example"]})
    await asyncio.sleep(1.1)

    over, problem = await door.call("POST", "/v1/submissions", key, json={"items": ["c@acme.example"]})
    await door.call("POST", "/v1/submissions/1/cancel", key)
    await asyncio.sleep(1.1)
    under, _ = await door.call("POST", "/v1/submissions", key, json={"items": ["c@acme.example"]})

    assert (over, problem["type"], under) == (429, "/problems/too-much-work", 201)

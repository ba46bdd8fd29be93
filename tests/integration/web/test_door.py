"""The open door: who may come in, and what a refusal looks like."""

from tests.integration.web.conftest import Door
from validatord.mail.parse import parse_address
from validatord.store import submissions
from validatord.store.submissions import Chunk, ChunkItem


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

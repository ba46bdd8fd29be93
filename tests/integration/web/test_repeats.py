"""Idempotency-Key: one job and one answer, whatever is repeated, at once or after a crash."""

import asyncio
from typing import Any

from tests.integration.web.conftest import Door
from validatord.store import idempotency

BODY = {"items": ["jane@acme.example", "joe@acme.example"]}
COUNT = "SELECT (SELECT count(*) FROM submissions) || ' ' || (SELECT count(*) FROM requests)"


async def post(door: Door, key: str, body: Any = BODY, name: str = "one") -> tuple[int, Any, Any]:
    """Post under an Idempotency-Key."""
    return await door.call_whole("POST", "/v1/submissions", key, json=body, headers={"Idempotency-Key": name})


async def test_the_same_again(door: Door) -> None:
    """The same key and body get the same answer, which says that it is a repeat; nothing is taken in again."""
    key = await door.make_key()

    first, second = await post(door, key), await post(door, key)

    assert (first[0], first[2]) == (second[0], second[2])
    assert second[1]["Idempotent-Replayed"] == "true"
    assert await door.database.fetch_value(COUNT) == "1 2"


async def test_another_body(door: Door) -> None:
    """A key that stands for another request is refused."""
    key = await door.make_key()
    await post(door, key)

    status, _, problem = await post(door, key, {"items": ["other@acme.example"]})

    assert (status, problem["type"]) == (422, "/problems/idempotency-key-reused")
    assert await door.database.fetch_value(COUNT) == "1 2"


async def test_fifty_at_once(door: Door) -> None:
    """Fifty of the same at once are one submission and fifty equal answers."""
    key = await door.make_key()

    answers = await asyncio.gather(*(post(door, key) for _ in range(50)))

    assert {status for status, _, _ in answers} == {201}
    assert len({str(body) for _, _, body in answers}) == 1
    assert await door.database.fetch_value(COUNT) == "1 2"


async def test_a_crash_before_the_answer(door: Door) -> None:
    """A process that died between insert and answer leaves its submission's name: the repeat takes it up."""
    key = await door.make_key()
    _, _, made = await post(door, key)
    await door.database.fetch("UPDATE idempotency_keys SET http_status = NULL, body = NULL")

    status, _, again = await post(door, key)

    assert (status, again) == (201, made)
    assert await door.database.fetch_value(COUNT) == "1 2"


async def test_after_a_day(door: Door) -> None:
    """A day later the key is free: the same request is a new job."""
    key = await door.make_key()
    await post(door, key)
    await door.database.fetch("UPDATE idempotency_keys SET created_at = now() - interval '25 hours'")

    status, headers, _ = await post(door, key)

    assert (status, "Idempotent-Replayed" in headers) == (201, False)
    assert await door.database.fetch_value(COUNT) == "2 4"


async def test_clients_do_not_meet(door: Door) -> None:
    """Two clients may use the same key for different things."""
    await post(door, await door.make_key("crm"))

    status, _, _ = await post(door, await door.make_key("shop"), {"items": ["other@acme.example"]})

    assert status == 201


async def test_what_is_invalid_takes_no_key(door: Door) -> None:
    """A body that cannot be read leaves the key free for the right one."""
    key = await door.make_key()

    wrong, _, _ = await post(door, key, {"items": []})
    right, _, _ = await post(door, key)

    assert (wrong, right) == (422, 201)


async def test_a_key_that_is_none(door: Door) -> None:
    """A key outside of its form is refused."""
    status, _, problem = await post(door, await door.make_key(), name="x" * 256)

    assert (status, problem["detail"].partition(":")[0]) == (422, "Idempotency-Key")


async def test_old_keys_go(door: Door) -> None:
    """Keys that nobody can repeat any more are deleted."""
    await post(door, await door.make_key())
    await door.database.fetch("UPDATE idempotency_keys SET created_at = now() - interval '25 hours'")

    await idempotency.delete_outdated(door.database)

    assert await door.database.fetch_value("SELECT count(*) FROM idempotency_keys") == 0

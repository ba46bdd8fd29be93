"""The daemon's HTTP API from outside: an answer now, a list, a kill between commit and answer, a stop."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.acceptance.desk import Desk, open_desk
from validatord.sandbox.spec import SandboxSpec
from validatord.store.database import Database

pytestmark = pytest.mark.timeout(120)
SPEC = SandboxSpec.of({"acme.example": "postfix", "grey.example": "greylist"})


@pytest.fixture
async def desk(tmp_path: Path, dsn: str) -> AsyncIterator[Desk]:
    """A desk with a small internet."""
    async with open_desk(tmp_path, dsn, SPEC) as found:
        yield found


class Caller:
    """Somebody with a key."""

    def __init__(self, desk: Desk, session: aiohttp.ClientSession, key: str) -> None:
        self._url = desk.stage.web_url
        self._session = session
        self._headers = {"Authorization": f"Bearer {key}"}

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Return status and JSON of an answer."""
        named = self._headers | {name.replace("_", "-"): text for name, text in headers.items()}
        async with self._session.request(method, self._url + path, json=body, headers=named) as answer:
            return answer.status, await answer.json(content_type=None)


async def make_key(desk: Desk, *words: str) -> str:
    """What an operator does first."""
    return (await desk.run("keys", "create", "crm", *words)).out.strip()


async def wait_until_open(caller: Caller) -> None:
    """The door opens a moment after the node is seen."""
    for _ in range(400):
        try:
            await caller.call("GET", "/v1/submissions")
        except aiohttp.ClientConnectionError:
            await asyncio.sleep(0.05)
        else:
            return
    raise TimeoutError


async def test_answers(desk: Desk) -> None:
    """A check answers with the server's words within its budget; who wants us later is a place to look at."""
    key = await make_key(desk)
    await desk.stage.start_daemon()
    async with aiohttp.ClientSession() as session:
        caller = Caller(desk, session, key)
        await wait_until_open(caller)
        good, valid = await caller.call("POST", "/v1/check", {"email": "user1@acme.example"})
        _, invalid = await caller.call("POST", "/v1/check", {"email": "unknown1@acme.example"})
        later, greylisted = await caller.call("POST", "/v1/check", {"email": "user1@grey.example", "budget": 1.5})
        mailbox, known = await caller.call("GET", "/v1/mailboxes/unknown1@acme.example")
        domain, facts = await caller.call("GET", "/v1/domains/acme.example")

    assert (good, valid["result"]["status"]) == (200, "valid")
    assert (invalid["result"]["status"], invalid["result"]["reason"]) == ("invalid", "no_such_mailbox")
    assert (later, greylisted["deferral_reason"], greylisted["look_at"][:16]) == (202, "greylisted", "/v1/submissions/")
    assert (mailbox, "550" in known["verdict"]["reply"], bool(known["verdict"]["smtp_trace"])) == (200, True, True)
    assert (domain, facts["mx_hosts"][0]["name"]) == (200, "mx1.acme.example")


async def test_a_list_to_its_end(desk: Desk) -> None:
    """A list goes in and comes out whole; a paused one rests until it is resumed."""
    key = await make_key(desk)
    await desk.stage.start_daemon()
    names = [f"user{number}@acme.example" for number in range(1, 6)]
    async with aiohttp.ClientSession() as session:
        caller = Caller(desk, session, key)
        await wait_until_open(caller)
        await caller.call("POST", "/v1/submissions", {"items": names, "name": "june", "expected": 10})
        await caller.call("POST", "/v1/submissions/1/pause")
        late = [f"unknown{number}@acme.example" for number in range(1, 6)]
        await caller.call("POST", "/v1/submissions", {"items": late, "name": "june", "first_index": 5})
        await asyncio.sleep(1)
        _, resting = await caller.call("GET", "/v1/submissions/1")
        await caller.call("POST", "/v1/submissions/1/resume")
        for _ in range(400):
            _, progress = await caller.call("GET", "/v1/submissions/1")
            if progress["finished_at"]:
                break
            await asyncio.sleep(0.05)

    assert resting["finished"] <= 5
    assert resting["state"] == "paused"
    assert progress["by_status"] == {"valid": 5, "invalid": 5}


async def test_a_kill_between_commit_and_answer(desk: Desk, dsn: str) -> None:
    """Who got no answer repeats the request under its key: one submission, and the answer that was meant."""
    key = await make_key(desk)
    desk.stage.environment["VALIDATORD_CRASH_POINT"] = "web.before_answer"
    await desk.stage.start_daemon()
    body = {"items": ["user1@acme.example", "user2@acme.example"]}
    async with aiohttp.ClientSession() as session:
        caller = Caller(desk, session, key)
        await wait_until_open(caller)
        with pytest.raises(aiohttp.ClientConnectionError):
            await caller.call("POST", "/v1/submissions", body, Idempotency_Key="june-1")
        assert desk.stage.daemon_process is not None
        assert await desk.stage.daemon_process.wait() == -signal.SIGKILL

        desk.stage.environment.clear()
        await desk.stage.start_daemon()
        await wait_until_open(caller)
        first = await caller.call("POST", "/v1/submissions", body, Idempotency_Key="june-1")
        second = await caller.call("POST", "/v1/submissions", body, Idempotency_Key="june-1")

    database = await Database.open(dsn, pool_size=1)
    counts = "SELECT (SELECT count(*) FROM submissions) || ' ' || (SELECT count(*) FROM requests)"
    assert (first[0], first) == (201, second)
    assert await database.fetch_value(counts) == "1 2"
    await database.aclose()

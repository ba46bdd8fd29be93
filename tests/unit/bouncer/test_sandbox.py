"""The sandbox Bouncer is as strict and as odd as the real one."""

import io
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from validatord.sandbox import bouncer_verdicts
from validatord.sandbox.bouncer import SandboxBouncer
from validatord.sandbox.bouncer_world import BouncerSpec

_BATCH = "/v1.1/email/verify/batch"
_KEY = {"x-api-key": "sandbox-key"}


@pytest.fixture
async def service() -> AsyncIterator[SandboxBouncer]:
    """A service whose clock stands still unless it is moved."""
    async with SandboxBouncer(BouncerSpec(speed=0.0)) as running:
        yield running


@pytest.fixture
async def http(service: SandboxBouncer) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of it."""
    async with aiohttp.ClientSession(service.url) as session:
        yield session


async def call(
    http: aiohttp.ClientSession, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any
) -> tuple[int, Any]:
    """Status and body of one call."""
    async with http.request(method, path, headers=_KEY if headers is None else headers, **options) as response:
        text = await response.text()
        return response.status, await response.json() if text else ""


async def create(http: aiohttp.ClientSession, *emails: str) -> str:
    """Make a batch and return its name."""
    status, body = await call(http, "POST", _BATCH, json=[{"email": email} for email in emails])
    assert status == 200
    return body["batchId"]


async def test_keys(http: aiohttp.ClientSession) -> None:
    """Without a key, or with a wrong one, there is nothing; the status inside is a number there."""
    assert await call(http, "GET", "/v1.1/credits", headers={}) == (
        401,
        {"status": 401, "error": "Unauthorized", "message": "api key is required"},
    )
    status, body = await call(http, "GET", "/v1.1/credits", headers={"x-api-key": "wrong"})
    assert (status, body["message"]) == (401, "user not found")


@pytest.mark.parametrize("body", [b"no json", b"{}", b"[]", b'["a@b.example"]', b'[{"address": "a@b.example"}]'])
async def test_bad_creates(http: aiohttp.ClientSession, service: SandboxBouncer, body: bytes) -> None:
    """Texts instead of objects, empty arrays and broken JSON are refused, and nothing is made."""
    status, _ = await call(http, "POST", _BATCH, data=body)

    assert status == 400
    assert service.world.batches == {}


async def test_too_many(http: aiohttp.ClientSession) -> None:
    """More than 100,000 addresses are too many."""
    payload = b"[" + b",".join([b'{"email":"a@b.example"}'] * 100_001) + b"]"
    status, body = await call(http, "POST", _BATCH, data=io.BytesIO(payload))

    assert (status, body["message"]) == (400, "too many emails")


async def test_life_of_a_batch(http: aiohttp.ClientSession, service: SandboxBouncer) -> None:
    """Queued, processing, completed; results only then; deleted, they are gone and the batch is not known."""
    ref = await create(http, *(f"deliverable+{number}@domain.example" for number in range(40)))
    path = f"{_BATCH}/{ref}"
    assert (await call(http, "GET", path))[1]["status"] == "queued"
    assert (await call(http, "GET", f"{path}/download"))[1]["message"] == "batch is not completed"
    assert (await call(http, "DELETE", path))[0] == 405

    service.time.advance(6)
    status, body = await call(http, "GET", path, params={"with-stats": "true"})
    assert (status, body["status"]) == (200, "processing")
    assert 0 <= body["processed"] < 40
    assert "credits" not in body

    service.time.advance(60)
    assert (await call(http, "GET", path))[1]["credits"] == 40
    status, rows = await call(http, "GET", f"{path}/download", params={"download": "all"})
    assert (status, len(rows), {row["status"] for row in rows}) == (200, 40, {"deliverable"})
    assert await call(http, "DELETE", path) == (200, {})
    assert (await call(http, "GET", path))[0] == 404
    assert (await call(http, "GET", f"{path}/download"))[1]["message"].endswith("have been removed")
    assert service.ledger.check() == []


async def test_batches_wait_in_line(http: aiohttp.ClientSession, service: SandboxBouncer) -> None:
    """One after the other: the second does not start before the first is complete."""
    first = await create(http, *(f"deliverable+{number}@domain.example" for number in range(400)))
    second = await create(http, "deliverable@domain.example")
    service.time.advance(15)

    assert (await call(http, "GET", f"{_BATCH}/{first}"))[1]["status"] == "processing"
    assert (await call(http, "GET", f"{_BATCH}/{second}"))[1]["status"] == "queued"
    service.time.advance(100)
    assert (await call(http, "GET", f"{_BATCH}/{second}"))[1]["status"] == "completed"


async def test_money(http: aiohttp.ClientSession, service: SandboxBouncer) -> None:
    """Credits are reserved at create and charged at completion; unknown, doubles and their own test domain are free."""
    service.world.accounts["main"].credits = 5
    emails = ["deliverable+1@a.example", "unknown+1@a.example", "deliverable@sandbox.usebouncer.com"]
    await create(http, *emails, emails[0])
    assert (await call(http, "GET", "/v1.1/credits"))[1] == {"credits": 3}
    status, body = await call(http, "POST", _BATCH, json=[{"email": f"x{number}@a.example"} for number in range(4)])
    assert (status, body["status"]) == (402, "402")

    service.time.advance(100)
    assert (await call(http, "GET", "/v1.1/credits"))[1] == {"credits": 4}
    assert service.world.charges == {"deliverable+1@a.example": 1}


async def test_finish(http: aiohttp.ClientSession, service: SandboxBouncer) -> None:
    """Only a running batch can be ended; what was not verified is left out and not charged."""
    ref = await create(http, *(f"deliverable+{number}@domain.example" for number in range(400)))
    path = f"{_BATCH}/{ref}"
    service.ledger.may_finish = True
    assert (await call(http, "POST", f"{path}/finish"))[0] == 400

    service.time.advance(12)
    assert await call(http, "POST", f"{path}/finish") == (202, "")
    service.time.advance(5)
    rows = (await call(http, "GET", f"{path}/download"))[1]
    assert 0 < len(rows) < 400
    assert sum(service.world.charges.values()) == len(rows)


async def test_limits(http: aiohttp.ClientSession, service: SandboxBouncer) -> None:
    """Ten credit reads a minute and no more; other calls have their own count."""
    statuses = [(await call(http, "GET", "/v1.1/credits"))[0] for _ in range(11)]
    assert statuses == [200] * 10 + [429]
    assert (await call(http, "GET", f"{_BATCH}/none"))[0] == 404

    service.time.advance(61)
    assert (await call(http, "GET", "/v1.1/credits"))[0] == 200


async def test_results_expire(http: aiohttp.ClientSession, service: SandboxBouncer) -> None:
    """After sixty days the results are gone by themselves."""
    ref = await create(http, "deliverable@domain.example")
    service.time.advance(100)
    await call(http, "GET", f"{_BATCH}/{ref}")
    service.time.advance(61 * 86_400)

    assert (await call(http, "GET", f"{_BATCH}/{ref}/download"))[0] == 405


async def test_misdeeds_are_written_down(http: aiohttp.ClientSession, service: SandboxBouncer) -> None:
    """A delete before the download, a finish nobody wanted and a key in a URL stand in the ledger."""
    ref = await create(http, "deliverable@domain.example")
    service.time.advance(100)
    await call(http, "POST", f"{_BATCH}/{ref}/finish")
    await call(http, "DELETE", f"{_BATCH}/{ref}")
    await call(http, "GET", "/v1.1/credits?key=sandbox-key")

    assert len(service.ledger.check()) == 3


async def test_no_control_unless_wanted(http: aiohttp.ClientSession) -> None:
    """The control path exists only where it was switched on."""
    assert (await call(http, "POST", "/_control/credits", json={"credits": 5}))[0] == 404


@pytest.mark.parametrize(("word", "missing"), [("syntax", {"domain", "account", "score"}), ("greylist", {"score"})])
def test_sparse_rows(word: str, missing: set[str]) -> None:
    """Rows lack what makes no sense for them."""
    email = f"{word}+1@domain.example"
    row = bouncer_verdicts.make_row(email, bouncer_verdicts.judge(1, email), 0.0)

    assert not missing & set(row)


def test_opinions_are_a_function() -> None:
    """The same seed and address give the same answer; the mix is near the documented one."""
    opinions = [bouncer_verdicts.judge(1, f"user{number}@domain.example").status for number in range(5000)]

    assert opinions == [bouncer_verdicts.judge(1, f"user{number}@domain.example").status for number in range(5000)]
    assert 0.58 < opinions.count("deliverable") / 5000 < 0.66
    assert 0.03 < opinions.count("unknown") / 5000 < 0.07

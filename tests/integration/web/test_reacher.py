"""Reacher's paths, headers and errors, so that its clients go on working."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from tests.integration.store.ledger import look, make_finding, make_item
from tests.integration.web.conftest import Door, make_settings
from validatord.mail.request import Flags
from validatord.store import clients, submissions

_TRACE = {
    "mx_host": "mx1.one.example",
    "helo_name": "mail.example.org",
    "envelope_sender": "hello@mail.example.org",
    "exchanges": [],
}
_FINDINGS: dict[str, dict[str, Any]] = {
    "safe@one.example": {"status": "valid", "reason": "accepted"},
    "full@one.example": {"status": "risky", "reason": "mailbox_full"},
    "gone@one.example": {"status": "invalid", "reason": "no_such_mailbox"},
    "info@one.example": {"status": "valid", "reason": "accepted", "flags": Flags(is_role=True)},
    "any@one.example": {"status": "accept_all", "reason": "accept_all"},
}
_PREFIX = (
    '{"input":"foo@bar","is_reachable":"invalid","misc":{"is_disposable":false,"is_role_account":false,"is_b2c":false,'
    '"gravatar_url":null,"haveibeenpwned":null},"mx":{"accepts_mail":false,"records":[]},"smtp":{"can_connect_smtp":'
    'false,"has_full_inbox":false,"is_catch_all":false,"is_deliverable":false,"is_disabled":false},"syntax":{"address":'
    'null,"domain":"","is_valid_syntax":false,"username":"","normalized_email":null,"suggestion":null}'
)


async def know(door: Door) -> None:
    """Have verdicts that are used again, so that a check needs no network."""
    items = tuple(
        make_item(
            idx,
            address,
            finding=make_finding(
                mx_hosts=("mx1.one.example",),
                mx_host="mx1.one.example",
                smtp_trace=_TRACE,
                checked_at=datetime.now(UTC),
                fresh_until=datetime.now(UTC) + timedelta(days=1),
                reply="250 2.1.5 OK",
                **found,
            ),
        )
        for idx, (address, found) in enumerate(_FINDINGS.items())
    )
    await submissions.add_chunk(door.database, submissions.Chunk("crm", "known", 50, items))


async def post(door: Door, path: str, body: Any, key: str | None = None, **headers: str) -> tuple[int, str]:
    """Return the status and text of an answer, the key in Reacher's header."""
    if key:
        headers["x-reacher-secret"] = key
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    headers = {"Content-Type": "application/json"} | headers
    async with door.session.post(door.server.url + path, data=data, headers=headers) as found:
        return found.status, await found.text()


async def get(door: Door, path: str, key: str) -> tuple[int, Any]:
    """Return the status and the answer."""
    async with door.session.get(door.server.url + path, headers={"x-reacher-secret": key}) as found:
        return found.status, await (found.text() if "csv" in found.content_type else found.json())


@pytest.mark.parametrize("version", ["v0", "v1"])
async def test_check(door: Door, version: str) -> None:
    """One address is answered byte for byte up to `debug`; the further members of a request are read over."""
    key = await door.make_key()
    body = {
        "to_email": "foo@bar",
        "from_email": "me@example.org",
        "hello_name": "example.org",
        "proxy": {"host": "192.0.2.1", "port": 1080},
        "smtp_timeout": {"secs": 5, "nanos": 0},
        "smtp_port": 25,
        "yahoo_verif_method": "Headless",
    }

    status, text = await post(door, f"/{version}/check_email", body, key)

    assert status == 200
    assert text.startswith(_PREFIX + ',"debug":{"backend_name":"validatord","start_time":"')
    assert text.endswith('"smtp":{"verif_method":{"type":"Skipped"}}}}')


async def test_verdicts(door: Door) -> None:
    """A verdict that is known is told with its evidence; the client's policy may make it more careful."""
    await know(door)
    key = await door.make_key()

    async def check(address: str) -> dict[str, Any]:
        status, text = await post(door, "/v1/check_email", {"to_email": address}, key)
        assert status == 200, text
        return orjson.loads(text)

    found = await check("safe@one.example")
    assert found["mx"] == {"accepts_mail": True, "records": ["mx1.one.example."]}
    assert found["debug"]["smtp"]["verif_method"]["verif_method"]["from_email"] == "hello@mail.example.org"
    assert [(await check(address))["is_reachable"] for address in _FINDINGS] == [
        *("safe", "risky", "invalid", "risky", "risky"),
    ]
    await clients.set_policy(door.database, "crm", {"min_confidence": 100})
    assert (await check("safe@one.example"))["is_reachable"] == "risky"


async def test_not_in_time(door: Door) -> None:
    """What is not answered within the budget is unknown, by a time-out."""
    door.settings = make_settings(check_budget="50ms")

    status, text = await post(door, "/v1/check_email", {"to_email": "new@one.example"}, await door.make_key())

    assert status == 200
    assert '"is_reachable":"unknown"' in text
    assert '"smtp":{"error":{"type":"Timeout","message":{"secs":0,"nanos":50000000}}}' in text


@pytest.mark.parametrize("path", ["/v0/check_email", "/v1/check_email", "/v1/bulk"])
async def test_secrets(door: Door, path: str) -> None:
    """Without a key, or with a wrong one, the original's words; our own headers do as well."""
    key = await door.make_key()
    reader = await door.make_key("crm", "read")

    assert await post(door, path, {}) == (400, 'Missing request header "x-reacher-secret"')
    for wrong in ("wrong", "vk_" + "x" * 43, reader):
        assert await post(door, path, {}, wrong) == (400, 'Invalid request header "x-reacher-secret"')
    assert (await post(door, path, {}, Authorization=f"Bearer {key}"))[1].startswith('{"error":')
    assert (await post(door, path, {}, Authorization="Bearer wrong"))[1].startswith("Invalid")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (400, '{"error":"to_email field is required."}')),
        ({"to_email": ""}, (400, '{"error":"to_email field is required."}')),
        ({"to_email": None}, (400, '{"error":"to_email field is required."}')),
        ({"to_email": 7}, (400, '{"error":"to_email field is required."}')),
    ],
)
async def test_nothing_to_check(door: Door, body: dict[str, Any], expected: tuple[int, str]) -> None:
    """An empty address is refused in the original's words."""
    assert await post(door, "/v1/check_email", body, await door.make_key()) == expected


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"nonsense", 400), (b"[]", 400), (b'{"to_email":"' + b"x" * 17_000 + b'"}', 413), (b'{"to_email":NaN}', 400)],
)
async def test_bad_bodies(door: Door, body: bytes, status: int) -> None:
    """What is no object, or too large, is refused with an error object."""
    found, text = await post(door, "/v1/check_email", body, await door.make_key())

    assert found == status
    assert list(orjson.loads(text)) == ["error"]


async def test_too_often(door: Door) -> None:
    """A key that asks too often is told so in the original's words."""
    door.settings = make_settings(requests_per_second=0.1)
    key = await door.make_key()
    await post(door, "/v1/check_email", {"to_email": "foo@bar"}, key)

    status, text = await post(door, "/v1/check_email", {"to_email": "foo@bar"}, key)

    assert status == 429
    assert text.startswith('{"error":"Rate limit per minute exceeded, please wait ')


async def test_version(door: Door) -> None:
    """The version is that of the original whose answers these are."""
    async with door.session.get(door.server.url + "/version") as found:
        assert (found.status, await found.text()) == (200, '{"version":"0.11.7"}')


async def _have_job(door: Door, key: str) -> int:
    await know(door)
    addresses = [*_FINDINGS, "foo@bar", "=1+1"]
    status, text = await post(door, "/v1/bulk", {"input": addresses}, key)
    assert status == 200
    assert list(orjson.loads(text)) == ["job_id"]
    return orjson.loads(text)["job_id"]


async def test_job(door: Door) -> None:
    """A job tells how far it is in the original's keys and order, its counts by the same rule as its results."""
    key = await door.make_key()
    job = await _have_job(door, key)
    status, found = await get(door, f"/v1/bulk/{job}", key)

    assert status == 200
    assert list(found) == [
        *("job_id", "created_at", "finished_at", "total_records", "total_processed", "summary", "job_status"),
    ]
    assert found["summary"] == {"total_safe": 1, "total_risky": 3, "total_invalid": 3, "total_unknown": 0}
    assert (found["job_id"], found["total_records"], found["total_processed"]) == (job, 7, 7)
    assert found["job_status"] == "Completed"
    assert found["created_at"].endswith("000Z")


async def test_results(door: Door) -> None:
    """Results come in pages, each row the answer of a single check."""
    key = await door.make_key()
    job = await _have_job(door, key)
    _, whole = await get(door, f"/v1/bulk/{job}/results", key)
    _, page = await get(door, f"/v1/bulk/{job}/results?limit=2&offset=1&format=json", key)
    _, none = await get(door, f"/v1/bulk/{job}/results?offset=99", key)

    assert [item["input"] for item in whole["results"]] == [*_FINDINGS, "foo@bar", "=1+1"]
    assert list(whole["results"][0]) == ["input", "is_reachable", "misc", "mx", "smtp", "syntax", "debug"]
    assert page["results"] == whole["results"][1:3]
    assert none == {"results": []}


async def test_results_as_csv(door: Door) -> None:
    """CSV has the original's columns and, unless a limit is given, every row; a formula is none."""
    key = await door.make_key()
    job = await _have_job(door, key)
    status, text = await get(door, f"/v1/bulk/{job}/results?format=csv", key)
    rows = list(csv.DictReader(io.StringIO(text)))

    assert status == 200
    assert text.splitlines()[0] == (
        "input,is_reachable,misc.is_disposable,misc.is_role_account,misc.gravatar_url,mx.accepts_mail,smtp.can_connect,"
        "smtp.has_full_inbox,smtp.is_catch_all,smtp.is_deliverable,smtp.is_disabled,syntax.is_valid_syntax,"
        "syntax.domain,syntax.username,error"
    )
    assert [row["input"] for row in rows] == [*_FINDINGS, "foo@bar", "'=1+1"]
    assert rows[0] == dict.fromkeys(rows[0], "false") | {
        "input": "safe@one.example",
        "is_reachable": "safe",
        "misc.gravatar_url": "",
        "mx.accepts_mail": "true",
        "smtp.can_connect": "true",
        "smtp.is_deliverable": "true",
        "syntax.is_valid_syntax": "true",
        "syntax.domain": "one.example",
        "syntax.username": "safe",
        "error": "",
    }


async def test_running_job(door: Door) -> None:
    """While a job runs it says so, and its results are refused."""
    key = await door.make_key()
    _, text = await post(door, "/v1/bulk", {"input": ["new@one.example"]}, key)
    job = orjson.loads(text)["job_id"]

    _, found = await get(door, f"/v1/bulk/{job}", key)
    status, refused = await get(door, f"/v1/bulk/{job}/results", key)

    assert (found["job_status"], found["finished_at"], found["total_processed"]) == ("Running", None, 0)
    assert (status, refused) == (400, {"error": "Job is still running."})


async def test_whose_job(door: Door) -> None:
    """Another client's job does not exist, whatever its number."""
    job = await _have_job(door, await door.make_key())
    other = await door.make_key("shop")

    for path in (f"/v1/bulk/{job}", f"/v1/bulk/{job}/results", "/v1/bulk/0", "/v1/bulk/x", f"/v1/bulk/{'9' * 30}"):
        assert await get(door, path, other) == (404, {"error": "There is no such job."})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"input": []},
        {"input": "a@one.example"},
        {"input": ["a@one.example", 7]},
        {"input": ["a@one.example"], "webhook": {"on_each_email": {"url": "https://hooks.example/"}}},
    ],
)
async def test_jobs_that_cannot_be(door: Door, body: dict[str, Any]) -> None:
    """A list that is none, or a webhook that would never be called, is refused before anything is taken in."""
    status, text = await post(door, "/v1/bulk", body, await door.make_key())

    assert (status, list(orjson.loads(text))) == (400, ["error"])
    assert await look(door.database, "SELECT 1 FROM submissions") == []


@pytest.mark.parametrize("query", ["format=xml", "limit=x", "offset=-1", "limit=99999999999"])
async def test_bad_questions(door: Door, query: str) -> None:
    """A question that cannot be meant is refused."""
    key = await door.make_key()
    job = await _have_job(door, key)

    assert (await get(door, f"/v1/bulk/{job}/results?{query}", key))[0] == 400


async def test_a_job_taken_in_by_half(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the ledger goes away in the middle of a list nobody pays for the half that nobody knows of."""
    from validatord.errors import StoreAway
    from validatord.web.reacher import bulk

    monkeypatch.setattr(bulk, "_ROWS", 2)
    usual, calls = bulk.taking.take_in, []

    async def take_in(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 2:
            raise StoreAway
        return await usual(*given)

    monkeypatch.setattr(bulk.taking, "take_in", take_in)
    status, _ = await post(door, "/v1/bulk", {"input": [f"a{n}@one.example" for n in range(5)]}, await door.make_key())

    assert status == 503
    assert await look(door.database, "SELECT state FROM submissions") == [{"state": "cancelled"}]

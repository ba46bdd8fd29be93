"""What does not wish us well: refused with a problem, in bounded memory, with nothing of ours in the answer."""

import asyncio
import gzip
from datetime import timedelta

import pytest

from tests.integration.web.conftest import Door
from validatord.store import keys
from validatord.store.keys import Scope

JSON = {"Content-Type": "application/json"}
URL = "/v1/submissions"


async def say(door: Door, text: bytes) -> bytes:
    """Send bytes as they are and return all of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(door.server.url.rpartition(":")[2]))
    writer.write(text)
    await writer.drain()
    async with asyncio.timeout(20):
        found = await reader.read()
    writer.close()
    return found


async def test_keys_that_are_none(door: Door) -> None:
    """Whatever is wrong with a key, the answer is the same to the byte."""
    good = await door.make_key()
    expired = (await keys.create_key(door.database, "crm", [Scope.READ], lifetime=timedelta(seconds=-1))).text
    revoked = await keys.create_key(door.database, "crm", [Scope.READ])
    await keys.revoke_key(door.database, revoked.key_id)
    headers = [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {good}"},
        {"Authorization": "Bearer vk_short"},
        {"Authorization": f"Bearer {good}x"},
        {"Authorization": f"Bearer {good[:-1]}{'A' if good[-1] != 'A' else 'B'}"},
        {"Authorization": f"Bearer {good[:3]}{'A' if good[3] != 'A' else 'B'}{good[4:]}"},
        {"Authorization": f"Bearer {expired}"},
        {"Authorization": f"Bearer {revoked.text}"},
        {"X-Api-Key": ""},
        {"Authorization": f"Bearer {good}", "X-Api-Key": good},
    ]

    answers = {str(await door.call("GET", URL, headers=item)) for item in headers}

    assert len(answers) == 1
    assert "'status': 401" in answers.pop()


async def test_two_keys_at_once(door: Door) -> None:
    """Two Authorization headers are no key: nobody knows which one a proxy has looked at."""
    good = await door.make_key()
    head = f"GET {URL} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"

    once = await say(door, (head + f"Authorization: Bearer {good}\r\n\r\n").encode())
    twice = await say(door, (head + f"Authorization: Bearer {good}\r\n" * 2 + "\r\n").encode())

    assert once.startswith(b"HTTP/1.1 200 ")
    assert not twice.startswith(b"HTTP/1.1 2")


async def test_a_revoked_key_is_dead(door: Door) -> None:
    """A key that was used a moment ago is refused within a second of being revoked."""
    made = await keys.create_key(door.database, "crm", [Scope.READ])
    alive, _ = await door.call("GET", URL, made.text)

    await keys.revoke_key(door.database, made.key_id)
    await asyncio.sleep(1.1)
    dead, _ = await door.call("GET", URL, made.text)

    assert (alive, dead) == (200, 401)


async def test_both_keys_of_a_rotation(door: Door) -> None:
    """While a key is rotated the old and the new one work; a second rotation of the old one is refused."""
    old = await keys.create_key(door.database, "crm", [Scope.READ])
    new = await keys.rotate_key(door.database, old.key_id, timedelta(hours=1))
    assert new is not None

    assert [(await door.call("GET", URL, text))[0] for text in (old.text, new.text)] == [200, 200]
    assert await keys.rotate_key(door.database, old.key_id, timedelta(hours=1)) is None


async def test_too_many_wrong_keys(door: Door) -> None:
    """An address that keeps presenting wrong keys has to wait, with its right one, too."""
    good = await door.make_key()
    door.settings = door.settings.model_copy(
        update={"web": door.settings.web.model_copy(update={"failures_per_minute": 3})}
    )
    for _ in range(3):
        await door.call("GET", URL, "vk_" + "x" * 43)

    status, headers, problem = await door.call_whole("GET", URL, good)

    assert (status, problem["type"]) == (429, "/problems/too-many-requests")
    assert int(headers["Retry-After"]) > 0


async def test_too_many_requests(door: Door) -> None:
    """A key that asks too often is told when to come back."""
    key = await door.make_key()
    door.settings = door.settings.model_copy(
        update={"web": door.settings.web.model_copy(update={"requests_per_second": 0.2})}
    )

    answers = [await door.call_whole("GET", URL, key) for _ in range(3)]

    assert [status for status, _, _ in answers] == [200, 200, 429]
    assert 1 <= int(answers[2][1]["Retry-After"]) <= 6


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[" * 10_000 + b"]" * 10_000, 400),
        (b'{"items": ["a@b.example"], "items": ["c@d.example"]}', 400),
        (b'{"items": ["a@b.example"], "first_index": NaN}', 400),
        (b'{"items": ["a@b.example"], "first_index": ' + b"9" * 200 + b"}", 422),
        (b'{"items": ["\xff"]}', 400),
        (b'{"items": ["\\ud800"]}', 400),
        (b'{"items": 5}', 422),
        (b'{"items": []}', 422),
        (b'{"items": ["a@b.example"], "unknown": 1}', 422),
        (b'{"items": ["a@b.example"], "name": "x\\r\\ny"}', 422),
        (b'{"items": [' + b'"a@b.example",' * 10_000 + b'"a@b.example"]}', 422),
    ],
    ids=range(13),
)
async def test_bodies(door: Door, body: bytes, status: int) -> None:
    """A body that cannot be, or must not be, understood is refused as a problem, and nothing is taken in."""
    answered, problem = await door.call("POST", URL, await door.make_key(), data=body, headers=JSON)

    assert (answered, problem["status"]) == (status, status)
    assert "Traceback" not in str(problem)
    assert await door.database.fetch_value("SELECT count(*) FROM submissions") == 0


async def test_media_types(door: Door) -> None:
    """Another type, or another encoding of text, is 415."""
    key = await door.make_key()
    types = ("text/plain", "application/json; charset=utf-16", "multipart/form-data; boundary=x")

    found = [(await door.call("POST", URL, key, data=b"{}", headers={"Content-Type": name}))[0] for name in types]

    assert found == [415, 415, 415]


async def test_field_paths(door: Door) -> None:
    """Each wrong member is named with its place."""
    _, problem = await door.call("POST", URL, await door.make_key(), json={"items": [{"email": 5}], "priority": "x"})

    paths = {error["path"] for error in problem["errors"]}
    assert any(path.startswith("items.0") for path in paths)
    assert "priority" in paths


async def test_a_body_too_large(door: Door) -> None:
    """A body that says it is too large is refused before it is read; one that unpacks to it as soon as it does."""
    key = await door.make_key()
    bomb = gzip.compress(b" " * 64_000_000)
    head = f"POST {URL} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"

    announced = await say(door, (head + "Connection: close\r\nContent-Length: 1000000000\r\n\r\n").encode())
    packed, problem = await door.call("POST", URL, key, data=bomb, headers=JSON | {"Content-Encoding": "gzip"})

    assert announced.startswith(b"HTTP/1.1 413 ")
    assert (packed, problem["type"]) == (413, "/problems/too-large")


@pytest.mark.parametrize(
    "text",
    [
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 500 + b"\r\n",
        b"POST /v1/submissions HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/submissions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
    ],
    ids=range(7),
)
async def test_what_is_no_http(door: Door, text: bytes) -> None:
    """What cannot be read is a problem that repeats nothing of it, and the connection ends."""
    found = await say(door, text)

    assert found.split(b" ", 2)[1].startswith(b"4")
    assert b"application/problem+json" in found
    assert b"aaaa" not in found


async def test_chunks_that_are_none(door: Door) -> None:
    """A broken chunked body is refused."""
    key = await door.make_key()
    head = f"POST {URL} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"

    found = await say(door, (head + "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\nnope\r\n").encode())

    assert found.split(b" ", 2)[1] == b"400"


async def test_line_breaks_go_nowhere(door: Door) -> None:
    """CR LF in an address, a name or a query reaches no header and no line of a stream but as an escape."""
    key = await door.make_key()
    items = ["a@b.example\r\nRCPT TO:<x@y.example>", "b\x00@c.example", "\u202ec@d.example"]

    status, headers, _ = await door.call_whole("POST", URL, key, json={"items": items, "name": "r\u2028n"})
    _, _, text = await door.call_whole("GET", "/v1/submissions/1/results.ndjson", key)

    assert status == 201
    assert "\r" not in headers["Location"]
    assert [line.count('"index"') for line in text.splitlines() if line] == [1, 1, 1] or text.count("\n") == 3
    assert "\r" not in text


async def test_a_planted_secret_stays_where_it_is(
    door: Door, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure of our own says one sentence: no secret of headers, body or locals is in the answer or the log."""
    key = await door.make_key()
    secret = "hunter2-planted"

    async def fail(*_: object) -> None:
        planted = secret  # noqa: F841 a local that a careless log would show
        msg = "broken"
        raise RuntimeError(msg)

    monkeypatch.setattr("validatord.web.api.submissions.submissions.find_submission", fail)
    status, problem = await door.call("GET", "/v1/submissions/1", key, headers={"X-Planted": secret})

    said = str(problem) + "".join(logged)
    assert (status, problem["type"]) == (500, "/problems/internal-error")
    assert key not in said
    assert "RuntimeError" not in str(problem)
    assert any("request failed" in line for line in logged)

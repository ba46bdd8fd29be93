"""Results as files, over HTTP."""

import asyncio
import csv
import gzip
import io
from typing import Any

import aiohttp
import orjson
import pytest

from tests.integration.store.ledger import make_finding, make_item
from tests.integration.web.conftest import Door
from validatord.exports.export import PAGE
from validatord.store import clients, submissions

_STATUSES = ("valid", "accept_all", "risky", "unknown")


async def fill(door: Door, count: int, client: str = "crm") -> int:
    """Have a finished submission and return its number."""
    found = 0
    for start in range(0, count, 1000):
        items = tuple(
            make_item(idx, f"user{idx}@domain{idx % 3}.example", finding=make_finding(_STATUSES[idx % 4], reply="=1"))
            for idx in range(start, min(start + 1000, count))
        )
        found = (await submissions.add_chunk(door.database, submissions.Chunk(client, "s", 50, items))).submission_id
    return found


async def get(door: Door, key: str, path: str, **headers: str) -> tuple[Any, bytes]:
    """Return headers and bytes of an answer."""
    async with door.session.get(door.server.url + path, headers={"Authorization": f"Bearer {key}", **headers}) as found:
        assert found.status == 200, await found.text()
        return found.headers, await found.read()


async def test_forms(door: Door) -> None:
    """Each form has its content type and a name, and holds every row."""
    number, key = await fill(door, 40), await door.make_key()
    base = f"/v1/submissions/{number}/export"
    headers, text = await get(door, key, f"{base}.csv")
    rows = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"), newline="")))

    assert headers["Content-Type"] == "text/csv"
    assert headers["Content-Disposition"] == f'attachment; filename="submission-{number}.csv"'
    assert [int(row["index"]) for row in rows] == list(range(40))
    assert {row["reply"] for row in rows} == {"'=1"}
    assert b",=1," in (await get(door, key, f"{base}.csv?raw=true&bom=false&header=false"))[1].splitlines()[0]
    headers, lines = await get(door, key, f"{base}.ndjson")
    assert headers["Content-Type"] == "application/x-ndjson"
    assert len(lines.splitlines()) == 40
    headers, table = await get(door, key, f"{base}.parquet")
    assert (headers["Content-Type"], table[:4], table[-4:]) == ("application/vnd.apache.parquet", b"PAR1", b"PAR1")


async def test_filters(door: Door) -> None:
    """Filters are those of the command, statuses those of the client's policy."""
    number, key = await fill(door, 40), await door.make_key()
    base = f"/v1/submissions/{number}/export.ndjson"

    async def count(query: str) -> dict[str, int]:
        found: dict[str, int] = {}
        for line in (await get(door, key, f"{base}?{query}"))[1].splitlines():
            row = orjson.loads(line)
            found[row["status"]] = found.get(row["status"], 0) + 1
        return found

    assert await count("status=valid&status=risky") == await count("status=valid,risky") == {"valid": 10, "risky": 10}
    assert await count("include_accept_all=false") == {"valid": 10, "risky": 10, "unknown": 10}
    assert await count("domain=DOMAIN0.example&after=3&until=12") == {"risky": 1, "accept_all": 1, "valid": 1}
    assert await count("reason=mailbox_full") == {}
    await clients.set_policy(door.database, "crm", {"accept_all": "risky", "export_statuses": ["risky"]})
    assert await count("") == {"risky": 20}


async def test_goes_on(door: Door) -> None:
    """The pieces of an export that broke off are the whole; packed it is the same."""
    number, key = await fill(door, PAGE + 10), await door.make_key()
    base = f"/v1/submissions/{number}/export.csv"
    _, whole = await get(door, key, base, **{"Accept-Encoding": "identity"})
    _, first = await get(door, key, f"{base}?until=77")
    _, second = await get(door, key, f"{base}?after=77")
    async with aiohttp.ClientSession(auto_decompress=False) as plain:
        headers = {"Authorization": f"Bearer {key}", "Accept-Encoding": "gzip"}
        async with plain.get(door.server.url + base, headers=headers) as answer:
            packed = await answer.read()

    assert first + second == whole
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed) == whole


@pytest.mark.parametrize(
    "query",
    [
        "status=nonsense",
        "after=-2",
        "after=x",
        "raw=maybe",
        "include_accept_all=2",
        "nonsense=1",
        "reason=",
        "until=99999999999",
    ],
)
async def test_bad_queries(door: Door, query: str) -> None:
    """What cannot be meant is refused with its name, before anything is sent."""
    number, key = await fill(door, 1), await door.make_key()

    status, body = await door.call("GET", f"/v1/submissions/{number}/export.csv?{query}", key)

    assert status == 422
    assert body["errors"][0]["path"].split(".")[0] == query.partition("=")[0]


async def test_whose(door: Door) -> None:
    """Another client's submission does not exist, and without a key nothing does."""
    number = await fill(door, 1)
    path = f"/v1/submissions/{number}/export.csv"

    assert (await door.call("GET", path, await door.make_key("shop")))[0] == 404
    assert (await door.call("GET", path, await door.make_key("crm", "submit")))[0] == 403
    assert (await door.call("GET", path))[0] == 401
    assert (await door.call("GET", path, await door.make_key("boss", "admin")))[0] == 200


async def test_a_reader_who_leaves(door: Door) -> None:
    """Whoever stops reading in the middle costs nothing: no connection of the pool stays in use."""
    number, key = await fill(door, 3 * PAGE), await door.make_key()
    for _ in range(10):
        headers = {"Authorization": f"Bearer {key}"}
        found = await door.session.get(door.server.url + f"/v1/submissions/{number}/export.ndjson", headers=headers)
        await found.content.readany()
        found.close()
    await asyncio.wait_for(door.database.ping(), 5)

    assert (await door.call("GET", f"/v1/submissions/{number}", key))[0] == 200

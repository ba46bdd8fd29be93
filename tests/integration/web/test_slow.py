"""Slow connections on real sockets: the four kinds that an HTTP library by itself keeps for ever."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.integration.web.conftest import Door, make_settings, open_door
from validatord.store.database import Database

HEAD = b"POST /v1/submissions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n"


@pytest.fixture
async def hasty(database: Database) -> AsyncIterator[Door]:
    """A door with little patience."""
    settings = make_settings(header_timeout="500ms", stall_timeout="500ms", idle_timeout="1s")
    async for door in open_door(database, settings):
        yield door


async def drip(door: Door, start: bytes, drop: bytes) -> bytes:
    """Send the start at once, then a drop again and again, until the other side ends it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(door.server.url.rpartition(":")[2]))
    ended = asyncio.create_task(reader.read())
    writer.write(start)
    async with asyncio.timeout(20):
        while not ended.done():
            writer.write(drop)
            await asyncio.wait({ended}, timeout=0.05)
    writer.transport.abort()
    return b"" if ended.exception() is not None else ended.result()


@pytest.mark.parametrize("kind", ["silence", "half a line", "headers", "body"])
async def test_slow_connections(hasty: Door, kind: str) -> None:
    """Each kind is cut, while good requests are answered."""
    key = await hasty.make_key()
    head = HEAD + f"Authorization: Bearer {key}\r\n".encode()
    start, drop = {
        "silence": (b"", b""),
        "half a line": (b"GET /hea", b""),
        "headers": (HEAD + b"X-Slow: ", b"a"),
        "body": (head + b"\r\n", b" "),
    }[kind]

    slow = asyncio.create_task(drip(hasty, start, drop))
    good, _ = await hasty.call("GET", "/v1/submissions", key)
    answer = await slow

    assert (good, answer) == (200, b"")
    assert await hasty.call("GET", "/health") == (200, {"ok": True})


async def test_many_slow_ones(hasty: Door) -> None:
    """Hundreds of silent connections keep nobody from being answered."""
    key = await hasty.make_key()
    port = int(hasty.server.url.rpartition(":")[2])
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(300)]

    answers = [await hasty.call("GET", "/v1/submissions", key) for _ in range(20)]
    ends = await asyncio.gather(*(reader.read() for reader, _ in opened), return_exceptions=True)
    for _, writer in opened:
        writer.close()

    assert {status for status, _ in answers} == {200}
    assert len(ends) == 300

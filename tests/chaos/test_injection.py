"""What strangers write, into every sink: SMTP, ledger, log, CSV. A line stays a line, a cell a cell."""

import csv
import io
import json
from pathlib import Path

import pytest

from tests.chaos.world import SOON, World, make_sample, open_world
from validatord.intake import client
from validatord.sandbox.personality import Personality
from validatord.sandbox.spec import SandboxSpec

pytestmark = pytest.mark.timeout(120)
_EVIL = "evil\r\nX-Injected: 1\x1b[31m {0.__class__} %s '); DROP TABLE requests; --"
_ADDRESSES = (
    "a@one.example\r\nRCPT TO:<root@one.example>",
    "a@one.example>\r\nVRFY root",
    '"a\r\nDATA"@one.example',
    "a\0b@one.example",
    "a@one.example> NOTIFY=NEVER",
    "=cmd|' /C calc'!A0@one.example",
    "+1@one.example",
    "'); DROP TABLE requests; --@one.example",
    "a@one.example\u202e",
    "a@one.example\x1b[31m",
)


async def test_addresses_and_replies_of_strangers(folder: Path, dsn: str) -> None:
    """No command but ours reaches a host, the ledger keeps its tables, each event is one line of JSON, CSV reads back."""
    refusal = Personality(
        "evil", fixed=(("RCPT", "550 5.1.1 no such user\x1b[31m \0 {0.__class__} %s '; DROP TABLE x"),)
    )
    spec = SandboxSpec.of({"one.example": "postfix", "two.example": refusal})
    sample = make_sample(spec, {"user1@one.example": "valid accepted", "x@two.example": "invalid no_such_mailbox"})
    settings = SOON | {"service": {"log_format": "json", "log_level": "DEBUG"}}
    async with open_world(folder, sample, dsn=dsn, has_redis=True, is_gated=False, settings=settings) as world:
        await world.launch()
        await world.submit()
        redis = await client.open_redis(world.redis.url if world.redis else "")
        await client.enqueue(redis, _ADDRESSES, client=_EVIL[:100], submission=_EVIL)
        await redis.set(b"arq:job:" + _EVIL.encode(), _EVIL)
        await redis.zadd(client.DEFAULT_QUEUE, {_EVIL: 1})
        await redis.aclose(close_connection_pool=True)
        await world.until_finished()
        query = "SELECT count(*) FROM requests WHERE state = 'done'"
        while await world.database.fetch_value(query) < len(_ADDRESSES) + 2:
            await world.wait_out(0.1)
        kept, raw = await export(world, "csv"), await export(world, "csv-raw")
        counters = await world.look_at_hosts()
        await world.stop_well()

        assert counters["total"]["alarms"] == 0
        assert counters["total"]["complaints"] == {}
        assert not set(counters["total"]["commands"]) - {"EHLO", "HELO", "MAIL", "RCPT", "RSET", "QUIT"}
        rows = await world.database.fetch("SELECT r.address FROM requests AS r ORDER BY r.submission_id, r.idx")
        assert len(rows) == len(_ADDRESSES) + 2
        for line in world.log.splitlines():
            assert isinstance(json.loads(line), dict), line
        query = (
            "SELECT r.address FROM requests AS r JOIN submissions AS s ON s.id = r.submission_id WHERE s.client = $1"
        )
        stored = [row["address"] for row in await world.database.fetch(query + " ORDER BY r.idx", _EVIL[:100])]
        assert [row["email"] for row in raw] == stored
        assert len(kept) == len(_ADDRESSES)
        assert not any(
            cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in kept for cell in row.values() if cell
        )


async def export(world: World, form: str) -> list[dict[str, str]]:
    """Write the strangers' submission as CSV, and read it back as a program does."""
    path = world.stage.folder / f"{form}.csv"
    words = ("export", _EVIL, "--client", _EVIL[:100], "--format", form, "--no-bom", "-o", str(path))
    process = await world.launch_another(*words)
    said, _ = await process.communicate()
    assert process.returncode == 0, said
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))

"""What strangers write, into every sink: SMTP, ledger, log, CSV. A line stays a line, a cell a cell."""

import csv
import io
import json
from pathlib import Path

import pytest

from tests.chaos import oracle
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
    # The sandbox fills in what stands in braces.
    said = "550 5.1.1 no such user\x1b[31m \0 {{0.__class__}} %s '; DROP TABLE x"
    spec = SandboxSpec.of({"one.example": "postfix", "two.example": Personality("evil", fixed=(("RCPT", said),))})
    outcomes = {"user1@one.example": "valid accepted", "x@two.example": "invalid no_such_mailbox"}
    settings = SOON | {"service": {"log_format": "json", "log_level": "DEBUG"}}
    sample = make_sample(spec, outcomes)
    async with open_world(folder, sample, dsn=dsn, has_redis=True, is_gated=False, settings=settings) as world:
        await world.launch()
        await world.submit()
        await send_evil(world)
        await world.until_finished()
        query = "SELECT count(*) FROM requests WHERE state = 'done'"
        while await world.database.fetch_value(query) < len(_ADDRESSES) + len(outcomes):
            await world.wait_out(0.1)
        await judge_files(world)
        total = (await world.look_at_hosts())["total"]
        await world.stop_well()

        assert (total["alarms"], total["complaints"]) == (0, {})
        assert set(total["commands"]) <= {"EHLO", "HELO", "MAIL", "RCPT", "RSET", "QUIT"}
        assert all(isinstance(json.loads(line), dict) for line in world.log.splitlines())
        await oracle.judge_ledger(world)


async def send_evil(world: World) -> None:
    """Send addresses, names, and a job whose id and payload are as bad."""
    redis = await client.open_redis(world.redis.url if world.redis else "")
    await client.enqueue(redis, _ADDRESSES, client=_EVIL[:100], submission=_EVIL)
    await redis.set(b"arq:job:" + _EVIL.encode(), _EVIL)
    await redis.zadd(client.DEFAULT_QUEUE, {_EVIL: 1})
    await redis.aclose(close_connection_pool=True)


async def judge_files(world: World) -> None:
    """What is written raw reads back as it was stored; for spreadsheets no cell begins like a formula."""
    rows = await world.database.fetch(
        "SELECT r.address FROM requests AS r JOIN submissions AS s ON s.id = r.submission_id WHERE s.client = $1"
        " ORDER BY r.idx",
        _EVIL[:100],
    )
    raw, kept = await export(world, "csv-raw"), await export(world, "csv")
    assert [row["address"] for row in raw] == [row["address"] for row in rows]
    assert len(kept) == len(_ADDRESSES)
    cells = [cell for row in kept for cell in row.values() if cell]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []


async def export(world: World, form: str) -> list[dict[str, str]]:
    """Write the strangers' submission as CSV, and read it back as a program does."""
    path = world.stage.folder / f"{form}.csv"
    words = ("export", _EVIL, "--client", _EVIL[:100], "--format", form, "--no-bom", "-o", str(path))
    process = await world.launch_another(*words)
    said, _ = await process.communicate()
    assert process.returncode == 0, said
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))

"""The sandbox as a process of its own."""

import asyncio
import csv
import json
import sys
from pathlib import Path

from validatord.sandbox.command import SandboxOptions, make_sample, run_sandbox


async def test_runs_until_sigterm(tmp_path: Path) -> None:
    """The ready file says where everything is, the control port answers, and SIGTERM ends it with 0."""
    ready = tmp_path / "ready.json"
    arguments = ["--scenario", "bench", "--addresses", "50", "--domains", "10", "--smtp-port", "0", "--speed", "100"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "validatord.sandbox.command", "--ready-file", str(ready), *arguments),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    where = json.loads(await process.stdout.readline())
    host, _, port = where["control"].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"counters\n")
    told = json.loads(await reader.readline())
    writer.close()
    process.terminate()

    assert await process.wait() == 0
    assert json.loads(ready.read_text()) == where
    assert (where["domains"], where["pid"]) == (10, process.pid)
    assert told["total"]["alarms"] == 0


async def test_writes_the_list_with_its_truth(tmp_path: Path) -> None:
    """The list file has every address of the scenario with status and reason; an event stops the sandbox too."""
    options = SandboxOptions(smtp_port=0, list_file=str(tmp_path / "list.csv"), seed=2)
    stopping = asyncio.Event()
    stopping.set()
    await run_sandbox(options, stopping)
    with (tmp_path / "list.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    assert [row["email"] for row in rows] == [one.address for one in make_sample(options).addresses]
    assert {row["status"] for row in rows} == {"valid", "invalid", "accept_all", "risky", "unknown"}
    assert rows[0].keys() == {"email", "status", "reason", "kind"}

"""The sandbox as a process of its own."""

import asyncio
import csv
import json
import sys
from pathlib import Path

from validatord.sandbox.command import Ports, Scenario, run_sandbox


async def test_runs_until_sigterm() -> None:
    """One line says where everything is, the control port answers, and SIGTERM ends it with 0."""
    arguments = ["--scenario", "bench", "--addresses", "50", "--domains", "10", "--smtp-port", "0", "--speed", "100"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "validatord.sandbox.command", *arguments, stdout=asyncio.subprocess.PIPE
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
    assert (where["domains"], where["pid"]) == (10, process.pid)
    assert told["total"]["alarms"] == 0


async def test_writes_files_for_whoever_started_it(tmp_path: Path) -> None:
    """The ready file says where to find what, the list file has every address with its truth; an event ends it."""
    ready, listed, scenario = tmp_path / "ready.json", tmp_path / "list.csv", Scenario(seed=2)
    stopping = asyncio.Event()
    stopping.set()
    await run_sandbox(Ports(smtp=0), scenario=scenario, ready_file=ready, list_file=listed, stopping=stopping)
    where = json.loads(ready.read_text())
    with listed.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    assert where.keys() >= {"resolver", "smtp_port", "control", "pid", "disposable_domains", "free_domains"}
    assert [row["email"] for row in rows] == [one.address for one in scenario.make_sample().addresses]
    assert {row["status"] for row in rows} == {"valid", "invalid", "accept_all", "risky", "unknown"}
    assert rows[0].keys() == {"email", "status", "reason", "kind"}

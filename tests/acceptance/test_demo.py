"""`make demo`: what a newcomer sees first is true, and nothing of it stays behind."""

import asyncio
import re
import signal
import sys
import tomllib
from pathlib import Path

import aiohttp
import pytest

from tests.acceptance.play import children_of, is_alive, until
from validatord.mail.verdict import Reason, Status
from validatord.sandbox import faults, sample
from validatord.sandbox.spec import SandboxSpec
from validatord.sandbox.worlds import SampleAddress
from validatord.store import submissions
from validatord.store.database import Database
from validatord.store.submissions import ResultRow

# What may be found out about a host with something wrong, instead of the truth about the mailbox: seconds
# stand for hours there, and whoever cannot be asked within them is given up.
GIVEN_UP = frozenset({(Status.UNKNOWN, Reason.PROVIDER_PAUSED)})


@pytest.mark.timeout(150)
async def test_the_demo(tmp_path: Path) -> None:
    """Every address is finished with a right verdict, no message was sent, and at the end nothing is left."""
    folder, done, log = tmp_path / "demo", tmp_path / "done", tmp_path / "log"
    with log.open("wb") as stream:
        demo = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "validatord", "demo", "--folder", str(folder), "--hold", str(done)),
            stdout=stream,
            stderr=stream,
        )
    try:
        await until(lambda: done.exists() or demo.returncode is not None, "the end of the demo", 120)
        assert demo.returncode is None, log.read_text()
        servers = descendants_of(demo.pid)
        await judge_verdicts(folder)
        await judge_console(log.read_text())
        demo.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            status = await demo.wait()
    finally:
        if demo.returncode is None:
            demo.kill()
            await demo.wait()

    said = log.read_text()
    assert status == 0, said
    assert "2,200 addresses verified" in said
    assert "messages sent (DATA seen by the servers): 0" in said
    assert len(re.findall(r"(?m)^\S+@\S+\.example$", said)) == 5, "five stories"
    for label in ("connections", "RCPT commands", "round trips"):
        assert re.search(rf"{label}\W+[\d,]+\W+\d\.\d\d", said)
    assert len(servers) >= 5, "PostgreSQL, Redis, the sandbox, its Bouncer, the daemon"
    assert [pid for pid in servers if is_alive(pid)] == []
    assert not folder.exists()


async def judge_console(said: str) -> None:
    """Open the console as the demo's last lines say, and see the demo's list there."""
    [where] = re.findall(r"the console: (http://127\.0\.0\.1:\d+)/console/", said)
    [key] = re.findall(r"log in with: (vk_\S{43})", said)
    async with aiohttp.ClientSession(where, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        async with session.get("/") as form:
            token = re.search(r'name="csrf" value="([^"]+)"', await form.text())
        assert token is not None
        async with session.post("/console/login", data={"csrf": token[1], "key": key}) as page:
            text = await page.text()
    assert "<h1>Overview</h1>" in text
    assert ">sample</a>" in text


async def judge_verdicts(folder: Path) -> None:
    """Hold every verdict against the truth of its address."""
    settings = tomllib.loads((folder / "validatord.toml").read_text())
    database = await Database.open(settings["database"]["url"], pool_size=1, application_name="judge")
    try:
        progress = await submissions.get_progress(database, "demo", "sample")
        assert progress is not None
        rows = await submissions.fetch_results(database, progress.submission_id, -1, 10_000)
    finally:
        await database.aclose()
    truth = sample.sample_list()
    assert [row.address for row in rows] == [one.address for one in truth.addresses]
    wrong = [
        f"{row.address}: {row.status} {row.reason}, not {one.outcomes}"
        for row, one in zip(rows, truth.addresses, strict=True)
        if not is_right(row, allowed_outcomes(one, truth.spec))
    ]
    assert wrong == []


def is_right(row: ResultRow, allowed: frozenset[tuple[Status, Reason]]) -> bool:
    """Whether a result is a right answer; only what cannot be decided may have been paid for."""
    if row.source == "bouncer":
        return Status.UNKNOWN in {status for status, _ in allowed}
    return (row.status, row.reason) in allowed


def allowed_outcomes(one: SampleAddress, spec: SandboxSpec) -> frozenset[tuple[Status, Reason]]:
    """Return what is a right answer about an address."""
    domain = spec.domains.get(one.address.rpartition("@")[2].lower())
    hosts = [spec.hosts[name].personality for _, name in domain.mx if name in spec.hosts] if domain is not None else []
    is_faulty = any(host in faults.FAULTS for host in hosts)
    return frozenset(one.outcomes) | (GIVEN_UP if is_faulty else frozenset())


def descendants_of(pid: int) -> list[int]:
    """All processes below a process."""
    found: list[int] = []
    for child in children_of(pid):
        found += [child, *descendants_of(child)]
    return found

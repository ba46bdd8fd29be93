"""`validatord check`, as a person types it: whatever is in the list, each row has its line in the result."""

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import termios
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.acceptance.desk import FIELDS, Desk, end, open_desk, read_csv, read_jsonl, verdicts
from tests.acceptance.play import until
from validatord.embedded.postgres import FAST_AND_LOOSE, EmbeddedPostgres
from validatord.sandbox.spec import SandboxSpec
from validatord.store import nodes
from validatord.store.database import Database

pytestmark = pytest.mark.timeout(90)
SPEC = SandboxSpec.of({"acme.example": "postfix", "open.example": "accept-all", "xn--bcher-kva.example": "postfix"})
GOOD = ("valid", "accepted")
NOBODY = ("invalid", "no_such_mailbox")
NO_ADDRESS = ("invalid", "syntax")


@pytest.fixture
async def desk(tmp_path: Path, dsn: str) -> AsyncIterator[Desk]:
    """A desk with a small internet."""
    async with open_desk(tmp_path, dsn, SPEC) as found:
        yield found


async def test_addresses_on_the_command_line(desk: Desk, database: Database) -> None:
    """Results go to standard output in the order given, with exactly the promised fields; nothing else is said."""
    ran = await desk.run("check", "user1@acme.example", "unknown1@acme.example", "user1@open.example", "nonsense")

    assert ran.out.splitlines()[0] == ",".join(FIELDS)
    assert verdicts(ran.rows) == [
        ("user1@acme.example", *GOOD),
        ("unknown1@acme.example", *NOBODY),
        ("user1@open.example", "accept_all", "accept_all"),
        ("nonsense", *NO_ADDRESS),
    ]
    assert (ran.status, ran.err) == (1, "")
    first = ran.rows[0]
    assert first["flags"] == "", first
    assert (first["mx_host"], first["attempts"], first["due_at"], first["source"]) == (
        "mx1.acme.example",
        "1",
        "",
        "probe",
    )
    assert first["reply"].startswith("250")
    assert int(first["confidence"]) >= 90
    assert first["checked_at"].endswith("+00:00")
    assert await nodes.is_running(database) == []


async def test_json_lines_and_fresh_verdicts(desk: Desk) -> None:
    """A second check of the same address answers from the ledger; a recheck asks again; no bad row, status 0."""
    first = await desk.run("check", "--format", "jsonl", "user1@acme.example")
    again = await desk.run("check", "user1@acme.example", "-o", "out.jsonl")
    rechecked = await desk.run("check", "--recheck", "user1@acme.example", "-o", "out.csv")

    assert [ran.status for ran in (first, again, rechecked)] == [0, 0, 0]
    assert (again.out, rechecked.out) == ("", "")
    [row] = read_jsonl(first.out)
    assert list(row) == FIELDS
    assert (row["flags"], row["suggestion"], row["attempts"]) == ([], "", 1)
    assert {"mx", "accepted"} < set(row["reasons"])
    assert verdicts(read_jsonl(desk.read("out.jsonl"))) == [("user1@acme.example", *GOOD)]
    assert read_jsonl(desk.read("out.jsonl"))[0]["source"] == "cache"
    assert verdicts(read_csv(desk.read("out.csv"))) == [("user1@acme.example", *GOOD)]
    assert desk.sandbox.counters.rcpts["user1@acme.example"] == 2


async def test_a_list_of_everything_that_is_wrong(desk: Desk) -> None:
    """Bad rows get one clear line each, their neighbours are untouched, and the exit status says so."""
    long = b"x" * 1_000_000
    desk.write(
        "list.txt",
        b"user1@acme.example\r\n"  # Windows ends its lines like this
        b"\r\n"
        b"not an address\n"
        b"user2@acme.example\n"
        b"us\x00er@acme.example\n"
        b"user1@acme.example\n"  # a duplicate
        + long
        + b"@acme.example\n"
        + "büro@bücher.example\n".encode()
        + "bäro@bücher.example\n".encode("cp1252")
        + b"\xff\xfe\x80@acme.example\n"
        + b"user3@acme.example\rRCPT TO:<victim@acme.example>\n"
        + b"=cmd|' /C calc'!A0@acme.example\n"
        + b"user4@acme.example",  # without an end
    )

    ran = await desk.run("check", "list.txt", "-o", "out.jsonl")

    rows = read_jsonl(desk.read("out.jsonl"))
    assert (ran.status, ran.err) == (1, "")
    assert [(row["status"], row["reason"]) for row in rows] == [
        GOOD,
        NO_ADDRESS,
        GOOD,
        NO_ADDRESS,
        GOOD,
        NO_ADDRESS,
        ("invalid", "smtputf8_unsupported"),
        ("invalid", "smtputf8_unsupported"),
        ("invalid", "smtputf8_unsupported"),
        NO_ADDRESS,
        NO_ADDRESS,
        GOOD,
    ]
    assert rows[3]["email"] == "us\ufffder@acme.example"
    assert len(rows[5]["email"]) < 1000
    assert rows[7]["email"] == "bäro@bücher.example"
    assert all(len(row["reasons"]) > 1 for row in rows if row["reason"] == "syntax"), "which rule is broken"
    asked = desk.sandbox.counters
    assert asked.rcpts["user1@acme.example"] == 1
    assert "victim@acme.example" not in asked.rcpts
    assert (asked.total.alarms, dict(asked.total.complaints)) == (0, {})


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("name;E-Mail;city\r\nA;user1@acme.example;X\r\nB;unknown1@acme.example\r\nC\r\n", ()),
        ("contact,second\n0,user1@acme.example\n1,unknown1@acme.example\n2,\n", ("--column", "Second")),
        ('1,"user1@acme.example",x\n2,"unknown1@acme.example",y\n3,,z\n', ()),
    ],
    ids=["header", "named", "guessed"],
)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
async def test_tables(desk: Desk, data: str, words: tuple[str, ...], encoding: str) -> None:
    """The column of a CSV file is found by its header, its name or its looks; a row without a cell is a row."""
    desk.write("list.csv", data.encode(encoding))

    ran = await desk.run("check", "list.csv", *words)

    assert verdicts(ran.rows) == [("user1@acme.example", *GOOD), ("unknown1@acme.example", *NOBODY), ("", *NO_ADDRESS)]
    assert ran.status == 1


async def test_standard_input(desk: Desk) -> None:
    """A list may come through a pipe."""
    ran = await desk.run("check", "-", stdin=b"user1@acme.example\nunknown1@acme.example\n")

    assert verdicts(ran.rows) == [("user1@acme.example", *GOOD), ("unknown1@acme.example", *NOBODY)]
    assert ran.status == 0


async def test_what_cannot_begin_says_why(desk: Desk) -> None:
    """Empty lists, missing files and columns, places nobody can write to: one line, status 2, nothing asked."""
    desk.write("empty.txt", b"")
    desk.write("blank.txt", b"\xef\xbb\xbf\r\n \r\n")
    desk.write("list.csv", b"name,mail\nA,user1@acme.example\n")
    runs = await asyncio.gather(
        desk.run("check", "empty.txt"),
        desk.run("check", "blank.txt"),
        desk.run("check", "missing.txt"),
        desk.run("check", "list.csv", "--column", "address"),
        desk.run("check", "user1@acme.example", "-o", "nowhere/out.csv"),
    )

    assert [ran.status for ran in runs] == [2] * len(runs)
    assert [ran.complaint for ran in runs] == [
        "validatord: empty.txt: there are no addresses in it",
        "validatord: blank.txt: there are no addresses in it",
        "validatord: missing.txt: No such file or directory",
        'validatord: list.csv: there is no column "address"; there are: name, mail',
        "validatord: nowhere/out.csv: No such file or directory",
    ]
    assert [ran.out for ran in runs] == [""] * len(runs)
    assert desk.sandbox.counters.total.connections == 0


async def test_wait_and_resume(tmp_path: Path, dsn: str) -> None:
    """What falls due too late is written as unknown with its reason and time; a later check goes on with it."""
    spec = SandboxSpec.of({"acme.example": "postfix", "grey.example": "greylist"}, speed=300)
    async with open_desk(tmp_path, dsn, spec) as desk:
        first = await desk.run("check", "--wait", "0s", "user1@acme.example", "user1@grey.example")
        second = await desk.run("check", "--resume", "-o", "out.csv")

    [good, grey] = first.rows
    assert (first.status, second.status) == (0, 0)
    assert (good["status"], grey["status"], grey["reason"], grey["attempts"]) == ("valid", "unknown", "greylisted", "1")
    assert grey["due_at"].endswith("+00:00")
    assert "asked again later" in first.err
    rows = read_csv(desk.read("out.csv"))
    assert verdicts(rows) == [("user1@acme.example", *GOOD), ("user1@grey.example", *GOOD)]
    assert int(rows[1]["attempts"]) > 1
    assert second.err == ""


async def test_a_person_at_a_terminal(desk: Desk) -> None:
    """Where somebody watches there is a bar, a line for each result, and a sentence at the end."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    try:
        process = await desk.start("check", "user1@acme.example", "unknown1@acme.example", "nonsense", terminal=theirs)
        async with asyncio.timeout(45):
            status = await process.wait()
        os.set_blocking(ours, False)
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", os.read(ours, 1 << 20).decode()).replace("\r", "\n")
    finally:
        os.close(ours)
        os.close(theirs)

    assert status == 1
    assert "verifying" in text
    assert re.search(r"(?m)^valid +9\d +user1@acme\.example +accepted", text)
    assert re.search(r"(?m)^invalid +\d+ +unknown1@acme\.example +no_such_mailbox", text)
    assert re.search(r"2 invalid, 1 valid, 1 of them no address at all\s*$", text)


async def test_nothing_to_resume(desk: Desk) -> None:
    """There is no last check in an empty ledger."""
    ran = await desk.run("check", "--resume")

    assert (ran.status, ran.complaint) == (2, "validatord: there is no check to go on with")


async def test_interrupted(tmp_path: Path, dsn: str, database: Database) -> None:
    """Ctrl-C: what is done is written, what is not is said to be open, and the way to go on is told."""
    spec = SandboxSpec.of({"acme.example": "postfix", "other.example": "postfix"}, speed=10 / 60)
    settings = {"smtp": {"rcpt_timeout": "90s", "session_timeout": "100s"}, "service": {"stop_grace": "100ms"}}
    async with open_desk(tmp_path, dsn, spec, settings) as desk:
        checking = await desk.start("check", "user1@acme.example", "slow1@other.example", "-o", "out.csv")

        async def is_half_done() -> bool:
            asked = "slow1@other.example" in desk.sandbox.counters.rcpts
            return asked and bool(await database.fetch("SELECT FROM requests WHERE state = 'done'"))

        await until(is_half_done, "one answer, and one question")
        checking.send_signal(signal.SIGINT)
        ran = await end(checking)

        assert (ran.status, ran.out) == (130, "")
        assert ran.err == "interrupted; what is done is kept. Go on with: validatord check --resume"
        rows = read_csv(desk.read("out.csv"))
        assert verdicts(rows) == [("user1@acme.example", *GOOD), ("slow1@other.example", "unknown", "not_tried")]
        assert await database.fetch_value("SELECT count(*) FROM domain_queue WHERE leased_until IS NOT NULL") == 0


async def test_postgresql_goes_and_comes_back(tmp_path: Path) -> None:
    """A check outlasts a short absence: its own engine goes on where it was, and nobody is asked twice."""
    postgres = EmbeddedPostgres(tmp_path / "postgres", options=FAST_AND_LOOSE | {"synchronous_commit": "on"})
    spec = SandboxSpec.of({"acme.example": "postfix"}, speed=5)
    async with open_desk(tmp_path, await asyncio.to_thread(postgres.start), spec) as desk:
        try:
            checking = await desk.start("check", "slow1@acme.example")
            await until(lambda: desk.sandbox.counters.rcpts["slow1@acme.example"], "the question")
            await asyncio.to_thread(postgres.stop)
            await until(lambda: len(desk.sandbox.counters.rcpts) > 1, "the answer, and its control")
            await asyncio.to_thread(postgres.start)
            ran = await end(checking)
        finally:
            await asyncio.to_thread(postgres.remove)

        assert verdicts(ran.rows) == [("slow1@acme.example", *GOOD)]
        assert ran.status == 0
        assert desk.sandbox.counters.rcpts["slow1@acme.example"] == 1


async def test_interrupted_while_nothing_comes(desk: Desk, database: Database) -> None:
    """A pipe that says nothing more can be left with Ctrl-C; what came is in the ledger and can be gone on with."""
    reading = await desk.start("check", "-", stdin=asyncio.subprocess.PIPE)
    assert reading.stdin is not None
    reading.stdin.write(b"user1@acme.example\n" * 40_000)
    await reading.stdin.drain()

    async def is_taken_in() -> bool:
        return await database.fetch_value("SELECT count(*) FROM requests") > 5000

    await until(is_taken_in, "some of the list")
    reading.send_signal(signal.SIGINT)
    ran = await end(reading)

    assert ran.status == 130
    assert "Go on with: validatord check --resume The list was not read to its end." in ran.err
    assert len(ran.rows) == await database.fetch_value("SELECT count(*) FROM requests")


async def test_a_running_daemon_does_the_work(desk: Desk, database: Database) -> None:
    """Where a daemon runs, no second engine is started: its epoch stays, and its sessions do the asking."""
    await desk.stage.start_daemon()
    epoch = await database.fetch_value("SELECT epoch FROM nodes")

    ran = await desk.run("check", "user1@acme.example", "unknown1@acme.example")

    assert verdicts(ran.rows) == [("user1@acme.example", *GOOD), ("unknown1@acme.example", *NOBODY)]
    assert (ran.status, ran.err) == (0, "")
    assert await database.fetch_value("SELECT epoch FROM nodes") == epoch
    assert await nodes.is_running(database) == ["stage"]


async def test_two_checks_at_once_share_an_engine(desk: Desk) -> None:
    """Whoever comes second lets the first one's engine work, and takes over if that ends before."""
    lists = [[f"user{number}@acme.example" for number in range(start, start + 30)] for start in (0, 100)]

    runs = await asyncio.gather(*(desk.run("check", *addresses) for addresses in lists))

    for ran, addresses in zip(runs, lists, strict=True):
        assert verdicts(ran.rows) == [(address, *GOOD) for address in addresses]
        assert (ran.status, ran.err) == (0, "")

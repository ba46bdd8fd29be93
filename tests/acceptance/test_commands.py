"""The other commands: what they print, how they end, and what they never print."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.acceptance.desk import Desk, Ran, open_desk
from validatord.sandbox.spec import SandboxSpec

pytestmark = pytest.mark.timeout(90)
SPEC = SandboxSpec.of({"acme.example": "postfix"})
AWAY = 3


@pytest.fixture
async def desk(tmp_path: Path, dsn: str) -> AsyncIterator[Desk]:
    """A desk with a small internet."""
    async with open_desk(tmp_path, dsn, SPEC) as found:
        yield found


async def test_a_list_left_for_the_daemon(desk: Desk) -> None:
    """`submit` does not wait; `status` tells how far it is and who works; the same name adds nothing twice."""
    desk.write("list.txt", b"user1@acme.example\nunknown1@acme.example\nnonsense\n")
    name = ("--client", "crm", "--submission", "spring")
    submitted = await desk.run("submit", "list.txt", *name)
    again = await desk.run("submit", "list.txt", *name)
    before, who = await asyncio.gather(desk.run("status", "spring", "--client", "crm"), desk.run("status"))
    await desk.stage.start_daemon()
    await desk.run("check", "user1@acme.example", "unknown1@acme.example")
    after, now = await asyncio.gather(desk.run("status", "spring", "--client", "crm"), desk.run("status"))

    assert (submitted.status, submitted.out, submitted.err) == (0, "3 addresses in submission spring\n", "")
    assert again == submitted
    assert words(before)[:4] == ["1", "of", "3", "finished"]
    assert "waiting not_tried 2" in " ".join(words(before))
    assert "running: no daemon" in who.out
    assert "running: stage" in now.out
    assert re.search(r"crm\W+spring\W+3\W+", now.out)
    assert words(after)[:4] == ["3", "of", "3", "finished"]
    assert "valid accepted 1" in " ".join(words(after))


async def test_what_is_known_of_an_address(desk: Desk) -> None:
    """`explain` tells the story with the host and its reply; of an address nobody asked about it says so."""
    await desk.run("check", "unknown1@acme.example")
    known, unknown, missing = await asyncio.gather(
        desk.run("explain", "unknown1@acme.example"),
        desk.run("explain", "user1@acme.example"),
        desk.run("status", "never-heard-of"),
    )

    assert (known.status, known.err) == (0, "")
    assert known.out.startswith("invalid, confidence ")
    assert "mx1.acme.example" in known.out
    assert "550 5.1.1" in known.out
    assert (unknown.status, unknown.out) == (1, "")
    assert unknown.complaint == "nothing is known of user1@acme.example; try: validatord check user1@acme.example"
    assert (missing.status, missing.complaint) == (2, "there is no submission never-heard-of of cli")


async def test_migrate(tmp_path: Path, empty_dsn: str) -> None:
    """An empty database is brought up to date; a second time there is nothing to do."""
    async with open_desk(tmp_path, empty_dsn, SPEC) as desk:
        runs = [await desk.run("migrate") for _ in range(2)]

    assert [(ran.status, ran.out, ran.err) for ran in runs] == [(0, "the schema is up to date\n", "")] * 2


async def test_settings_are_shown_without_secrets(desk: Desk) -> None:
    """`config show` prints what is in force, and no password or key anywhere; `config check` says that it is good."""
    path = desk.stage.config_path
    text = path.read_text().replace("[database]\n", "[database]\n#", 1)
    secrets = ("hunter2", "k3y-k3y-k3y", "s0cr3t")
    path.write_text(
        text.replace("\n#url", f'\nurl = "postgresql://me:{secrets[0]}@127.0.0.1:1/x"\n#url', 1)
        + f'\n[bouncer]\napi_key = "{secrets[1]}"\n\n[accept_all]\nsecret = "{secrets[2]}"\n'
    )

    checked, shown, away = await asyncio.gather(
        desk.run("config", "check"), desk.run("config", "show"), desk.run("status")
    )

    assert (checked.status, checked.out, checked.err) == (0, "the settings are good\n", "")
    assert shown.status == 0
    assert 'url = "***"' in shown.out
    assert 'api_key = "***"' in shown.out
    assert f"port = {desk.sandbox.smtp_port}" in shown.out
    assert away.status == AWAY
    assert not [secret for secret in secrets for ran in (checked, shown, away) if secret in ran.out + ran.err]


async def test_wrong_settings(desk: Desk) -> None:
    """Every problem is a line with file and key, nothing else is said, and no command begins; status 2."""
    desk.stage.config_path.write_text('[smtp]\nport = 0\nprot = 25\n\n[retry]\ndelays = ["soon"]\n')

    for command in (["config", "check"], ["check", "user1@acme.example"], ["serve"]):
        ran = await desk.run(*command)
        lines = ran.err.splitlines()
        assert (ran.status, ran.out, len(lines)) == (2, "", 3)
        assert all(line.startswith(f"validatord: {desk.stage.config_path}") for line in lines)
        assert ["smtp.port" in lines[0], "smtp.prot" in lines[1], "retry.delays" in lines[2]] == [True] * 3


@pytest.mark.parametrize(
    "command",
    [
        ["check", "user1@acme.example"],
        ["submit", "list.txt"],
        ["status"],
        ["explain", "user1@acme.example"],
        ["migrate"],
    ],
    ids=lambda command: command[0],
)
async def test_postgresql_is_away(desk: Desk, command: list[str]) -> None:
    """One clear line and status 3, whatever was asked for."""
    desk.write("list.txt", b"user1@acme.example\n")
    text = desk.stage.config_path.read_text()
    desk.stage.config_path.write_text(
        re.sub(r'(?m)^url = "postgresql.*$', 'url = "postgresql://me@127.0.0.1:1/x"', text)
    )

    ran = await desk.run(*command)

    assert (ran.status, ran.out) == (AWAY, "")
    assert ran.complaint.startswith("validatord: PostgreSQL cannot be used now: ConnectionRefusedError")


async def test_postgresql_turns_us_away(desk: Desk) -> None:
    """A database that is not there, or a user nobody knows, is told as the server tells it."""
    path = desk.stage.config_path
    text = path.read_text()
    path.write_text(re.sub(r"/test_\w+\?", "/nowhere?", text))
    missing = await desk.run("status")
    path.write_text(text.replace("//validatord@", "//stranger@"))
    stranger = await desk.run("status")

    assert (missing.status, stranger.status) == (AWAY, AWAY)
    assert missing.complaint == 'validatord: PostgreSQL turns us away: database "nowhere" does not exist'
    assert stranger.complaint == 'validatord: PostgreSQL turns us away: role "stranger" does not exist'


@pytest.mark.parametrize(
    ("tool", "line", "expected"),
    [
        ("reply", {"reply": "550 5.1.1 no such user", "stage": "rcpt"}, {"meaning": "no_such_mailbox"}),
        ("syntax", {"address": "a@b..example"}, {"ok": False}),
        ("risk", {"address": "info@mailinator.com"}, {"is_disposable": True, "is_role": True}),
        ("suggest", {"address": "a@gmial.com"}, {"suggestion": "a@gmail.com"}),
    ],
)
async def test_tools(desk: Desk, tool: str, line: dict[str, str], expected: dict[str, object]) -> None:
    """JSON lines in and out, one for one; what is no JSON gets an error of its own line; no ledger is opened."""
    desk.stage.config_path.unlink()
    ran = await desk.run("tools", tool, stdin=json.dumps(line).encode() + b"\n\nnonsense\n[]\n")

    answers = [json.loads(answer) for answer in ran.out.splitlines()]
    assert (ran.status, len(answers)) == (0, 3)
    assert answers[0] | expected == answers[0]
    assert ["error" in answer for answer in answers] == [False, True, True]


async def test_usage(desk: Desk) -> None:
    """Help is readable and names the exit statuses; a command that is not there is status 2."""
    top, usage, nonsense = await asyncio.gather(desk.run("--help"), desk.run("check"), desk.run("verify"))

    assert (top.status, usage.status, nonsense.status) == (0, 2, 2)
    assert "Exit status:" in top.out
    assert all(command in top.out for command in ("serve", "check", "submit", "status", "explain", "demo", "tools"))
    assert "what is to be checked?" in usage.err
    assert "No such command 'verify'" in nonsense.err


def words(ran: Ran) -> list[str]:
    """Everything a command printed, word by word."""
    assert (ran.status, ran.err) == (0, "")
    return ran.out.split()

"""The commands an operator has for webhooks."""

import asyncio
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from standardwebhooks import Webhook

from tests.fakes.receiver import Receiver, answer
from tests.integration.notify.test_notifier import finish_submission, make, turn
from validatord.cli.main import cli
from validatord.store.database import Database

Run = Callable[..., Result]


@pytest.fixture
def run(dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command against the test's ledger."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("VALIDATORD_DATABASE__URL", dsn)
    monkeypatch.setenv("VALIDATORD_WEBHOOKS__ALLOW_TARGETS", "127.0.0.0/8")
    return lambda *arguments: CliRunner().invoke(cli, ["webhooks", *arguments])


def in_loop(dsn: str, work: Callable[[Database], Coroutine[Any, Any, Any]]) -> Any:
    """Do something with the ledger."""

    async def main() -> Any:
        database = await Database.open(dsn, pool_size=2)
        found = await work(database)
        await database.aclose()
        return found

    return asyncio.run(main())


def test_life_of_a_webhook(run: Run) -> None:
    """Added with a secret that is shown once, listed without it, turned off and on, changed, removed."""
    added = run("add", "https://hooks.example/in", "--client", "crm", "--event", "submission.finished")
    secret = re.search(r"whsec_\S+", added.output)
    listed = run("list")

    assert added.exit_code == 0, added.output
    assert secret is not None
    assert "https://hooks.example/in" in listed.output
    assert secret[0] not in listed.output
    assert run("disable", "1").exit_code == 0
    assert "off: by hand" in run("list", "--client", "crm").output
    assert run("enable", "1").exit_code == 0
    assert secret[0] not in run("rotate", "1").output
    assert run("remove", "1").exit_code == 0
    assert all(run(name, "1").exit_code != 0 for name in ("remove", "enable", "rotate", "test", "redeliver"))


def test_what_cannot_be_added(run: Run) -> None:
    """A URL that cannot work, or an event that is none, is refused at once."""
    assert "user and password" in str(run("add", "https://me:secret@hooks.example/").exception)
    assert run("add", "https://hooks.example/", "--event", "nonsense").exit_code != 0
    assert "hooks.example" not in run("list").output


def test_a_message_to_try(run: Run) -> None:
    """`test` sends at once and says what came of it; the receiver can verify it with the secret shown."""

    async def receive(reply: bytes) -> tuple[Receiver, Result, str]:
        async with Receiver(lambda _: reply) as receiver:
            added = await asyncio.to_thread(run, "add", receiver.url)
            shown = re.search(r"webhook (\d+)[^$]*secret: (\S+)", added.output)
            assert shown is not None
            return receiver, await asyncio.to_thread(run, "test", shown[1]), shown[2]

    receiver, result, secret = asyncio.run(receive(answer(200)))
    assert (result.exit_code, "taken: HTTP 200" in result.output) == (0, True)
    assert Webhook(secret).verify(receiver.got[0].body, receiver.got[0].headers)["type"] == "webhook.test"
    _, result, _ = asyncio.run(receive(answer(500, b"broken")))
    assert result.exit_code == 1
    assert "not taken: HTTP 500" in result.output
    assert "it said: broken" in result.output


def test_deliveries(run: Run, dsn: str) -> None:
    """What was sent is shown with its last answer, and goes out again on demand."""

    async def work(database: Database) -> None:
        async with Receiver(lambda _: answer(400)) as receiver:
            await asyncio.to_thread(run, "add", receiver.url, "--client", "crm")
            await finish_submission(database, "spring")
            await turn(make(database))

    in_loop(dsn, work)
    shown = run("deliveries", "1", "--state", "pending")

    assert "spring" in shown.output
    assert "HTTP 400" in shown.output
    assert "spring" not in run("deliveries", "--state", "dead").output
    assert run("redeliver", "1").exit_code == 0

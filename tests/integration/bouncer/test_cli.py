"""The commands an operator has for what only a person can decide."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.fakes.bouncer_rig import Rig, hand_over, make_emails
from validatord.cli.main import cli
from validatord.sandbox.bouncer import SandboxBouncer
from validatord.sandbox.bouncer_world import BouncerSpec
from validatord.store.database import Database

Run = Callable[..., Result]
_UNKNOWN = "SELECT count(*) FROM bouncer_batches WHERE state = 'submit_unknown'"


@pytest.fixture
def run(dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command against the test's ledger."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")  # as wide as the table
    monkeypatch.setenv("VALIDATORD_DATABASE__URL", dsn)
    monkeypatch.setenv("VALIDATORD_BOUNCER__API_KEY", "sandbox-key")

    def call(*arguments: str, text: str = "") -> Result:
        return CliRunner().invoke(cli, ["bouncer", *arguments], input=text)

    return call


def with_rig(dsn: str, work: Callable[[Rig], Coroutine[Any, Any, None]]) -> None:
    """Do something with a driver and a service of its own."""

    async def main() -> None:
        database = await Database.open(dsn, pool_size=4)
        async with SandboxBouncer(BouncerSpec(speed=1000.0, is_limited=False)) as service:
            rig = Rig(database, service)
            await work(rig)
            await rig.aclose()
        await database.aclose()

    asyncio.run(main())


async def _lose_an_answer(rig: Rig) -> None:
    rig.service.break_("F06.503")
    await hand_over(rig.database, make_emails(20))
    await rig.run_until(_UNKNOWN, 1)
    await rig.run_until("SELECT count(*) FROM bouncer_batches WHERE credits_after IS NOT NULL", 1)


def fetch(dsn: str, query: str) -> Any:
    """One value of the ledger."""

    async def main() -> Any:
        database = await Database.open(dsn, pool_size=1)
        found = await database.fetch_value(query)
        await database.aclose()
        return found

    return asyncio.run(main())


def test_status_of_nothing(run: Run) -> None:
    """With nothing to look after the exit status is 0."""
    result = run("status")

    assert result.exit_code == 0
    assert "key: set" in result.output
    assert "sandbox-key" not in result.output


def test_unknown_create(run: Run, dsn: str) -> None:
    """An unknown create is shown with its hint and a bad exit status; adopting it ends that."""
    with_rig(dsn, _lose_an_answer)

    shown = run("status")
    assert shown.exit_code == 1
    assert "submit_unknown" in shown.output
    assert run("adopt", "1", "f" * 24).exit_code == 0
    assert fetch(dsn, "SELECT state FROM bouncer_batches") == "submitted"
    assert run("status").exit_code == 0


def test_resubmit_is_careful(run: Run, dsn: str) -> None:
    """Buying again needs some time to have passed, and a yes; the credits are named."""
    with_rig(dsn, _lose_an_answer)

    too_early = run("resubmit", "1", "--yes")
    assert too_early.exit_code != 0
    assert "wait a little" in str(too_early.exception)
    refused = run("resubmit", "1", "--now", text="n\n")
    assert "credits fell by" in refused.output
    assert "probably taken" in refused.output
    assert fetch(dsn, "SELECT state FROM bouncer_batches") == "submit_unknown"
    assert "20 requests" in run("resubmit", "1", "--now", "--yes").output
    assert fetch(dsn, "SELECT count(*) FROM bouncer_queue WHERE status = 'queued'") == 20


def test_abandon(run: Run, dsn: str) -> None:
    """An abandoned batch ends with our own findings."""
    with_rig(dsn, _lose_an_answer)

    assert "20 requests ended" in run("abandon", "1").output
    assert fetch(dsn, "SELECT count(*) FROM requests WHERE state = 'done'") == 20
    assert run("abandon", "1").exit_code != 0
    assert run("abandon", "99").exit_code != 0


def test_cancel(run: Run, dsn: str) -> None:
    """Only a batch that runs can be ended early."""

    async def submit(rig: Rig) -> None:
        rig.service.world.is_stopped = True
        await hand_over(rig.database, make_emails(20))
        await rig.run_until("SELECT count(*) FROM bouncer_batches WHERE state = 'submitted'", 1)

    with_rig(dsn, submit)

    assert run("cancel", "1").exit_code == 0
    assert fetch(dsn, "SELECT state FROM bouncer_batches") == "cancelling"
    assert run("cancel", "1").exit_code != 0


def test_dead_letters(run: Run, dsn: str) -> None:
    """Dead letters are shown, reviewed, retried and settled."""

    async def spoil(rig: Rig) -> None:
        rig.service.break_("F17.no_status", "download")
        await hand_over(rig.database, make_emails(30))
        await rig.run_until("SELECT count(*) FROM bouncer_dead_letter_queue", 3)
        await rig.run_until("SELECT count(*) FROM bouncer_batches WHERE state = 'cleaned'", 1)

    with_rig(dsn, spoil)

    listed = run("dead-letters", "list")
    assert listed.exit_code == 1
    assert listed.output.count("quarantined_row") == 3
    assert run("dead-letters", "review", "1").exit_code == 0
    assert "1 requests are queued again" in run("dead-letters", "retry", "2").output
    assert "1 requests ended" in run("dead-letters", "settle", "3").output
    assert run("dead-letters", "settle", "3").exit_code != 0
    assert run("dead-letters", "list").output == ""
    assert run("dead-letters", "list", "--all").output.count("quarantined_row") == 3
    assert run("dead-letters", "review", "77").exit_code != 0
    assert fetch(dsn, "SELECT count(*) FROM bouncer_queue WHERE status = 'queued'") == 1


def test_estimate_of_a_list(run: Run, dsn: str, tmp_path: Path) -> None:
    """A list's cost is said before anything is spent: doubles, bad rows and known addresses cost nothing."""

    async def buy(rig: Rig) -> None:
        await hand_over(rig.database, [f"deliverable+{number}@domain.example" for number in range(5)])
        await rig.run_to_end()

    with_rig(dsn, buy)
    path = tmp_path / "list.txt"
    known = [f"deliverable+{number}@domain.example" for number in range(5)]
    path.write_text("\n".join([*known, *make_emails(20), "user1@domain1.example", "no address"]), encoding="utf-8")

    result = run("estimate", str(path))

    assert result.exit_code == 0, result.output
    assert "27 rows; 1 are no address, 1 stand there twice" in result.output
    assert "5 need not be bought" in result.output
    assert "at most 20" in result.output


def test_estimate_of_a_submission(run: Run, dsn: str) -> None:
    """Of a submission that is under way the rest is estimated, within the client's budget."""

    async def begin(rig: Rig) -> None:
        await hand_over(rig.database, make_emails(20))
        await rig.database.fetch(
            "UPDATE clients SET policy = $1", {"bouncer": {"mode": "bouncer_only", "credits_per_day": 12}}
        )

    with_rig(dsn, begin)

    result = run("estimate", "list", "--client", "shop")

    assert "expected 20 credits, at most 20" in result.output
    assert "budget left today: 12" in result.output
    assert run("estimate", "no such thing").exit_code != 0

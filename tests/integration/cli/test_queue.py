"""`validatord queue`: what waits is shown, what shall rest rests, and running dry ends."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from tests.integration.store import ledger
from validatord.cli.main import cli
from validatord.store import pauses, rejected
from validatord.store.database import Database

Run = Callable[..., Result]


@pytest.fixture
def run(dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command against the test's ledger."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("VALIDATORD_DATABASE__URL", dsn)
    return lambda *arguments: CliRunner().invoke(cli, ["queue", *arguments])


def do(dsn: str, work: Callable[[Database], Any]) -> Any:
    """Do something to the ledger."""

    async def main() -> Any:
        database = await Database.open(dsn, pool_size=1)
        try:
            return await work(database)
        finally:
            await database.aclose()

    return asyncio.run(main())


def test_what_waits_is_shown_with_whose_it_is(dsn: str, run: Run) -> None:
    """For people and as JSON; something for a person makes the exit status 1."""

    async def fill(database: Database) -> None:
        await ledger.submit(database, "a@one.example", "b@two.example")
        await rejected.add(database, "job", "submit", "unreadable", b"")

    do(dsn, fill)

    shown, told = run("stats"), run("stats", "--json")

    assert shown.exit_code == told.exit_code == 1
    assert "2 unfinished of at most 2,000,000" in shown.output
    assert "1 jobs nobody could read" in shown.output
    found = orjson.loads(told.output)
    assert found["shares"] == [{"client": "crm", "priority": 50, "requests": 2}]
    assert (found["unfinished"], found["domains_due"], found["lanes"]) == (2, 2, {"": 2})
    assert "job" in run("rejected").output


def test_a_pause_is_written_with_who_and_why(dsn: str, run: Run) -> None:
    """And taken back; what was not paused says so in its exit status."""
    assert "paused" in run("pause", "lane", "google", "--reason", "listed").output
    assert "listed" in run("stats").output

    (found,) = do(dsn, pauses.load)
    assert (found.kind, found.key, found.reason) == ("lane", "google", "listed")
    assert found.paused_by

    assert run("resume", "lane", "google").exit_code == 0
    assert run("resume", "lane", "google").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pause", "lane"), "lane needs a name"),
        (("pause", "intake", "now"), "intake takes no name"),
        (("pause", "domain", "no domain"), "is no domain"),
        (("reset-lane", "google"), "is no lane"),
    ],
)
def test_what_is_no_name_is_said(run: Run, arguments: tuple[str, ...], said: str) -> None:
    """One sentence, and nothing is written."""
    result = run(*arguments)

    assert result.exit_code == 2
    assert said in result.output


def test_draining_waits_for_what_is_due(dsn: str, run: Run) -> None:
    """An empty queue is dry at once; with work nobody does time runs out, and intake stays paused both times."""
    assert "dry: 0 requests" in run("drain").output

    do(dsn, lambda database: ledger.submit(database, "a@one.example"))
    result = run("drain", "--timeout", "0.01")

    assert result.exit_code == 1
    assert [pause.kind.value for pause in do(dsn, pauses.load)] == ["intake"]


def test_what_ended_unknown_is_asked_again(dsn: str, run: Run) -> None:
    """Only that, only once, only where asked for; the submission is unfinished again and its counts hold."""

    async def fill(database: Database) -> None:
        await ledger.start_node(database)
        await ledger.submit(database, "a@one.example", "b@one.example", submission="spring")
        await ledger.submit(database, "c@two.example", submission="autumn")
        visits = await ledger.lease(database)
        unknown = ledger.make_finding("unknown", "no_connection")
        await ledger.write(database, ledger.finish_all(visits["one.example"], unknown))
        await ledger.write(database, ledger.finish_all(visits["two.example"]))

    do(dsn, fill)

    assert "0 requests" in run("retry-failed", "--reason", "greylisted").output
    assert "0 requests" in run("retry-failed", "--submission", "autumn").output
    assert "2 requests" in run("retry-failed", "--client", "crm").output
    assert "0 requests" in run("retry-failed").output

    assert orjson.loads(run("stats", "--json").output)["unfinished"] == 2
    assert do(dsn, ledger.find_broken) == []
    assert list(do(dsn, ledger.lease)) == ["one.example"]


def test_a_reason_nobody_knows_is_named(run: Run) -> None:
    """Rather than finding nothing without a word."""
    assert '"bad_luck" is no reason' in run("retry-failed", "--reason", "bad_luck").output


def test_a_person_asks_to_be_forgotten(dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: Run) -> None:
    """Asked first unless told not to; what is no address says so without repeating it."""
    del run  # its surroundings are wanted
    do(dsn, lambda database: ledger.submit(database, "anna@one.example"))
    invoke = CliRunner().invoke

    assert invoke(cli, ["forget", "anna@one.example"], input="n\n").exit_code != 0
    assert do(dsn, lambda database: ledger.look(database, "SELECT email FROM requests")) == [
        {"email": "anna@one.example"}
    ]
    done = invoke(cli, ["forget", "--yes", "anna@one.example"])
    assert done.exit_code == 0, done.output
    assert "1 unfinished requests" in done.output
    wrong = invoke(cli, ["forget", "--yes", "anna@@one.example"])
    assert wrong.exit_code == 2
    assert "anna@@" not in wrong.output.replace("Usage", "")

"""`validatord events import`: files of mail services, streamed into the ledger."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from validatord.cli.main import cli
from validatord.errors import ConfigurationError
from validatord.store.database import Database

Run = Callable[..., Result]


@pytest.fixture
def run(dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run `validatord events import …` against the test's ledger."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VALIDATORD_DATABASE__URL", dsn)

    def call(*arguments: str, text: str = "") -> Result:
        return CliRunner().invoke(cli, ["events", "import", *arguments], input=text)

    return call


def fetch(dsn: str, query: str) -> list[tuple[Any, ...]]:
    """Rows of the ledger."""

    async def main() -> list[tuple[Any, ...]]:
        database = await Database.open(dsn, pool_size=1)
        found = [tuple(row.values()) for row in await database.fetch(query)]
        await database.aclose()
        return found

    return asyncio.run(main())


def test_file_is_imported_once(run: Run, dsn: str, tmp_path: Path) -> None:
    """Thousands of rows go in; the same file again adds nothing and says so."""
    path = tmp_path / "told.csv"
    rows = [
        f"user{number}@shop{number % 5}.example,bounce,2026-05-01T10:00:{number % 60:02}Z" for number in range(4500)
    ]
    path.write_text("\n".join(["email,event,time", *rows]))
    first, second = run(str(path), "--map", "bounce=hard_bounce"), run(str(path), "--map", "bounce=hard_bounce")

    assert (first.exit_code, first.stdout) == (0, "4,500 rows, 4,500 new, 0 known already\n")
    assert (second.exit_code, second.stdout) == (0, "4,500 rows, 0 new, 4,500 known already\n")
    assert fetch(dsn, "SELECT count(*), min(event_type) FROM email_events") == [(4500, "hard_bounce")]
    assert fetch(dsn, "SELECT sum(events)::integer FROM domain_events") == [(4500,)]


def test_bad_rows_are_named_and_cost_nothing_else(run: Run, dsn: str) -> None:
    """Line and column of each bad row on stderr, the good ones in the ledger, exit status 1."""
    text = (
        "Mail;Kind;When\na@one.example;open;2026-05-01T10:00:00Z\nnobody;open;2026-05-01T10:00:00Z\n" + "b;x;y\n" * 30
    )
    ran = run("-", "--email", "mail", "--type", "kind", "--at", "when", text=text)

    assert (ran.exit_code, ran.stdout) == (1, "32 rows, 1 new, 0 known already, 31 left out\n")
    errors = ran.stderr.splitlines()
    assert errors[0] == "line 3, column Mail: There is no @ in it."
    assert errors[-1] == "… more bad lines are only counted"
    assert len(errors) == 21
    assert fetch(dsn, "SELECT email FROM email_events") == [("a@one.example",)]


def test_options_stand_in_for_columns(run: Run, dsn: str) -> None:
    """A bare list of addresses is a file of bounces, if its kind and time are said."""
    ran = run("-", "--as", "hard_bounce", "--when", "2026-05-01", text="email\na@one.example\nb@one.example\n")
    assert (ran.exit_code, ran.stdout) == (0, "2 rows, 2 new, 0 known already\n")
    zoned = run("-", "--timezone", "Europe/Berlin", text="email,event,time\na@one.example,open,2026-05-01 12:00\n")
    assert zoned.exit_code == 0
    found = fetch(dsn, "SELECT event_type, event_at::text FROM email_events WHERE email LIKE 'a@%' ORDER BY 1")
    assert [(kind, at[:16]) for kind, at in found] == [
        ("hard_bounce", "2026-05-01 00:00"),
        ("open", "2026-05-01 10:00"),
    ]


def test_wrong_usage_is_told(run: Run, tmp_path: Path) -> None:
    """A file that is not there, a column that is not there, and options nobody can use."""
    missing = run(str(tmp_path / "none.csv"))
    no_column = run("-", text="name\nx\n")
    for ran, words in ((missing, "none.csv: No such file"), (no_column, "there is no column for email")):
        assert isinstance(ran.exception, ConfigurationError)
        assert words in str(ran.exception.problems)
    for option in (["--timezone", "Mars/Olympus"], ["--map", "a=b"], ["--when", "soon"], ["--as", "sent"]):
        assert run("-", *option).exit_code == 2

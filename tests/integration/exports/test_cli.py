"""`validatord export`, out of a real ledger."""

import asyncio
import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from tests.integration.store.ledger import make_finding, make_item
from validatord.cli.main import cli
from validatord.store import clients, submissions
from validatord.store.database import Database

Run = Callable[..., Result]
_STATUSES = ("valid", "accept_all", "risky", "unknown")


@pytest.fixture
def run(dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run the command against a ledger with a submission of nine addresses, one of them not finished."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VALIDATORD_DATABASE__URL", dsn)
    asyncio.run(_fill(dsn))
    return lambda *arguments: CliRunner().invoke(cli, ["export", "spring", "--client", "crm", *arguments])


async def _fill(dsn: str) -> None:
    database = await Database.open(dsn, pool_size=2)
    items = []
    for idx in range(8):
        status = _STATUSES[idx % 4]
        reason = "mailbox_full" if status == "risky" else "accepted"
        finding = make_finding(status, reason, confidence=80, reply="=1+1")
        items.append(make_item(idx, f"user{idx}@domain{idx % 2}.example", finding=finding))
    items.append(make_item(8, "late@domain0.example"))
    await submissions.add_chunk(database, submissions.Chunk("crm", "spring", 50, tuple(items)))
    await database.aclose()


def set_policy(dsn: str, **policy: Any) -> None:
    """Give the client a policy."""

    async def main() -> None:
        database = await Database.open(dsn, pool_size=1)
        await clients.set_policy(database, "crm", policy)
        await database.aclose()

    asyncio.run(main())


def lines_of(result: Result) -> list[dict[str, Any]]:
    """Return the rows of an export as JSON lines."""
    return [orjson.loads(line) for line in result.stdout.splitlines()]


def test_csv(run: Run) -> None:
    """CSV for spreadsheets is what comes unless something else is asked for; what waits is told apart."""
    result = run("-o", "out.csv")
    rows = list(csv.DictReader(io.StringIO(Path("out.csv").read_text(encoding="utf-8-sig"), newline="")))

    assert result.exit_code == 1
    assert "1 of 9 have no result yet" in result.stderr
    assert [row["address"] for row in rows] == [f"user{idx}@domain{idx % 2}.example" for idx in range(8)]
    assert {row["reply"] for row in rows} == {"'=1+1"}
    assert not Path("out.csv.part").exists()


def test_forms(run: Run) -> None:
    """The form follows the name of the file, or is said."""
    run("-o", "out.ndjson.gz")
    raw = run("--format", "csv-raw")
    run("-o", "out.parquet")

    assert len(gzip.decompress(Path("out.ndjson.gz").read_bytes()).splitlines()) == 8
    assert raw.stdout.startswith("index,address,")
    assert ",=1+1," in raw.stdout
    assert Path("out.parquet").read_bytes()[:4] == b"PAR1"


def test_filters(run: Run, dsn: str) -> None:
    """Statuses are those the client is shown; its policy may name usual ones; the switch moves accept_all."""
    set_policy(dsn, accept_all="risky")
    risky = lines_of(run("--format", "ndjson", "--status", "risky"))
    assert [row["index"] for row in risky] == [1, 2, 5, 6]
    assert "policy:accept_all" in risky[0]["reasons"]

    set_policy(dsn, export_statuses=["valid"])
    assert [row["index"] for row in lines_of(run("--format", "ndjson"))] == [0, 4]
    assert [row["index"] for row in lines_of(run("--format", "ndjson", "--include-accept-all"))] == [0, 1, 4, 5]
    named = run("--format", "ndjson", "--status", "accept_all", "--status", "risky", "--no-include-accept-all")
    assert {row["status"] for row in lines_of(named)} == {"risky"}

    set_policy(dsn)
    chosen = lines_of(run("--format", "ndjson", "--domain", "DOMAIN1.example", "--reason", "accepted"))
    assert [row["index"] for row in chosen] == [1, 3, 5, 7]
    waiting = lines_of(run("--format", "ndjson", "--unfinished", "--after", "6"))
    assert [(row["index"], row["state"], row["status"]) for row in waiting] == [
        (7, "done", "unknown"),
        (8, "queued", None),
    ]


def test_goes_on(run: Run) -> None:
    """Pieces by ranges of keys are the whole."""
    whole = run("--format", "csv").stdout_bytes

    assert (
        run("--format", "csv", "--until", "3").stdout_bytes + run("--format", "csv", "--after", "3").stdout_bytes
        == whole
    )


def test_clear_errors(run: Run) -> None:
    """What cannot be done is said, and no file is left behind."""
    other = CliRunner().invoke(cli, ["export", "summer", "--client", "crm"])

    assert "there is no submission summer of crm" in str(other.exception)
    assert "--domain no domain" in str(run("--domain", "no domain").exception)
    assert "No such file" in str(run("-o", "nowhere/out.csv").exception)
    assert run("--status", "nonsense").exit_code == 2

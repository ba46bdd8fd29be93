"""Migrations: whole or not at all, once, in order."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from validatord import data, errors
from validatord.store import migrations
from validatord.store.database import Database

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE first (id int);")
    (tmp_path / "0002_second.sql").write_text("CREATE TABLE second (id int);")
    return tmp_path


@pytest.fixture
async def empty(empty_dsn: str) -> AsyncIterator[Database]:
    opened = await Database.open(empty_dsn, pool_size=4)
    yield opened
    await opened.aclose()


async def has_table(database: Database, name: str) -> bool:
    return await database.fetch_value("SELECT to_regclass($1) IS NOT NULL", name)


async def test_files_run_in_order_and_once(empty: Database, folder: Path) -> None:
    """Every file runs exactly once, by its number."""
    assert await migrations.migrate(empty, folder) == ["0001_first", "0002_second"]
    assert await migrations.migrate(empty, folder) == []


async def test_the_shipped_schema_applies(empty: Database) -> None:
    """The files of the project make a schema from nothing."""
    ran = await migrations.migrate(empty)

    assert ran[0] == "0001_ledger"
    assert await has_table(empty, "requests")


async def test_events_told_before_count_for_their_domains(empty: Database, tmp_path: Path) -> None:
    """What an older version kept is summed by domain and week, and has its domain, when the schema is brought up."""
    shipped = data.list_files("sql/migrations", ".sql")
    for path in shipped:
        if path.stem < "0005":
            (tmp_path / path.name).write_text(path.read_text())
    await migrations.migrate(empty, tmp_path)
    await empty.fetch(
        """INSERT INTO email_events (email, event_type, event_at) VALUES
        ('A@One.example', 'hard_bounce', '2026-05-03 23:30+00'), ('b@one.example', 'hard_bounce', '2026-04-27 00:30+00'),
        ('b@one.example', 'open', '2026-05-04 00:30+00')"""
    )
    await migrations.migrate(empty)

    sums = await empty.fetch("SELECT domain, week::text, event_type, events FROM domain_events ORDER BY week")
    assert [tuple(row.values()) for row in sums] == [
        ("one.example", "2026-04-27", "hard_bounce", 2),
        ("one.example", "2026-05-04", "open", 1),
    ]
    assert await empty.fetch_value("SELECT array_agg(DISTINCT domain) FROM email_events") == ["one.example"]


async def test_a_failing_file_leaves_nothing_behind(empty: Database, folder: Path) -> None:
    """A file counts as a whole: what ran before its mistake is rolled back, earlier files stay."""
    second = folder / "0002_second.sql"
    second.write_text("CREATE TABLE second (id int); SELECT no_such_function();")

    with pytest.raises(asyncpg.UndefinedFunctionError):
        await migrations.migrate(empty, folder)

    assert await has_table(empty, "first")
    assert not await has_table(empty, "second")

    second.write_text("CREATE TABLE second (id int);")
    assert await migrations.migrate(empty, folder) == ["0002_second"]


async def test_killed_in_the_middle_is_completed_by_the_next_start(empty: Database, folder: Path) -> None:
    """F34: the server process of a running migration dies; the next start completes it."""
    second = folder / "0002_second.sql"
    whole = second.read_text()
    second.write_text(whole + " SELECT pg_terminate_backend(pg_backend_pid());")

    with pytest.raises(errors.StoreAway):
        await migrations.migrate(empty, folder)

    second.write_text(whole)
    assert await migrations.migrate(empty, folder) == ["0002_second"]
    assert await has_table(empty, "second")


async def test_concurrent_starts_take_turns(empty: Database, folder: Path) -> None:
    """Two starts at once: each file runs in exactly one of them and both end well."""
    ran = await asyncio.gather(*(migrations.migrate(empty, folder) for _ in range(4)))

    assert sorted(name for names in ran for name in names) == ["0001_first", "0002_second"]


async def test_a_newer_schema_is_refused(empty: Database, folder: Path) -> None:
    """F33: a program older than the schema must not touch it."""
    await migrations.migrate(empty, folder)
    (folder / "0002_second.sql").unlink()

    with pytest.raises(errors.StoreError, match="version 2, this program knows 1"):
        await migrations.migrate(empty, folder)


async def test_a_changed_file_is_refused(empty: Database, folder: Path) -> None:
    """A file that ran may not change: nobody would know which schema there is."""
    await migrations.migrate(empty, folder)
    (folder / "0001_first.sql").write_text("CREATE TABLE first (id bigint);")

    with pytest.raises(errors.StoreError, match="0001_first was changed"):
        await migrations.migrate(empty, folder)


@pytest.mark.parametrize("names", [["second.sql"], ["0001_again.sql"]])
def test_names_carry_unique_numbers(folder: Path, names: list[str]) -> None:
    """A file without a number, or with a number twice, is a mistake of ours."""
    for name in names:
        (folder / name).write_text("SELECT 1;")

    with pytest.raises(errors.StoreError):
        migrations.load_migrations(folder)


async def test_labels_in_an_old_ledger_become_findings(empty: Database, tmp_path: Path) -> None:
    """What a policy had made of verdicts is undone by their main reason, and the counts are counted anew."""
    for file in data.list_files("sql/migrations", ".sql"):
        if int(file.name[:4]) < 4:
            (tmp_path / file.name).write_text(file.read_text(encoding="utf-8"))
    await migrations.migrate(empty, tmp_path)
    await empty.fetch("INSERT INTO clients (name) VALUES ('crm')")
    await empty.fetch("INSERT INTO submissions (client, submission, requests, finished) VALUES ('crm', 'old', 3, 3)")
    for idx, (status, reason, reasons) in enumerate(
        [
            ("invalid", "accept_all", ["mx", "accept_all", "policy:accept_all"]),
            ("risky", "accepted", ["mx", "accepted", "policy:role"]),
            ("invalid", "no_such_mailbox", ["mx", "no_such_mailbox"]),
        ]
    ):
        await empty.fetch(
            """INSERT INTO requests (submission_id, idx, address, email, domain, state, finished_at, status, reason,
            reasons, confidence) VALUES (1, $1, 'a', 'a@b.example', 'b.example', 'done', now(), $2, $3, $4, 80)""",
            idx, status, reason, reasons,
        )  # fmt: skip

    assert (await migrations.migrate(empty))[0] == "0004_contributions"

    rows = await empty.fetch("SELECT status, reasons FROM requests ORDER BY idx")
    assert [(row["status"], row["reasons"]) for row in rows] == [
        ("accept_all", ["mx", "accept_all"]),
        ("valid", ["mx", "accepted"]),
        ("invalid", ["mx", "no_such_mailbox"]),
    ]
    counts = await empty.fetch("SELECT status, confidence, requests FROM submission_counts ORDER BY status")
    assert [tuple(row) for row in counts] == [("accept_all", 80, 1), ("invalid", 80, 1), ("valid", 80, 1)]


async def test_a_migration_may_take_longer_than_a_statement(empty_dsn: str, folder: Path) -> None:
    """A file over a large table is not cut by the time limit of ordinary statements, which holds again after it."""
    second = folder / "0002_second.sql"
    second.write_text("SELECT pg_sleep(0.5); CREATE TABLE second (id int);")
    hasty = await Database.open(empty_dsn, pool_size=1, statement_timeout=timedelta(seconds=0.2))

    assert await migrations.migrate(hasty, folder) == ["0001_first", "0002_second"]
    with pytest.raises(errors.StoreAway, match="statement timeout"):
        await hasty.fetch("SELECT pg_sleep(0.5)")
    await hasty.aclose()

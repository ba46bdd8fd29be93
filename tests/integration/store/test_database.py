"""The pool: absence is told apart from mistakes, and PostgreSQL's own fences are up."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from tests.integration.store.ledger import look
from validatord import errors
from validatord.store import database as module
from validatord.store.database import Database
from validatord.store.values import Json


async def test_sessions_are_fenced(database: Database) -> None:
    """Timeouts hold on every connection: nothing of ours waits or lingers without end."""
    names = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "TimeZone", "application_name"]
    rows = await look(database, "SELECT name, current_setting(name) AS value FROM unnest($1::text[]) AS name", names)

    assert [row["value"] for row in rows] == ["30s", "5s", "30s", "UTC", "validatord"]


async def test_a_foreign_lock_means_not_now(dsn: str) -> None:
    """F17: work that waits for a lock of somebody else gives up in time and may be tried again."""
    database = await Database.open(dsn, lock_timeout=timedelta(milliseconds=20))
    async with database.transaction() as connection:
        await connection.execute("LOCK TABLE requests")

        with pytest.raises(errors.StoreAway, match="LockNotAvailable"):
            await database.fetch("SELECT * FROM requests")

    assert await database.fetch("SELECT * FROM requests") == []
    await database.aclose()


async def test_a_slow_statement_means_not_now(dsn: str) -> None:
    """The statement timeout is absence, not a bug."""
    database = await Database.open(dsn, statement_timeout=timedelta(milliseconds=20))

    with pytest.raises(errors.StoreAway, match="QueryCanceled"):
        await database.fetch("SELECT pg_sleep(10)")

    await database.aclose()


async def test_a_mistake_stays_loud(database: Database) -> None:
    """A wrong statement or a violated constraint is a bug and must not be retried as absence."""
    with pytest.raises(asyncpg.UndefinedTableError):
        await database.fetch("SELECT * FROM nowhere")
    with pytest.raises(asyncpg.CheckViolationError):
        await database.fetch("INSERT INTO clients (name) VALUES ('')")
    with pytest.raises(asyncpg.InterfaceError, match="expects 1 argument"):
        await database.fetch("SELECT $1::int")


async def test_a_cut_connection_means_not_now(database: Database) -> None:
    """A connection that dies under a statement is absence, and the pool goes on with another."""
    with pytest.raises(errors.StoreAway):
        await database.fetch("SELECT pg_terminate_backend(pg_backend_pid())")

    await database.ping()


async def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    """All or nothing, and the connection is good for the next."""

    async def work() -> None:
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO clients (name) VALUES ('x')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await work()

    assert await database.fetch("SELECT * FROM clients") == []


async def test_a_cancelled_transaction_leaves_nothing(database: Database) -> None:
    """Cancellation rolls back; a connection given back carries no transaction along."""
    started = asyncio.Event()

    async def work() -> None:
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO clients (name) VALUES ('x')")
            started.set()
            await connection.execute("SELECT pg_sleep(10)")

    task = asyncio.create_task(work())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await database.fetch("SELECT * FROM clients") == []
    idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
    assert await database.fetch_value(idle) == 0


async def test_json_goes_in_arrays_and_by_copy(database: Database) -> None:
    """The binary codec serves parameters, arrays of any JSON value, and COPY."""
    values = [{"a": [1, "ü"]}, [1, 2], "text", None]

    found = await database.fetch("SELECT * FROM unnest($1::jsonb[]) AS value", [Json(value) for value in values])
    async with database._pool.acquire() as connection:
        records = [("node", "lane", {"copied": [True]})]
        await connection.copy_records_to_table("lane_state", records=records, columns=["node", "lane", "snapshot"])

    assert [row["value"] for row in found] == values
    assert await database.fetch_value("SELECT snapshot FROM lane_state") == {"copied": [True]}


async def test_many_rows_in_one_call_are_one_transaction(database: Database) -> None:
    """A mistake in one row takes the others back."""
    with pytest.raises(asyncpg.UniqueViolationError):
        await database.execute_many("INSERT INTO clients (name) VALUES ($1)", [("a",), ("b",), ("a",)])

    assert await database.fetch("SELECT * FROM clients") == []


async def test_closing_does_not_wait_for_ever(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection somebody still holds is cut, so that a stop ends."""
    monkeypatch.setattr(module, "_CLOSE_SECONDS", 0.01)
    database = await Database.open(dsn)
    async with database.connection():
        await database.aclose()


async def test_the_repr_shows_counts(database: Database) -> None:
    """For the log: how many connections, how many idle."""
    assert repr(database) == "<Database connections=1 idle=1>"

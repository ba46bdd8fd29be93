"""The pool of connections to PostgreSQL, and what its absence looks like.

Everything else in this room takes a `Database` first. Driver errors do not leave the room: that
PostgreSQL is away, overloaded or locked becomes `StoreAway` (wait and try again: a write that raised
may have been stored, so every write here can be repeated); anything else is a bug and stays loud.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any, Protocol, Self

import asyncpg

from validatord import errors
from validatord.store import queries, values

Row = asyncpg.Record
_SQL = queries.load("database")
# Two signs of absence the driver raises without a SQLSTATE of the server.
_CONNECTION_GONE = (OSError, asyncpg.InternalClientError)
# Classes of SQLSTATE that mean "not now": 08 connection, 53 resources (disk full, too many connections),
# 57 operator intervention (shutdown, starting up, statement timeout).
_AWAY_CLASSES = ("08", "53", "57")
# Deadlock, serialization, lock timeout, idle in transaction, read-only standby: the same work may succeed later.
_AWAY_STATES = frozenset({"40P01", "40001", "55P03", "25P03", "25006"})
_IDLE_IN_TRANSACTION = timedelta(seconds=30)
_CLOSE_SECONDS = 5.0
_REPLY_GRACE_SECONDS = 5.0  # beyond the statement timeout: then the server or the way to it is gone


class Queryable(Protocol):
    """What runs statements: a connection of the pool, inside or outside a transaction."""

    async def fetch(self, query: str, *args: object) -> list[Row]:
        """Return all rows."""
        ...

    async def fetchrow(self, query: str, *args: object) -> Row | None:
        """Return the first row, if any."""
        ...

    async def fetchval(self, query: str, *args: object) -> Any:
        """Return the first column of the first row."""
        ...

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:  # noqa: ASYNC109 the driver's
        """Run a statement (or, without arguments, a script) and return its tag; `timeout` in seconds."""
        ...


class Database:
    """The database pool; one per process and event loop."""

    def __init__(self, pool: "asyncpg.Pool[Row]", dsn: str) -> None:
        self._pool = pool
        self._dsn = dsn

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        pool_size: int = 10,
        statement_timeout: timedelta = timedelta(seconds=30),
        lock_timeout: timedelta = timedelta(seconds=5),
        application_name: str = "validatord",
    ) -> Self:
        """Connect, or raise `StoreAway` where PostgreSQL does not answer, `StoreError` where it turns us away."""
        with _refusal_is_store_error():
            pool = await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=pool_size,
                command_timeout=statement_timeout.total_seconds() + _REPLY_GRACE_SECONDS,
                timeout=10.0,
                init=prepare_connection,
                reset=keep_session,
                server_settings=_server_settings(application_name, statement_timeout, lock_timeout),
            )
        return cls(pool, dsn)

    def __repr__(self) -> str:
        return f"<Database connections={self._pool.get_size()} idle={self._pool.get_idle_size()}>"

    async def aclose(self) -> None:
        """Close every connection; one that does not end in time is cut."""
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._pool.close()
        except (TimeoutError, asyncpg.InterfaceError):
            self._pool.terminate()

    async def ping(self) -> None:
        """Ask PostgreSQL for a sign of life, or raise `StoreAway`."""
        await self.fetch_value(_SQL["ping"])

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Queryable]:
        """Lend a connection without a transaction: each statement stands for itself."""
        with absence_is_store_away():
            async with self._pool.acquire() as connection:
                yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Queryable]:
        """Lend a connection inside a transaction: all statements hold, or none."""
        with absence_is_store_away():
            async with self._pool.acquire() as connection, connection.transaction():
                yield connection

    async def fetch(self, query: str, *args: object) -> list[Row]:
        """Run one statement and return its rows."""
        async with self.connection() as connection:
            return await connection.fetch(query, *args)

    async def fetch_row(self, query: str, *args: object) -> Row | None:
        """Run one statement and return its first row, if any."""
        async with self.connection() as connection:
            return await connection.fetchrow(query, *args)

    async def fetch_value(self, query: str, *args: object) -> Any:
        """Run one statement and return the first column of its first row."""
        async with self.connection() as connection:
            return await connection.fetchval(query, *args)

    async def execute_many(self, query: str, rows: Sequence[Sequence[object]]) -> None:
        """Run one statement for each row, all or none."""
        with absence_is_store_away():
            async with self._pool.acquire() as connection:
                await connection.executemany(query, rows)

    async def open_own_connection(self) -> "asyncpg.Connection[Row]":
        """Open a connection outside the pool, for a session lock; its user closes it."""
        with absence_is_store_away():
            connection = await asyncpg.connect(
                self._dsn, timeout=10.0, server_settings={"application_name": "validatord lock", "timezone": "UTC"}
            )
            await prepare_connection(connection)
            return connection


def is_absence(error: BaseException) -> bool:
    """Whether a driver error means "not now"; anything else is a bug."""
    if isinstance(error, asyncpg.InterfaceError):
        # The driver's one class for misuse and for a connection that went away under its user.
        return not isinstance(error, ValueError) and ("clos" in str(error) or "terminated" in str(error))
    if isinstance(error, asyncpg.PostgresError):
        state = str(getattr(error, "sqlstate", "") or "")
        return state.startswith(_AWAY_CLASSES) or state in _AWAY_STATES
    return isinstance(error, _CONNECTION_GONE)


@contextmanager
def _refusal_is_store_error() -> Generator[None]:
    """A wrong password or database name is nobody's bug: it is said in one line."""
    try:
        with absence_is_store_away():
            yield
    except asyncpg.PostgresError as error:
        raise errors.StoreError(f"PostgreSQL turns us away: {error}") from error


@contextmanager
def absence_is_store_away() -> Generator[None]:
    """Turn the driver's errors of absence into `StoreAway`."""
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
        if not is_absence(error):
            raise
        raise errors.StoreAway(f"PostgreSQL cannot be used now: {type(error).__name__}: {error}") from error


def _server_settings(name: str, statement_timeout: timedelta, lock_timeout: timedelta) -> dict[str, str]:
    return {
        "application_name": name,
        "statement_timeout": _in_milliseconds(statement_timeout),
        "lock_timeout": _in_milliseconds(lock_timeout),
        "idle_in_transaction_session_timeout": _in_milliseconds(_IDLE_IN_TRANSACTION),
        "timezone": "UTC",
        "jit": "off",  # our statements are short; compiling them costs more than it saves
    }


def _in_milliseconds(duration: timedelta) -> str:
    return str(round(duration.total_seconds() * 1000))


async def keep_session(_connection: object) -> None:
    """Do nothing to a connection that comes back: we leave nothing behind in it, and a reset is a round trip."""


async def prepare_connection(connection: "asyncpg.Connection[Row]") -> None:
    """Set the codecs of a new connection: jsonb as Python values, in the binary form that COPY needs."""
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", format="binary", encoder=values.encode_jsonb, decoder=values.decode_jsonb
    )

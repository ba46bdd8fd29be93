"""Which driver errors mean "not now": the list is closed, everything else is a bug."""

import asyncpg
import pytest

from validatord.store.database import is_absence

AWAY = (
    OSError("no route"),
    ConnectionRefusedError(),
    TimeoutError(),
    asyncpg.InternalClientError("unexpected"),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.InterfaceError("pool is closing"),
    asyncpg.ConnectionDoesNotExistError("closed in the middle of operation"),
    asyncpg.CannotConnectNowError("starting up"),
    asyncpg.AdminShutdownError("terminating"),
    asyncpg.CrashShutdownError("crash of another server process"),
    asyncpg.TooManyConnectionsError("sorry, too many clients"),
    asyncpg.DiskFullError("no space left on device"),
    asyncpg.OutOfMemoryError("out of memory"),
    asyncpg.QueryCanceledError("statement timeout"),
    asyncpg.LockNotAvailableError("lock timeout"),
    asyncpg.DeadlockDetectedError("deadlock"),
    asyncpg.SerializationError("could not serialize"),
    asyncpg.IdleInTransactionSessionTimeoutError("idle"),
    asyncpg.ReadOnlySQLTransactionError("standby"),
)
BUGS = (
    asyncpg.InterfaceError("cannot perform operation: another operation is in progress"),
    asyncpg.InterfaceError("the server expects 1 argument for this query, 0 were passed"),
    asyncpg.exceptions._base.DataError("invalid input for query argument"),
    asyncpg.UniqueViolationError("duplicate key"),
    asyncpg.CheckViolationError("violates check"),
    asyncpg.PostgresSyntaxError("syntax error"),
    asyncpg.UndefinedColumnError("no such column"),
    asyncpg.InvalidPasswordError("authentication failed"),
    asyncpg.InvalidCatalogNameError("database does not exist"),
    ValueError("ours"),
)


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
def test_absence(error: Exception) -> None:
    """Shut down, cut off, full, locked or overloaded: the same work may succeed later."""
    assert is_absence(error)


@pytest.mark.parametrize("error", BUGS, ids=lambda error: type(error).__name__)
def test_bugs(error: Exception) -> None:
    """Repeating it would fail for ever: it must be loud."""
    assert not is_absence(error)

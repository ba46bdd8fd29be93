"""One running process per node name, and the epoch that fences off an older one.

The lock is a session lock on a connection of its own: it ends with the process, the server or the way
between them, whichever comes first. Who loses it stops leasing at once. It may take the lock again: as
long as nobody raised the epoch meanwhile, its leases are still its own and what it learned is written.
Once a later start has raised the epoch, nothing of it is written any more.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import asyncpg
from loguru import logger

from validatord import errors
from validatord.clock import Clock, SystemClock
from validatord.store import leases, pauses, queries
from validatord.store.database import Database, Row, absence_is_store_away

_SQL = queries.load("nodes")
_CHECK_SECONDS = 1.0
_ANSWER_SECONDS = 5.0  # a lock connection that is silent for longer counts as lost
_SEEN_EVERY = 15  # checks; other nodes take a node for gone after a minute


@dataclass(frozen=True, slots=True)
class _Held:
    """The connection that holds the lock, and the server process at its other end."""

    connection: "asyncpg.Connection[Row]"
    server_pid: int
    server_start: datetime


class NodeLock:
    """The right to be this node; `lost` is set while it is gone, `heard` when an operator said something."""

    def __init__(self, held: "_Held", node: str, epoch: int, clock: Clock, heard: asyncio.Event) -> None:
        self.node = node
        self.epoch = epoch
        self.lost = asyncio.Event()
        self.heard = heard
        self._clock = clock
        self._hold(held)

    def __repr__(self) -> str:
        return f"<NodeLock {self.node} epoch={self.epoch} lost={self.lost.is_set()}>"

    @classmethod
    async def acquire(cls, database: Database, node: str, clock: Clock | None = None) -> "NodeLock":
        """Take the lock, raise the epoch and make what older epochs leased due at once.

        Raises `NodeTaken` where the node runs already, `StoreAway` as usual.
        """
        async with _locking(database, node) as held:
            epoch = await held.connection.fetchval(_SQL["start_node"], node)
            await leases.release_older(database, node, epoch)
            heard = asyncio.Event()
            await _listen(held.connection, heard)
        return cls(held, node, epoch, clock or SystemClock(), heard)

    async def resume(self, database: Database) -> None:
        """Take a lost lock again under the same epoch: what is under way may still be written.

        Raises `NodeTaken` where somebody else holds the name, or held it since; `StoreAway` as usual.
        """
        async with _locking(database, self.node, before=self._held) as held:
            if await held.connection.fetchval(_SQL["check_node"], self.node) != self.epoch:
                raise errors.NodeTaken(f'another validatord named "{self.node}" was started since')
            await _listen(held.connection, self.heard)
        self._held.connection.terminate()
        self._hold(held)
        self.lost.clear()
        self.heard.set()  # whatever was said meanwhile went past us

    def _hold(self, held: "_Held") -> None:
        self._held = held
        self._watch = asyncio.create_task(self._run(), name=f"lock of node {self.node}")

    async def aclose(self) -> None:
        """Give the lock back."""
        self._watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._watch
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await self._held.connection.close(timeout=_ANSWER_SECONDS)

    async def _run(self) -> None:
        checks = 0
        try:
            while await self._is_held(is_seen=checks % _SEEN_EVERY == 0):
                checks += 1
                await self._clock.sleep(_CHECK_SECONDS)
            logger.bind(node=self.node, epoch=self.epoch).error("node lock lost: a later start took over")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            logger.bind(node=self.node, epoch=self.epoch, error=str(error)).warning("node lock lost")
        finally:
            self.lost.set()

    async def _is_held(self, *, is_seen: bool) -> bool:
        connection = self._held.connection
        async with asyncio.timeout(_ANSWER_SECONDS):
            if is_seen:
                return await connection.fetchval(_SQL["see_node"], self.node, self.epoch) is not None
            return await connection.fetchval(_SQL["check_node"], self.node) == self.epoch


@asynccontextmanager
async def _locking(database: Database, node: str, before: _Held | None = None) -> AsyncGenerator[_Held]:
    """Open a connection and take the lock with it; if anything more goes wrong, give both up."""
    connection = await database.open_own_connection()
    try:
        with absence_is_store_away():
            if before is not None:
                # The server may not have noticed that our old connection is dead.
                await connection.fetchval(_SQL["end_connection"], before.server_pid, before.server_start)
            await _lock(connection, node)
            about = await connection.fetchrow(_SQL["about_connection"])
            assert about is not None  # noqa: S101 it asks about itself
            yield _Held(connection, about["pid"], about["backend_start"])
    except BaseException:
        connection.terminate()
        raise


async def _listen(connection: "asyncpg.Connection[Row]", heard: asyncio.Event) -> None:
    def hear(*_: object) -> None:
        heard.set()

    await connection.add_listener(pauses.CHANNEL, hear)


async def _lock(connection: "asyncpg.Connection[Row]", node: str) -> None:
    try:
        async with connection.transaction():
            await connection.fetchval(_SQL["wait_shortly"])
            await connection.fetchval(_SQL["lock_node"], node)
    except asyncpg.LockNotAvailableError as error:
        raise errors.NodeTaken(f'a validatord named "{node}" runs already; name this one in service.node') from error


async def is_running(database: Database) -> list[str]:
    """Return the names of the nodes that run now."""
    return [row["name"] for row in await database.fetch(_SQL["running_nodes"])]

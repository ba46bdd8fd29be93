"""One running process per node name, and the epoch that fences off an older one.

The lock is a session lock on a connection of its own: it ends with the process, the server or the way
between them, whichever comes first. Who loses it stops leasing and sending at once; what it still writes
is refused, since a later start has raised the epoch.
"""

import asyncio
import contextlib

import asyncpg
from loguru import logger

from validatord import errors
from validatord.clock import Clock, SystemClock
from validatord.store import leases, queries
from validatord.store.database import Database, Row, absence_is_store_away

_SQL = queries.load("nodes")
_CHECK_SECONDS = 1.0
_ANSWER_SECONDS = 5.0  # a lock connection that is silent for longer counts as lost
_SEEN_EVERY = 15  # checks; other nodes take a node for gone after a minute


class NodeLock:
    """The right to be this node; `lost` is set when it is gone, for good."""

    def __init__(self, connection: "asyncpg.Connection[Row]", node: str, epoch: int, clock: Clock) -> None:
        self.node = node
        self.epoch = epoch
        self.lost = asyncio.Event()
        self._connection = connection
        self._clock = clock
        self._watch = asyncio.create_task(self._run(), name=f"lock of node {node}")

    def __repr__(self) -> str:
        return f"<NodeLock {self.node} epoch={self.epoch} lost={self.lost.is_set()}>"

    @classmethod
    async def acquire(cls, database: Database, node: str, clock: Clock | None = None) -> "NodeLock":
        """Take the lock, raise the epoch and make what older epochs leased due at once.

        Raises `StoreError` where the node runs already, `StoreAway` as usual.
        """
        connection = await database.open_own_connection()
        try:
            epoch = await _start(connection, node)
            await leases.release_older(database, node, epoch)
        except BaseException:
            connection.terminate()
            raise
        return cls(connection, node, epoch, clock or SystemClock())

    async def aclose(self) -> None:
        """Give the lock back."""
        self._watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._watch
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await self._connection.close(timeout=_ANSWER_SECONDS)

    async def _run(self) -> None:
        checks = 0
        try:
            while await self._is_held(is_seen=checks % _SEEN_EVERY == 0):
                checks += 1
                await self._clock.sleep(_CHECK_SECONDS)
            logger.bind(node=self.node, epoch=self.epoch).error("node lock lost: a later start took over")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            logger.bind(node=self.node, epoch=self.epoch, error=str(error)).error("node lock lost")
        finally:
            self.lost.set()

    async def _is_held(self, *, is_seen: bool) -> bool:
        async with asyncio.timeout(_ANSWER_SECONDS):
            if is_seen:
                return await self._connection.fetchval(_SQL["see_node"], self.node, self.epoch) is not None
            return await self._connection.fetchval(_SQL["check_node"], self.node) == self.epoch


async def _start(connection: "asyncpg.Connection[Row]", node: str) -> int:
    with absence_is_store_away():
        if not await connection.fetchval(_SQL["try_lock_node"], node):
            raise errors.StoreError(f'a validatord named "{node}" runs already; name this one in service.node')
        return await connection.fetchval(_SQL["start_node"], node)


async def is_running(database: Database) -> list[str]:
    """Return the names of the nodes that run now."""
    return [row["name"] for row in await database.fetch(_SQL["running_nodes"])]

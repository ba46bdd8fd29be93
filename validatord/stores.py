"""Opens the stores a command or the daemon works with: configured ones, or our own out of wheels.

Where no database is configured a PostgreSQL of our own is started in the state folder, or joined if
another process of ours runs it already; only who started a server stops it.
"""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from loguru import logger

from validatord.embedded.postgres import EmbeddedPostgres
from validatord.embedded.redis import EmbeddedRedis, find_redis_server
from validatord.settings import Settings
from validatord.store import migrations
from validatord.store.database import Database


@dataclass(frozen=True, slots=True)
class Stores:
    """The open ledger, and where Redis is (empty: nowhere)."""

    database: Database
    dsn: str
    redis_url: str


def state_folder(settings: Settings) -> Path:
    """Return where embedded stores keep their data: the setting, else a folder of the user's."""
    if settings.service.state_dir:
        return Path(settings.service.state_dir).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/validatord")
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "validatord"


@asynccontextmanager
async def open_stores(settings: Settings, *, needs_redis: bool = False) -> AsyncGenerator[Stores]:
    """Open the ledger, migrated to today's schema, and find or start Redis if it is needed."""
    async with AsyncExitStack() as stack:
        dsn = settings.database.url.get_secret_value()
        if not dsn:
            postgres = EmbeddedPostgres(state_folder(settings) / "postgres")
            dsn = await asyncio.to_thread(postgres.start)
            stack.push_async_callback(asyncio.to_thread, postgres.stop)
        database = await Database.open(
            dsn,
            pool_size=settings.database.pool_size,
            statement_timeout=settings.database.statement_timeout,
            lock_timeout=settings.database.lock_timeout,
        )
        stack.push_async_callback(database.aclose)
        for name in await migrations.migrate(database):
            logger.bind(migration=name).info("migration applied")
        redis_url = await _open_redis(settings, stack) if needs_redis else ""
        yield Stores(database, dsn, redis_url)


async def _open_redis(settings: Settings, stack: AsyncExitStack) -> str:
    url = settings.redis.url.get_secret_value()
    if url or not settings.redis.is_enabled:
        return url
    if find_redis_server() is None:
        logger.warning("no Redis configured and none found: arq intake is off; install redis-server or valkey-server")
        return ""
    redis = EmbeddedRedis(state_folder(settings) / "redis")
    url = await asyncio.to_thread(redis.start)
    stack.push_async_callback(asyncio.to_thread, redis.stop)
    return url

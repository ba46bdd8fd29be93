"""The real servers the tests run against: one PostgreSQL and one Redis per test process.

Each test gets a database of its own, copied from a template with the migrations applied.
"""

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
from redis import Redis

from validatord.embedded.postgres import FAST_AND_LOOSE, EmbeddedPostgres
from validatord.embedded.redis import EmbeddedRedis
from validatord.store import migrations
from validatord.store.database import Database

_TEMPLATE = "template_validatord"
_MEMORY_BYTES = 2_000_000_000
_numbers = itertools.count(1)


@contextmanager
def open_state_dir(*, is_on_disk: bool = False) -> Iterator[Path]:
    """Make a folder with a short name that every user may enter, and remove it with what it points to."""
    folder = Path(tempfile.mkdtemp(prefix="vd-", dir=None if is_on_disk else _find_base()))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree((folder / "postgres").resolve(), ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def _find_base() -> str | None:
    """Prefer memory to a disk: a database per test is three hundred files per test."""
    memory = Path("/dev/shm")  # noqa: S108 only a place, the folder's name is random
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _MEMORY_BYTES:
        return str(memory)
    return None


@contextmanager
def run_postgres() -> Iterator[EmbeddedPostgres]:
    """Run a PostgreSQL with the template database in it."""
    with open_state_dir() as folder:
        options = {**FAST_AND_LOOSE, "shared_buffers": "64MB", "max_connections": "60", "autovacuum": "off"}
        server = EmbeddedPostgres(folder, options=options)
        server.start()
        try:
            asyncio.run(_make_template(server.dsn))
            yield server
        finally:
            server.stop()


@contextmanager
def run_redis() -> Iterator[EmbeddedRedis]:
    """Run a Redis."""
    with open_state_dir() as folder:
        server = EmbeddedRedis(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def name_database(dsn: str, name: str) -> str:
    """Return the DSN of another database of the same server."""
    return dsn.replace("/postgres?", f"/{name}?", 1)


async def _make_template(dsn: str) -> None:
    await _run(dsn, f"CREATE DATABASE {_TEMPLATE}")
    database = await Database.open(name_database(dsn, _TEMPLATE), pool_size=1)
    await migrations.migrate(database)
    await database.aclose()


def create_database(dsn: str, template: str = _TEMPLATE) -> str:
    """Create a database and return its name."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    asyncio.run(_run(dsn, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"))
    return name


def drop_database(dsn: str, name: str) -> None:
    """Drop a database, whoever is still connected."""
    asyncio.run(_run(dsn, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


async def _run(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def flush_redis(url: str) -> None:
    """Empty a Redis."""
    with Redis.from_url(url) as client:
        client.flushall()

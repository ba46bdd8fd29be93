"""Fixtures every test may use: real servers, started when first asked for."""

from collections.abc import AsyncIterator, Iterator

import hypothesis
import pytest
from loguru import logger

from tests import services
from validatord.embedded.postgres import EmbeddedPostgres
from validatord.embedded.redis import EmbeddedRedis
from validatord.store.database import Database

# A machine that is busy with other work is slow, which says nothing about the code.
hypothesis.settings.register_profile(
    "house", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("house")


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """One PostgreSQL for all tests of this process; do not stop it."""
    with services.run_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedRedis]:
    """One Redis for all tests of this process; do not stop it."""
    with services.run_redis() as server:
        yield server


@pytest.fixture
def dsn(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database of the test's own, migrated and empty."""
    name = services.create_database(postgres.dsn)
    yield services.name_database(postgres.dsn, name)
    services.drop_database(postgres.dsn, name)


@pytest.fixture
def empty_dsn(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database of the test's own without any table."""
    name = services.create_database(postgres.dsn, "template0")
    yield services.name_database(postgres.dsn, name)
    services.drop_database(postgres.dsn, name)


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    """An open pool on the test's own database."""
    opened = await Database.open(dsn, pool_size=5)
    yield opened
    await opened.aclose()


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis) -> str:
    """An empty Redis."""
    services.flush_redis(redis_server.url)
    return redis_server.url


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Every line that is logged from warning on."""
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(str(message)), level="WARNING", format="{message}")
    yield lines
    logger.remove(sink)

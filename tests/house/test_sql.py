"""Every named SQL block is understood by a real server with today's schema."""

import re

import asyncpg
import pytest

from validatord import data, errors
from validatord.store import queries

FAMILIES = sorted(path.stem for path in data.list_files("sql/queries", ".sql"))


@pytest.mark.parametrize("family", FAMILIES)
async def test_every_block_prepares(family: str, dsn: str) -> None:
    """A block that names a column, table or type that is not there fails here, not at night."""
    connection = await asyncpg.connect(dsn)
    try:
        for name, statement in queries.load(family).items():
            try:
                await connection.prepare(statement)
            except asyncpg.PostgresError as error:
                pytest.fail(f"{family}.{name}: {error}")
    finally:
        await connection.close()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_block_is_used(family: str) -> None:
    """A block nobody runs is dead weight."""
    source = "\n".join(path.read_text() for path in data.get_path("validatord").rglob("*.py"))

    for name in queries.load(family):
        assert re.search(rf"""["']{name}["']""", source), f"{family}.{name} is used nowhere"


def test_a_block_needs_its_sentence() -> None:
    """A block says in a sentence what it does."""
    with pytest.raises(errors.StoreError, match="no sentence"):
        queries.parse("-- nothing --\nSELECT 1;", "example")


def test_a_name_stands_for_one_block() -> None:
    """The second block of a name would silently replace the first."""
    with pytest.raises(errors.StoreError, match="doubled"):
        queries.parse("-- one --\n-- Say one.\nSELECT 1;\n-- one --\n-- Say two.\nSELECT 2;", "example")

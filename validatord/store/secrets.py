"""Keys that are made once and kept, the same for every node (`secrets`)."""

import secrets

from validatord.store import queries
from validatord.store.database import Database

_SQL = queries.load("secrets")
_BYTES = 32


async def get_or_create(database: Database, name: str) -> str:
    """Return the secret of that name; the first to ask makes it."""
    known = await database.fetch_value(_SQL["get_secret"], name)
    if known is None:
        await database.fetch(_SQL["add_secret"], name, secrets.token_urlsafe(_BYTES))
        known = await database.fetch_value(_SQL["get_secret"], name)
    return known

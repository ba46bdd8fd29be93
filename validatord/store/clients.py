"""Who sends work in, and under which policy (`clients`)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from validatord.store import queries
from validatord.store.database import Database

_SQL = queries.load("clients")


@dataclass(frozen=True, slots=True)
class Client:
    """Who sends work in."""

    name: str
    policy: Mapping[str, Any]
    created_at: datetime
    submissions: int = 0


async def load_policies(database: Database) -> dict[str, Mapping[str, Any]]:
    """Return the policies of the clients that have one, by client."""
    return {row["name"]: row["policy"] for row in await database.fetch(_SQL["load_policies"])}


async def load_policy(database: Database, client: str) -> Mapping[str, Any] | None:
    """Return the policy of one client, which may be empty; None where there is no such client."""
    return await database.fetch_value(_SQL["load_policy"], client)


async def set_policy(database: Database, client: str, policy: Mapping[str, Any]) -> None:
    """Give a client its policy."""
    await database.fetch(_SQL["set_policy"], client, dict(policy))


async def add_client(database: Database, client: str) -> bool:
    """Make a client known; return whether it was not before."""
    return await database.fetch_value(_SQL["insert_client"], client) is not None


async def list_clients(database: Database) -> list[Client]:
    """Return all clients by name."""
    return [
        Client(row["name"], row["policy"], row["created_at"], row["submissions"])
        for row in await database.fetch(_SQL["list_clients"])
    ]


async def change_policy(
    database: Database, client: str, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> bool:
    """Replace a client's policy by what `change` makes of it; two changes at once take turns.

    Returns whether there is such a client. What `change` raises leaves the policy as it was.
    """
    async with database.transaction() as connection:
        stored = await connection.fetchval(_SQL["lock_policy"], client)
        if stored is None:
            return False
        await connection.execute(_SQL["set_policy"], client, dict(change(stored)))
    return True

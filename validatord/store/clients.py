"""Who sends work in, and under which policy (`clients`)."""

from collections.abc import Mapping
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


async def list_clients(database: Database) -> list[Client]:
    """Return all clients, by name."""
    found = await database.fetch(_SQL["list_clients"])
    return [Client(row["name"], row["policy"], row["created_at"]) for row in found]


async def load_policies(database: Database) -> dict[str, Mapping[str, Any]]:
    """Return the policies of the clients that have one, by client."""
    return {row["name"]: row["policy"] for row in await database.fetch(_SQL["load_policies"])}


async def load_policy(database: Database, client: str) -> Mapping[str, Any] | None:
    """Return the policy of one client, which may be empty; None where there is no such client."""
    return await database.fetch_value(_SQL["load_policy"], client)


async def set_policy(database: Database, client: str, policy: Mapping[str, Any]) -> None:
    """Give a client its policy."""
    await database.fetch(_SQL["set_policy"], client, dict(policy))

"""What lanes remember across a restart: breakers, budgets, slots (`lane_state`)."""

from collections.abc import Mapping
from typing import Any

from validatord.store import queries
from validatord.store.database import Database

_SQL = queries.load("lanes")


async def load_states(database: Database, node: str) -> dict[str, dict[str, Any]]:
    """Return the snapshots of a node's lanes by their names."""
    return {row["lane"]: row["snapshot"] for row in await database.fetch(_SQL["load_states"], node)}


async def save_states(database: Database, node: str, states: Mapping[str, Mapping[str, Any]]) -> None:
    """Keep snapshots; lanes that are not named stay as they were."""
    if states:
        await database.fetch(_SQL["save_states"], node, list(states), [dict(state) for state in states.values()])

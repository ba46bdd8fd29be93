"""One request of a submission with everything that is needed to show it to its client: one statement."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from validatord.store import queries, submissions
from validatord.store.database import Database
from validatord.store.submissions import ResultRow

_SQL = queries.load("results")


@dataclass(frozen=True, slots=True)
class FoundResult:
    """A request, its client, and the policy its client wants it shown under."""

    client: str
    policy: Mapping[str, Any]
    row: ResultRow


async def find_result(database: Database, submission_id: int, idx: int) -> FoundResult | None:
    """Return the request in a place of a submission, if any."""
    row = await database.fetch_row(_SQL["find_result"], submission_id, idx)
    if row is None:
        return None
    values = dict(row.items())
    return FoundResult(values.pop("client"), values.pop("policy"), submissions.read_result(values))

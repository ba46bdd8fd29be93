"""Jobs that could not be read, kept for a person to look at (`rejected_jobs`)."""

from dataclasses import dataclass
from datetime import datetime

from validatord.store import queries
from validatord.store.database import Database
from validatord.store.values import clean_text

_SQL = queries.load("rejected")
_PAYLOAD_LIMIT = 2000  # characters
_TEXT_LIMIT = 500


@dataclass(frozen=True, slots=True)
class RejectedJob:
    """One job that could not be read."""

    job_id: str
    function: str
    reason: str
    payload: str
    rejected_at: datetime


async def add(database: Database, job_id: str, function: str, reason: str, payload: bytes | str = "") -> bool:
    """Keep a rejected job, its payload bounded and escaped; return whether it was new."""
    text = payload.decode("ascii", "backslashreplace") if isinstance(payload, bytes) else payload
    row = await database.fetch_row(
        _SQL["add_rejected"],
        clean_text(job_id, _TEXT_LIMIT),
        clean_text(function, _TEXT_LIMIT),
        clean_text(reason, _TEXT_LIMIT),
        clean_text(text, _PAYLOAD_LIMIT),
    )
    return row is not None


async def list_newest(database: Database, limit: int = 50) -> list[RejectedJob]:
    """Return the newest rejected jobs."""
    return [RejectedJob(**dict(row.items())) for row in await database.fetch(_SQL["list_rejected"], limit)]

"""What was answered under an Idempotency-Key, for a day: the same request gets the same answer.

The name of the submission is chosen when the key is taken, and committed before any address is. Whoever
repeats the request after a crash takes up that very name, so nothing is taken in twice.
"""

from dataclasses import dataclass
from datetime import timedelta

from validatord.store import queries
from validatord.store.database import Database

_SQL = queries.load("idempotency")
KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Repeat:
    """An Idempotency-Key that is taken: by which request, and what was answered (None: nothing yet)."""

    fingerprint: bytes
    submission: str
    http_status: int | None
    body: bytes | None


async def begin(database: Database, client: str, key: str, fingerprint: bytes, submission: str) -> Repeat:
    """Take a key, and return what it stands for now: this request, or an earlier one."""
    taken = await database.fetch_value(_SQL["begin"], client, key, fingerprint, submission, KEPT)
    if taken is not None:
        return Repeat(fingerprint, taken, None, None)
    row = await database.fetch_row(_SQL["find"], client, key)
    if row is None:  # forgotten between the two statements
        return await begin(database, client, key, fingerprint, submission)
    return Repeat(row["fingerprint"], row["submission"], row["http_status"], row["body"])


async def settle(database: Database, client: str, key: str, http_status: int, body: bytes) -> None:
    """Keep the answer."""
    await database.fetch(_SQL["settle"], client, key, http_status, body)


async def delete_outdated(database: Database) -> None:
    """Forget keys that are older than a day."""
    await database.fetch(_SQL["delete_outdated"], KEPT)

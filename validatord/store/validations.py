"""Verdicts as the CRM reads them (`email_validation`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from validatord.mail.request import Finding
from validatord.store import queries, rows
from validatord.store.database import Database

_SQL = queries.load("validations")


@dataclass(frozen=True, slots=True)
class StoredValidation:
    """A verdict with the address and contact it belongs to.

    `probe` is what our own probe had said where somebody else decided.
    """

    email: str
    domain: str
    contact_id: UUID | None
    attempts: int
    updated_at: datetime
    finding: Finding
    probe: Finding | None = None


async def find(database: Database, email: str) -> StoredValidation | None:
    """Return the newest verdict on an address."""
    row = await database.fetch_row(_SQL["find_validation"], email)
    return _validation_of(row) if row is not None else None


async def expire(database: Database, emails: Sequence[str]) -> None:
    """Let verdicts on these addresses not be used again: they are to be asked anew."""
    if emails:
        await database.fetch(_SQL["expire_validations"], sorted(emails))


async def latest(database: Database, limit: int = 50) -> list[StoredValidation]:
    """Return the verdicts written last."""
    return [_validation_of(row) for row in await database.fetch(_SQL["latest_validations"], limit)]


def _validation_of(row: rows.Columns) -> StoredValidation:
    return StoredValidation(
        email=row["email"],
        domain=row["domain"],
        contact_id=row["contact_id"],
        attempts=row["attempts"],
        updated_at=row["updated_at"],
        finding=rows.finding_of(row),
        probe=rows.finding_from_json(row["probe"]) if row["probe"] else None,
    )

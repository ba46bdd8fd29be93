"""Models (`models`): documents with a hash of their own, at most one of them applied."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from validatord.mail.request import DomainFacts, Finding
from validatord.mail.track_record import TrackRecord
from validatord.store import queries, rows
from validatord.store.database import Database, Queryable
from validatord.store.rows import Columns

_SQL = queries.load("models")


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model as the ledger keeps it; `document` is its JSON to the letter."""

    id: int
    hash: str
    origin: str  # trained or imported
    document: str
    trained_at: datetime
    created_at: datetime
    is_active: bool
    activated_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoredVerdict:
    """A verdict, and what is known of its domain now."""

    email: str
    checked_at: datetime
    finding: Finding
    domain: DomainFacts


async def add(database: Database, document: str, model_hash: str, trained_at: datetime, origin: str) -> int:
    """Keep a model and return its number; the same one again has the number it had."""
    return await database.fetch_value(_SQL["add_model"], model_hash, origin, document, trained_at)


async def list_models(database: Database, limit: int = 100) -> list[StoredModel]:
    """Return the models, newest first."""
    return [_model_of(row) for row in await database.fetch(_SQL["list_models"], limit)]


async def get(database: Database, model_id: int) -> StoredModel | None:
    """Return one model."""
    row = await database.fetch_row(_SQL["get_model"], model_id)
    return _model_of(row) if row is not None else None


async def get_active(database: Database) -> StoredModel | None:
    """Return the model that is applied, if any."""
    row = await database.fetch_row(_SQL["get_active_model"])
    return _model_of(row) if row is not None else None


async def find_active_hash(database: Database) -> str | None:
    """Return which model is applied, without reading it."""
    return await database.fetch_value(_SQL["find_active_hash"])


async def activate(database: Database, model_id: int) -> bool:
    """Apply this model instead of any other; False: there is none."""
    async with database.transaction() as connection:
        await connection.execute(_SQL["lock_models"])
        if await connection.fetchrow(_SQL["get_model"], model_id) is None:
            return False
        await connection.fetch(_SQL["deactivate_models"])
        return await connection.fetchval(_SQL["activate_model"], model_id) is not None


async def deactivate(database: Database) -> int | None:
    """Apply no model and return which one was."""
    return await database.fetch_value(_SQL["deactivate_models"])


async def load_track_records(
    source: Database | Queryable, mailboxes: list[tuple[str, str]], half_life: timedelta
) -> dict[str, TrackRecord]:
    """Return how campaigns fared up to now, by address; `mailboxes` are addresses with their domains."""
    if not mailboxes:
        return {}
    emails, domains = [email for email, _ in mailboxes], sorted({domain for _, domain in mailboxes})
    by_domain = {
        row["domain"]: (row["bounced"], row["alive"], row["verified"])
        for row in await source.fetch(_SQL["load_domain_track_records"], domains, half_life)
    }
    by_mailbox = {
        row["email"]: (row["alive"], row["soft_bounces"])
        for row in await source.fetch(
            _SQL["load_mailbox_track_records"], [email.lower() for email in emails], half_life
        )
    }
    return {
        email: TrackRecord(*by_domain.get(domain, (0.0, 0.0, 0.0)), *by_mailbox.get(email.lower(), (0.0, 0.0)))
        for email, domain in mailboxes
    }


async def load_evidence(database: Database, emails: Sequence[str]) -> dict[str, StoredVerdict]:
    """Return the newest verdict of our own on each address that has one."""
    if not emails:
        return {}
    return {row["email"]: verdict_of(row) for row in await database.fetch(_SQL["load_evidence"], list(emails))}


def _model_of(row: Columns) -> StoredModel:
    return StoredModel(
        id=row["id"],
        hash=row["hash"],
        origin=row["origin"],
        document=row["document"],
        trained_at=row["trained_at"],
        created_at=row["created_at"],
        is_active=row["is_active"],
        activated_at=row["activated_at"],
    )


def verdict_of(row: Columns) -> StoredVerdict:
    """Read a row of `email_validation`, joined with `domain_cache`."""
    domain = DomainFacts(
        domain=row["domain"],
        provider_key=row["provider_key"] or "",
        spf=row["spf"],
        dmarc=row["dmarc"],
        is_redundant=row["is_redundant"],
        health_checked_at=row["health_checked_at"],
    )
    return StoredVerdict(row["email"], row["checked_at"], rows.finding_of(row), domain)

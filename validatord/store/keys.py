"""Keys of the HTTP API: made, found, rotated, revoked. The text of a key is never stored, only its SHA-256.

A key holds 32 random bytes, so a plain hash is enough: there is nothing to guess. It is found by its
digest, and the digests are compared in constant time besides.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from validatord.store import queries
from validatord.store.database import Database, Row

_SQL = queries.load("keys")
_CLIENTS = queries.load("submissions")
MARK = "vk_"
_SECRET_BYTES = 32
LENGTH = len(MARK) + 43  # base64url of 32 bytes, without padding
_SHOWN = len(MARK) + 8


class Scope(StrEnum):
    """What a key may do."""

    SUBMIT = "submit"
    READ = "read"
    EVENTS = "events"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Key:
    """One key as a list shows it; `prefix` is what people tell keys apart by."""

    key_id: int
    client: str
    label: str
    prefix: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    replaced_by: int | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class FoundKey:
    """What a live key lets its bearer do."""

    key_id: int
    client: str
    scopes: frozenset[Scope]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made; `text` is seen only here."""

    key_id: int
    text: str

    def __repr__(self) -> str:
        return f"<NewKey {self.key_id} {self.text[:_SHOWN]}…>"


def digest(text: str) -> bytes:
    """Return what is stored of a key."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


async def create_key(
    database: Database,
    client: str,
    scopes: Sequence[Scope],
    *,
    label: str = "",
    lifetime: timedelta | None = None,
) -> NewKey:
    """Make a key for a client, who is made known where it is not yet."""
    await database.fetch(_CLIENTS["add_client"], client)
    text = MARK + urlsafe_b64encode(secrets.token_bytes(_SECRET_BYTES)).rstrip(b"=").decode()
    words = sorted({scope.value for scope in scopes})
    key_id = await database.fetch_value(_SQL["add_key"], client, label, text[:_SHOWN], digest(text), words, lifetime)
    return NewKey(key_id, text)


async def find_key(database: Database, presented: bytes) -> FoundKey | None:
    """Return the live key of that digest, or None: unknown, revoked and expired look the same."""
    row = await database.fetch_row(_SQL["find_key"], presented)
    if row is None or not hmac.compare_digest(row["digest"], presented):
        return None
    return FoundKey(row["id"], row["client"], frozenset(map(Scope, row["scopes"])), row["expires_at"])


async def list_keys(database: Database, client: str | None = None) -> list[Key]:
    """Return all keys, dead ones too, the newest first."""
    return [_key_of(row) for row in await database.fetch(_SQL["list_keys"], client)]


async def revoke_key(database: Database, key_id: int) -> bool:
    """End a key for good; False where there is no such live key."""
    return await database.fetch_value(_SQL["revoke_key"], key_id) is not None


async def rotate_key(database: Database, key_id: int, overlap: timedelta) -> NewKey | None:
    """Make a successor with the same rights; the old key goes on for `overlap`, so that both are live meanwhile.

    None where the key is unknown, revoked, or has a successor already.
    """
    text = MARK + urlsafe_b64encode(secrets.token_bytes(_SECRET_BYTES)).rstrip(b"=").decode()
    async with database.transaction() as connection:
        row = await connection.fetchrow(_SQL["lock_key"], key_id)
        old = _key_of(row) if row is not None else None
        if old is None or old.revoked_at is not None or old.replaced_by is not None:
            return None
        lifetime = old.expires_at - old.created_at if old.expires_at is not None else None
        words = [scope.value for scope in old.scopes]
        new_id = await connection.fetchval(
            _SQL["add_key"], old.client, old.label, text[:_SHOWN], digest(text), words, lifetime
        )
        await connection.execute(_SQL["replace_key"], key_id, new_id, overlap)
    return NewKey(new_id, text)


async def note_use(database: Database, key_ids: Sequence[int]) -> None:
    """Note that keys were used, to the minute."""
    if key_ids:
        await database.fetch(_SQL["note_use"], list(key_ids))


def _key_of(row: Row) -> Key:
    return Key(
        row["id"],
        row["client"],
        row["label"],
        row["prefix"],
        tuple(map(Scope, row["scopes"])),
        row["created_at"],
        row["expires_at"],
        row["revoked_at"],
        row["replaced_by"],
        row["last_used_at"],
    )

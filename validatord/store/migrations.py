"""From an empty database to today's schema, one numbered file and one transaction at a time.

A start that is killed in the middle leaves whole files only; two starts at once take turns on an
advisory lock. A schema newer than this program, or a file that was changed after it ran, is refused.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from validatord import crash, data, errors
from validatord.store import queries
from validatord.store.database import Database, Queryable

_NAME = re.compile(r"(\d{4})_(\w+)\.sql")
_BOOTSTRAP = "0000_migrations.sql"
_SQL = queries.load("migrations")
_MOST_SECONDS = 6 * 3600.0  # of one file


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    version: int
    name: str
    script: str

    @property
    def checksum(self) -> str:
        """What is kept to notice a later change of the file."""
        return hashlib.sha256(self.script.encode()).hexdigest()


def load_migrations(folder: Path | None = None) -> list[Migration]:
    """Read the files in their order."""
    paths = sorted(folder.glob("*.sql")) if folder else data.list_files("sql/migrations", ".sql")
    found: list[Migration] = []
    for path in paths:
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise errors.StoreError(f"{path.name} is no name of a migration; write it like 0002_words.sql")
        if path.name != _BOOTSTRAP:
            found.append(Migration(int(match[1]), path.stem, path.read_text(encoding="utf-8")))
    if len({migration.version for migration in found}) != len(found):
        raise errors.StoreError("two migrations have the same number")
    return found


async def migrate(database: Database, folder: Path | None = None) -> list[str]:
    """Bring the schema up to date and return the names of the files that ran now.

    Raises `StoreError` for a schema newer than this program or a changed file, `StoreAway` as usual.
    """
    known = load_migrations(folder)
    ran: list[str] = []
    while True:
        async with database.transaction() as connection:
            applied = await _lock_and_load(connection)
            check(known, applied)
            pending = next((migration for migration in known if migration.version not in applied), None)
            if pending is None:
                return ran
            # A large table takes its time, and only whole files count.
            await connection.execute(_SQL["take_time"])
            await connection.execute(pending.script, timeout=_MOST_SECONDS)
            crash.point("migrations.before_commit")
            await connection.execute(_SQL["record_migration"], pending.version, pending.name, pending.checksum)
            ran.append(pending.name)
        crash.point("migrations.after_commit")


def check(known: list[Migration], applied: dict[int, str]) -> None:
    """Refuse a schema this program does not know."""
    newest = max((migration.version for migration in known), default=0)
    if beyond := [version for version in applied if version > newest]:
        raise errors.StoreError(
            f"the database's schema has version {max(beyond)}, this program knows {newest}: install the newer program"
        )
    for migration in known:
        if applied.get(migration.version, migration.checksum) != migration.checksum:
            raise errors.StoreError(f"migration {migration.name} was changed after it ran on this database")


async def _lock_and_load(connection: Queryable) -> dict[int, str]:
    # A long migration elsewhere must not run us into the usual timeouts.
    await connection.execute(_SQL["lift_timeouts"])
    await connection.execute(_SQL["lock_migrations"])
    await connection.execute(data.read_text(f"sql/migrations/{_BOOTSTRAP}"))
    rows = await connection.fetch(_SQL["load_migrations"])
    return {row["version"]: row["checksum"] for row in rows}

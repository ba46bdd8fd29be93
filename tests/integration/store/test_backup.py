"""The backup that docs/backup.md describes, with PostgreSQL's own programs."""

import asyncio
import os
import subprocess
from pathlib import Path

from tests import services
from tests.integration.store import ledger
from validatord.embedded import place
from validatord.embedded.postgres import EmbeddedPostgres
from validatord.store import migrations, submissions
from validatord.store.database import Database


async def test_a_dump_holds_everything(
    postgres: EmbeddedPostgres, database: Database, dsn: str, tmp_path: Path
) -> None:
    """What was restored from a dump has the schema, the triggers, every row and every invariant, and goes on."""
    await ledger.start_node(database)
    await ledger.submit(database, "a@one.example", "b@one.example", "c@two.example")
    visits = await ledger.lease(database)
    await ledger.write(database, ledger.finish_all(visits["one.example"]))
    programs, backup = place.find_programs(place.Account(os.geteuid(), os.getegid())), tmp_path / "validatord.dump"
    name = await asyncio.to_thread(services.create_database, postgres.dsn, "template0")
    restored_dsn = services.name_database(postgres.dsn, name)

    await asyncio.to_thread(_run, programs / "pg_dump", "--format=custom", f"--file={backup}", dsn)
    await asyncio.to_thread(_run, programs / "pg_restore", "--no-owner", f"--dbname={restored_dsn}", backup)

    restored = await Database.open(restored_dsn, pool_size=2)
    try:
        assert await migrations.migrate(restored) == []
        assert await ledger.find_broken(restored) == []
        assert await submissions.count_unfinished(restored) == 1
        epoch = await ledger.start_node(restored)
        assert list(await ledger.lease(restored, epoch=epoch)) == ["two.example"]
    finally:
        await restored.aclose()
        await asyncio.to_thread(services.drop_database, postgres.dsn, name)


def _run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True, timeout=30)

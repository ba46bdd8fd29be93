"""F40: a ledger restored from a backup does not buy again what was bought since."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from tests import services
from tests.fakes.bouncer_rig import Rig, hand_over, make_emails
from validatord.bouncer import account, collect
from validatord.embedded.postgres import EmbeddedPostgres
from validatord.sandbox.bouncer import SandboxBouncer
from validatord.store import bouncer_limits, bouncer_queue
from validatord.store.database import Database


@asynccontextmanager
async def open_rig(dsn: str, service: SandboxBouncer) -> AsyncIterator[Rig]:
    """A driver on a database that nobody else holds open."""
    database = await Database.open(dsn, pool_size=4)
    rig = Rig(database, service, batch_size=200, keep_results=timedelta(hours=1))
    yield rig
    await rig.aclose()
    await database.aclose()


async def test_f40_restored_backup(postgres: EmbeddedPostgres, dsn: str, service: SandboxBouncer) -> None:
    """The credits show that something was bought; nothing more is, until a person has looked and said so."""
    first, second = make_emails(200, prefix="first"), make_emails(200, prefix="second")
    async with open_rig(dsn, service) as rig:
        await hand_over(rig.database, first)
        await rig.run_until("SELECT count(*) FROM bouncer_batches WHERE state = 'ingested'", 1)
        await hand_over(rig.database, second, submission="second")
        await account.read_credits(rig.driver.tools, "main", rig.settings.bouncer)
        await collect.plan(rig.driver.tools, "main", rig.settings.bouncer)
        await rig.database.fetch("UPDATE bouncer_batches SET submitting_ts = now() - interval '1 hour' WHERE id = 1")
    name = dsn.partition("?")[0].rpartition("/")[2]
    backup = await asyncio.to_thread(services.create_database, postgres.dsn, name)
    async with open_rig(dsn, service) as rig:
        await rig.run_until("SELECT count(*) FROM bouncer_batches WHERE state = 'ingested'", 2)
    assert service.ledger.count("create") == 2

    async with open_rig(services.name_database(postgres.dsn, backup), service) as rig:
        for _ in range(30):
            await rig.driver.run_once()
        assert service.ledger.count("create") == 2
        assert await rig.fetch("SELECT pause_reason FROM bouncer_accounts WHERE pass = 'main'") == "credits_fell"

        planned = await rig.fetch("SELECT id FROM bouncer_batches WHERE state = 'planned'")
        await bouncer_queue.adopt_batch(rig.database, planned, service.ledger.creates[1][0])
        assert await bouncer_limits.resume_account(rig.database, "main")
        await rig.run_until("SELECT count(*) FROM bouncer_batches WHERE state = 'ingested'", 2)
        assert set(await rig.results()) == {*first, *second}
    assert service.ledger.count("create") == 2
    assert service.ledger.doubled_charges() == {}
    await asyncio.to_thread(services.drop_database, postgres.dsn, backup)


async def test_a_restart_as_usual(dsn: str, service: SandboxBouncer) -> None:
    """What we bought ourselves since the credits were read explains their fall: buying goes on."""
    async with open_rig(dsn, service) as rig:
        await hand_over(rig.database, make_emails(600))
        await rig.run_until("SELECT count(*) FROM bouncer_batches WHERE state = 'ingested'", 1)
    async with open_rig(dsn, service) as rig:
        await rig.run_until("SELECT count(*) FROM bouncer_batches WHERE state = 'ingested'", 3)
        assert await rig.fetch("SELECT count(*) FROM bouncer_accounts WHERE paused_ts IS NOT NULL") == 0

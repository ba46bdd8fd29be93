"""PostgreSQL cuts every connection, again and again: the driver goes on, and the books stay right."""

import asyncio
import contextlib

from tests.fakes.bouncer_child import resolve_unknown
from tests.fakes.bouncer_rig import Rig, check_books, hand_over, make_emails
from validatord.errors import StoreAway

_CUT = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_LEFT = """
SELECT (SELECT count(*) FROM requests WHERE state = 'handed_over')
     + (SELECT count(*) FROM bouncer_batches WHERE state NOT IN ('cleaned', 'parked'))
"""


async def test_connections_cut_at_any_moment(rig: Rig) -> None:
    """Lock, steps and transactions are cut off in the middle; nobody pays twice and nobody is forgotten."""
    emails = make_emails(400)
    await hand_over(rig.database, emails)
    cuts = 0

    async def drive() -> None:
        while True:
            with contextlib.suppress(StoreAway):
                await rig.driver.run_once()
                if await rig.fetch(_LEFT) == 0:
                    return
                await resolve_unknown(rig.database, rig.service)
            await asyncio.sleep(0.002)

    async with asyncio.timeout(40):
        driving = asyncio.create_task(drive())
        while not driving.done():
            await asyncio.sleep(0.06 if cuts < 15 else 0.5)
            if cuts < 15:
                with contextlib.suppress(StoreAway):
                    await rig.fetch(_CUT)
                    cuts += 1
        await driving

    assert cuts >= 5
    await check_books(rig, emails)

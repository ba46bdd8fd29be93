"""A batch from the queue to clean-up, where nothing goes wrong."""

import asyncio
from datetime import timedelta

from tests.fakes.bouncer_rig import Rig, check_books, hand_over, make_emails
from validatord.sandbox.bouncer import SandboxBouncer
from validatord.sandbox.bouncer_faults import Fault
from validatord.store.database import Database


async def test_every_address_gets_a_verdict(rig: Rig) -> None:
    """Addresses handed over come back with Bouncer's verdict, charged once, and the batches are cleaned up."""
    emails = make_emails(180)
    await hand_over(rig.database, emails)

    await rig.run_to_end()

    await check_books(rig, emails)
    assert await rig.states() == {"cleaned": 4}
    assert sum(count for _, _, count in rig.service.ledger.creates) == 180


async def test_bought_once_for_two_clients(rig: Rig) -> None:
    """What one client had bought answers another who asks later, or meanwhile; our own finding stays beside it."""
    emails = make_emails(40)
    await hand_over(rig.database, emails)
    await hand_over(rig.database, emails, client="other", submission="same time", with_contacts=True)
    await rig.run_to_end()
    await hand_over(rig.database, emails, client="late", submission="later")
    await rig.run_to_end()

    bought = sum(count for _, _, count in rig.service.ledger.creates)
    unknown = await rig.fetch("SELECT count(DISTINCT email) FROM bouncer_results WHERE bouncer_status = 'unknown'")
    assert bought == 40 + unknown  # what Bouncer did not know either is free, and asked again
    assert rig.service.ledger.doubled_charges() == {}
    assert await rig.fetch("SELECT count(*) FROM requests WHERE state = 'done'") == 120
    assert await rig.fetch("SELECT count(*) FROM email_validation WHERE probe ->> 'reason' = 'greylisted'") == 80


async def test_so_many_at_once(rig: Rig) -> None:
    """One create is under way at a time, ten polls, three downloads; and that many where there is work for them."""
    rig.change(batch_size=5, max_open_batches=25)
    rig.service.world.is_stopped = True
    emails = make_emails(100)

    async def dawdle() -> None:
        await asyncio.sleep(0.05)

    for kind in ("create", "status", "download"):
        rig.service.faults.append(Fault(kind, times=1000, hook=dawdle))
    await hand_over(rig.database, emails)
    await rig.run_until("SELECT count(*) FROM bouncer_batches WHERE state = 'submitted'", 20)
    rig.service.world.is_stopped = False
    await rig.run_to_end()

    most = rig.service.ledger.most_in_flight
    assert (most["create"], most["download"]) == (1, 3)
    assert 5 <= most["status"] <= 10
    assert set(await rig.results()) == set(emails)


async def test_a_bug_is_met_later_and_later(rig: Rig) -> None:
    """A step that fails in a way nobody thought of is tried again, ever more seldom, and harms no other batch."""

    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    story = rig.driver._story
    story._steps["downloaded"] = fail
    await hand_over(rig.database, make_emails(10))
    await rig.run_until("SELECT retry_count >= 3 FROM bouncer_batches")

    assert await rig.fetch("SELECT error_kind FROM bouncer_batches") == "internal_error"
    story._steps["downloaded"] = story._ingest
    await rig.run_to_end()


async def test_idle_driver_looks_seldom(rig: Rig) -> None:
    """With nothing to do the driver looks round less often, and at work it looks as often as configured."""
    await rig.driver.run_once()
    assert rig.driver.interval_seconds() == 5 * rig.settings.bouncer.tick.total_seconds()
    await hand_over(rig.database, make_emails(10))
    await rig.driver.run_once()

    assert rig.driver.interval_seconds() == rig.settings.bouncer.tick.total_seconds()


async def test_a_stop_lets_a_create_hear_its_answer(rig: Rig) -> None:
    """A create that is under way at a stop is waited for, so that nobody has to ask what became of it."""
    arrived, answering = asyncio.Event(), asyncio.Event()

    async def dawdle() -> None:
        arrived.set()
        await answering.wait()

    rig.service.faults.append(Fault("create", hook=dawdle))
    await hand_over(rig.database, make_emails(10))
    stop = asyncio.Event()
    running = asyncio.create_task(rig.driver.run(stop, 5.0))
    await arrived.wait()
    stop.set()
    running.cancel()
    await asyncio.sleep(0)
    answering.set()
    await asyncio.gather(running, return_exceptions=True)

    assert await rig.states() == {"submitted": 1}


async def test_a_stop_does_not_wait_for_ever(rig: Rig) -> None:
    """A create that does not end within the grace time is cut; the next start knows that it is unknown."""
    arrived = asyncio.Event()

    async def never() -> None:
        arrived.set()
        await asyncio.Event().wait()

    rig.service.faults.append(Fault("create", hook=never))
    await hand_over(rig.database, make_emails(10))
    running = asyncio.create_task(rig.driver.run(asyncio.Event(), 0.1))
    await arrived.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await rig.states() == {"submitting": 1}

    rig.driver = rig.make_driver()
    await rig.driver.run_once()
    assert await rig.states() == {"submit_unknown": 1}
    assert rig.service.ledger.count("create") == 1


async def test_no_statement_is_quadratic(dsn: str, service: SandboxBouncer) -> None:
    """A full batch goes through without statistics, every statement within a second or two."""
    database = await Database.open(dsn, pool_size=4, statement_timeout=timedelta(seconds=3))
    rig = Rig(database, service, batch_size=10_000, read_timeout=timedelta(seconds=10))
    emails = make_emails(10_000, domains=997)
    await hand_over(database, emails)

    await rig.run_to_end(seconds=40)

    await check_books(rig, emails)
    await rig.aclose()
    await database.aclose()

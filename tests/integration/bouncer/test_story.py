"""A batch from the queue to clean-up, where nothing goes wrong."""

from tests.fakes.bouncer_rig import Rig, check_books, hand_over, make_emails


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

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

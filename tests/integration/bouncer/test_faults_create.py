"""Creates that go wrong: only a definite no lets one be sent again (F05 to F08, F28)."""

import pytest

from tests.fakes.bouncer_rig import Rig, check_books, hand_over, make_emails
from validatord.errors import StoreError
from validatord.store import bouncer_batches, bouncer_queue

_UNKNOWN = "SELECT count(*) FROM bouncer_batches WHERE state = 'submit_unknown'"
_F06 = ("F06.reset", "F06.silence", "F06.503", "F06.truncated", "F06.no_id")
_F07 = ("F07.reset", "F07.silence", "F07.503", "F07.truncated", "F07.no_id")


async def _run_into_unknown(rig: Rig, emails: list[str]) -> bouncer_batches.Batch:
    """Let the second of three creates lose its answer, and look that nothing follows it."""
    await hand_over(rig.database, emails)
    await rig.run_until(_UNKNOWN, 1)
    creates = rig.service.ledger.count("create")
    await rig.run_until("SELECT count(*) FROM bouncer_batches WHERE state = 'cleaned'", 1)
    for _ in range(10):
        await rig.driver.run_once()
    assert rig.service.ledger.count("create") == creates == 2
    assert await rig.fetch(_UNKNOWN) == 1
    return (await bouncer_batches.list_batches(rig.database, ["submit_unknown"]))[0]


@pytest.mark.parametrize("name", _F06)
async def test_f06_taken_but_unanswered(rig: Rig, name: str) -> None:
    """A create that was taken without an answer is never sent again; adopted, it comes to its end unpaid twice."""
    emails = make_emails(150)
    rig.service.break_(name, skip=1)

    batch = await _run_into_unknown(rig, emails)
    assert len(rig.service.world.batches) == 2
    await bouncer_queue.adopt_batch(rig.database, batch.id, rig.service.ledger.creates[1][0])
    await rig.run_to_end()

    await check_books(rig, emails)
    assert len(rig.service.world.batches) == 3


@pytest.mark.parametrize("name", _F07)
async def test_f07_not_taken_with_the_same_symptom(rig: Rig, name: str) -> None:
    """From outside it looks the same, so it is treated the same; resubmitted, every address ends with a verdict."""
    emails = make_emails(150)
    rig.service.break_(name, skip=1)

    batch = await _run_into_unknown(rig, emails)
    assert len(rig.service.world.batches) == 1
    assert await bouncer_queue.resubmit_batch(rig.database, batch.id) == 50
    await rig.run_to_end()

    assert set(await rig.results()) == set(emails)
    assert rig.service.ledger.check() == []


async def test_credits_are_a_hint(rig: Rig) -> None:
    """Beside an unknown create stand the credits before and after it: their difference says what became of it."""
    emails = make_emails(150)
    rig.service.break_("F06.503", skip=1)

    batch = await _run_into_unknown(rig, emails)
    await _read_credits(rig)

    found = await bouncer_batches.get_batch(rig.database, batch.id)
    assert found is not None
    assert found.credits_before is not None
    assert found.credits_after is not None
    assert found.credits_before - found.credits_after >= 30  # the batch of 50 that is reserved, or what it cost


async def _read_credits(rig: Rig) -> None:
    from validatord.bouncer import account

    await account.read_credits(rig.driver.tools, "main", rig.settings.bouncer)


async def test_a_taken_batch_is_not_adopted_twice(rig: Rig) -> None:
    """A name that belongs to another batch of ours is refused, and so is a batch that waits for nothing."""
    emails = make_emails(150)
    rig.service.break_("F06.reset", skip=1)
    batch = await _run_into_unknown(rig, emails)
    first = rig.service.ledger.creates[0][0]

    with pytest.raises(StoreError, match="another batch of ours"):
        await bouncer_queue.adopt_batch(rig.database, batch.id, first)
    with pytest.raises(StoreError, match="neither"):
        await bouncer_queue.adopt_batch(rig.database, batch.id - 1, "f" * 24)


async def test_abandon_keeps_our_own_finding(rig: Rig) -> None:
    """An abandoned batch ends with what our own probe said, and nothing is bought for it any more."""
    emails = make_emails(50)
    rig.service.break_("F07.reset")
    await hand_over(rig.database, emails)
    await rig.run_until(_UNKNOWN, 1)
    batch = (await bouncer_batches.list_batches(rig.database, ["submit_unknown"]))[0]
    from validatord.bouncer.context import keep_own

    settle = keep_own("abandoned", rig.driver.tools.clock.now())
    assert await bouncer_queue.abandon_batch(rig.database, batch.id, settle) == 50

    row = (await rig.database.fetch("SELECT DISTINCT status, reason, source, reasons FROM requests"))[0]
    assert (row["status"], row["reason"], row["source"]) == ("unknown", "greylisted", "probe")
    assert "bouncer:abandoned" in row["reasons"]
    assert await rig.fetch("SELECT finished FROM submissions") == 50


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("shape", ["json", "html", "empty"])
async def test_f05_server_error_at_create(rig: Rig, status: int, shape: str) -> None:
    """Behind a 5xx the batch may have been made: unknown, whatever its body looks like."""
    rig.service.break_(f"F05.{status}.{shape}", "create")
    await hand_over(rig.database, make_emails(10))

    await rig.run_until(_UNKNOWN, 1)
    for _ in range(5):
        await rig.driver.run_once()

    assert rig.service.ledger.count("create") == 1


async def test_f08_connect_refused(rig: Rig) -> None:
    """Where no connection came about nothing was sent: the create is simply sent later, once."""
    emails = make_emails(40)
    await hand_over(rig.database, emails)
    port = rig.service.port
    await rig.service.aclose()
    for _ in range(8):
        await rig.driver.run_once()
    assert await rig.states() == {"planned": 1}
    assert await rig.fetch("SELECT max(retry_count) FROM bouncer_batches") >= 1

    await rig.service.start(port)
    await rig.run_to_end()

    await check_books(rig, emails)
    assert rig.service.ledger.count("create") == 1


@pytest.mark.parametrize(("name", "state"), [("F28.redirect", "planned"), ("F28.see_other", "submit_unknown")])
async def test_f28_redirect_at_create(rig: Rig, name: str, state: str) -> None:
    """No redirect is followed with the key; one that says "see other" may mean that the batch was made."""
    rig.service.break_(name, "create", times=100)
    await hand_over(rig.database, make_emails(10))

    await rig.run_until("SELECT state FROM bouncer_batches WHERE creates > 0 AND state <> 'submitting'", state)

    account = await rig.database.fetch_row("SELECT * FROM bouncer_accounts WHERE pass = 'main'")
    assert account is not None
    assert (account["pause_reason"] == "misconfigured") == (state == "planned")


async def test_refused_for_good(rig: Rig) -> None:
    """A create that is refused as wrong is parked for a person, and its credits are free again."""
    from validatord.sandbox.bouncer_faults import Fault

    rig.service.faults.append(Fault("create", before=(400, {"status": "400", "error": "Bad", "message": "no"}, {})))
    await hand_over(rig.database, make_emails(10))

    await rig.run_until("SELECT state FROM bouncer_batches", "parked")

    letter = (await rig.database.fetch("SELECT * FROM bouncer_dead_letter_queue"))[0]
    assert letter["reason"] == "permanent_failure"
    assert await rig.fetch("SELECT credits FROM bouncer_budgets WHERE client = '' AND period = 'day'") == 0
    assert await bouncer_queue.retry_dead_letter(rig.database, letter["id"]) == 10
    await rig.run_to_end()
    assert len(await rig.results()) == 10

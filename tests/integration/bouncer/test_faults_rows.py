"""Results that are not what was sent: F11 to F15, F17, F24."""

from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.bouncer_rig import Rig, check_books, hand_over, make_emails
from validatord.store import bouncer_queue, bouncer_reports


async def _ingest_with(rig: Rig, name: str, emails: list[str], *, times: int = 1) -> Any:
    rig.service.break_(name, "download", times=times)
    await hand_over(rig.database, emails)
    await rig.run_until(
        "SELECT count(*) FROM bouncer_batches WHERE state NOT IN ('ingested', 'cleaned') OR ingested_ts IS NULL"
        " HAVING EXISTS (SELECT FROM bouncer_batches)",
        0,
    )
    return await rig.database.fetch_row("SELECT * FROM bouncer_batches ORDER BY id LIMIT 1")


async def test_f11_missing_once(rig: Rig) -> None:
    """Rows that are missing but paid for come with a fresh download, which is free; nobody is asked about again."""
    emails = make_emails(50)
    rig.service.break_("F11.missing")
    await hand_over(rig.database, emails)

    await rig.run_to_end()

    await check_books(rig, emails)
    assert rig.service.ledger.count("create") == 1
    assert rig.service.ledger.count("download") == 2


async def test_f11_missing_and_paid_for(rig: Rig) -> None:
    """Rows that never come although they were paid for are set aside by name, not bought again."""
    emails = make_emails(50)
    rig.service.break_("F11.missing", times=1000)
    await hand_over(rig.database, emails)

    await rig.run_until("SELECT state FROM bouncer_batches", "cleaned")

    assert len(await rig.results()) == 45
    letters = await bouncer_reports.list_dead_letters(rig.database)
    assert {letter.reason for letter in letters} == {"paid_but_missing"}
    assert len(letters) == 5
    assert rig.service.ledger.count("create") == 1
    assert rig.service.ledger.check() == []
    assert await bouncer_queue.retry_dead_letter(rig.database, letters[0].id) == 1


async def test_f11_missing_and_not_paid_for(rig: Rig) -> None:
    """Addresses that were left out and not charged go back to the queue and are asked about again."""
    emails = make_emails(50)
    await hand_over(rig.database, emails)
    await rig.run_until("SELECT count(*) FROM bouncer_batches WHERE state = 'submitted'", 1)
    next(iter(rig.service.world.batches.values())).left_out = 6

    await rig.run_to_end()

    await check_books(rig, emails)
    assert [count for _, _, count in rig.service.ledger.creates] == [50, 6]


async def test_f11_missing_again_and_again(rig: Rig) -> None:
    """An address that never comes back is asked about so often and then set aside."""
    rig.change(missing_retries=2)
    await hand_over(rig.database, make_emails(3))
    while await rig.fetch("SELECT count(*) FROM bouncer_dead_letter_queue") == 0:
        for batch in rig.service.world.batches.values():
            batch.left_out = 1
        await rig.driver.run_once()

    letters = await bouncer_reports.list_dead_letters(rig.database)
    assert "missing_repeatedly" in {letter.reason for letter in letters}
    assert len(rig.service.ledger.creates) == 3


async def test_f12_foreign(rig: Rig) -> None:
    """Rows about addresses we did not send are counted and make no row of ours."""
    emails = make_emails(50)
    batch = await _ingest_with(rig, "F12.foreign", emails)

    assert batch["rows_foreign"] == 7
    assert await rig.fetch("SELECT count(*) FROM bouncer_results WHERE email LIKE '%elsewhere%'") == 0
    assert await rig.fetch("SELECT count(*) FROM email_validation WHERE email LIKE '%elsewhere%'") == 0
    assert set(await rig.results()) == set(emails)


async def test_f13_equal_doubles(rig: Rig) -> None:
    """Equal rows about one address are one result."""
    emails = make_emails(50)
    batch = await _ingest_with(rig, "F13.equal", emails)

    assert batch["rows_doubled"] == 10
    assert await rig.fetch("SELECT count(*) FROM bouncer_results") == 50
    assert await rig.fetch("SELECT count(*) FROM bouncer_results WHERE notes @> '[\"contradictory\"]'") == 0
    assert set(await rig.results()) == set(emails)


async def test_f13_contradictory_doubles(rig: Rig) -> None:
    """Of rows that contradict each other the more decisive one counts, and the result says so."""
    emails = [f"unknown+{number}@domain.example" for number in range(10)]
    await _ingest_with(rig, "F13.contradictory", emails)

    assert set((await rig.results()).values()) == {"invalid"}
    assert await rig.fetch("SELECT count(*) FROM bouncer_results WHERE notes @> '[\"contradictory\"]'") == 10


async def test_f14_reordered(rig: Rig) -> None:
    """Results come in any order: every address has the verdict that is its own."""
    words = ("deliverable", "undeliverable", "unknown", "full", "accept-all", "disposable", "greylist", "syntax")
    emails = [f"{word}+{number}@domain{number}.example" for number in range(6) for word in words]
    await hand_over(rig.database, emails)
    await rig.run_to_end()

    wanted = {
        "deliverable": "valid",
        "undeliverable": "invalid",
        "unknown": "unknown",
        "full": "risky",
        "accept-all": "accept_all",
        "disposable": "risky",
        "greylist": "unknown",
        "syntax": "invalid",
    }
    assert {email: wanted[email.partition("+")[0]] for email in emails} == dict(await rig.results())


async def test_f15_respelled(rig: Rig) -> None:
    """Echoes in other case, with spaces, dots or as IDNA are matched by what they mean."""
    emails = [*make_emails(40), *(f"user{number}@xn--bcher-kva.example" for number in range(8))]
    batch = await _ingest_with(rig, "F15.respelled", emails)

    assert (batch["rows_foreign"], batch["rows_missing"]) == (0, 0)
    assert set(await rig.results()) == set(emails)


async def test_f15_two_spellings_never_share_a_batch(rig: Rig) -> None:
    """Two spellings that an echo could not tell apart stand in different batches."""
    emails = ["John@domain.example", "john@domain.example", "JOHN@domain.example"]
    await hand_over(rig.database, emails)

    await rig.run_to_end()

    assert set(await rig.results()) == set(emails)
    assert [count for _, _, count in rig.service.ledger.creates] == [1, 1, 1]


async def test_f17_odd_members(rig: Rig) -> None:
    """Odd members of rows are noted and left out; the rows are used all the same."""
    emails = make_emails(50)
    batch = await _ingest_with(rig, "F17.odd", emails)

    assert batch["rows_quarantined"] == 0
    assert set(await rig.results()) == set(emails)
    assert await rig.fetch("SELECT count(*) FROM bouncer_results WHERE notes @> '[\"odd_score\"]'") > 0
    assert await rig.fetch("SELECT count(*) FROM bouncer_results WHERE bouncer_reason = 'brand_new_reason'") > 0


async def test_f17_unknown_status(rig: Rig) -> None:
    """A status we do not know is kept word for word and means unknown."""
    await _ingest_with(rig, "F17.unknown_status", make_emails(50))

    assert await rig.fetch("SELECT count(*) FROM bouncer_results WHERE bouncer_status = 'maybe'") == 10
    odd = await rig.database.fetch(
        "SELECT DISTINCT q.status FROM requests AS q JOIN bouncer_results AS s ON q.email = s.email"
        " WHERE s.bouncer_status = 'maybe'"
    )
    assert [row["status"] for row in odd] == ["unknown"]


async def test_f17_rows_without_status(rig: Rig) -> None:
    """A row that cannot be used sets one address aside, with the row; the batch completes."""
    batch = await _ingest_with(rig, "F17.no_status", make_emails(50))

    letters = await bouncer_reports.list_dead_letters(rig.database)
    assert batch["rows_quarantined"] == len(letters) == 5
    assert letters[0].detail is not None
    assert letters[0].detail["row"]["email"] == letters[0].email
    assert len(await rig.results()) == 45


@pytest.mark.parametrize("name", ["F24.pretty", "F24.long_row"])
async def test_f24_large_shapes(rig: Rig, name: str) -> None:
    """Indented bodies and a row of a megabyte are results like any other; the long row's padding is not kept."""
    emails = make_emails(50)
    await _ingest_with(rig, name, emails)

    assert set(await rig.results()) == set(emails)
    assert await rig.fetch("SELECT coalesce(max(length(extra::text)), 0) FROM bouncer_results") < 30_000


async def test_f24_longer_than_allowed(rig: Rig) -> None:
    """A body beyond the limit is not read to its end, and nothing of it is believed."""
    rig.change(max_download_bytes=5_000)
    await hand_over(rig.database, make_emails(50))

    await rig.run_until("SELECT error_kind FROM bouncer_batches", "too_large")
    assert len(await rig.results()) == 0
    rig.change(max_download_bytes=10_000_000, retry_wait=timedelta(milliseconds=1))
    await rig.run_to_end()
    assert len(await rig.results()) == 50

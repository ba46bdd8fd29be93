"""Polls, downloads and deletes that go wrong change no batch: they are tried again (F05, F09, F10, F16, F18 to F28)."""

from datetime import timedelta

import pytest

from tests.fakes.bouncer_rig import Rig, check_books, hand_over, make_emails
from validatord.sandbox.bouncer_faults import FAULTS
from validatord.store import bouncer_batches, bouncer_queue

_READS = ("status", "download", "delete")


async def _survive(rig: Rig, name: str, kind: str, *, times: int = 2) -> None:
    emails = make_emails(60)
    rig.service.break_(name, kind, times=times)
    await hand_over(rig.database, emails)
    await rig.run_to_end()
    await check_books(rig, emails)
    assert rig.service.faults[0].times < times, "the fault never happened"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, "download") for name in sorted(FAULTS) if name.startswith("F05")),
        *(("F05.503.html", kind) for kind in ("status", "delete")),
    ],
)
async def test_f05_server_error(rig: Rig, name: str, kind: str) -> None:
    """A read that meets a 5xx is repeated."""
    await _survive(rig, name, kind)


@pytest.mark.parametrize("kind", _READS)
@pytest.mark.parametrize("name", ["F09.stall", "F09.silence"])
async def test_f09_silent(rig: Rig, name: str, kind: str) -> None:
    """Silence ends by the read timeout; the read is repeated."""
    await _survive(rig, name, kind, times=1)


async def test_f09_slow_but_steady(rig: Rig) -> None:
    """A slow body is read to its end: the timeout is about silence, not about the whole."""
    await _survive(rig, "F09.slow", "download", times=1)
    assert rig.service.ledger.count("download") == 2


@pytest.mark.parametrize(
    "name", ["F10.truncated", "F10.unterminated", "F10.utf8", "F10.nan", "F10.bom", "F10.cut", "F17.object"]
)
async def test_f10_broken_results(rig: Rig, name: str) -> None:
    """Of a broken body nothing is ingested and nothing deleted; the download, which is free, is repeated."""
    await _survive(rig, name, "download")
    assert rig.service.ledger.count("download") == 4


@pytest.mark.parametrize("name", ["F10.truncated", "F10.unterminated"])
async def test_f10_broken_status(rig: Rig, name: str) -> None:
    """A broken answer to a poll is no answer."""
    await _survive(rig, name, "status")


async def test_f16_empty_results(rig: Rig) -> None:
    """No row at all for a complete batch is an anomaly, not a result: downloaded again, not deleted."""
    await _survive(rig, "F16.empty", "download", times=3)


async def test_f18_stuck(rig: Rig) -> None:
    """A batch that does not move is reported once and left alone; only an explicit cancel ends it early."""
    emails = make_emails(50)
    rig.service.world.is_stopped = True
    await hand_over(rig.database, emails)
    await rig.run_until("SELECT state FROM bouncer_batches", "submitted")
    batch = next(iter(rig.service.world.batches.values()))
    batch.started, batch.is_stuck = rig.service.time.now(), True
    rig.service.world.is_stopped = False
    rig.change(stuck_after=timedelta(milliseconds=50), metrics_interval=timedelta(milliseconds=1))

    await rig.run_until("SELECT count(*) FROM bouncer_dead_letter_queue WHERE reason = 'stuck'", 1)
    for _ in range(10):
        await rig.driver.run_once()
    assert await rig.fetch("SELECT count(*) FROM bouncer_dead_letter_queue") == 1
    assert rig.service.ledger.count("create") == 1
    assert rig.service.ledger.count("finish") == 0

    rig.service.ledger.may_finish = True
    ours = (await bouncer_batches.list_batches(rig.database))[0]
    assert await bouncer_batches.begin_cancel(rig.database, ours.id)
    await rig.run_to_end()
    assert set(await rig.results()) == set(emails)
    assert rig.service.ledger.check() == []
    assert await rig.fetch("SELECT count(*) FROM bouncer_dead_letter_queue WHERE NOT reviewed") == 0


@pytest.mark.parametrize("name", ["F19.failed", "F19.paused", "F20.back", "F27.skew"])
async def test_f19_f20_f27_odd_statuses(rig: Rig, name: str) -> None:
    """An unknown status, one that goes back and times from elsewhere change nothing: polling goes on."""
    await _survive(rig, name, "status", times=4)


async def test_f21_lost(rig: Rig) -> None:
    """Not known at the second look, some time after the first: lost, and a person decides."""
    emails = make_emails(50)
    rig.service.break_("F21.lost", "status", times=1000)
    await hand_over(rig.database, emails)

    await rig.run_until("SELECT state FROM bouncer_batches", "lost")
    assert rig.service.ledger.count("status") >= 2
    assert await rig.fetch("SELECT reason FROM bouncer_dead_letter_queue") == "lost"
    assert rig.service.ledger.count("create") == 1

    rig.service.faults.clear()
    ours = (await bouncer_batches.list_batches(rig.database))[0]
    await bouncer_queue.adopt_batch(rig.database, ours.id, rig.service.ledger.creates[0][0])


async def test_f22_not_known_at_first(rig: Rig) -> None:
    """Not known once, right after the create, is nothing."""
    rig.change(lost_after=timedelta(seconds=5))
    await _survive(rig, "F21.lost", "status", times=1)


async def test_f23_complete_but_not_ready(rig: Rig) -> None:
    """Complete, but not to be downloaded yet: poll on."""
    await _survive(rig, "F23.not_completed", "download", times=3)


async def test_f23_results_removed(rig: Rig) -> None:
    """Results that are gone for good make a batch lost, after a second look."""
    rig.service.break_("F23.removed", "download", times=1000)
    await hand_over(rig.database, make_emails(10))

    await rig.run_until("SELECT state FROM bouncer_batches", "lost")

    assert rig.service.ledger.count("download") >= 2


@pytest.mark.parametrize("name", ["F25.timeout", "F25.405", "F21.lost", "F01.429"])
async def test_f25_delete(rig: Rig, name: str) -> None:
    """Whatever a delete meets, the results are durable long before, and the batch ends cleaned."""
    await _survive(rig, name, "delete", times=1)


@pytest.mark.parametrize("name", ["F26.400", "F26.200"])
@pytest.mark.parametrize("times", [1, 5])
async def test_f26_finish_refused(rig: Rig, name: str, times: int) -> None:
    """A finish that is refused, in whatever dress, damages nothing: the batch comes to its end."""
    emails = make_emails(50)
    rig.service.world.is_stopped = True
    await hand_over(rig.database, emails)
    await rig.run_until("SELECT state FROM bouncer_batches", "submitted")
    rig.service.world.is_stopped = False
    rig.service.break_(name, times=times)
    rig.service.ledger.may_finish = True
    ours = (await bouncer_batches.list_batches(rig.database))[0]
    await bouncer_batches.begin_cancel(rig.database, ours.id)

    await rig.run_to_end()

    assert set(await rig.results()) == set(emails)
    assert rig.service.ledger.check() == []


@pytest.mark.parametrize("kind", _READS)
async def test_f28_redirect(rig: Rig, kind: str) -> None:
    """A redirect is an answer like any other that does not help: the key does not follow it."""
    await _survive(rig, "F28.redirect", kind)


async def test_breaker(rig: Rig) -> None:
    """After rounds of nothing but breakdowns the provider is left alone; one read, never a create, tries again."""
    emails = make_emails(120)
    await hand_over(rig.database, emails)
    await rig.run_until("SELECT count(*) FROM bouncer_batches WHERE state = 'submitted'", 1)
    rig.change(breaker_failures=3, breaker_open=timedelta(milliseconds=150))
    rig.service.break_("F05.503.html", times=40)

    for _ in range(60):
        await rig.driver.run_once()
        if rig.driver.tools.breaker.state != "closed":
            break
    assert rig.driver.tools.breaker.state == "open"
    before = len(rig.service.ledger.requests)
    await rig.driver.run_once()
    assert len(rig.service.ledger.requests) == before
    rig.service.faults[0].times = 0
    creates = rig.service.ledger.count("create")
    while rig.driver.tools.breaker.state != "closed":
        await rig.driver.run_once()
        assert rig.service.ledger.count("create") == creates

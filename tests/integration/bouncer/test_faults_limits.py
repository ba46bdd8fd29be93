"""Limits, money and keys: F01 to F04 and F30."""

from datetime import timedelta

import pytest

from tests.fakes.bouncer_rig import Rig, check_books, hand_over, make_emails

_WAITS = ("F01.429", "F01.wait_0", "F01.wait_absurd", "F01.wait_garbage", "F02.429_as_403")


@pytest.mark.parametrize(
    ("name", "kind"),
    [*((name, "status") for name in _WAITS), *(("F01.429", kind) for kind in ("create", "download", "delete"))],
)
async def test_f01_f02_rate_limited(rig: Rig, name: str, kind: str) -> None:
    """A 429, whatever it says and in whatever dress, puts the bucket to sleep; no attempt is burnt, nothing is lost."""
    emails = make_emails(60)
    rig.service.break_(name, kind, times=2)
    await hand_over(rig.database, emails)

    await rig.run_until("SELECT max(blocked_until_ts) IS NOT NULL FROM bouncer_rate_limit")
    assert await rig.fetch("SELECT max(retry_count) FROM bouncer_batches") == 0
    blocked_until = await rig.fetch("SELECT max(blocked_until_ts) FROM bouncer_rate_limit")
    await rig.run_to_end()

    await check_books(rig, emails)
    kinds = {"create": {"create"}}.get(kind, {"status", "download", "delete"})
    rows = await rig.database.fetch("SELECT bucket FROM bouncer_rate_limit WHERE blocked_until_ts IS NOT NULL")
    assert {row["bucket"] for row in rows} == kinds
    assert blocked_until is not None


async def test_f01_sane_retry_after(rig: Rig) -> None:
    """A Retry-After of sane size is kept to, even where our own wait is shorter."""
    rig.service.break_("F01.wait_2", "create")
    await hand_over(rig.database, make_emails(5))

    await rig.run_until("SELECT max(blocked_until_ts) IS NOT NULL FROM bouncer_rate_limit")

    left = await rig.fetch("SELECT max(blocked_until_ts) - clock_timestamp() FROM bouncer_rate_limit")
    assert timedelta(seconds=1) < left <= timedelta(seconds=2.5)
    await rig.run_to_end()
    assert rig.service.ledger.count("create") == 2


@pytest.mark.parametrize("name", ["F03.402", "F02.402_as_403"])
async def test_f03_out_of_credits(rig: Rig, name: str) -> None:
    """402 stops buying only: what is bought is polled and fetched, and buying goes on once there are credits."""
    emails = make_emails(120)
    rig.service.break_(name, "create", skip=1, times=2)
    await hand_over(rig.database, emails)

    await rig.run_until("SELECT paused_ts IS NOT NULL FROM bouncer_accounts WHERE pass = 'main'")
    await rig.run_until("SELECT count(*) FROM bouncer_batches WHERE state = 'cleaned'", 1)
    await rig.run_to_end()

    await check_books(rig, emails)
    assert await rig.fetch("SELECT paused_ts IS NULL FROM bouncer_accounts WHERE pass = 'main'")


async def test_f03_refilled_later(rig: Rig) -> None:
    """With fewer credits than a batch needs no create is even tried; a refill is noticed."""
    emails = make_emails(50)
    rig.service.world.accounts["main"].credits = 20
    await hand_over(rig.database, emails)

    await rig.run_until("SELECT pause_reason FROM bouncer_accounts WHERE pass = 'main'", "no_credits")
    for _ in range(20):
        await rig.driver.run_once()
    assert rig.service.ledger.count("create") == 0
    rig.service.world.accounts["main"].credits = 1000
    await rig.run_to_end()

    await check_books(rig, emails)


async def test_f04_key_revoked(rig: Rig) -> None:
    """A refused key stops everything with one alert and touches no address; a new key goes on at once."""
    emails = make_emails(100)
    await hand_over(rig.database, emails)
    await rig.run_until("SELECT count(*) > 0 FROM bouncer_batches WHERE state = 'submitted'")
    rig.change(api_key="revoked-key")

    await rig.run_until("SELECT stopped_ts IS NOT NULL FROM bouncer_accounts WHERE pass = 'main'")
    before = len(rig.service.ledger.requests)
    rig.change(check_interval=timedelta(hours=1))
    for _ in range(60):  # one more look at the account may be due already
        await rig.driver.run_once()
    assert len(rig.service.ledger.requests) - before <= 1
    assert await rig.fetch("SELECT count(*) FROM requests WHERE state = 'handed_over'") > 0
    rig.change(api_key="sandbox-key")
    await rig.run_to_end()

    await check_books(rig, emails)


async def test_f04_key_works_again(rig: Rig) -> None:
    """Where the provider was wrong about our key, a look from time to time finds that out."""
    emails = make_emails(30)
    rig.service.break_("F04.401", "status", times=3)
    await hand_over(rig.database, emails)

    await rig.run_until("SELECT stopped_ts IS NOT NULL FROM bouncer_accounts WHERE pass = 'main'")
    await rig.run_to_end()

    await check_books(rig, emails)


async def test_f30_credits_limited(rig: Rig) -> None:
    """What the credits are is a hint: where they cannot be read, work goes on, and the bucket is asked no further."""
    emails = make_emails(120)
    rig.change(rate_limit_wait=timedelta(minutes=5))
    rig.service.break_("F30.429", times=1000)
    from validatord.bouncer import account

    account._PATIENCE_SECONDS = 0.05
    try:
        await hand_over(rig.database, emails)
        await rig.run_to_end()
    finally:
        account._PATIENCE_SECONDS = 5.0

    await check_books(rig, emails)
    assert rig.service.ledger.count("credits") == 1


async def test_the_key_is_nowhere_else(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """The key is in its header and in no URL, log line or row."""
    emails = make_emails(60)
    for kind in ("status", "download", "delete"):
        rig.service.break_("F05.503.html", kind)
    await hand_over(rig.database, emails)
    await rig.run_to_end()

    assert rig.service.ledger.wrong == []
    said = capsys.readouterr()
    assert "sandbox-key" not in said.out + said.err
    tables = await rig.database.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'bouncer%'"
    )
    for table in tables:
        text = await rig.fetch(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table['tablename']} AS t")  # noqa: S608
        assert "sandbox-key" not in text, table["tablename"]

"""The watch against a real ledger: what it sees, what it tells whom, and that it tells nothing twice."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from validatord import metrics
from validatord.errors import StoreAway
from validatord.loops.readings import LocalFigures
from validatord.loops.watch import Watch
from validatord.settings import AlertSettings
from validatord.store import alerts, figures
from validatord.store.database import Database

LISTED = LocalFigures(listed_identities=1)
QUIET = LocalFigures()


class Desk:
    """A watch whose process can be changed, and what it has told."""

    def __init__(self, database: Database, **settings: Any) -> None:
        self.database = database
        self.clock = FakeClock()
        self.local = QUIET
        self.direct: list[Mapping[str, Any]] = []
        self.is_mail_there = True
        self.settings = AlertSettings.model_validate(settings)
        self.watch = self.open()

    def open(self) -> Watch:
        """Start a watch, as a restart does."""

        async def send(message: Mapping[str, Any]) -> bool:
            self.direct.append(message)
            return self.is_mail_there

        return Watch(self.database, "n1", self.clock, lambda: self.settings, lambda: self.local, send_directly=send)

    async def look(self, seconds: float = 60, times: int = 1) -> None:
        """Let time pass and look, so many times."""
        for _ in range(times):
            await self.clock.advance(seconds)
            await self.watch.run_once()

    async def told(self) -> list[list[tuple[str, str]]]:
        """Return the messages in the outbox: name and state of each alert in them."""
        rows = await self.database.fetch("SELECT payload FROM outbox WHERE kind = 'alert' ORDER BY id")
        return [[(entry["name"], entry["state"]) for entry in row["payload"]["alerts"]] for row in rows]


@pytest.fixture
async def desk(database: Database) -> Desk:
    """A watch over an empty ledger."""
    return Desk(database)


async def test_a_quiet_ledger_tells_nothing(desk: Desk) -> None:
    """Nothing is wrong with a new ledger, and the gauges say what it is like."""
    await desk.look(times=20)

    assert await desk.told() == []
    assert desk.watch.describe() == []
    assert metrics.read("validatord_up", {"part": "postgresql"}) == 1
    assert metrics.read("validatord_requests", {"state": "unfinished"}) == 0


async def test_told_once_and_told_when_over(desk: Desk) -> None:
    """An alert is one message when it begins and one when it is over, however long it lasts."""
    desk.local = LISTED
    await desk.look(times=30)
    assert await desk.told() == [[("AddressListed", "firing")]]
    desk.local = QUIET

    await desk.look(times=30)

    assert await desk.told() == [[("AddressListed", "firing")], [("AddressListed", "over")]]
    [row] = await alerts.list_alerts(desk.database, timedelta(days=3650))
    assert (row.name, row.cleared_at is not None) == ("AddressListed", True)


async def test_what_comes_together_is_one_message(desk: Desk) -> None:
    """Within the digest's time everything goes into one message, the first one at once."""
    desk.local = LISTED
    await desk.look(seconds=1)
    desk.local = replace(LISTED, is_reload_refused=True, lanes={("google", "open", "sender_ip_blocked"): 1})
    await desk.look(seconds=60, times=6)

    assert await desk.told() == [
        [("AddressListed", "firing")],
        [("LaneBlocked", "firing"), ("ReloadRefused", "firing")],
    ]


async def test_a_small_receiver_that_blocks_us_is_no_alert(desk: Desk) -> None:
    """Only providers of the shipped table are large enough to wake somebody."""
    desk.local = LocalFigures(lanes={("example.com", "open", "sender_ip_blocked"): 1})

    await desk.look(times=5)

    assert await desk.told() == []


async def test_a_restart_tells_nothing_twice(desk: Desk) -> None:
    """What was told before a restart is known after it, and its end is told once."""
    desk.local = LISTED
    await desk.look(times=2)
    desk.watch = desk.open()
    await desk.look(times=10)
    assert await desk.told() == [[("AddressListed", "firing")]]
    desk.local = QUIET

    await desk.look(times=10)

    assert await desk.told() == [[("AddressListed", "firing")], [("AddressListed", "over")]]


async def test_what_still_holds_is_told_again_next_day(desk: Desk) -> None:
    """A reminder a day, not more."""
    desk.local = LISTED
    await desk.look(seconds=3600, times=49)

    assert await desk.told() == [[("AddressListed", "firing")]] * 3


async def test_postgresql_away_goes_by_mail_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the ledger is away its absence is told past it, once; if that fails, too, it is tried again."""

    async def away(_: Database) -> None:
        raise StoreAway

    await desk.look()
    whole = figures.measure
    monkeypatch.setattr(figures, "measure", away)
    desk.is_mail_there = False
    await desk.look(times=4)
    tries = len(desk.direct)
    assert tries >= 1
    desk.is_mail_there = True
    await desk.look(times=10)
    assert len(desk.direct) == tries + 1
    assert desk.direct[-1]["alerts"][0]["name"] == "PostgreSQLAway"
    assert metrics.read("validatord_up", {"part": "postgresql"}) == 0

    monkeypatch.setattr(figures, "measure", whole)
    await desk.look(times=10)

    assert await desk.told() == [[("PostgreSQLAway", "over")]]


async def test_switched_off(database: Database) -> None:
    """Switched off it still takes figures, and tells nobody."""
    desk = Desk(database, is_enabled=False)
    desk.local = LISTED

    await desk.look(times=5)

    assert await desk.told() == []
    assert metrics.read("validatord_listed_identities", {"node": "n1"}) == 1


async def test_work_without_progress(desk: Desk) -> None:
    """Work that is due and a quarter of an hour without a single outcome is critical; one outcome ends it."""
    await desk.database.fetch(
        "INSERT INTO domain_queue (domain, next_due) VALUES ('a.example', now() - interval '20 minutes')"
    )
    await desk.look(times=14)
    assert await desk.told() == []
    await desk.look(times=4)
    assert await desk.told() == [[("NoProgress", "firing")]]

    metrics.observe_write(0.01, 1)
    await desk.look(times=8)

    assert (await desk.told())[1:] == [[("NoProgress", "over")]]


async def test_dead_letters(desk: Desk) -> None:
    """A job nobody could read waits for a person."""
    await desk.database.fetch("INSERT INTO rejected_jobs (job_id, reason) VALUES ('j', 'nonsense')")

    await desk.look(times=2)

    assert await desk.told() == [[("DeadLetters", "firing")]]
    assert metrics.read("validatord_dead_letters", {"kind": "jobs"}) == 1


async def test_failures_within_an_hour(desk: Desk) -> None:
    """Eleven failures of workers within an hour are an alert; those of before the start are not counted."""
    for _ in range(50):
        metrics.count_failure("before")
    await desk.look()
    for _ in range(11):
        metrics.count_failure("a loop")
    await desk.look()
    assert await desk.told() == [[("WorkerFailures", "firing")]]

    await desk.look(times=80)

    assert (await desk.told())[1:] == [[("WorkerFailures", "over")]]


async def test_an_old_transaction(desk: Desk) -> None:
    """A transaction that stays open is seen; with a threshold of a moment it is an alert."""
    desk.settings = AlertSettings.model_validate({"transaction": "1ms"})
    async with desk.database.transaction() as connection:
        await connection.fetchval("SELECT pg_sleep(0.02)")
        await desk.look()

    assert [("OldTransaction", "firing")] in await desk.told()

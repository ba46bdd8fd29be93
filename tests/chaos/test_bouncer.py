"""The paid side under a whole daemon, beside a list that is verified all the while: F5 to F8.

Each fault by itself stands in tests/integration/bouncer; here it is what the daemon does with the rest.
F40, a restored backup, is tests/integration/bouncer/test_restore.py.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.play import until
from tests.chaos.test_kills import list_points
from tests.chaos.world import World, open_world
from tests.fakes.bouncer_child import resolve_unknown
from tests.fakes.bouncer_rig import POLICY, hand_over, make_emails
from validatord.sandbox.bouncer import SandboxBouncer
from validatord.sandbox.bouncer_faults import Fault, make_fault
from validatord.sandbox.bouncer_world import BouncerSpec
from validatord.sandbox.command import Scenario

pytestmark = pytest.mark.timeout(240)
SOON: dict[str, Any] = {
    "batch_size": 20,
    "fill_wait": "0s",
    "calls_per_minute": 200,
    "creates_per_minute": 60,
    "polls_per_minute": 200,
    "downloads_per_minute": 200,
    "credit_reads_per_minute": 10,
    "rate_limit_wait": "200ms",
    "tick": "50ms",
    "poll_interval": "200ms",
    "retry_wait": "100ms",
    "max_retry_wait": "300ms",
    "connect_timeout": "1s",
    "read_timeout": "700ms",
    "call_timeout": "3s",
    "keep_results": "0s",
    "check_interval": "200ms",
    "stuck_after": "1s",
    "metrics_interval": "1s",
    "unexplained_credits": -1,
    "max_download_bytes": 20_000_000,
    "breaker_failures": 1000,
}
SPEC = BouncerSpec(speed=50.0, slots=4, is_limited=False, items_per_second=2000)
CLIENT = "shop"


@pytest.fixture
async def world(folder: Path, dsn: str) -> AsyncIterator[World]:
    """A world with a Bouncer, and a list of which the daemon has enough for the whole test."""
    scenario = Scenario("bench", 105, 600, 20)
    async with open_world(folder, scenario, dsn=dsn, bouncer=SPEC, speed=5, settings={"bouncer": SOON}) as found:
        await found.submit()
        await found.database.fetch(
            "INSERT INTO clients (name, policy) VALUES ($1, $2)", CLIENT, json.loads(json.dumps(POLICY))
        )
        yield found


def bouncer_of(world: World) -> SandboxBouncer:
    """The service."""
    assert world.bouncer is not None
    return world.bouncer


async def hand(world: World, name: str, count: int = 20) -> None:
    """Leave addresses to Bouncer, as visits do."""
    emails = make_emails(count, prefix=f"{name.replace('.', '-').replace('_', '-')}-")
    await hand_over(world.database, emails, client=CLIENT, submission=name)


async def fetch(world: World, query: str) -> Any:
    """One value of the ledger."""
    return await world.database.fetch_value(query)


async def until_true(world: World, query: str, seconds: float = 30) -> None:
    """Wait until the ledger says so."""

    async def is_true() -> bool:
        return bool(await fetch(world, query))

    await until(is_true, query, seconds, world.stage.check_daemon)


_ALL_DONE = "SELECT count(*) = 0 FROM requests WHERE state = 'handed_over'"
_UNKNOWN = "SELECT count(*) = 1 FROM bouncer_batches WHERE state = 'submit_unknown'"


async def end_well(world: World, handed: int) -> None:
    """Everything has one result, nobody was paid for twice, and the list beside it was not disturbed."""
    await until_true(world, _ALL_DONE)
    await world.until_finished()
    await world.stop_well()
    done = "SELECT count(*) FROM requests AS r JOIN submissions AS s ON s.id = r.submission_id WHERE s.client = 'shop'"
    assert await fetch(world, f"{done} AND r.state = 'done'") == handed
    service = bouncer_of(world)
    assert service.ledger.doubled_charges() == {}
    assert max(service.world.charges.values(), default=0) <= 1
    await world.judge(errors="bouncer|nobody knows")


# --- F5: killed at every step --------------------------------------------------------------------


async def kill_at(world: World, points: list[str]) -> None:
    """Let the daemon die at each point of a batch; what nobody can know is settled as an operator would."""
    for point in points:
        await hand(world, point)
        await world.launch(crash_at=point)
        await world.until_crashed()
        while await resolve_unknown(world.database, bouncer_of(world)):
            pass
    await world.start()
    await end_well(world, 20 * len(points))


@pytest.mark.campaign
async def test_f05_killed_at_every_step(world: World) -> None:
    """At each of them."""
    await kill_at(world, list_points("bouncer"))


async def test_f05_killed_between_the_last_byte_and_the_answer(world: World) -> None:
    """The create was taken, nobody could hear it: it stays unknown, is never sent again, and is adopted."""
    await hand(world, "taken")
    fault = bouncer_of(world).break_("F06.reset")

    async def kill() -> None:
        world.daemon.kill()

    fault.hook = kill
    await world.launch()
    await world.until_crashed()
    creates = bouncer_of(world).ledger.count("create")
    await world.start()
    await until_true(world, "SELECT count(*) = 1 FROM bouncer_batches WHERE state = 'submit_unknown'")
    await world.wait_out(1)
    assert bouncer_of(world).ledger.count("create") == creates == 1
    assert await resolve_unknown(world.database, bouncer_of(world)) == "adopted"
    await end_well(world, 20)


# --- F6: answers of every kind -------------------------------------------------------------------


@pytest.mark.campaign
async def test_f06_answers_that_say_nothing(world: World) -> None:
    """Lost, late, 503 after acceptance, 500: unknown each time, not one re-send, and the list goes on beside it."""
    service = bouncer_of(world)
    await world.start()
    faults = ("F06.reset", "F06.silence", "F06.503", "F05.500.json", "F07.reset")
    for number, name in enumerate(faults):
        service.break_(name, "create")
        await hand(world, name)
        await until_true(world, _UNKNOWN)
        creates, done = service.ledger.count("create"), await world.finished()
        await world.wait_out(0.5)
        assert service.ledger.count("create") == creates
        assert done == len(world.addresses) or await world.finished() > done, "the list waits for Bouncer"
        await resolve_unknown(world.database, service)
        await until_true(world, _ALL_DONE)
        assert number + 1 <= service.ledger.count("create") <= 2 * (number + 1)
    await end_well(world, 20 * len(faults))


@pytest.mark.campaign
async def test_f06_answers_that_say_no(world: World) -> None:
    """402 and 401 stop the spending and are said aloud, 429 waits; each ends with the same batch, bought once."""
    service = bouncer_of(world)
    await world.start()
    for name, said in (("F01.wait_2", "limits our rate"), ("F03.402", "nothing is bought"), ("F04.401", "refuses our")):
        service.break_(name, "create", times=1)
        await hand(world, name)
        await world.until_said(said)
        await until_true(world, _ALL_DONE)
    await end_well(world, 60)


# --- F7: results of every kind -------------------------------------------------------------------

_RESULTS = [
    "F11.missing",
    "F12.foreign",
    "F13.equal",
    "F13.contradictory",
    "F15.respelled",
    "F10.truncated",
    "F10.cut",
    "F10.nan",
    "F16.empty",
    "F17.object",
]


@pytest.mark.campaign
async def test_f07_results_that_are_odd(world: World) -> None:
    """Missing, foreign, doubled, respelled, cut, HTML with 200, 100 MB: nothing is half ingested, nothing bought again."""
    service = bouncer_of(world)
    await world.start()
    before = world.vitals()
    faults = [make_fault(name, "download") for name in _RESULTS]
    faults.append(Fault("download", before=(200, "<html>busy</html>", {})))
    faults.append(Fault("download", body=lambda body: body[:-1] + b" " * 100_000_000 + b"]"))
    for number, fault in enumerate(faults):
        service.faults.append(fault)
        await hand(world, f"odd-{number}")
        await until_true(world, _ALL_DONE)
    assert world.vitals().rss_bytes - before.rss_bytes < 120_000_000
    assert all(fault.times <= 0 for fault in faults), "some were not met"
    foreign = await fetch(world, "SELECT count(*) FROM bouncer_results WHERE email LIKE '%elsewhere.example'")
    assert foreign == 0
    await end_well(world, 20 * len(faults))


# --- F8: it never completes ----------------------------------------------------------------------


async def test_f08_a_batch_that_never_completes(world: World) -> None:
    """It is said once, nothing is uploaded again, and a person may end it; then it comes to its end."""
    service = bouncer_of(world)
    service.world.is_stopped = True
    await hand(world, "stuck")
    await world.start()
    await until_true(world, "SELECT count(*) = 1 FROM bouncer_batches WHERE state = 'submitted'")
    batch = next(iter(service.world.batches.values()))
    batch.started, batch.is_stuck = service.time.now(), True
    service.world.is_stopped = False
    await until_true(world, "SELECT count(*) = 1 FROM bouncer_dead_letter_queue WHERE reason = 'stuck'")
    await world.wait_out(3)
    assert await fetch(world, "SELECT count(*) FROM bouncer_dead_letter_queue") == 1
    assert (service.ledger.count("create"), service.ledger.count("finish")) == (1, 0)
    batch.is_stuck = False
    await end_well(world, 20)

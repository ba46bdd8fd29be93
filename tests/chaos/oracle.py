"""The judge after every fault: nothing lost, nothing doubled, nobody asked or paid for too often, nothing said in error.

What it holds against each other are the list, the ledger, the books of the MX hosts and of the Bouncer, and the log.
"""

import itertools
import re
from collections import Counter
from typing import TYPE_CHECKING

from tests.acceptance.play import CLIENT, RCPT_PER_SESSION, SUBMISSION, Sight, until
from tests.chaos.vitals import Vitals
from tests.integration.store import ledger
from validatord.store import submissions

if TYPE_CHECKING:
    from tests.chaos.world import World

_LOUD = re.compile(r" (ERROR|CRITICAL) |Traceback")
_NO_INCREASE = 64 * 2**20


async def judge(world: "World", *, errors: str = "", retried: bool = False) -> None:
    """Hold everything against the rules; `retried`: what was put off was asked again, as planned."""
    await judge_ledger(world)
    await judge_books(world, retried=retried)
    judge_payments(world)
    judge_log(world, errors)


async def judge_ledger(world: "World") -> None:
    """What was submitted is done or pending, at its own place, once; what is done is right, and has one verdict."""
    progress = await submissions.get_progress(world.database, CLIENT, SUBMISSION)
    assert progress is not None
    rows = await submissions.fetch_results(world.database, progress.submission_id, -1, progress.requests + 1)
    assert [row.address for row in rows] == world.addresses
    assert progress.finished + sum(progress.waiting.values()) == len(world.addresses)
    wrong = [
        (row.address, row.status, row.reason)
        for row, one in zip(rows, world.sample.addresses, strict=True)
        if row.status is not None and (row.status, row.reason) not in one.outcomes
    ]
    assert wrong == []
    doubled = await world.database.fetch(
        "SELECT email, count(*) FROM email_validation GROUP BY contact_id, email HAVING count(*) > 1"
    )
    assert doubled == []
    assert await ledger.find_broken(world.database) == []


async def judge_books(world: "World", *, retried: bool) -> None:
    """Nobody was asked twice but whose conversation was cut by a kill, and, where planned, who was put off."""
    end = await world.look()
    assert (end.totals["alarms"], end.totals["complaints"]) == (0, {})
    listed = set(world.addresses)
    allowed = Counter(world.addresses)
    for before, sight in itertools.pairwise([Sight(), *world.cut]):
        # What is committed is never asked again.
        assert {one for one in sight.done if end.rcpts[one] != sight.rcpts[one]} == set()
        asked = {one for one, count in sight.rcpts.items() if count > before.rcpts[one]} & listed
        allowed += Counter(asked - sight.done)
        # What is not was asked in a session that was open then, or closed in the moment before.
        assert len(asked - sight.done) <= end.totals["most_sessions"] * RCPT_PER_SESSION
    if retried:
        rows = await world.database.fetch("SELECT address, attempt + deferrals AS times FROM requests")
        allowed += Counter({row["address"]: row["times"] for row in rows})
    assert {one: count for one, count in end.rcpts.items() if one in listed and count > allowed[one]} == {}


def judge_payments(world: "World") -> None:
    """No address was paid for twice."""
    if world.bouncer is not None:
        assert world.bouncer.ledger.doubled_charges() == {}


def judge_log(world: "World", errors: str = "") -> None:
    """The daemon said nothing in error but what the test brought about."""
    loud = [line for line in world.log.splitlines() if _LOUD.search(line)]
    assert [line for line in loud if not errors or not re.search(errors, line)] == []


async def judge_growth(world: "World", before: Vitals) -> None:
    """When its sessions are over the daemon uses no more files and threads than before, and hardly more memory."""
    await until(lambda: world.count_sessions_is(0), "the sessions to end", 30)
    after = world.vitals()
    assert after.files <= before.files + 12  # connections of the pool that were not open before
    assert after.threads <= before.threads + 2
    assert after.rss_bytes <= before.rss_bytes + _NO_INCREASE

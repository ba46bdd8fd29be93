"""How long verdicts are used again: the client's own terms, and a campaign's date; nobody else is asked twice for it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.intake.conftest import RULES, Bench
from validatord.clock import SystemClock
from validatord.intake.submit import Submitter
from validatord.intake.wire import SubmittedChunk
from validatord.mail.address import Mailbox
from validatord.mail.request import Finding
from validatord.rules.policy import ClientPolicy
from validatord.rules.policy_model import read
from validatord.store import leases, submissions
from validatord.store.nodes import NodeLock
from validatord.store.submissions import Chunk, ChunkItem

NOW = datetime.now(UTC)
EMAIL = "known@shop.example"


async def remember(bench: Bench, status: str, age: timedelta, **more: Any) -> None:
    """Let the ledger know a verdict of some age, reused for seven days and out of date after sixty."""
    usual: dict[str, Any] = {"fresh_until": NOW - age + timedelta(days=7), "expires_at": NOW - age + timedelta(days=60)}
    finding = Finding(status, "accepted", ("accepted",), 95, checked_at=NOW - age, **{**usual, **more})
    item = ChunkItem(0, EMAIL, Mailbox("known", "shop.example"), finding=finding)
    await submissions.add_chunk(bench.database, Chunk("other", "before", 50, (item,)))


async def submit(bench: Bench, policy: dict[str, Any], **more: Any) -> int:
    """Send the address in under a policy; return how many were answered at once."""
    wanted: ClientPolicy = read(policy)
    submitter = Submitter(bench.database, SystemClock(), RULES, policy_of=lambda _: wanted)
    result = await submitter.submit(SubmittedChunk("crm", "spring", (EMAIL,), **more))
    return result.answered


@pytest.mark.parametrize(
    ("policy", "age", "answered"),
    [
        ({}, timedelta(days=6), 1),
        ({}, timedelta(days=8), 0),
        ({"reuse": {"valid": "1d"}}, timedelta(days=2), 0),
        ({"reuse": {"valid": "1d"}}, timedelta(hours=2), 1),
        ({"reuse": {"valid": "30d"}}, timedelta(days=20), 1),
        ({"reuse": {"valid": "0s"}}, timedelta(seconds=1), 0),
        ({"reuse": {"risky": "1h"}}, timedelta(days=6), 1),
    ],
)
async def test_a_client_says_how_long(bench: Bench, policy: dict[str, Any], age: timedelta, answered: int) -> None:
    """A verdict is used again as long as the client wants, shorter or longer than everybody else."""
    await remember(bench, "valid", age)

    assert await submit(bench, policy) == answered


async def test_what_must_not_be_reused_never_is(bench: Bench) -> None:
    """No client's wish brings back a verdict that may have to be taken back."""
    await remember(bench, "valid", timedelta(minutes=1), fresh_until=None)

    assert await submit(bench, {"reuse": {"valid": "365d"}}) == 0


@pytest.mark.parametrize(
    ("policy", "campaign", "answered"),
    [
        ({}, timedelta(days=20), 1),
        ({}, timedelta(days=57), 0),
        ({"ttl": "10d"}, timedelta(days=3), 1),
        ({"ttl": "10d"}, timedelta(days=8), 0),
        ({}, timedelta(days=-1), 1),
    ],
)
async def test_a_campaign_needs_verdicts_that_hold(
    bench: Bench, policy: dict[str, Any], campaign: timedelta, answered: int
) -> None:
    """What would be out of date on the campaign's date is asked again, however fresh it is today."""
    await remember(bench, "valid", timedelta(days=5))

    assert await submit(bench, policy, campaign_at=NOW + campaign) == answered


async def test_the_visit_keeps_to_the_terms(bench: Bench) -> None:
    """What was queued for want of a newer verdict says so to the visit; what anybody else queued does not."""
    await remember(bench, "valid", timedelta(days=5))
    await submit(bench, {}, campaign_at=NOW + timedelta(days=57))
    await bench.submitter.submit(SubmittedChunk("crm", "plain", ("new@shop.example",)))
    lock = await NodeLock.acquire(bench.database, "one")
    await lock.aclose()

    spec = leases.LeaseSpec(
        node="one", epoch=lock.epoch, limit=10, per_domain=10, per_lane=10, lease=timedelta(minutes=2)
    )
    [visit] = await leases.lease_domains(bench.database, spec)

    wanted = {request.address: request.reuse_from for request in visit.requests}
    assert visit.fresh[EMAIL].checked_at is not None
    assert wanted[EMAIL] is not None
    assert visit.fresh[EMAIL].checked_at < wanted[EMAIL]
    assert wanted["new@shop.example"] is None


async def test_the_campaign_stays_with_the_submission(bench: Bench) -> None:
    """A later chunk without the date does not take it away, a later date replaces it."""
    at = NOW + timedelta(days=3)
    await submit(bench, {}, campaign_at=at)
    await bench.submitter.submit(SubmittedChunk("crm", "spring", ("b@shop.example",), first_index=1))
    assert await bench.fetch("SELECT campaign_at FROM submissions WHERE submission = 'spring'") == [(at,)]

    later = at + timedelta(days=1)
    chunk = SubmittedChunk("crm", "spring", ("c@shop.example",), first_index=2, campaign_at=later)
    await bench.submitter.submit(chunk)
    assert await bench.fetch("SELECT campaign_at FROM submissions WHERE submission = 'spring'") == [(later,)]

"""Results are labelled where they are read: under the policy of the moment, rows and counts alike."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from validatord.errors import ConfigurationError
from validatord.intake.results import Results, describe_event
from validatord.mail.address import Mailbox
from validatord.mail.request import Finding, Flags, LabelKey
from validatord.store import clients, deliveries, submissions
from validatord.store.database import Database
from validatord.store.submissions import Chunk, ChunkItem

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
FINDINGS = (
    Finding("valid", "accepted", ("accepted",), 95, checked_at=NOW),
    Finding("valid", "accepted", ("accepted",), 85, Flags(is_role=True), checked_at=NOW),
    Finding("valid", "accepted", ("accepted",), 95, Flags(is_free=True), checked_at=NOW),
    Finding("accept_all", "accept_all", ("accept_all",), 70, checked_at=NOW),
    Finding("accept_all", "accept_all", ("accept_all",), 75, Flags(is_free=True), checked_at=NOW),
    Finding("risky", "mailbox_full", ("mailbox_full",), 65, checked_at=NOW),
    Finding("risky", "disposable", ("disposable",), 40, Flags(is_disposable=True), checked_at=NOW),
    Finding("unknown", "greylisted", ("greylisted",), 65, checked_at=NOW),
    Finding("invalid", "no_such_mailbox", ("no_such_mailbox",), 0, checked_at=NOW),
)


async def store(database: Database, *findings: Finding) -> int:
    """Let a client's submission have these outcomes, one mailbox each; return its number."""
    items = tuple(
        ChunkItem(idx, f"a{idx}@shop.example", Mailbox(f"a{idx}", "shop.example"), finding=finding)
        for idx, finding in enumerate(findings)
    )
    return (await submissions.add_chunk(database, Chunk("crm", "spring", 50, items))).submission_id


async def show(database: Database, submission_id: int) -> list[str | None]:
    """Return the statuses that the client sees now."""
    results = await Results.open(database, "crm")
    return [row.status for row in await results.fetch_page(submission_id, -1, 100)]


async def test_a_change_of_policy_shows_at_once(database: Database) -> None:
    """The next reading has the new labels and the one after its withdrawal the old ones; the ledger never changes."""
    submission_id = await store(database, *FINDINGS)
    before = await show(database, submission_id)

    await clients.set_policy(database, "crm", {"accept_all": "risky", "unknown": "invalid"})
    during = await show(database, submission_id)
    await clients.set_policy(database, "crm", {})

    assert before == [finding.status for finding in FINDINGS]
    assert during == ["valid", "valid", "valid", "risky", "risky", "risky", "risky", "invalid", "invalid"]
    assert await show(database, submission_id) == before


@pytest.mark.parametrize(
    "policy",
    [
        {},
        {"accept_all": "valid", "min_confidence": 90},
        {"free_provider": "free_provider", "role": "risky", "disposable": "invalid"},
        {"mailbox_full": "invalid", "unknown": "risky", "risky": "unknown"},
    ],
)
async def test_counts_are_those_of_the_labelled_rows(database: Database, policy: dict[str, Any]) -> None:
    """Whatever the policy, the counts that cost no reading of rows say exactly what the rows say."""
    submission_id = await store(database, *FINDINGS)
    await clients.set_policy(database, "crm", policy)
    results = await Results.open(database, "crm")

    progress = await results.get_progress("spring")
    rows = await results.fetch_page(submission_id, -1, 100)

    assert progress is not None
    assert progress.by_reason == Counter((row.status, row.reason) for row in rows)
    assert progress.by_status == Counter(row.status for row in rows)
    assert progress.counts == Counter(finding.label_key for finding in FINDINGS)
    assert LabelKey("valid", "accepted", 85, is_role=True) in progress.counts


async def test_pages_follow_the_place(database: Database) -> None:
    """A page begins behind the place it is asked for, and an unfinished request has no label."""
    submission_id = await store(database, *FINDINGS)
    item = ChunkItem(len(FINDINGS), "b@shop.example", Mailbox("b", "shop.example"))
    await submissions.add_chunk(database, Chunk("crm", "spring", 50, (item,)))
    results = await Results.open(database, "crm")

    rows = await results.fetch_page(submission_id, 6, 2) + await results.fetch_page(submission_id, 8, 2)

    assert [(row.idx, row.status) for row in rows] == [(7, "unknown"), (8, "invalid"), (9, None)]


async def test_one_mailbox_whole(database: Database) -> None:
    """A mailbox comes with its label and its finding, however its domain was written; an unknown one is None."""
    await store(database, *FINDINGS)
    await clients.set_policy(database, "crm", {"accept_all": "risky"})
    results = await Results.open(database, "crm")

    found = await results.find_mailbox(" a3@SHOP.example ")

    assert found is not None
    assert (found.validation.finding.status, found.finding.status) == ("risky", "accept_all")
    assert found.validation.finding.reasons == ("accept_all", "policy:accept_all")
    assert await results.find_mailbox("nobody@shop.example") is None


async def test_clients_do_not_share_policies(database: Database) -> None:
    """A policy labels for its own client; who has none, or is not known, sees findings."""
    submission_id = await store(database, *FINDINGS)
    await clients.set_policy(database, "other", {"accept_all": "invalid"})
    await clients.set_policy(database, "crm", {"unknown": "risky"})

    assert (await show(database, submission_id))[3] == "accept_all"
    assert (await Results.open(database, "nobody")).policy.accept_all is None


async def test_a_broken_policy_labels_nothing(database: Database) -> None:
    """Where a policy was broken by hand, reading names client and key instead of showing wrong labels."""
    await clients.set_policy(database, "crm", {"acept_all": "risky"})

    with pytest.raises(ConfigurationError) as caught:
        await Results.open(database, "crm")

    assert caught.value.problems[0].startswith("client crm: policy.acept_all: ")


async def test_a_finished_submission_is_told_with_labelled_counts(database: Database) -> None:
    """What a webhook tells is counted under the policy of the moment it is worded; a broken policy tells no counts."""
    await store(database, *FINDINGS)
    await clients.set_policy(database, "crm", {"accept_all": "risky", "free_provider": "free_provider"})
    [event] = await deliveries.fetch_events(database, 10)

    told = await describe_event(database, event)
    await clients.set_policy(database, "crm", {"acept_all": "risky"})
    told_without = await describe_event(database, event)

    assert told["by_status"] == {"valid": 2, "free_provider": 1, "risky": 4, "unknown": 1, "invalid": 1}
    assert (told["submission"], told["requests"]) == ("spring", len(FINDINGS))
    assert told_without["by_status"] is None
    assert await describe_event(database, replace(event, kind="alert")) == event.payload

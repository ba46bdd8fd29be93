"""What campaigns told, from any door to the verdicts it changes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.integration.intake.conftest import Bench, eventually
from tests.integration.intake.test_arq import put, write_job
from tests.integration.store.ledger import look
from validatord.intake import client
from validatord.intake.events import RecordedEvents, record_events
from validatord.loops.learner import Learner
from validatord.loops.rechecker import Rechecker
from validatord.mail.request import Finding, ScoreFacts
from validatord.mail.verdict import Reason, Status, Verdict
from validatord.rules import score
from validatord.rules.suggest import Suggester
from validatord.settings import Settings
from validatord.store import outcomes, validations
from validatord.store.database import Database
from validatord.store.events import Event
from validatord.store.outcomes import Validation

SETTINGS = Settings()


def make_finding(verdict: Verdict, now: datetime) -> Finding:
    """A verdict as a visit writes it."""
    blank = Finding("", "", (), 0, reply="250 OK", checked_at=now, fresh_until=now + timedelta(days=7))
    return score.apply(blank, ScoreFacts(verdict, has_mx=True), SETTINGS.score)


VALID, ACCEPT_ALL = Verdict(Status.VALID, Reason.ACCEPTED), Verdict(Status.ACCEPT_ALL, Reason.ACCEPT_ALL)
GONE = Verdict(Status.INVALID, Reason.NO_SUCH_MAILBOX)


async def keep(database: Database, *emails: str, verdict: Verdict = VALID) -> None:
    """Keep verdicts as visits do."""
    finding = make_finding(verdict, datetime.now(UTC))
    async with database.transaction() as connection:
        rows = [Validation(None, email, email.rpartition("@")[2], 1, finding) for email in emails]
        await outcomes.save_validations(connection, rows)


async def tell(database: Database, email: str, kind: str, *, minutes: float = 0) -> RecordedEvents:
    """Tell one event."""
    now = datetime.now(UTC)
    return await record_events(database, [Event(email, kind, now + timedelta(minutes=minutes))], SETTINGS, now)


async def verdicts(database: Database) -> dict[str, tuple[Any, ...]]:
    """Status and reason of every stored verdict."""
    rows = await look(database, "SELECT email, status, reason FROM email_validation ORDER BY email")
    return {row["email"]: (row["status"], row["reason"]) for row in rows}


async def test_hard_bounce_overrides_at_once(database: Database) -> None:
    """Accepted verdicts of that mailbox, whatever its case, say so when the event is committed; others stay."""
    await keep(database, "Ann@one.example", "bob@one.example")
    await keep(database, "cat@one.example", verdict=ACCEPT_ALL)
    await keep(database, "dan@one.example", verdict=GONE)
    now = datetime.now(UTC)
    told = [Event(f"{name}@one.example", "hard_bounce", now) for name in ("ann", "cat", "dan", "stranger")]

    assert await record_events(database, told, SETTINGS, now) == RecordedEvents(added=4, known=0, rejudged=2)
    assert await verdicts(database) == {
        "Ann@one.example": ("risky", "hard_bounce"),
        "bob@one.example": ("valid", "accepted"),
        "cat@one.example": ("risky", "hard_bounce"),
        "dan@one.example": ("invalid", "no_such_mailbox"),
    }
    stored = await validations.find(database, "Ann@one.example")
    assert stored is not None
    assert stored.finding.reply == "250 OK"
    assert "hard_bounce" in stored.finding.reasons
    assert sum(points for _, points in stored.finding.contributions) == stored.finding.confidence


async def test_telling_again_changes_nothing(database: Database) -> None:
    """The same events twice: known, and no row is written."""
    await keep(database, "ann@one.example")
    now = datetime.now(UTC)
    told = [Event("ann@one.example", "hard_bounce", now), Event("ann@one.example", "hard_bounce", now)]
    assert await record_events(database, told, SETTINGS, now) == RecordedEvents(added=1, known=1, rejudged=1)
    before = await look(database, "SELECT *, xmin::text FROM email_validation")

    assert await record_events(database, told, SETTINGS, now) == RecordedEvents(added=0, known=2, rejudged=0)
    assert await look(database, "SELECT *, xmin::text FROM email_validation") == before
    assert await look(database, "SELECT sum(events)::integer AS n FROM domain_events") == [{"n": 1}]


async def test_sign_of_life_brings_back(database: Database) -> None:
    """A reply after the bounce takes the override back; an open before it does not."""
    await keep(database, "ann@one.example", "bob@one.example")
    for name in ("ann", "bob"):
        await tell(database, f"{name}@one.example", "hard_bounce")
    assert (await tell(database, "ann@one.example", "reply", minutes=5)).rejudged == 1
    await tell(database, "bob@one.example", "open", minutes=-5)

    found = await verdicts(database)
    assert found["ann@one.example"] == ("valid", "accepted")
    assert found["bob@one.example"] == ("risky", "hard_bounce")


async def test_complaint_is_a_risk_reason(database: Database) -> None:
    """A complaint makes an accepted mailbox risky and leaves what is known of any other."""
    await keep(database, "ann@one.example")
    await keep(database, "dan@one.example", verdict=GONE)
    for name in ("ann", "dan"):
        await tell(database, f"{name}@one.example", "complaint")
    found = await verdicts(database)
    assert found == {"ann@one.example": ("risky", "complaint"), "dan@one.example": ("invalid", "no_such_mailbox")}


async def test_verdict_written_beside_a_bounce_is_judged_again(database: Database) -> None:
    """A visit that knew nothing of the bounce writes after it: the rechecker finds it, once."""
    await tell(database, "ann@one.example", "hard_bounce")
    await keep(database, "ann@one.example")
    rechecker = Rechecker(database, lambda: SETTINGS, FakeClock(datetime.now(UTC)))
    assert (await verdicts(database))["ann@one.example"] == ("valid", "accepted")

    assert await rechecker.run_once() == 1
    assert (await verdicts(database))["ann@one.example"] == ("risky", "hard_bounce")
    assert await rechecker.run_once() == 0


async def test_arq_keeps_the_good_events_and_shows_the_bad_ones(bench: Bench) -> None:
    """One bad event in a job costs nothing but itself; it is kept for a person, with its place."""
    await keep(bench.database, "ann@one.example")
    good = {"email": "ann@one.example", "event_type": "hard_bounce", "event_at": datetime.now(UTC).isoformat()}
    async with bench.running():
        await put(bench, "job", write_job("record_events", events=[good, {**good, "event_type": "sent"}]))
        await eventually(bench.is_empty)

    assert await bench.fetch("SELECT event_type FROM email_events") == [("hard_bounce",)]
    assert (await verdicts(bench.database))["ann@one.example"] == ("risky", "hard_bounce")
    [(reason, payload)] = await bench.fetch("SELECT reason, payload FROM rejected_jobs")
    assert reason.startswith("1 of 2 events left out: events[1].event_type")
    assert "events[1]" in payload


async def test_client_sends_every_kind(bench: Bench) -> None:
    """The helper that other services import takes all six kinds."""
    kinds = ("hard_bounce", "soft_bounce", "open", "click", "reply", "complaint")
    sent = [{"email": "a@one.example", "event_type": kind, "event_at": datetime.now(UTC)} for kind in kinds]
    async with bench.running():
        await client.record_events(bench.redis, sent)
        await eventually(bench.is_empty)
    assert {kind for (kind,) in await bench.fetch("SELECT event_type FROM email_events")} == set(kinds)


@pytest.mark.parametrize(("least", "suggestion"), [(3, "a@bluewidgets.com"), (4, ""), (0, "")])
async def test_own_frequent_domains_are_suggested(database: Database, least: int, suggestion: str) -> None:
    """A domain many valid mailboxes are at is suggested where a finger slipped; without mail it never is."""
    await keep(database, *(f"user{number}@bluewidgets.com" for number in range(3)))
    await keep(database, *(f"user{number}@greenwidgets.com" for number in range(9)))
    await database.fetch(
        """INSERT INTO domain_cache (domain, mx_answer, has_mx)
        VALUES ('greenwidgets.com', '{}', false), ('gmail.com', '{}', false)"""
    )
    settings = Settings.of(policy={"suggest_from": least})
    suggester = Suggester()
    await Learner(database, lambda: settings, suggester).run_once()

    assert suggester.find_better("bluewidgets.com") == ""
    assert suggester.find_better("bluewigdets.com") == suggestion.removeprefix("a@")
    assert suggester.find_better("greenwigdets.com") == ""
    assert suggester.find_better("gmial.com") == ""  # the ledger says that gmail.com takes no mail

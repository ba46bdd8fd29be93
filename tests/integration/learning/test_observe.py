"""What training sees of a ledger: outcomes by the rule, evidence as it was at the verdict and never later."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from tests.integration.learning.conftest import Year
from tests.integration.store.ledger import look
from validatord.learning import observe
from validatord.learning.labels import Label
from validatord.learning.observe import Observation, Span
from validatord.rules.features import NAMES
from validatord.rules.model_file import Spans
from validatord.settings import Settings
from validatord.store import models
from validatord.store.database import Database
from validatord.store.events import Event, add_events

_VERDICT = datetime(2026, 2, 2, 12, tzinfo=UTC)  # a Monday
_NOW = _VERDICT + timedelta(days=60)
_SPAN = Span(until=_NOW)


async def put_verdict(database: Database, email: str, **more: Any) -> None:
    """Write an accept-all verdict."""
    values: dict[str, Any] = {
        "email": email,
        "domain": email.rpartition("@")[2],
        "status": "accept_all",
        "reason": "accept_all",
        "reasons": orjson.dumps(["mx", "accept_all"]).decode(),
        "checked_at": _VERDICT,
        "created_at": _VERDICT,
        "source": "probe",
        **more,
    }
    await database.fetch(
        """INSERT INTO email_validation (email, domain, status, reason, reasons, checked_at, created_at, source)
        VALUES ($1, $2, $3, $4, $5::text::jsonb, $6, $7, $8)""",
        *values.values(),
    )


async def tell(database: Database, email: str, *events: tuple[str, float]) -> None:
    """Tell events by days after the verdict."""
    await add_events(database, [Event(email, kind, _VERDICT + timedelta(days=days)) for kind, days in events])


async def see(database: Database, span: Span = _SPAN, lists: observe.Lists = frozenset()) -> dict[str, Observation]:
    """Observe the ledger."""
    found = observe.observe(database, Settings(), span, lists)
    return {observation.email: observation async for observation in found}


def number_of(observation: Observation, name: str) -> float:
    """One feature."""
    return observation.numbers[NAMES.index(name)]


async def test_outcomes(database: Database) -> None:
    """Bounced and answered mailboxes are observed; what nobody knows of, or not yet, is not."""
    for name in ("bounced", "answered", "soft", "nothing", "late"):
        await put_verdict(database, f"{name}@one.example")
    await put_verdict(database, "young@one.example", checked_at=_NOW - timedelta(days=44))
    await put_verdict(database, "sure@one.example", status="valid", reason="accepted", reasons='["mx", "accepted"]')
    await put_verdict(database, "bought@one.example", source="bouncer")
    await tell(database, "Bounced@one.example", ("open", 1), ("hard_bounce", 2))
    await tell(database, "answered@one.example", ("reply", 3))
    await tell(database, "soft@one.example", ("soft_bounce", 3))
    await tell(database, "late@one.example", ("hard_bounce", 46))
    for name in ("young", "sure", "bought"):
        await tell(database, f"{name}@one.example", ("hard_bounce", 32))

    assert {email: one.label for email, one in (await see(database)).items()} == {
        "bounced@one.example": Label.BOUNCED,
        "answered@one.example": Label.ANSWERED,
    }


async def test_what_a_bounce_made_of_a_verdict_is_seen_through(database: Database) -> None:
    """A verdict that was made risky by the very bounce that labels it is still the accept-all verdict it was."""
    await put_verdict(
        database, "a@one.example", status="risky", reason="hard_bounce", reasons='["mx", "accept_all", "hard_bounce"]'
    )
    await tell(database, "a@one.example", ("hard_bounce", 2))

    found = (await see(database))["a@one.example"]
    assert (found.status, found.label, found.rules) == ("accept_all", Label.BOUNCED, 0.7)


async def test_a_bounce_before_the_verdict_is_the_rules_business(database: Database) -> None:
    """A mailbox that had bounced already was risky then; the model is never asked about it."""
    await put_verdict(database, "a@one.example")
    await tell(database, "a@one.example", ("hard_bounce", -3), ("hard_bounce", 2))

    assert await see(database) == {}


async def test_the_evidence_ends_before_the_verdict(database: Database) -> None:
    """Whatever happens to the mailbox and its domain afterwards, the evidence is the same to the last digit."""
    await put_verdict(database, "a@one.example")
    await put_verdict(database, "old@one.example", created_at=_VERDICT - timedelta(days=30), source="risk")
    await tell(database, "a@one.example", ("open", -10), ("soft_bounce", -9), ("open", 5))
    await tell(database, "b@one.example", ("hard_bounce", -20))
    await tell(database, "c@one.example", ("open", -30), ("hard_bounce", -15))
    before = (await see(database))["a@one.example"]

    for name in "bcdefgh":
        await tell(database, f"{name}@one.example", ("hard_bounce", 0), ("hard_bounce", 1), ("reply", 2))
        await put_verdict(database, f"{name}@one.example", source="risk")
    after = (await see(database))["a@one.example"]

    assert after == before
    # One bounced; one that showed life before it bounced was alive then, and so is the mailbox itself.
    assert number_of(before, "domain_dead_odds") == pytest.approx(math.log(2 / 3), abs=0.05)
    assert number_of(before, "mailbox_alive") > 0
    assert number_of(before, "mailbox_soft_bounces") > 0
    assert before.rules == 0.89  # 70, and the open of ten days ago as far as the band goes


async def test_silence_on_a_mailed_list_is_life(year: Year) -> None:
    """Of a list that was evidently mailed the silent are alive; of the others nothing is known of them."""
    lists = await observe.find_mailed_lists(year.database, Spans().window)
    found = await see(year.database, Span(until=year.world.now), lists)
    mailed = {submission for submission, _ in lists}
    rows = await look(year.database, "SELECT email, submission_id FROM requests")
    listed = {row["email"]: row["submission_id"] for row in rows}

    silent = [email for email, one in found.items() if one.label is Label.SILENT]
    assert 28 <= len(mailed) < 36
    assert silent
    assert all(listed[email] in mailed for email in silent)
    right = sum(year.world.is_alive[email] for email in silent)
    assert right / len(silent) > 0.95


async def test_scoring_sees_what_training_saw(year: Year) -> None:
    """The track record at scoring is that of training at the same moment, for every mailbox."""
    emails = [row["email"] for row in await look(year.database, "SELECT email FROM email_validation LIMIT 300")]
    half_life = timedelta(days=100)
    mailboxes = [(email, email.rpartition("@")[2]) for email in emails]
    served = await models.load_track_records(year.database, mailboxes, half_life)
    # All verdicts of the world are made now, and campaigns go on to tell about them.
    await year.database.fetch("UPDATE email_validation SET checked_at = now()")
    moment = (await look(year.database, "SELECT max(checked_at) AS at FROM email_validation"))[0]["at"]
    told = [Event(email, "open", moment + timedelta(days=1)) for email in emails]
    await add_events(year.database, told)
    span = Span(until=moment + timedelta(days=50), spans=Spans(half_life=half_life))
    seen = {email: one for email, one in (await see(year.database, span)).items() if email in set(emails)}

    assert len(seen) > 150
    for email, observation in seen.items():
        record = served[email]
        dead = record.domain_bounced
        alive = max(record.domain_alive, record.domain_verified - dead)
        scale = min(1.0, 50 / (dead + alive))
        prior = 1 / (1 + (dead + alive) * scale)
        assert number_of(observation, "domain_little_news") == pytest.approx(prior, rel=1e-4)


async def test_pages_hold_every_verdict_once(year: Year, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small the pages, nothing is read twice and nothing is left out, and progress adds up."""
    whole = await see(year.database, Span(until=year.world.now))
    monkeypatch.setattr(observe, "_PAGE", 37)
    progress: list[int] = []
    found = observe.observe(
        year.database, Settings(), Span(until=year.world.now), frozenset(), lambda _, count: progress.append(count)
    )

    emails = [observation.email async for observation in found]
    assert sorted(emails) == sorted(whole)
    assert sum(progress) == (await look(year.database, "SELECT count(*) AS n FROM email_validation"))[0]["n"]
    assert max(progress) == 37

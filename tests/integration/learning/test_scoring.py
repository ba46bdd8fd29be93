"""A model in force reaches every place that scores: visits by their lease, and what is finished by a rescore."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.integration.store.ledger import lease, look, start_node, submit
from validatord.mail.address import Mailbox
from validatord.mail.request import Finding, ScoreFacts
from validatord.mail.track_record import TrackRecord
from validatord.mail.verdict import Reason, Status, Verdict
from validatord.rules import score
from validatord.rules.model import Model, Platt, Section
from validatord.settings import Settings
from validatord.store import submissions
from validatord.store.database import Database
from validatord.store.events import Event, add_events
from validatord.store.submissions import Chunk, ChunkItem
from validatord.verification.rescore import Changes, Rules, rescore_requests, rescore_validations

_NOW = datetime.now(UTC)
_SECTION = Section(("domain_dead_odds",), (-1.0,), (0.0,), 0.0, Platt(1.0, 0.0))
_MODEL = Model("0" * 64, _NOW, _NOW, timedelta(days=30), timedelta(days=365), {"accept_all": _SECTION})
_ACCEPT_ALL = ScoreFacts(Verdict(Status.ACCEPT_ALL, Reason.ACCEPT_ALL, ("accept_all",)), has_mx=True)
_VALID = ScoreFacts(Verdict(Status.VALID, Reason.ACCEPTED, ("accepted",)), has_mx=True)


async def bounce(database: Database, domain: str, count: int) -> None:
    """Let mailboxes of a domain have bounced yesterday."""
    told = [
        Event(f"Gone{number}@{domain}", "hard_bounce", datetime.now(UTC) - timedelta(days=1)) for number in range(count)
    ]
    await add_events(database, told)


async def test_a_lease_brings_track_records(database: Database) -> None:
    """Where a model is in force each mailbox comes with its own record and its domain's; else with none."""
    epoch = await start_node(database)
    await submit(database, "a@one.example", "B@one.example", "a@two.example")
    await bounce(database, "one.example", 4)
    await add_events(database, [Event("a@one.example", "open", datetime.now(UTC) - timedelta(days=2))])

    leased = await lease(database, epoch, half_life=timedelta(days=1))

    [one, two] = [leased[domain].records for domain in ("one.example", "two.example")]
    assert set(one) == {"a@one.example", "B@one.example"}
    assert [round(one[email].domain_bounced, 2) for email in sorted(one)] == [2.0, 2.0]
    assert round(one["a@one.example"].mailbox_alive, 2) == round(one["a@one.example"].domain_alive, 2) == 0.25
    assert one["B@one.example"].mailbox_alive == 0
    assert two == {"a@two.example": TrackRecord()}


async def test_without_a_model_nothing_is_looked_up(database: Database) -> None:
    """A lease without a half-life asks for no records."""
    await submit(database, "a@one.example")

    assert (await lease(database, await start_node(database)))["one.example"].records == {}


def _make(facts: ScoreFacts) -> Finding:
    found = Finding("unknown", "greylisted", (), 0, reply="250 ok", checked_at=_NOW)
    return score.apply(found, facts, Settings().score)


async def _store(database: Database) -> None:
    items = tuple(
        ChunkItem(place, f"{name}@{domain}", Mailbox(name, domain), finding=_make(facts))
        for place, (name, domain, facts) in enumerate(
            [
                ("a", "one.example", _ACCEPT_ALL),
                ("b", "two.example", _ACCEPT_ALL),
                ("c", "three.example", _VALID),
            ]
        )
    )
    await submissions.add_chunk(database, Chunk("crm", "spring", 50, items))


async def _rescore(database: Database, rules: Rules) -> tuple[Changes, Changes]:
    return (
        await rescore_requests(database, rules, lambda _: None),
        await rescore_validations(database, rules, lambda _: None),
    )


_RESULTS = "SELECT confidence FROM requests ORDER BY email"
_VERDICTS = "SELECT confidence FROM email_validation ORDER BY email"


async def _confidences(database: Database, query: str) -> list[int]:
    return [row["confidence"] for row in await look(database, query)]


async def test_rescore_asks_the_model(database: Database) -> None:
    """Stored accept-all verdicts get the model's word by their domain's record, once; without a model they lose it."""
    await _store(database)
    await bounce(database, "one.example", 30)
    rules = Rules(Settings(), asks_model=True, model=_MODEL, is_applied=True)

    changes = await _rescore(database, rules)

    for query in (_RESULTS, _VERDICTS):
        assert await _confidences(database, query) == [71, 80, 95]
    assert [(one.written, one.confidences, one.statuses.total()) for one in changes] == [(2, 2, 0)] * 2
    assert [one.changed for one in await _rescore(database, rules)] == [0, 0]
    assert [one.changed for one in await _rescore(database, Rules(Settings(), is_applied=True))] == [0, 0]
    counts = await look(database, "SELECT confidence, requests FROM submission_counts WHERE requests > 0 ORDER BY 1")
    assert [(row["confidence"], row["requests"]) for row in counts] == [(71, 1), (80, 1), (95, 1)]

    await _rescore(database, replace(rules, model=None))
    assert await _confidences(database, _VERDICTS) == [70, 70, 95]

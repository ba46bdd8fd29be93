"""Scoring again from stored evidence: says what would change, changes it on demand, once, and wherever it was stopped."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.store.ledger import find_broken, look
from validatord.mail.address import Mailbox
from validatord.mail.request import Finding, Flags, Opinion, Past, ScoreFacts
from validatord.mail.verdict import Reason, Status, Verdict
from validatord.rules import score
from validatord.settings import ScoreSettings, Settings
from validatord.store import events, rescoring, submissions
from validatord.store.database import Database
from validatord.store.events import Event
from validatord.store.submissions import Chunk, ChunkItem
from validatord.verification import rescore
from validatord.verification.rescore import Changes, Rules, rescore_requests, rescore_validations

NOW = datetime.now(UTC)
TODAY = Settings()
VALID = ScoreFacts(Verdict(Status.VALID, Reason.ACCEPTED, ("accepted",)), has_mx=True)
BOUNCED = replace(VALID, past=Past(hard_bounce=1.0))
ACCEPT_ALL = ScoreFacts(Verdict(Status.ACCEPT_ALL, Reason.ACCEPT_ALL, ("accept_all",)), has_mx=True)
BOUGHT = ScoreFacts(Verdict(Status.VALID, Reason.ACCEPTED, ("bouncer:deliverable",)), opinion=Opinion("bouncer", 99))
GONE = ScoreFacts(Verdict(Status.INVALID, Reason.NO_SUCH_MAILBOX, ("no_such_mailbox",)), has_mx=True)
NOTED = replace(VALID, notes=("bouncer:unknown",))


def make(facts: ScoreFacts, **more: Any) -> Finding:
    """Make a finding the way a visit does."""
    found = Finding("unknown", "greylisted", (), 0, checked_at=NOW, fresh_until=NOW + timedelta(days=7), **more)
    return score.apply(found, facts, TODAY.score)


async def store(database: Database, *facts: ScoreFacts, **more: Any) -> None:
    """Let a submission have findings of these facts, one mailbox each."""
    items = tuple(
        ChunkItem(idx, f"a{idx}@shop.example", Mailbox(f"a{idx}", "shop.example"), finding=make(one, **more))
        for idx, one in enumerate(facts)
    )
    await submissions.add_chunk(database, Chunk("crm", "spring", 50, items))


def rules(*, is_applied: bool = True, **weights: int) -> Rules:
    """Rules with other weights."""
    return Rules(Settings.of(score=weights) if weights else TODAY, is_applied=is_applied)


async def both(database: Database, wanted: Rules) -> tuple[Changes, Changes]:
    """Score requests and verdicts again."""
    return (
        await rescore_requests(database, wanted, lambda _: None),
        await rescore_validations(database, wanted, lambda _: None),
    )


async def test_the_same_rules_change_nothing(database: Database) -> None:
    """Whatever was stored, today's rules give the same again: a score depends on its facts alone."""
    await store(database, VALID, BOUNCED, ACCEPT_ALL, BOUGHT, GONE, NOTED, replace(VALID, flags=Flags(is_role=True)))

    for changes in await both(database, rules()):
        assert (changes.examined, changes.changed, changes.written, changes.without_evidence) == (7, 0, 0, 0)


async def test_what_would_change_is_told_and_not_done(database: Database) -> None:
    """Without being told to, a round writes nothing; it counts changes of status and of confidence alone."""
    await store(database, VALID, BOUNCED, GONE)
    before = await look(database, "SELECT * FROM requests ORDER BY id")

    changes, _ = await both(database, rules(is_applied=False, hard_bounce=0, mx=20))

    assert changes.statuses == {("risky", "valid"): 1}
    assert (changes.changed, changes.confidences, changes.written) == (2, 1, 0)
    [example] = changes.examples["risky", "valid"]
    assert (example.email, example.before, example.after) == ("a1@shop.example", 40, 90)
    assert await look(database, "SELECT * FROM requests ORDER BY id") == before


async def test_new_weights_are_written_with_their_counts(database: Database) -> None:
    """Rows, verdicts and counts follow the new weights; a second round finds nothing to do."""
    await store(database, VALID, BOUNCED, ACCEPT_ALL, GONE)
    wanted = rules(hard_bounce=0, mx=20)

    requests, verdicts = await both(database, wanted)

    assert (requests.written, verdicts.written) == (requests.changed, verdicts.changed) == (3, 3)
    for table in ("requests", "email_validation"):
        found = await look(database, f"SELECT status, confidence, contributions FROM {table} ORDER BY email")  # noqa: S608
        assert [(row["status"], row["confidence"]) for row in found] == [
            ("valid", 90), ("valid", 90), ("accept_all", 70), ("invalid", 0),
        ]  # fmt: skip
        assert found[0]["contributions"] == [["syntax", 40], ["mx", 20], ["accepted", 30]]
    progress = await submissions.get_progress(database, "crm", "spring")
    assert progress is not None
    assert progress.by_status == {"valid": 2, "accept_all": 1, "invalid": 1}
    assert await find_broken(database) == []
    assert [changes.changed for changes in await both(database, wanted)] == [0, 0]


async def test_stopped_anywhere_it_goes_on(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round that dies between two pages leaves whole pages and exact counts; the next one does the rest."""
    monkeypatch.setattr(rescore, "_PAGE", 2)
    await store(database, *[BOUNCED] * 5)
    wanted = rules(hard_bounce=0)

    def die(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await rescore_requests(database, wanted, die)
    assert await find_broken(database) == []
    assert (await look(database, "SELECT count(*) AS n FROM requests WHERE status = 'valid'"))[0]["n"] == 2

    assert (await rescore_requests(database, wanted, lambda _: None)).written == 3
    assert await find_broken(database) == []


async def test_what_changed_meanwhile_stays(database: Database) -> None:
    """A verdict taken back between reading and writing is not brought back by its old evidence."""
    await store(database, BOUNCED)
    [row] = await rescoring.fetch_requests(database, 0, 10)
    await database.fetch('UPDATE requests SET score_facts = \'{"status": "unknown", "reason": "greylisted"}\'')

    finding = score.apply(row.finding, BOUNCED, ScoreSettings(hard_bounce=0))
    written = await rescoring.write_requests(database, [rescoring.Rescored(row, finding)])

    assert written == 0
    assert await find_broken(database) == []


async def test_rows_of_an_older_version_are_counted_and_left(database: Database) -> None:
    """Where nothing is known of how a score came about, nothing is made up."""
    await store(database, VALID)
    await database.fetch("UPDATE requests SET score_facts = NULL, contributions = NULL")

    changes = await rescore_requests(database, rules(mx=0), lambda _: None)

    assert (changes.without_evidence, changes.changed) == (1, 0)


async def test_todays_lists_count_where_that_is_wanted(database: Database) -> None:
    """A domain that was cleared of being disposable clears what was said of its mailboxes, counts included."""
    await store(database, replace(VALID, flags=Flags(is_disposable=True)))
    assert (await rescore_requests(database, rules(), lambda _: None)).changed == 0

    wanted = replace(rules(), flags_of=lambda _: Flags(is_free=True))
    requests, verdicts = await both(database, wanted)

    assert requests.statuses == verdicts.statuses == {("risky", "valid"): 1}
    assert await find_broken(database) == []
    [row] = await look(database, "SELECT status, is_disposable, is_free, reasons FROM email_validation")
    assert row == {"status": "valid", "is_disposable": False, "is_free": True, "reasons": ["mx", "accepted", "free"]}


async def test_todays_events_count_where_that_is_wanted(database: Database) -> None:
    """A bounce that came after the verdict makes it risky; what is bought is left to who was paid for it."""
    await store(database, VALID, BOUGHT)
    told = [Event(f"a{idx}@shop.example", "hard_bounce", NOW) for idx in range(2)]
    await events.add_events(database, told)

    changes, _ = await both(database, replace(rules(), weigh_at=NOW))

    assert changes.statuses == {("valid", "risky"): 1}
    assert [one.email for one in changes.examples["valid", "risky"]] == ["a0@shop.example"]


async def test_what_became_less_sure_is_asked_again(database: Database) -> None:
    """A verdict whose status changes is not used again; one that keeps it stays as fresh as it was."""
    await store(database, VALID, BOUNCED)

    await rescore_validations(database, rules(hard_bounce=0), lambda _: None)

    fresh = await submissions.find_fresh(database, ["a0@shop.example", "a1@shop.example"])
    assert list(fresh) == ["a0@shop.example"]

"""The smaller families: lanes, clients, secrets, rejected jobs, events, retention, values."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from tests.integration.store import ledger
from tests.integration.store.ledger import look, make_chunk, make_finding, make_item, submit
from validatord.mail.request import DomainWeek, History
from validatord.store import clients, events, lanes, rejected, retention, secrets, submissions, validations
from validatord.store.database import Database
from validatord.store.events import Event
from validatord.store.values import clean_text

CAMPAIGN = UUID("00000000-0000-4000-8000-000000000009")


async def test_lanes_remember(database: Database) -> None:
    """Snapshots come back as they were, by node; what is not named stays."""
    await lanes.save_states(database, "one", {"default/a": {"slots": 2, "list": [1]}, "default/b": {}})
    await lanes.save_states(database, "one", {"default/a": {"slots": 3}})
    await lanes.save_states(database, "two", {"default/a": {"slots": 9}})
    await lanes.save_states(database, "two", {})

    assert await lanes.load_states(database, "one") == {"default/a": {"slots": 3}, "default/b": {}}
    assert await lanes.load_states(database, "nobody") == {}


async def test_policies(database: Database) -> None:
    """A client has the policy last given; who has none is not listed."""
    await submit(database, "a@one.example")
    await clients.set_policy(database, "crm", {"strict": True})
    await clients.set_policy(database, "crm", {"strict": False, "list": ["x"]})
    await clients.set_policy(database, "other", {})

    assert await clients.load_policies(database) == {"crm": {"strict": False, "list": ["x"]}}


async def test_a_secret_is_made_once(database: Database) -> None:
    """All nodes that ask at the same time get the same secret; another name is another secret."""
    found = await asyncio.gather(*(secrets.get_or_create(database, "accept_all") for _ in range(4)))

    assert len(set(found)) == 1
    assert len(found[0]) > 30
    assert await secrets.get_or_create(database, "other") != found[0]


@pytest.mark.parametrize("payload", [b"\x80\x04\0junk\xff", "text\0\ud800", b"x" * 10_000_000, ""])
async def test_a_rejected_job_is_kept_bounded(database: Database, payload: bytes | str) -> None:
    """Whatever could not be read is kept readable and small, and the same job once."""
    assert await rejected.add(database, "job\0", "submit", "unreadable", payload)
    assert not await rejected.add(database, "job\0", "submit", "again", payload)

    found = await rejected.list_newest(database)
    assert [(job.job_id, job.reason) for job in found] == [("job\ufffd", "unreadable")]
    assert len(found[0].payload) <= 2000


async def test_events_count_once(database: Database) -> None:
    """The same event again changes nothing; without a campaign too."""
    now = datetime(2026, 5, 1, tzinfo=UTC)
    told = [
        Event("a@one.example", "hard_bounce", now),
        Event("A@one.example", "soft_bounce", now, CAMPAIGN),
        Event("a@one.example", "reply", now, CAMPAIGN),
    ]

    assert await events.add_events(database, told) == 3
    assert await events.add_events(database, [*told, Event("b@one.example", "open", now)]) == 1

    weeks = (DomainWeek(date(2026, 4, 27), hard_bounces=1, soft_bounces=1, signs_of_life=2),)
    asked = ["a@one.example", "B@one.example", "c@one.example", "c@two.example"]
    histories = await events.load_histories(database, asked)
    assert histories == {
        "a@one.example": History(hard_bounces=(now,), soft_bounces=(now,), replies=(now,), weeks=weeks),
        "B@one.example": History(opens=(now,), weeks=weeks),
        "c@one.example": History(weeks=weeks),
    }
    assert await events.load_histories(database, []) == {}


async def test_sums_of_old_weeks_go_with_their_events(database: Database) -> None:
    """What is too old to be kept is not counted either."""
    now = datetime.now(UTC)
    await events.add_events(database, [Event("a@one.example", "open", now - timedelta(days=days)) for days in (400, 1)])
    assert await retention.delete_old_events(database, timedelta(days=365)) == 1
    left = await events.load_histories(database, ["a@one.example"])
    assert (len(left["a@one.example"].opens), len(left["a@one.example"].weeks)) == (1, 1)


async def test_an_unknown_kind_of_event_is_refused(database: Database) -> None:
    """The kinds are a closed set."""
    with pytest.raises(asyncpg.CheckViolationError):
        await events.add_events(database, [Event("a@one.example", "bounce", datetime.now(UTC))])


async def test_old_submissions_go_whole_and_verdicts_stay(database: Database) -> None:
    """Finished longer ago than `keep`: requests and submission go, in steps; the CRM's rows and the rest stay."""
    items = tuple(make_item(idx, f"a{idx}@one.example", finding=make_finding()) for idx in range(5))
    await submissions.add_chunk(database, make_chunk(items=items, submission="old"))
    await submissions.add_chunk(database, make_chunk(items=items, submission="new"))
    await submit(database, "open@one.example", submission="open")
    await rejected.add(database, "job", "submit", "unreadable")
    await database.fetch("UPDATE rejected_jobs SET rejected_at = now() - interval '91 days'")
    await database.fetch("UPDATE submissions SET finished_at = now() - interval '91 days' WHERE submission = 'old'")

    assert await retention.delete_outdated(database, timedelta(days=90)) == 5

    assert [item.submission for item in await submissions.list_submissions(database)] == ["open", "new"]
    assert await validations.find(database, "a0@one.example") is not None
    assert await look(database, "SELECT * FROM rejected_jobs") == []
    assert await ledger.find_broken(database) == []


async def test_retention_goes_in_steps(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stops after `most` rows, with whole steps committed, and goes on the next time."""
    monkeypatch.setattr(retention, "_ROWS_AT_ONCE", 2)
    items = tuple(make_item(idx, f"a{idx}@one.example", finding=make_finding()) for idx in range(5))
    await submissions.add_chunk(database, make_chunk(items=items))
    await database.fetch("UPDATE submissions SET finished_at = now() - interval '91 days'")

    assert await retention.delete_outdated(database, timedelta(days=90), most=2) == 2
    assert await retention.delete_outdated(database, timedelta(days=90)) == 3
    assert await submissions.list_submissions(database) == []


async def test_nothing_is_found_where_nothing_is(database: Database) -> None:
    """No verdict is not an error."""
    assert await validations.find(database, "a@one.example") is None
    assert await validations.latest(database) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [("plain", "plain"), ("a\0b", "a\ufffdb"), ("\ud83d\ude00", "\U0001f600"), ("x\udce9", "x\ufffd"), ("ü", "ü")],
)
def test_text_is_cleaned(text: str, expected: str) -> None:
    """What PostgreSQL refuses is replaced, everything else stays."""
    assert clean_text(text) == expected

"""Taking in: idempotent, complete, counted."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.store import ledger
from tests.integration.store.ledger import CONTACT, look, make_chunk, make_finding, make_item, submit
from validatord import errors
from validatord.mail.request import Flags
from validatord.store import submissions, validations
from validatord.store.database import Database
from validatord.store.submissions import ChunkItem, ChunkResult

SYNTAX = make_finding("invalid", "syntax", source="syntax", confidence=0)


async def test_a_chunk_queues_its_addresses_and_their_domains(database: Database) -> None:
    """What is committed is due at once."""
    result = await submit(database, "a@one.example", "b@one.example", "c@two.example")

    assert replace(result, submission_id=0) == ChunkResult(added=3, known=0, answered=0)
    assert sorted(await ledger.lease(database, await ledger.start_node(database))) == ["one.example", "two.example"]
    assert await ledger.find_broken(database) == []


async def test_the_same_chunk_again_changes_nothing(database: Database) -> None:
    """Redelivery is harmless: client, submission and place make a request the same."""
    await submit(database, "a@one.example", "b@two.example")
    again = await submit(database, "a@one.example", "b@two.example")

    assert (again.added, again.known) == (0, 2)
    assert await look(database, "SELECT requests, finished FROM submissions") == [{"requests": 2, "finished": 0}]


async def test_redelivery_while_the_first_delivery_runs(database: Database) -> None:
    """The same chunk at the same time, over and over, is taken in once."""
    chunk = make_chunk(*(f"user{number}@d{number % 7}.example" for number in range(50)))

    results = await asyncio.gather(*(submissions.add_chunk(database, chunk) for _ in range(5)))

    assert sum(result.added for result in results) == 50
    assert await ledger.find_broken(database) == []


async def test_a_repeat_does_not_bring_back_what_is_done(database: Database) -> None:
    """A chunk delivered again after its requests were finished leaves them finished."""
    await submit(database, "a@one.example")
    epoch = await ledger.start_node(database)
    await ledger.write(database, ledger.finish_all((await ledger.lease(database, epoch))["one.example"]), epoch=epoch)

    await submit(database, "a@one.example")

    assert await look(database, "SELECT state, status FROM requests") == [{"state": "done", "status": "valid"}]
    assert (await ledger.domain_row(database, "one.example"))["next_due"] is None


async def test_what_is_no_mailbox_is_answered_at_once(database: Database) -> None:
    """A syntax error is a verdict: it stands in the results and for the CRM, and nothing is queued."""
    items = (ChunkItem(0, "no mailbox", None, CONTACT, SYNTAX), make_item(1, "a@one.example"))

    result = await submissions.add_chunk(database, make_chunk(items=items))

    assert (result.added, result.answered) == (2, 1)
    rows = await submissions.fetch_results(database, result.submission_id, -1, 10)
    assert [(row.address, row.email, row.status, row.state) for row in rows] == [
        ("no mailbox", None, "invalid", "done"),
        ("a@one.example", "a@one.example", None, "queued"),
    ]
    stored = await look(database, "SELECT contact_id, email, domain, reason FROM email_validation")
    assert stored == [{"contact_id": CONTACT, "email": "no mailbox", "domain": "", "reason": "syntax"}]
    assert await ledger.find_broken(database) == []


async def test_a_chunk_of_answers_completes_its_submission(database: Database) -> None:
    """A submission whose requests all have verdicts is finished when it is committed, and announced once."""
    items = tuple(make_item(idx, f"a{idx}@one.example", finding=make_finding()) for idx in range(3))

    await submissions.add_chunk(database, make_chunk(items=items))

    progress = await submissions.get_progress(database, "crm", "spring")
    assert progress is not None
    assert progress.finished_at is not None
    assert progress.by_reason == {("valid", "accepted"): 3}
    outbox = await look(database, "SELECT kind, client, payload FROM outbox")
    assert [(row["kind"], row["client"], row["payload"]["requests"]) for row in outbox] == [
        ("submission_finished", "crm", 3)
    ]


async def test_a_submission_waits_for_what_was_announced(database: Database) -> None:
    """With a known size a submission is not finished in the pause between two chunks."""
    first = tuple(make_item(idx, f"a{idx}@one.example", finding=make_finding()) for idx in range(2))
    last = (make_item(2, "c@one.example", finding=make_finding()),)

    await submissions.add_chunk(database, make_chunk(items=first, expected=3))
    assert await look(database, "SELECT count(*) AS messages FROM outbox") == [{"messages": 0}]
    await submissions.add_chunk(database, make_chunk(items=last, expected=3))

    assert await look(database, "SELECT count(*) AS messages FROM outbox") == [{"messages": 1}]
    assert await ledger.find_broken(database) == []


async def test_a_chunk_is_all_or_nothing(database: Database) -> None:
    """An item that cannot be stored takes its chunk with it: nothing is half in."""
    items = (make_item(0, "a@one.example"), ChunkItem(1, "neither mailbox nor verdict"))

    with pytest.raises(errors.StoreError, match="item 1 is no mailbox"):
        await submissions.add_chunk(database, make_chunk(items=items))

    assert await look(database, "SELECT * FROM requests") == []
    assert await look(database, "SELECT * FROM domain_queue") == []


@pytest.mark.parametrize("address", ["nul\0@x", "lone \ud800 surrogate", "x" * 100_000, "\U0001f600", ""])
async def test_any_text_can_be_kept(database: Database, address: str) -> None:
    """Whatever was sent in is committed with its verdict; PostgreSQL refuses NUL and lone surrogates."""
    item = ChunkItem(0, address, None, None, replace(SYNTAX, reply="\0\udcff", smtp_trace={"x": ["\0\ud800"]}))

    result = await submissions.add_chunk(database, make_chunk(items=(item,)))

    assert result.answered == 1
    assert [row.reply for row in await submissions.fetch_results(database, result.submission_id, -1, 1)] == [
        "\ufffd\ufffd"
    ]


async def test_fresh_verdicts_are_found_and_stale_ones_are_not(database: Database) -> None:
    """A verdict is used again until `fresh_until`, the newest first; `unknown` never is."""
    now = datetime.now(UTC)
    later, before = now + timedelta(days=1), now - timedelta(seconds=1)
    flags = Flags(is_role=True, suggestion="b@one.example")
    full = make_finding(
        fresh_until=later,
        expires_at=later,
        flags=flags,
        mx_host="mx.one.example",
        mx_hosts=("mx.one.example",),
        reply="250 ok",
        dns_trace={"lines": ["x"]},
        smtp_trace={"exchanges": []},
    )
    newest = make_finding("risky", "mailbox_full", fresh_until=later, checked_at=now)
    items = (
        make_item(0, "a@one.example", finding=full),
        make_item(1, "b@one.example", finding=make_finding(fresh_until=before)),
        make_item(2, "c@one.example", finding=make_finding("unknown", "no_connection")),
        make_item(3, "d@one.example", finding=make_finding(fresh_until=later, checked_at=now - timedelta(days=1))),
        make_item(4, "d@one.example", contact_id=CONTACT, finding=newest),
    )
    await submissions.add_chunk(database, make_chunk(items=items))

    found = await submissions.find_fresh(database, [f"{name}@one.example" for name in "abcdx"])

    assert sorted(found) == ["a@one.example", "d@one.example"]
    assert found["a@one.example"] == full
    assert found["d@one.example"] == newest


async def test_no_addresses_need_no_question(database: Database) -> None:
    """Nothing asked, nothing found."""
    assert await submissions.find_fresh(database, []) == {}


async def test_an_older_verdict_does_not_replace_a_newer_one(database: Database) -> None:
    """A verdict used again keeps its time and must not overwrite what was found since."""
    new = make_item(0, "a@one.example", finding=make_finding("invalid", "no_such_mailbox"))
    old = make_item(1, "a@one.example", finding=make_finding(checked_at=ledger.CHECKED_AT - timedelta(days=3)))

    await submissions.add_chunk(database, make_chunk(items=(new,)))
    await submissions.add_chunk(database, make_chunk(items=(old,)))

    assert await look(database, "SELECT status FROM email_validation") == [{"status": "invalid"}]


async def test_results_come_by_key_ranges(database: Database) -> None:
    """An export reads page by page and sees every request once."""
    result = await submit(database, *(f"user{number}@one.example" for number in range(10)))

    seen: list[int] = []
    while page := await submissions.fetch_results(database, result.submission_id, seen[-1] if seen else -1, 3):
        seen += [row.idx for row in page]

    assert seen == list(range(10))


async def test_submissions_are_listed_newest_first(database: Database) -> None:
    """The list goes on before a number, for one client or for all."""
    for name in ("first", "second", "third"):
        await submit(database, "a@one.example", submission=name)
    await submit(database, "a@one.example", client="other", submission="theirs")

    everything = await submissions.list_submissions(database, 3)
    ours = await submissions.list_submissions(database, client="crm")
    rest = await submissions.list_submissions(database, client="crm", before_id=ours[0].submission_id)

    assert [item.submission for item in everything] == ["theirs", "third", "second"]
    assert [item.submission for item in ours] == ["third", "second", "first"]
    assert [item.submission for item in rest] == ["second", "first"]
    assert await submissions.count_unfinished(database) == 4


async def test_the_next_chance_of_a_submission(database: Database) -> None:
    """It is in the past where something may be asked now, in the future where a domain is put back, None at the end."""
    result = await submit(database, "a@one.example")
    past = await submissions.find_next_chance(database, result.submission_id)
    await database.fetch("UPDATE domain_queue SET next_due = now() + interval '1 hour'")
    future = await submissions.find_next_chance(database, result.submission_id)
    epoch = await ledger.start_node(database)
    await ledger.set_due(database, timedelta(hours=2))
    await ledger.write(database, ledger.finish_all((await ledger.lease(database, epoch))["one.example"]), epoch=epoch)

    assert past is not None
    assert future is not None
    assert past < datetime.now(UTC) < future
    assert await submissions.find_next_chance(database, result.submission_id) is None


async def test_verdicts_can_be_put_out_of_use(database: Database) -> None:
    """An expired verdict stays readable but answers nothing any more; others stay fresh."""
    fresh = make_finding(fresh_until=datetime.now(UTC) + timedelta(days=1))
    items = tuple(make_item(idx, f"{name}@one.example", finding=fresh) for idx, name in enumerate("ab"))
    await submissions.add_chunk(database, make_chunk(items=items))

    await validations.expire(database, ["a@one.example"])
    await validations.expire(database, [])

    assert list(await submissions.find_fresh(database, ["a@one.example", "b@one.example"])) == ["b@one.example"]
    assert await validations.find(database, "a@one.example") is not None


async def test_progress_of_nothing(database: Database) -> None:
    """An unknown submission has no progress, which is not the same as none done."""
    assert await submissions.get_progress(database, "crm", "nowhere") is None


def test_requests_far_down_a_long_submission_stand_back() -> None:
    """The first hundred go at full priority, later ones a little lower, never into another class."""
    assert [submissions.lower_priority(50, idx) for idx in (0, 99, 100, 399, 400, 10_000, 5_000_000)] == [
        50, 50, 49, 49, 48, 46, 42,
    ]  # fmt: skip
    assert submissions.lower_priority(50, 10**12) > 25
    assert submissions.lower_priority(1, 5_000_000) == 0


async def test_many_short_submissions_of_a_client_are_one_line(database: Database) -> None:
    """What a client has unfinished elsewhere stands ahead; another client, and another priority, do not wait."""
    for number in range(3):
        await submit(database, *(f"a{i}@one.example" for i in range(150)), submission=f"part {number}")
    await submit(database, "a@one.example", client="other")
    await submit(database, "b@one.example", submission="urgent", priority=75)

    lines = await look(
        database,
        """
        SELECT s.submission, max(r.priority)::int AS first FROM requests AS r
        INNER JOIN submissions AS s ON r.submission_id = s.id GROUP BY s.id, s.submission ORDER BY s.id
        """,
    )

    assert [line["first"] for line in lines] == [50, 49, 49, 50, 75]

"""A mailbox leaves the ledger without a trace, and nothing else changes."""

import pytest

from tests.integration.store import ledger
from tests.integration.store.ledger import CONTACT, look
from validatord.mail.address import Mailbox
from validatord.store import erasure, rejected, submissions
from validatord.store.database import Database

ANNA = Mailbox("Anna", "one.example")
# Kept without any word of the mailbox's owner; looked through all the same.
TABLES = "SELECT c.relname AS name FROM pg_class AS c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"


async def fill(database: Database) -> None:
    """Put a mailbox into every place where one can stand, finished and unfinished, with a neighbour."""
    await ledger.start_node(database)
    items = [
        ledger.make_item(0, "Anna@one.example", contact_id=CONTACT),
        ledger.make_item(1, "ben@one.example", contact_id=CONTACT),
    ]
    await submissions.add_chunk(database, ledger.make_chunk(items=tuple(items)))
    visits = await ledger.lease(database)
    finding = ledger.make_finding(reply="550 Anna@one.example is gone")
    await ledger.write(database, ledger.finish_all(visits["one.example"], finding))
    await submissions.add_chunk(database, ledger.make_chunk(items=tuple(items), submission="autumn"))
    await rejected.add(database, "job", "submit", "unreadable", b'{"addresses": ["anna@one.example"]')
    await database.fetch("INSERT INTO email_events (email, event_type) VALUES ('ANNA@one.example', 'open')")
    await database.fetch(
        """
        WITH b AS (
            INSERT INTO bouncer_batches (batch_id, user_id, quantity, state) VALUES ('x', 'crm', 1, 'cleaned') RETURNING id
        ), r AS (
            INSERT INTO bouncer_results (batch_id, bouncer_status, email)
            SELECT b.id, 'deliverable', 'Anna@one.example' FROM b
        ), d AS (
            INSERT INTO bouncer_dead_letter_queue (error_message, reason, email) VALUES ('lost', 'lost', 'Anna@one.example')
        )
        INSERT INTO bouncer_queue (user_id, email, domain, pass, status, completed_ts)
        VALUES ('crm', 'Anna@one.example', 'one.example', 'deep', 'completed', now())
        """
    )
    await database.fetch(
        "UPDATE requests SET suggestion = 'Anna@one.example', reply = '250 ok' WHERE email LIKE 'ben@%' AND state = 'done'"
    )
    await database.fetch(
        "UPDATE email_validation SET suggestion = 'Anna@one.example', reply = '250 ok' WHERE email LIKE 'ben@%'"
    )


async def find_traces(database: Database) -> list[str]:
    """Name the tables with a row in which the mailbox still stands, whatever the column."""
    names = [row["name"] for row in await look(database, TABLES)]
    query = "SELECT count(*) FROM {} AS t WHERE strpos(lower(t::text), 'anna@one.example') > 0"
    return sorted([name for name in names if await database.fetch_value(query.format(name))])


async def test_nothing_is_left(database: Database) -> None:
    """In no column of any table; what was counted stays counted, and a neighbour keeps everything."""
    await fill(database)
    assert len(await find_traces(database)) >= 7

    done = await erasure.erase(database, ANNA)

    assert await find_traces(database) == []
    assert (done.gone["unfinished requests"], done.gone["requests"], done.gone["verdicts"]) == (1, 3, 1)
    assert not done.at_bouncer
    assert await ledger.find_broken(database) == []
    counts = await look(database, "SELECT submission, requests::int, finished::int FROM submissions ORDER BY id")
    assert counts == [
        {"submission": "spring", "requests": 2, "finished": 2},
        {"submission": "autumn", "requests": 2, "finished": 1},
    ]
    kept = await look(database, "SELECT email, contact_id FROM requests WHERE email IS NOT NULL ORDER BY id")
    assert kept == [{"email": "ben@one.example", "contact_id": CONTACT}] * 2
    assert (await erasure.erase(database, ANNA)).gone == {}


async def test_a_mailbox_under_way_waits(database: Database) -> None:
    """While its domain is visited nothing is touched: what the visit learned would bring it back."""
    await fill(database)
    await ledger.lease(database)
    before = await find_traces(database)

    assert (await erasure.erase(database, ANNA)).is_visited

    assert await find_traces(database) == before


@pytest.mark.parametrize("state", ["submitted", "submit_unknown"])
async def test_a_mailbox_at_bouncer_is_told(database: Database, state: str) -> None:
    """The rest goes; the batch that is not over keeps it, since its results are matched by it."""
    await fill(database)
    await database.fetch(
        """
        WITH q AS (UPDATE requests SET state = 'handed_over', due_at = NULL
            WHERE state = 'queued' AND email = 'Anna@one.example' RETURNING id),
        b AS (INSERT INTO bouncer_batches (batch_id, user_id, quantity, state) VALUES ('y', 'crm', 1, $1) RETURNING id)
        SELECT * FROM q, b
        """,
        state,
    )
    await database.fetch(
        "UPDATE bouncer_queue SET status = 'assigned', batch_id = (SELECT id FROM bouncer_batches WHERE batch_id = 'y')"
        " WHERE status = 'queued'"
    )

    done = await erasure.erase(database, ANNA)

    assert done.at_bouncer == 1
    assert await find_traces(database) == ["bouncer_queue", "requests"]
    assert await ledger.find_broken(database) == []

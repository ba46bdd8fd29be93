"""The housekeeper deletes what is old, and nothing else."""

from tests.integration.store import ledger
from tests.integration.store.ledger import look, submit
from validatord.loops.housekeeper import Housekeeper
from validatord.settings import Settings
from validatord.store import rejected, submissions
from validatord.store.database import Database


def make_housekeeper(database: Database, **sections: object) -> Housekeeper:
    settings = Settings.of(**sections)
    return Housekeeper(database, lambda: settings)


async def test_unfinished_and_young_requests_stay(database: Database) -> None:
    """What is not finished is never deleted, and a rejected job goes with the same age."""
    await submit(database, "a@one.example", "b@one.example")
    await rejected.add(database, "job", "submit", "unreadable", b"")
    await database.fetch("UPDATE rejected_jobs SET rejected_at = now() - interval '2 days'")
    await database.fetch("UPDATE submissions SET created_at = now() - interval '2 days'")

    assert await make_housekeeper(database, store={"keep_requests": "1d"}).run_once() == 0

    assert await submissions.count_unfinished(database) == 2
    assert await rejected.list_newest(database) == []


async def test_a_domain_nothing_waits_for_leaves_the_queue(database: Database) -> None:
    """One that still has a queued request, is visited, or is to be left alone for a while stays."""
    await ledger.start_node(database)
    await submit(database, "a@done.example", "a@waits.example", "a@visited.example")
    visits = await ledger.lease(database)
    await ledger.write(database, ledger.finish_all(visits["done.example"]))
    await database.fetch(
        "UPDATE domain_queue SET leased_until = NULL, leased_by = NULL, lease_epoch = NULL"
        " WHERE domain = 'waits.example'"
    )
    await database.fetch(
        "INSERT INTO domain_queue (domain, not_before) VALUES ('later.example', now() + interval '1h')"
    )

    assert await make_housekeeper(database).run_once() == 1

    left = [row["domain"] for row in await look(database, "SELECT domain FROM domain_queue ORDER BY domain")]
    assert left == ["later.example", "visited.example", "waits.example"]
    assert await ledger.find_broken(database) == []


async def test_facts_of_domains_go_when_they_say_nothing_any_more(database: Database) -> None:
    """Old facts go; recent ones stay, and old ones of which a part still holds."""
    await database.fetch(
        """
        INSERT INTO domain_cache (domain, last_checked, accept_all, accept_all_until) VALUES
            ('old.example', now() - interval '200 days', 'not_asked', NULL),
            ('holds.example', now() - interval '200 days', 'accepts_all', now() + interval '1 day'),
            ('young.example', now() - interval '1 day', 'not_asked', NULL)
        """
    )

    assert await make_housekeeper(database).run_once() == 1

    left = [row["domain"] for row in await look(database, "SELECT domain FROM domain_cache ORDER BY domain")]
    assert left == ["holds.example", "young.example"]


async def test_events_go_with_their_age(database: Database) -> None:
    """An event older than `upkeep.keep_events` goes."""
    await database.fetch(
        """
        INSERT INTO email_events (email, event_type, event_at) VALUES
            ('a@one.example', 'open', now() - interval '3 years'), ('b@one.example', 'open', now())
        """
    )

    assert await make_housekeeper(database).run_once() == 1

    assert [row["email"] for row in await look(database, "SELECT email FROM email_events")] == ["b@one.example"]


async def test_rows_from_bouncer_go_but_not_what_was_paid(database: Database) -> None:
    """Rows of an old batch go unless one of them still answers, or the deep pass found it; batches stay."""
    await database.fetch("INSERT INTO clients (name) VALUES ('crm') ON CONFLICT DO NOTHING")
    for batch, reuse in (("old", "NULL"), ("answers", "now() + interval '1 day'")):
        await database.fetch(
            f"""
            WITH b AS (
                INSERT INTO bouncer_batches (batch_id, user_id, quantity, state, ingested_ts, credits)
                VALUES ('{batch}', 'crm', 2, 'cleaned', now() - interval '2 years', 2) RETURNING id
            )
            INSERT INTO bouncer_results (batch_id, bouncer_status, email, pass, reuse_until)
            SELECT b.id, 'deliverable', '{batch}@one.example', 'main', ({reuse})::timestamptz FROM b
            UNION ALL SELECT b.id, 'deliverable', '{batch}@deep.example', 'deep', NULL FROM b
            """  # noqa: S608 the test's own words
        )
    housekeeper = make_housekeeper(database)

    assert await housekeeper.run_once() == 1
    assert await housekeeper.run_once() == 0

    left = [row["email"] for row in await look(database, "SELECT email FROM bouncer_results ORDER BY email")]
    assert left == ["answers@deep.example", "answers@one.example", "old@deep.example"]
    assert await look(database, "SELECT sum(credits)::int AS credits FROM bouncer_batches") == [{"credits": 4}]

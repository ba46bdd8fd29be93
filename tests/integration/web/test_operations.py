"""What operators and campaigns ask: events, clients, domains, lanes, Bouncer, queue, pauses, pages."""

from typing import Any

import pytest

from tests.integration.web.conftest import Door


async def make_admin(door: Door) -> str:
    """A key that sees everything."""
    return await door.make_key("operator", "admin")


async def test_events(door: Door) -> None:
    """Events are kept once; one about no mailbox is named and hurts no other."""
    key = await door.make_key("crm", "events")
    events = [
        {"email": "jane@acme.example", "event_type": "open", "event_at": "2026-01-05T10:00:00+01:00"},
        {"email": "nonsense", "event_type": "hard_bounce"},
    ]

    first = await door.call("POST", "/v1/events", key, json={"events": events})
    _, again = await door.call("POST", "/v1/events", key, json={"events": events})

    assert (first[0], first[1]["added"], first[1]["known"]) == (200, 1, 0)
    assert [problem["path"] for problem in first[1]["problems"]] == ["events.1.email"]
    assert (again["added"], again["known"]) == (0, 1)


async def test_events_need_their_scope(door: Door) -> None:
    """A key for submitting tells no events."""
    key = await door.make_key("crm", "submit")

    status, _ = await door.call("POST", "/v1/events", key, json={"events": [{"email": "a@b.c", "event_type": "open"}]})

    assert status == 403


async def test_policies(door: Door) -> None:
    """A policy shows in the next answer; a client reads its own, and sets none."""
    key, admin = await door.make_key("crm"), await make_admin(door)
    await door.call("POST", "/v1/submissions", key, json={"items": ["x@mailinator.com"]})
    _, before = await door.call("GET", "/v1/submissions/1", key)

    status, _ = await door.call("PUT", "/v1/clients/crm/policy", admin, json={"disposable": "invalid"})
    _, after = await door.call("GET", "/v1/submissions/1", key)
    _, row = await door.call("GET", "/v1/submissions/1/results/0", key)
    own, _ = await door.call("GET", "/v1/clients/crm/policy", key)
    other, _ = await door.call("GET", "/v1/clients/operator/policy", key)
    may, _ = await door.call("PUT", "/v1/clients/crm/policy", key, json={})

    assert (status, before["by_status"], after["by_status"]) == (200, {"risky": 1}, {"invalid": 1})
    assert row["status"] == "invalid"
    assert (own, other, may) == (200, 404, 403)


async def test_a_policy_that_cannot_be(door: Door) -> None:
    """A policy with an unknown key, or a status that is none, is refused with the place."""
    status, problem = await door.call(
        "PUT", "/v1/clients/crm/policy", await make_admin(door), json={"bouncer": {"mode": "always"}}
    )

    assert (status, problem["errors"][0]["path"]) == (422, "bouncer.mode")


async def test_pauses(door: Door) -> None:
    """Pausing twice changes nothing the second time; the list says who did it and why."""
    admin = await make_admin(door)
    body = {"kind": "domain", "key": "Slow.Example", "reason": "asked to"}

    first = await door.call("POST", "/v1/pauses", admin, json=body)
    second = await door.call("POST", "/v1/pauses", admin, json=body)
    _, listed = await door.call("GET", "/v1/pauses", admin)
    ended = await door.call("POST", "/v1/pauses/resume", admin, json={"kind": "domain", "key": "slow.example"})

    assert [answer["changed"] for _, answer in (first, second, ended)] == [True, False, True]
    assert [(item["key"], item["reason"]) for item in listed["pauses"]] == [("slow.example", "asked to")]
    assert "client operator" in listed["pauses"][0]["paused_by"]


@pytest.mark.parametrize(
    ("path", "member"),
    [
        ("/v1/queue", "unfinished"),
        ("/v1/lanes", "lanes"),
        ("/v1/clients", "clients"),
        ("/v1/bouncer", "accounts"),
        ("/v1/bouncer/batches", "batches"),
        ("/v1/bouncer/dead-letters", "letters"),
    ],
)
async def test_what_operators_read(door: Door, path: str, member: str) -> None:
    """What is about all clients is for admin keys only."""
    admin, body = await door.call("GET", path, await make_admin(door))
    client, _ = await door.call("GET", path, await door.make_key())

    assert (admin, member in body, client) == (200, True, 403)


async def test_dead_letters(door: Door) -> None:
    """A dead letter is listed until somebody has seen it; putting back what is not there is a conflict."""
    admin = await make_admin(door)
    await door.make_key("crm")
    batch = await door.database.fetch_value(
        "INSERT INTO bouncer_batches (user_id, quantity, state) VALUES ('crm', 1, 'parked') RETURNING id"
    )
    await door.database.fetch(
        "INSERT INTO bouncer_dead_letter_queue (batch_id, user_id, reason, error_message) VALUES ($1, 'crm', 'lost', 'x')",
        batch,
    )

    _, listed = await door.call("GET", "/v1/bouncer/dead-letters", admin)
    await door.call("POST", "/v1/bouncer/dead-letters/1/review", admin)
    _, rest = await door.call("GET", "/v1/bouncer/dead-letters", admin)
    missing, _ = await door.call("POST", "/v1/bouncer/dead-letters/9/review", admin)
    conflict, problem = await door.call("POST", "/v1/bouncer/dead-letters/9/retry", admin)
    _, one = await door.call("GET", f"/v1/bouncer/batches/{batch}", admin)

    assert [letter["reason"] for letter in listed["letters"]] == ["lost"]
    assert (rest["letters"], missing, conflict) == ([], 404, 409)
    assert "9" in problem["detail"]
    assert one["state"] == "parked"


async def test_a_domain(door: Door) -> None:
    """What is known of a domain is shown; of one nobody visited there is nothing."""
    key = await door.make_key()
    await door.database.fetch("INSERT INTO domain_cache (domain, provider_key) VALUES ('acme.example', 'acme')")

    status, body = await door.call("GET", "/v1/domains/ACME.example", key)
    missing, _ = await door.call("GET", "/v1/domains/nowhere.example", key)

    assert (status, body["provider"], body["accept_all"], missing) == (200, "acme", "not_asked", 404)


@pytest.mark.parametrize("path", ["/docs", "/problems/too-large"])
async def test_pages(door: Door, path: str) -> None:
    """Pages need no key and ask nobody else for anything."""
    status, headers, text = await door.call_whole("GET", path)

    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert not any(word in text for word in ("<script", 'href="http', "src=", "url(", "@import"))


async def test_another_client_by_an_admin(door: Door) -> None:
    """An admin key may act for a client; another key may not."""
    admin, key = await door.make_key("operator", "admin"), await door.make_key("crm")
    body: dict[str, Any] = {"items": ["jane@acme.example"], "client": "shop"}

    by_admin, _ = await door.call("POST", "/v1/submissions", admin, json=body)
    by_client, problem = await door.call("POST", "/v1/submissions", key, json=body)
    _, listed = await door.call("GET", "/v1/submissions?client=shop", admin)
    foreign, _ = await door.call("GET", "/v1/submissions?client=shop", key)

    assert (by_admin, by_client, problem["type"], foreign) == (201, 403, "/problems/forbidden", 403)
    assert [item["client"] for item in listed["submissions"]] == ["shop"]

"""Webhooks over HTTP: registered, tried, looked after, by whom they belong to."""

import pytest
from standardwebhooks import Webhook

from tests.fakes.receiver import Receiver, answer
from tests.integration.notify.test_notifier import finish_submission, make, turn
from tests.integration.web.conftest import Door
from validatord.store.database import Database


async def test_life_of_a_webhook(door: Door) -> None:
    """Registered with a secret that is shown once, listed, changed, rotated, removed."""
    key = await door.make_key()
    status, made = await door.call("POST", "/v1/webhooks", key, json={"url": "https://hooks.example/in"})
    path = f"/v1/webhooks/{made['webhook']}"

    assert status == 201
    assert made["secret"].startswith("whsec_")
    assert (made["client"], made["events"], made["is_enabled"]) == ("crm", [], True)
    _, listed = await door.call("GET", "/v1/webhooks", key)
    assert [item["url"] for item in listed["webhooks"]] == ["https://hooks.example/in"]
    assert "secret" not in listed["webhooks"][0]
    _, changed = await door.call("PATCH", path, key, json={"is_enabled": False, "events": ["submission.finished"]})
    assert (changed["is_enabled"], changed["events"], changed["url"]) == (
        *(False, ["submission.finished"], "https://hooks.example/in"),
    )
    _, rotated = await door.call("POST", f"{path}/rotate", key)
    assert rotated["secret"] != made["secret"]
    assert (await door.call("DELETE", path, key))[0] == 200
    assert (await door.call("GET", path, key))[0] == 404
    assert (await door.call("DELETE", path, key))[0] == 404


async def test_deliveries(door: Door, database: Database) -> None:
    """A test and the end of a submission go out, are listed with their attempts, and can be sent again."""
    key = await door.make_key()
    async with Receiver(lambda _: answer(410 - 10)) as receiver:
        _, made = await door.call("POST", "/v1/webhooks", key, json={"url": receiver.url})
        path = f"/v1/webhooks/{made['webhook']}"
        status, queued = await door.call("POST", f"{path}/test", key)
        assert status == 202
        await finish_submission(database, "spring")
        await turn(make(database))
        Webhook(made["secret"]).verify(receiver.got[0].body, receiver.got[0].headers)
    _, listed = await door.call("GET", f"{path}/deliveries?limit=1", key)
    _, older = await door.call("GET", f"{path}/deliveries?before={listed['next']}", key)

    assert [item["type"] for item in (*listed["deliveries"], *older["deliveries"])] == [
        *("submission.finished", "webhook.test"),
    ]
    assert listed["deliveries"][0]["attempts"][0]["http_status"] == 400
    assert older["deliveries"][0]["delivery"] == queued["delivery"]
    assert (await door.call("GET", f"{path}/deliveries?state=dead", key))[1]["deliveries"] == []
    again = f"/v1/deliveries/{queued['delivery']}/redeliver"
    assert (await door.call("POST", again, key))[0] == 202
    assert (await door.call("POST", again, await door.make_key("shop")))[0] == 404


async def test_whose(door: Door) -> None:
    """A client neither sees nor changes another's webhook; only an admin hears of everybody or acts for others."""
    crm, shop, boss = await door.make_key(), await door.make_key("shop"), await door.make_key("boss", "admin")
    body = {"url": "https://hooks.example/in"}
    _, made = await door.call("POST", "/v1/webhooks", crm, json=body)
    path = f"/v1/webhooks/{made['webhook']}"

    for method, rest in (("GET", ""), ("DELETE", ""), ("POST", "/test"), ("POST", "/rotate"), ("GET", "/deliveries")):
        assert (await door.call(method, path + rest, shop))[0] == 404
    assert (await door.call("PATCH", path, shop, json={}))[0] == 404
    assert (await door.call("GET", "/v1/webhooks", shop))[1] == {"webhooks": []}
    assert (await door.call("POST", "/v1/webhooks", shop, json=body | {"is_operator": True}))[0] == 403
    assert (await door.call("POST", "/v1/webhooks", shop, json=body | {"client": "crm"}))[0] == 403
    assert (await door.call("POST", "/v1/webhooks", boss, json=body | {"is_operator": True}))[1]["client"] is None
    assert (await door.call("POST", "/v1/webhooks", boss, json=body | {"client": "shop"}))[1]["client"] == "shop"
    assert len((await door.call("GET", "/v1/webhooks", boss))[1]["webhooks"]) == 3
    assert (await door.call("POST", "/v1/webhooks", await door.make_key("crm", "read"), json=body))[0] == 403


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": "ftp://hooks.example/"},
        {"url": "https://me:secret@hooks.example/"},
        {"url": "https://hooks.example/\r\nX: y"},
        {"url": "https://hooks.example/#part"},
        {"url": "https://hooks.example/", "events": ["nonsense"]},
        {"url": "https://hooks.example/", "secret": "whsec_mine"},
    ],
)
async def test_what_cannot_be_registered(door: Door, body: dict[str, object]) -> None:
    """A URL that can never work, an event that is none, a member that is unknown: refused, nothing repeated of it."""
    status, found = await door.call("POST", "/v1/webhooks", await door.make_key(), json=body)

    assert status == 422
    assert "secret@" not in str(found)

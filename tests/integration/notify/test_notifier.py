"""Messages reach their receivers at least once, under one id, in order, whatever the receivers do."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from tests.fakes.receiver import HANG, OK, Got, Receiver, answer
from tests.integration.store.ledger import CHECKED_AT, look, make_finding, make_item, submit
from validatord.clock import SystemClock
from validatord.intake.results import describe_event
from validatord.loops.notifier import Channel, Notifier, Ways, judge_targets
from validatord.mail.request import LabelKey
from validatord.notify.message import Answer, Message
from validatord.notify.signature import make_secret
from validatord.notify.webhook import WebhookSender
from validatord.settings import Settings
from validatord.store import deliveries, outcomes, submissions, webhooks
from validatord.store.database import Database
from validatord.store.deliveries import Asked, Event
from validatord.store.webhooks import Change, Webhook

_OURS = {"allow_targets": ["127.0.0.0/8"]}
_STATES = "SELECT state, attempt, reason FROM deliveries ORDER BY id"


def make(database: Database, *channels: Channel, describe: Any = None, **webhook_settings: Any) -> Notifier:
    """Make a notifier that may reach loopback."""
    settings = Settings.of(webhooks={**_OURS, **webhook_settings})
    clock = SystemClock()
    sender = WebhookSender(judge_targets(lambda: settings), clock)
    more = {"describe": describe} if describe else {}
    return Notifier(database, lambda: settings, clock, Ways(sender, channels, **more))


async def finish_submission(database: Database, name: str, client: str = "crm") -> None:
    """Have a submission that is complete at once, so that the outbox has a message about it."""
    item = make_item(0, "a@one.example", finding=make_finding(checked_at=CHECKED_AT))
    await submissions.add_chunk(database, submissions.Chunk(client, name, 50, (item,)))


async def put(
    database: Database, payload: dict[str, Any], kind: str = "submission_finished", client: str = "crm"
) -> None:
    """Put a message into the outbox."""
    await database.fetch("INSERT INTO outbox (kind, client, payload) VALUES ($1, $2, $3)", kind, client, payload)


async def add(database: Database, url: str, client: str | None = "crm", events: tuple[str, ...] = ()) -> Webhook:
    """Register a receiver."""
    return await webhooks.add_webhook(database, client, url, make_secret(), events)


async def turn(notifier: Notifier, rounds: int = 1) -> None:
    """Run rounds, each until nothing is on its way."""
    for _ in range(rounds):
        await notifier.run_once()
        await notifier.wait_sent()


async def pass_time(database: Database) -> None:
    """Let everything that waits be due."""
    await database.fetch("UPDATE deliveries SET due_at = now() WHERE state = 'pending'")


async def test_a_submission_ends(database: Database) -> None:
    """The end of a submission is told to its client once, with what it is about, and the outbox is empty then."""
    async with Receiver() as receiver:
        await add(database, receiver.url)
        await finish_submission(database, "spring")
        notifier = make(database, describe=partial(describe_event, database))
        await turn(notifier, 3)

    (got,) = receiver.got
    assert got.data["submission"] == "spring"
    assert got.data["by_status"] == {"valid": 1}
    assert await look(database, _STATES) == [{"state": "delivered", "attempt": 1, "reason": None}]
    assert await look(database, "SELECT 1 FROM outbox") == []


async def test_who_hears_what(database: Database) -> None:
    """A client hears of its own submissions, the operator of everybody's and of alerts, each of what it asked for."""
    async with Receiver() as crm, Receiver() as shop, Receiver() as operator, Receiver() as picky:
        await add(database, crm.url, "crm")
        await add(database, shop.url, "shop")
        await add(database, operator.url, None)
        await add(database, picky.url, None, ("alert",))
        off = await add(database, crm.url, "crm")
        await webhooks.change_webhook(database, off.id, Change(is_enabled=False))
        await finish_submission(database, "spring")
        await database.fetch("INSERT INTO outbox (kind, payload) VALUES ('alert', '{}')")
        await turn(make(database))

    assert [len(receiver.got) for receiver in (crm, shop, operator, picky)] == [1, 0, 2, 1]
    assert len({got.event_id for got in (*crm.got, *operator.got, *picky.got)}) == 2


async def test_down_then_up(database: Database) -> None:
    """While a receiver is down a message waits longer each time, and comes under the same id when it is back."""
    async with Receiver() as receiver:
        await add(database, receiver.url)
        receiver.reply = lambda _: answer(500)
        await finish_submission(database, "spring")
        notifier = make(database, delays=["5s", "1h", "3h"])
        waits = []
        for _ in range(3):
            await turn(notifier)
            waits += await look(database, "SELECT extract(EPOCH FROM due_at - now())::float AS wait FROM deliveries")
            await pass_time(database)
        receiver.reply = lambda _: OK
        await turn(notifier)

    assert [round(row["wait"] / 60) for row in waits] == [0, 60, 180]
    assert len({got.event_id for got in receiver.got}) == 1
    assert len({got.body for got in receiver.got}) == 1
    assert await look(database, _STATES) == [{"state": "delivered", "attempt": 4, "reason": None}]


@pytest.mark.parametrize("reply", [answer(500), answer(302, Location="http://127.0.0.1:1/"), b"", b"junk\r\n\r\n"])
async def test_dead_after_the_schedule(database: Database, reply: bytes, logged: list[str]) -> None:
    """What cannot be delivered ends as dead with the last reason, after the whole schedule, and is said once."""
    async with Receiver(lambda _: reply) as receiver:
        await add(database, receiver.url)
        await finish_submission(database, "spring")
        notifier = make(database, delays=["1s", "1s"], timeout="300ms")
        for _ in range(5):
            await turn(notifier)
            await pass_time(database)

    (row,) = await look(database, "SELECT state, attempt, reason, attempts FROM deliveries")
    assert (row["state"], row["attempt"], len(row["attempts"])) == ("dead", 3, 3)
    assert row["reason"] == row["attempts"][-1]["error"] != ""
    assert len(receiver.got) == 3
    assert len(logged) == 1


async def test_order_of_a_submission(database: Database) -> None:
    """A later message of a submission waits for an earlier one that is not delivered; others do not."""
    sick = {1}

    def reply(got: Got) -> bytes:
        return answer(503) if got.data["submission_id"] in sick else OK

    async with Receiver(reply) as receiver:
        await add(database, receiver.url)
        for number, submission_id in enumerate((1, 2, 1, 2, 1)):
            await put(database, {"submission_id": submission_id, "number": number})
        notifier = make(database)
        await turn(notifier, 4)
        assert [got.data["number"] for got in receiver.got] == [0, 1, 3]
        sick.clear()
        await pass_time(database)
        await turn(notifier, 4)

    assert [got.data["number"] for got in receiver.got] == [0, 1, 3, 0, 2, 4]


async def test_a_dead_message_lets_the_next_go(database: Database) -> None:
    """Once a message is dead the later ones of its submission go."""
    async with Receiver(lambda got: answer(410 if got.data["number"] else 200)) as receiver:
        hook = await add(database, receiver.url)
        receiver.reply = lambda got: answer(400) if got.data["number"] == 0 else OK
        for number in range(2):
            await put(database, {"submission_id": 1, "number": number})
        notifier = make(database, delays=["1s"])
        for _ in range(3):
            await turn(notifier)
            await pass_time(database)
        await turn(notifier)

    assert [row["state"] for row in await look(database, _STATES)] == ["dead", "delivered"]
    assert hook.is_enabled


async def test_gone(database: Database) -> None:
    """A receiver that answers 410 is turned off, with the reason, and gets nothing more."""
    async with Receiver(lambda _: answer(410)) as receiver:
        hook = await add(database, receiver.url)
        notifier = make(database)
        await finish_submission(database, "spring")
        await turn(notifier)
        await finish_submission(database, "summer")
        await turn(notifier)

    found = await webhooks.get_webhook(database, hook.id)
    assert found is not None
    assert (found.is_enabled, found.disabled_reason) == (False, "the receiver answered 410 Gone")
    assert len(receiver.got) == 1


async def test_a_slow_receiver_holds_up_nobody(database: Database) -> None:
    """While one receiver says nothing, another hears of everything."""
    async with Receiver(lambda _: HANG) as slow, Receiver() as quick:
        await add(database, slow.url)
        await add(database, quick.url)
        for number in range(6):
            await put(database, {"number": number})
        stop = asyncio.Event()
        task = asyncio.create_task(make(database, per_target=2, interval="1h").run(stop, grace_seconds=0.0))
        await asyncio.wait_for(_heard(quick, 6), 10)
        stop.set()
        await asyncio.wait_for(task, 10)

    assert sorted(str(got.data["number"]) for got in quick.got) == list("012345")
    assert len(slow.got) <= 2


async def _heard(receiver: Receiver, count: int) -> None:
    while len(receiver.got) < count:
        receiver.came.clear()
        await receiver.came.wait()


async def test_cut_in_the_middle(database: Database) -> None:
    """A process that ends between sending and writing sends again later, under the same id."""
    async with Receiver(lambda _: HANG) as receiver:
        await add(database, receiver.url)
        await finish_submission(database, "spring")
        first = make(database)
        await first.run_once()
        await asyncio.wait_for(receiver.came.wait(), 5)
        await first.aclose(grace_seconds=0.0)
        assert [row["state"] for row in await look(database, _STATES)] == ["pending"]
        receiver.reply = lambda _: OK
        second = make(database)
        await turn(second)
        assert len(receiver.got) == 1  # still leased
        await pass_time(database)
        await turn(second)

    assert len({got.event_id for got in receiver.got}) == 1
    assert [row["state"] for row in await look(database, _STATES)] == ["delivered"]


async def test_two_notifiers(database: Database) -> None:
    """Two nodes at work at once tell each message once, and keep the order."""
    async with Receiver() as receiver:
        await add(database, receiver.url)
        for number in range(40):
            await put(database, {"submission_id": number % 4, "number": number})
        one, two = make(database), make(database)
        for _ in range(30):
            await asyncio.gather(turn(one), turn(two))

    numbers = [got.data["number"] for got in receiver.got]
    assert sorted(numbers) == list(range(40))
    assert all([n for n in numbers if n % 4 == rest] == list(range(rest, 40, 4)) for rest in range(4))


async def test_redelivery(database: Database) -> None:
    """A message sent again by hand keeps its id; a foreign client's cannot be sent again."""
    async with Receiver() as receiver:
        await add(database, receiver.url)
        await finish_submission(database, "spring")
        notifier = make(database)
        await turn(notifier)
        (delivery,) = await deliveries.list_deliveries(database, Asked())
        assert not await deliveries.redeliver(database, delivery.id, "shop")
        assert await deliveries.redeliver(database, delivery.id, "crm")
        await turn(notifier)

    assert len(receiver.got) == 2
    assert len({got.event_id for got in receiver.got}) == 1


async def test_test_message(database: Database) -> None:
    """A test message goes to the webhook it is for, whatever that asked for."""
    async with Receiver() as receiver, Receiver() as other:
        hook = await add(database, receiver.url, events=("alert",))
        await add(database, other.url)
        assert await deliveries.add_test(database, hook.id) is not None
        assert await deliveries.add_test(database, 999) is None
        await turn(make(database))

    assert [got.data for got in receiver.got] == [{"webhook_id": hook.id}]
    assert other.got == []


async def test_channels(database: Database) -> None:
    """A further channel hears of the kinds it takes, besides webhooks, with the same schedule."""
    heard: list[Message] = []
    answers = [Answer(is_taken=False, error="no"), Answer(is_taken=True)]

    async def send(message: Message) -> Answer:
        heard.append(message)
        return answers.pop(0)

    await put(database, {"text": "look"}, "alert")
    await finish_submission(database, "spring")
    notifier = make(database, Channel("mail", frozenset({"alert"}), send))
    await turn(notifier)
    await pass_time(database)
    await turn(notifier)

    assert [(message.type, message.data) for message in heard] == [("alert", {"text": "look"})] * 2
    assert heard[0].event_id == heard[1].event_id
    assert [row["state"] for row in await look(database, _STATES)] == ["delivered"]


async def test_words_of_the_client(database: Database) -> None:
    """What a client is told may be worded from the ledger, once for all attempts."""
    calls: list[int] = []

    async def describe(event: Event) -> dict[str, Any]:
        calls.append(event.id)
        return {**event.payload, "by_status": {"risky": 1}}

    async with Receiver(lambda _: answer(500)) as receiver:
        await add(database, receiver.url)
        await finish_submission(database, "spring")
        notifier = make(database, describe=describe)
        await turn(notifier)
        await pass_time(database)
        await turn(notifier)

    assert [got.data["by_status"] for got in receiver.got] == [{"risky": 1}] * 2
    assert len(calls) == 1


async def test_words_that_fail(database: Database, logged: list[str]) -> None:
    """A message that cannot be worded goes as it is, is said once, and holds up nobody."""

    async def describe(event: Event) -> dict[str, Any]:
        if event.payload["number"] == 0:
            raise KeyError
        return event.payload | {"worded": True}

    async with Receiver() as receiver:
        await add(database, receiver.url)
        for number in range(2):
            await put(database, {"number": number})
        await turn(make(database, describe=describe))

    assert [got.data for got in receiver.got] == [{"number": 0}, {"number": 1, "worded": True}]
    assert len([line for line in logged if "could not be worded" in line]) == 1


async def test_rotation(database: Database) -> None:
    """After a change of secret messages carry two signatures for a day."""
    async with Receiver() as receiver:
        hook = await add(database, receiver.url)
        changed = await webhooks.rotate_secret(database, hook.id, make_secret())
        await put(database, {"number": 0})
        await turn(make(database))
        await database.fetch("UPDATE webhooks SET previous_until = now() - interval '1 second'")
        await put(database, {"number": 1})
        await turn(make(database))

    assert changed is not None
    assert changed.secret != hook.secret
    assert [len(got.headers["webhook-signature"].split()) for got in receiver.got] == [2, 1]


async def test_trim(database: Database) -> None:
    """What is finished is deleted in time, what waits for a webhook that stays off ends, what waits stays."""
    hook = await add(database, "https://hooks.example/")
    for number in range(3):
        await put(database, {"number": number})
    await deliveries.spread_events(
        database,
        [
            deliveries.Spread(event.id, "submission.finished", event.payload)
            for event in await deliveries.fetch_events(database, 10)
        ],
    )
    old = (
        "UPDATE deliveries SET state = 'delivered', due_at = NULL, finished_at = now() - interval '2 days' WHERE id = 1"
    )
    await database.fetch(old)

    assert await deliveries.trim(database, timedelta(days=1)) == 1
    assert len(await look(database, _STATES)) == 2
    await webhooks.change_webhook(database, hook.id, Change(is_enabled=False))
    await database.fetch("UPDATE deliveries SET due_at = now() - interval '2 days'")
    await deliveries.trim(database, timedelta(days=1))

    assert {row["reason"] for row in await look(database, _STATES)} == {"webhook_disabled"}
    assert (await deliveries.count_pending(database)).dead == 2


async def test_in_one_stroke_with_the_result(database: Database) -> None:
    """A transaction that does not hold leaves neither a result nor a message; one that holds leaves both."""
    with pytest.raises(ZeroDivisionError):
        await _finish_in_vain(database)
    assert await deliveries.fetch_events(database, 10) == []
    await finish_submission(database, "summer")

    assert [event.payload["submission"] for event in await deliveries.fetch_events(database, 10)] == ["summer"]


async def _finish_in_vain(database: Database) -> None:
    await submit(database, "a@one.example")
    async with database.transaction() as connection:
        await connection.execute(
            "UPDATE requests SET state = 'done', due_at = NULL, finished_at = now(), status = 'valid'"
        )
        await outcomes.count(connection, [(1, LabelKey("valid", "accepted", 95, False, False, False))])
        raise ZeroDivisionError


async def test_secrets_are_not_logged(database: Database, logged: list[str]) -> None:
    """Neither secret nor URL stands in a log line or in what is kept of an attempt."""
    async with Receiver(lambda _: answer(500, b"no")) as receiver:
        hook = await add(database, receiver.url + "/private-token")
        await finish_submission(database, "spring")
        notifier = make(database, delays=["1s"])
        for _ in range(3):
            await turn(notifier)
            await pass_time(database)

    (delivery,) = await deliveries.list_deliveries(database, Asked(webhook_id=hook.id))
    kept = "\n".join([*logged, repr(delivery), repr(hook)])
    assert delivery.state == "dead"
    assert hook.secret not in kept
    assert "private-token" not in "\n".join([*logged, repr(delivery)])


async def test_the_loop(database: Database) -> None:
    """Started as a loop it tells by itself, wakes itself when a message was taken, and ends when told to."""
    async with Receiver() as receiver:
        await add(database, receiver.url)
        for number in range(6):
            await put(database, {"submission_id": 1, "number": number})
        stop = asyncio.Event()
        notifier = make(database, interval="1h")
        task = asyncio.create_task(notifier.run(stop))
        await asyncio.wait_for(_heard(receiver, 6), 10)
        stop.set()
        await asyncio.wait_for(task, 10)

    assert [got.data["number"] for got in receiver.got] == list(range(6))

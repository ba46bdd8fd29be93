"""The notifier: takes messages out of the outbox and sends them, at least once each, in order within a subject.

A round turns new messages into deliveries, leases what is due and starts to send it. Sending goes on beside
later rounds, so a slow receiver holds up nobody else; what came of it is in the ledger when it ends. A channel is
a way of sending: webhooks are one, others are handed in, with the kinds of message they hear of.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from loguru import logger

from validatord import crash, metrics
from validatord.clock import Clock
from validatord.errors import StoreAway
from validatord.lookup import addresses
from validatord.loops.loop import Loop
from validatord.notify.message import Answer, Message
from validatord.notify.webhook import Endpoint, Reach, WebhookSender
from validatord.settings import Settings
from validatord.store import deliveries
from validatord.store.database import Database
from validatord.store.deliveries import Attempt, Delivery, Event, Spread

Describe = Callable[[Event], Awaitable[dict[str, Any]]]
_AT_ONCE = 100  # messages of the outbox taken in one transaction
_LEASE_MARGIN = timedelta(seconds=30)  # beyond the longest attempt
_TRIM_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Channel:
    """A way of sending that is no webhook, such as mail: its name, the kinds of message it takes, and the sender."""

    name: str
    kinds: frozenset[str]
    send: Callable[[Message], Awaitable[Answer]]


async def tell_as_written(event: Event) -> dict[str, Any]:
    """Tell a message as it stands in the outbox."""
    return event.payload


@dataclass(frozen=True, slots=True)
class Ways:
    """How messages leave: webhooks, further channels, and who words what a client is told (under its policy)."""

    webhooks: WebhookSender
    channels: tuple[Channel, ...] = ()
    describe: Describe = field(default=tell_as_written)


def judge_targets(snapshot: Callable[[], Settings]) -> Callable[[str], Reach]:
    """Return who says of an address whether webhooks may reach it, by the settings of that moment."""

    def judge(address: str) -> Reach:
        settings = snapshot()
        if addresses.is_within(address, settings.webhooks.allow_targets):
            return Reach.OWN
        is_public = addresses.is_public(address, deny=settings.lookup.deny_addresses)
        return Reach.PUBLIC if is_public else Reach.REFUSED

    return judge


class Notifier:
    """`run_once` is a round; `aclose` lets what is on its way end."""

    def __init__(self, database: Database, snapshot: Callable[[], Settings], clock: Clock, ways: Ways) -> None:
        self.wake: Callable[[], None] = lambda: None
        self._database = database
        self._snapshot = snapshot
        self._clock = clock
        self._ways = ways
        self._channels: Mapping[str, Channel] = {channel.name: channel for channel in ways.channels}
        self._active: dict[int, tuple[str, asyncio.Task[None]]] = {}
        self._is_closing = False
        self._is_idle = False
        self._trimmed_at = clock.monotonic()

    def __repr__(self) -> str:
        return f"<Notifier {len(self._active)} on their way>"

    async def run(self, stop: asyncio.Event, grace_seconds: float = 5.0) -> None:
        """Tell until `stop` is set or this task is cancelled."""
        loop = Loop(
            "notifier",
            self.run_once,
            self._clock,
            interval_seconds=self.interval_seconds,
        )
        self.wake = loop.wake
        try:
            await loop.run(stop)
        finally:
            await self.aclose(grace_seconds)

    def interval_seconds(self) -> float:
        """How often the outbox is looked through: half as often while nothing happens."""
        return self._snapshot().webhooks.interval.total_seconds() * (2 if self._is_idle else 1)

    async def run_once(self) -> int:
        """Run one round; returns how many messages it began to send."""
        has_events, has_due = await deliveries.find_work(self._database)
        if has_events:
            await self._spread()
        started = await self._start() if has_events or has_due else 0
        self._is_idle = not (has_events or has_due or self._active)
        await self._trim()
        return started

    async def aclose(self, grace_seconds: float = 5.0) -> None:
        """Start nothing more and let what is on its way end; what is cut is sent again under the same id."""
        self._is_closing = True
        tasks = [task for _, task in self._active.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=grace_seconds)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def wait_sent(self) -> None:
        """Wait until nothing is on its way."""
        while self._active:
            await asyncio.gather(*(task for _, task in self._active.values()))

    # --- from the outbox to deliveries -----------------------------------------------------------

    async def _spread(self) -> None:
        while True:
            events = await deliveries.fetch_events(self._database, _AT_ONCE)
            if not events:
                return
            spreads = [await self._word(event) for event in events]
            made = await deliveries.spread_events(self._database, spreads)
            crash.point("notifier.spread")
            if made is None or len(events) < _AT_ONCE:
                return

    async def _word(self, event: Event) -> Spread:
        channel = next((one.name for one in self._ways.channels if event.kind in one.kinds), "")
        return Spread(event.id, event.kind.replace("_", "."), await self._describe(event), channel)

    async def _describe(self, event: Event) -> dict[str, Any]:
        try:
            return await self._ways.describe(event)
        except StoreAway:
            raise
        except Exception:  # noqa: BLE001 one message must not stop all that come after it
            logger.bind(event=event.id, kind=event.kind).exception("a message could not be worded; it goes as it is")
            return event.payload

    # --- sending -------------------------------------------------------------------------------

    async def _start(self) -> int:
        settings = self._snapshot().webhooks
        room = settings.concurrency - len(self._active)
        if room <= 0 or self._is_closing:
            return 0
        # A target with anything on its way waits for the next round: so it never has more than its share.
        busy = sorted({target for target, _ in self._active.values()})
        leased = await deliveries.lease_deliveries(
            self._database, room, settings.per_target, busy, settings.timeout + _LEASE_MARGIN
        )
        crash.point("notifier.leased")
        for delivery in leased:
            task = asyncio.create_task(self._deliver(delivery), name=f"delivery {delivery.id}")
            self._active[delivery.id] = (delivery.target, task)
        return len(leased)

    async def _deliver(self, delivery: Delivery) -> None:
        """Send once and write what came of it; no exception reaches the round."""
        try:
            began = self._clock.monotonic()
            answer = await self._send(delivery)
            await self._record(delivery, answer, self._clock.monotonic() - began)
        except StoreAway:
            logger.warning("PostgreSQL is away; a message may be sent again")
        except Exception:  # noqa: BLE001 one message must not stop the others
            logger.bind(delivery=delivery.id).exception("sending a message failed; it is tried again")
        finally:
            self._active.pop(delivery.id, None)
            if not self._is_closing:
                self.wake()

    async def _send(self, delivery: Delivery) -> Answer:
        message = Message(str(delivery.event_id), delivery.type, delivery.happened_at, delivery.payload)
        if delivery.webhook_id is None:
            channel = self._channels.get(delivery.target)
            if channel is None:
                return Answer(is_taken=False, error=f'there is no channel "{delivery.target}" now')
            return await channel.send(message)
        place = (await deliveries.load_targets(self._database, [delivery.webhook_id])).get(delivery.webhook_id)
        if place is None:
            return Answer(is_taken=False, error="the webhook is gone", is_final=True)
        timeout = self._snapshot().webhooks.timeout.total_seconds()
        return await self._ways.webhooks.send(Endpoint(place.url, place.secrets), message, timeout)

    async def _record(self, delivery: Delivery, answer: Answer, seconds: float) -> None:
        crash.point("notifier.sent")
        found = self._judge(delivery, answer, seconds)
        metrics.observe_delivery(delivery.target.partition(":")[0], _name_outcome(found, answer), seconds)
        await deliveries.record_attempt(self._database, delivery, found)
        if answer.is_gone and delivery.webhook_id is not None:
            await deliveries.disable_gone(self._database, delivery.webhook_id, "the receiver answered 410 Gone")
        if found.state == deliveries.DEAD:
            logger.bind(delivery=delivery.id, target=delivery.target, reason=found.reason).warning(
                "a message could not be delivered; validatord webhooks redeliver sends it again"
            )

    def _judge(self, delivery: Delivery, answer: Answer, seconds: float) -> Attempt:
        """Decide what an answer means: taken, another try later, or dead."""
        entry = {
            "at": self._clock.now().isoformat(timespec="seconds"),
            "http_status": answer.http_status,
            "error": answer.error,
            "excerpt": answer.excerpt,
            "milliseconds": round(seconds * 1000),
        }
        if answer.is_taken:
            return Attempt(deliveries.DELIVERED, None, timedelta(0), entry)
        delays = self._snapshot().webhooks.delays
        if answer.is_final or delivery.attempt >= len(delays):
            return Attempt(deliveries.DEAD, answer.error, timedelta(0), entry)
        wait = max(delays[delivery.attempt], timedelta(seconds=answer.retry_after_seconds))
        return Attempt(deliveries.PENDING, None, wait, entry)

    async def _trim(self) -> None:
        if self._clock.monotonic() - self._trimmed_at < _TRIM_SECONDS:
            return
        self._trimmed_at = self._clock.monotonic()
        gone = await deliveries.trim(self._database, self._snapshot().webhooks.keep)
        if gone:
            logger.bind(deliveries=gone).info("old deliveries deleted")


def _name_outcome(found: Attempt, answer: Answer) -> str:
    if found.state == deliveries.PENDING:
        return "failed" if answer.http_status is None else "refused"
    return "delivered" if answer.is_taken else "given_up"

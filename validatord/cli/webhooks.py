"""Commands about webhooks: who is told what, what became of it, and sending it again."""

from datetime import UTC, datetime
from uuid import uuid4

import click
from rich.console import Console
from rich.table import Table

from validatord.cli.session import Session
from validatord.clock import SystemClock
from validatord.errors import ConfigurationError, StoreError
from validatord.loops.notifier import judge_targets
from validatord.notify.message import TYPES, Message
from validatord.notify.signature import make_secret
from validatord.notify.webhook import Endpoint, WebhookSender, find_fault
from validatord.store import deliveries, webhooks
from validatord.store.database import Database
from validatord.store.deliveries import Asked, Delivery
from validatord.store.webhooks import Change, Webhook

EXIT_REFUSED = 1
_TYPES = click.Choice([name for name in TYPES if name != "webhook.test"])


async def _get(database: Database, webhook: int) -> Webhook:
    found = await webhooks.get_webhook(database, webhook)
    if found is None:
        raise StoreError(f"there is no webhook {webhook}")
    return found


@click.group("webhooks")
def group() -> None:
    """Tell other services what happened."""


@group.command()
@click.argument("url")
@click.option("--client", default="cli", show_default=True, help="Whose submissions it hears of.")
@click.option("--operator", "is_operator", is_flag=True, help="It hears of every client, and of alerts.")
@click.option("--event", "events", type=_TYPES, multiple=True, help="What it hears of; every event unless given.")
@click.pass_obj
def add(session: Session, url: str, client: str, *, is_operator: bool, events: tuple[str, ...]) -> None:
    """Register URL and show, once, the secret its messages are signed with."""
    fault = find_fault(url)
    if fault:
        raise ConfigurationError([f"this URL cannot be used: {fault}"])

    async def work(database: Database) -> int:
        found = await webhooks.add_webhook(database, None if is_operator else client, url, make_secret(), events)
        click.echo(f"webhook {found.id} of {found.client or 'the operator'}: {', '.join(events) or 'every event'}")
        click.echo(f"secret: {found.secret}")
        return 0

    session.run(work)


@group.command("list")
@click.option("--client", default=None, help="Of one client only.")
@click.pass_obj
def list_all(session: Session, client: str | None) -> None:
    """Show who is told what."""

    async def work(database: Database) -> int:
        table = Table()
        for name in ("webhook", "client", "URL", "events", "state"):
            table.add_column(name, overflow="fold")
        for hook in await webhooks.list_webhooks(database, client):
            state = "on" if hook.is_enabled else f"off: {hook.disabled_reason or 'by hand'}"
            table.add_row(str(hook.id), hook.client or "(operator)", hook.url, " ".join(hook.events) or "all", state)
        Console().print(table, markup=False)
        return 0

    session.run(work)


@group.command()
@click.argument("webhook", type=int)
@click.pass_obj
def remove(session: Session, webhook: int) -> None:
    """Forget WEBHOOK, and with it what waits for it."""

    async def work(database: Database) -> int:
        if not await webhooks.remove_webhook(database, webhook):
            raise StoreError(f"there is no webhook {webhook}")
        click.echo(f"webhook {webhook} is gone")
        return 0

    session.run(work)


@group.command()
@click.argument("webhook", type=int)
@click.pass_obj
def enable(session: Session, webhook: int) -> None:
    """Send to WEBHOOK again; what waited for it goes now."""
    session.run(lambda database: _switch(database, webhook, is_enabled=True))


@group.command()
@click.argument("webhook", type=int)
@click.pass_obj
def disable(session: Session, webhook: int) -> None:
    """Send nothing to WEBHOOK for now; what waits ends after a day."""
    session.run(lambda database: _switch(database, webhook, is_enabled=False))


async def _switch(database: Database, webhook: int, *, is_enabled: bool) -> int:
    if await webhooks.change_webhook(database, webhook, Change(is_enabled=is_enabled)) is None:
        raise StoreError(f"there is no webhook {webhook}")
    click.echo(f"webhook {webhook} is {'on' if is_enabled else 'off'}")
    return 0


@group.command()
@click.argument("webhook", type=int)
@click.pass_obj
def rotate(session: Session, webhook: int) -> None:
    """Give WEBHOOK a new secret; for a day messages carry the signature of the old one, too."""

    async def work(database: Database) -> int:
        found = await webhooks.rotate_secret(database, webhook, make_secret())
        if found is None:
            raise StoreError(f"there is no webhook {webhook}")
        click.echo(f"secret: {found.secret}")
        return 0

    session.run(work)


@group.command()
@click.argument("webhook", type=int)
@click.pass_obj
def test(session: Session, webhook: int) -> None:
    """Send a message of type webhook.test to WEBHOOK now; exit status 1 if it is not taken."""

    async def work(database: Database) -> int:
        await _get(database, webhook)
        place = (await deliveries.load_targets(database, [webhook]))[webhook]
        sender = WebhookSender(judge_targets(lambda: session.settings), SystemClock())
        message = Message(str(uuid4()), "webhook.test", datetime.now(UTC), {"webhook_id": webhook})
        timeout_seconds = session.settings.webhooks.timeout.total_seconds()
        answer = await sender.send(Endpoint(place.url, place.secrets), message, timeout_seconds)
        click.echo(f"taken: HTTP {answer.http_status}" if answer.is_taken else f"not taken: {answer.error}")
        if answer.excerpt:
            click.echo(f"it said: {answer.excerpt}")
        return 0 if answer.is_taken else EXIT_REFUSED

    session.run(work)


@group.command("deliveries")
@click.argument("webhook", type=int, required=False)
@click.option("--state", type=click.Choice(["pending", "delivered", "dead"]), default=None)
@click.option("--limit", default=50, show_default=True)
@click.pass_obj
def show_deliveries(session: Session, webhook: int | None, state: str | None, limit: int) -> None:
    """Show what was sent, newest first, of WEBHOOK or of all."""

    async def work(database: Database) -> int:
        table = Table()
        for name in ("delivery", "to", "type", "about", "since", "state", "attempts", "last answer"):
            table.add_column(name, overflow="fold")
        for item in await deliveries.list_deliveries(database, Asked(webhook, None, state, limit=limit)):
            table.add_row(*_describe(item))
        Console().print(table, markup=False)
        return 0

    session.run(work)


def _describe(item: Delivery) -> tuple[str, ...]:
    last = item.attempts[-1] if item.attempts else {}
    answer = item.reason or last.get("error") or (f"HTTP {last['http_status']}" if last else "")
    due = f" (due {item.due_at:%H:%M:%S})" if item.due_at else ""
    about = str(item.payload.get("submission") or "")
    since = f"{item.happened_at:%Y-%m-%d %H:%M}"
    return (str(item.id), item.target, item.type, about, since, item.state + due, str(len(item.attempts)), answer)


@group.command()
@click.argument("delivery", type=int)
@click.pass_obj
def redeliver(session: Session, delivery: int) -> None:
    """Send DELIVERY again, under its id: a receiver that had it knows that it is the same."""

    async def work(database: Database) -> int:
        if not await deliveries.redeliver(database, delivery):
            raise StoreError(f"there is no delivery {delivery}")
        click.echo(f"delivery {delivery} goes out again")
        return 0

    session.run(work)


COMMANDS = (group,)

"""`validatord alerts`: what needs a person now, and whether word of it would arrive."""

import asyncio
import sys
import time
from datetime import timedelta
from typing import Any
from uuid import UUID

import click
import orjson
from rich.console import Console
from rich.table import Table

from validatord.cli.session import Session
from validatord.store import alerts, nodes
from validatord.store.alerts import AlertRow, Told
from validatord.store.database import Database

_EXIT_ATTENTION = 1
_EXIT_AWAY = 3
_LATELY = timedelta(days=7)
_LOOK_SECONDS = 0.2
_COLOURS = {"critical": "red", "warning": "yellow"}


@click.group("alerts")
def group() -> None:
    """See what needs a person, and try how it is told."""


@group.command("list")
@click.option("--json", "is_json", is_flag=True, help="One JSON list.")
@click.pass_obj
def list_alerts(session: Session, *, is_json: bool) -> None:
    """Show what fires now and what was over lately; exit status 1 while something fires."""

    async def run() -> int:
        async with session.stores() as stores:
            rows = await alerts.list_alerts(stores.database, _LATELY)
        if is_json:
            click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2 | orjson.OPT_NAIVE_UTC))
        else:
            show_alerts(Console(), rows)
        return _EXIT_ATTENTION if any(row.cleared_at is None for row in rows) else 0

    sys.exit(asyncio.run(run()))


def show_alerts(console: Console, rows: list[AlertRow]) -> None:
    """Show alerts as a table, what fires first."""
    if not rows:
        console.print("nothing needs a person, and nothing did lately")
        return
    table = Table()
    for name in ("state", "alert", "node", "since", "summary"):
        table.add_column(name)
    for row in rows:
        colour = _COLOURS[row.severity] if row.cleared_at is None else "green"
        state = row.severity if row.cleared_at is None else "over"
        since = row.since.isoformat(sep=" ", timespec="seconds")
        table.add_row(f"[{colour}]{state}[/]", row.name, row.node, since, row.summary)
    console.print(table)


@group.command("test")
@click.option("--wait", "patience_seconds", type=float, default=30.0, show_default=True, help="Seconds to wait.")
@click.pass_obj
def try_alerts(session: Session, patience_seconds: float) -> None:
    """Have the running daemon send a message by mail and to the operator's webhooks, and say what came of it."""

    async def run() -> int:
        async with session.stores() as stores:
            running = await nodes.is_running(stores.database)
            text = "This is a test: word of what needs a person arrives here."
            message: dict[str, Any] = {"node": ", ".join(running) or "none", "text": text, "test": True, "alerts": []}
            event_id = await alerts.tell_operator(stores.database, message)
            if not running:
                click.echo("no daemon runs; the message is sent when one does", err=True)
                return _EXIT_AWAY
            return await _await_told(stores.database, event_id, patience_seconds, session.settings.alerts.recipients)

    sys.exit(asyncio.run(run()))


async def _await_told(database: Database, event_id: UUID, patience_seconds: float, recipients: tuple[str, ...]) -> int:
    deadline = time.monotonic() + patience_seconds
    told: list[Told] | None = None
    while time.monotonic() < deadline:
        told = await alerts.find_told(database, event_id)
        if told is not None and all(one.said or one.state != "pending" for one in told):
            break
        await asyncio.sleep(_LOOK_SECONDS)
    return _say(told, recipients)


def _say(told: list[Told] | None, recipients: tuple[str, ...]) -> int:
    if told is None:
        click.echo("the daemon did not take the message yet; see its log", err=True)
        return _EXIT_AWAY
    # Without recipients the way of mail takes everything and sends nothing.
    shown = [one for one in told if one.target != "mail" or recipients]
    for one in shown:
        place = f"mail to {', '.join(recipients)}" if one.target == "mail" else one.target
        click.echo(f"{place}: {one.state}{f' ({one.said})' if one.said and one.state != 'delivered' else ''}")
    if not shown:
        click.echo("nobody would hear: set [alerts] recipients, or: validatord webhooks add URL --operator", err=True)
    return 0 if shown and all(one.state == "delivered" for one in shown) else _EXIT_ATTENTION


COMMANDS = (group,)

"""`validatord status`: how the daemon is, what waits, what needs a person, how far submissions are."""

import asyncio
import json
import sys
import urllib.request
from dataclasses import asdict
from datetime import timedelta
from typing import Any, cast

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from validatord.cli.alerts import show_alerts
from validatord.cli.session import Session
from validatord.intake.results import Results
from validatord.settings import WebSettings
from validatord.store import alerts, figures, nodes, submissions
from validatord.store.database import Database
from validatord.store.figures import LedgerFigures

_PATIENCE_SECONDS = 2.0
_MOST_BYTES = 4_000_000
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 what a setting may say
_LATELY = timedelta(hours=24)


@click.command()
@click.argument("submission", required=False)
@click.option("--client", default="cli", show_default=True, help="Whose submission.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def status(session: Session, submission: str | None, client: str, *, is_json: bool) -> None:
    """Show how far a submission is; without one how everything is, and the latest submissions."""

    async def run() -> None:
        async with session.stores() as stores:
            if submission:
                await _show_one(stores.database, client, submission)
            else:
                await _show_all(stores.database, session.settings.web, is_json=is_json)

    asyncio.run(run())


async def _show_all(database: Database, web: WebSettings, *, is_json: bool) -> None:
    running = await nodes.is_running(database)
    # Only a daemon knows its lanes; the ledger knows the rest, also while none runs.
    report = await asyncio.to_thread(ask_daemon, web) if running and web.is_enabled else None
    ledger = await figures.measure(database)
    told = await alerts.list_alerts(database, _LATELY)
    latest = await submissions.list_submissions(database, 20)
    if is_json:
        everything: dict[str, Any] = {"running": running, "daemon": report, "alerts": told}
        everything["queue"] = {key: value for key, value in asdict(ledger).items() if isinstance(value, int | float)}
        everything["submissions"] = latest
        click.echo(orjson.dumps(everything, default=str, option=orjson.OPT_INDENT_2))
        return
    console = Console()
    console.print(f"running: {', '.join(running) or 'no daemon'}")
    if report is not None:
        _show_report(console, report)
    _show_queue(console, ledger)
    if told:
        show_alerts(console, told)
    table = Table()
    for name in ("client", "submission", "requests", "finished", "created"):
        table.add_column(name, justify="right" if name in {"requests", "finished"} else "left")
    for item in latest:
        created = item.created_at.isoformat(sep=" ", timespec="seconds")
        table.add_row(item.client, item.submission, f"{item.requests:,}", f"{item.finished:,}", created)
    console.print(table)


def ask_daemon(web: WebSettings) -> dict[str, Any] | None:
    """Return the report of the daemon that listens here, or None where none answers in time."""
    host = _EVERYWHERE.get(web.host, f"[{web.host}]" if ":" in web.host else web.host)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _AnyStatus())
    try:
        with opener.open(f"http://{host}:{web.port}/health", timeout=_PATIENCE_SECONDS) as answer:
            found: object = json.loads(answer.read(_MOST_BYTES))
    except (OSError, ValueError):
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) and "parts" in found else None


class _AnyStatus(urllib.request.HTTPErrorProcessor):
    """A 503 brings its report with it."""

    def http_response(self, request: urllib.request.Request, response: Any) -> Any:  # noqa: ARG002 its own signature
        return response


def _show_report(console: Console, report: dict[str, Any]) -> None:
    colour, word = ("green", "well") if report.get("ok") else ("red", "NOT WELL")
    console.print(
        f"[{colour}]{word}[/]  {escape(str(report.get('node')))} {escape(str(report.get('version')))}", end=""
    )
    console.print(f", up since {escape(str(report.get('started_at')))}", highlight=False)
    for name, part in report["parts"].items():
        mark = "[green]ok[/]" if part["ok"] else "[red]FAIL[/]" if part.get("needed") else "[yellow]warn[/]"
        detail = f": {escape(str(part['detail']))}" if part.get("detail") else ""
        console.print(f"  {mark}  {escape(name)} since {escape(part['since'])}{detail}", highlight=False)
    bouncer = report.get("bouncer_api", {})
    if bouncer.get("status") not in {None, "off"}:
        left = {tier: account.get("credits") for tier, account in bouncer.get("accounts", {}).items()}
        console.print(f"  bouncer: {escape(str(bouncer['status']))}, credits {escape(str(left))}", highlight=False)
    for lane in [lane for lane in report.get("lanes", []) if lane.get("retry_at")]:
        said = f"lane {lane['lane']} is shut until {lane['retry_at']}: {lane['cause']}"
        console.print(f"  [yellow]{escape(said)}[/]", highlight=False)


def _show_queue(console: Console, ledger: LedgerFigures) -> None:
    said = f"{ledger.unfinished:,} not decided yet ({ledger.handed_over:,} of them with Bouncer); "
    said += f"{ledger.domains_due:,} domains due, {ledger.domains_later:,} later, {ledger.domains_leased:,} visited now"
    if ledger.domains_due:
        said += f"; the oldest waits for {ledger.oldest_due_seconds:,.0f} s"
    console.print(said, highlight=False)


async def _show_one(database: Database, client: str, submission: str) -> None:
    progress = await (await Results.open(database, client)).get_progress(submission)
    if progress is None:
        click.echo(f"there is no submission {submission} of {client}", err=True)
        sys.exit(2)
    console = Console()
    console.print(f"{progress.finished:,} of {progress.requests:,} finished")
    for (outcome, reason), count in sorted(progress.by_reason.items()):
        console.print(f"  {outcome:<12} {reason:<28} {count:>9,}")
    for reason, count in sorted(progress.waiting.items()):
        console.print(f"  {'waiting':<12} {reason:<28} {count:>9,}")
    if progress.next_due is not None:
        console.print(f"next due {progress.next_due.isoformat(sep=' ', timespec='seconds')}")


COMMANDS = (status,)

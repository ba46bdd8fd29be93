"""Commands about the ledger: submit, explain, migrate."""

import asyncio
import sys
from typing import Any

import click

from validatord.cli.intake import Wanted, new_submission_name, submit_rows
from validatord.cli.kinds import INSTANT
from validatord.cli.reading import open_rows
from validatord.cli.session import Session
from validatord.intake.results import Results
from validatord.mail.request import Priority
from validatord.rules.explain import explain as explain_finding
from validatord.rules.explain import list_exchanges

EXIT_BAD_ROWS = 1


@click.command()
@click.argument("source", metavar="FILE|-")
@click.option("--column", default="", help="CSV column of the addresses; guessed if not given.")
@click.option("--client", default="cli", show_default=True, help="In whose name.")
@click.option("--submission", default="", help="Name of the submission; the same name again adds nothing twice.")
@click.option("--priority", type=click.Choice([item.value for item in Priority]), default="normal", show_default=True)
@click.option(
    "--campaign-at",
    type=INSTANT,
    default=None,
    help="When it will be sent to (2026-05-01 or 2026-05-01T08:00+02:00): what is out of date by then is asked again.",
)
@click.pass_obj
def submit(session: Session, source: str, column: str, client: str, **given: Any) -> None:
    """Put a list into the ledger for the daemon, and do not wait for it."""

    async def run() -> int:
        name = given["submission"] or new_submission_name()
        wanted = Wanted(client, name, Priority(given["priority"]), campaign_at=given["campaign_at"])
        async with session.stores() as stores:
            with open_rows((source,), column) as rows:
                count = await submit_rows(stores.database, session.settings, rows, wanted, lambda _: None)
        click.echo(f"{count:,} addresses in submission {wanted.submission}")
        return 0

    sys.exit(asyncio.run(run()))


@click.command()
@click.argument("address")
@click.option("--transcript", "has_transcript", is_flag=True, help="Show the conversation with the host, too.")
@click.option("--client", default="cli", show_default=True, help="Under whose policy.")
@click.pass_obj
def explain(session: Session, address: str, client: str, *, has_transcript: bool) -> None:
    """Tell in words what is known of an address, why, and what its confidence is made of."""

    async def run() -> int:
        async with session.stores() as stores:
            results = await Results.open(stores.database, client)
            found = await results.find_mailbox(address)
        if found is None:
            click.echo(f"nothing is known of {address}; try: validatord check {address}", err=True)
            return EXIT_BAD_ROWS
        finding = found.validation.finding
        lines = explain_finding(finding)
        lines += list_exchanges(finding) if has_transcript else []
        for line in lines:
            click.echo(line)
        return 0

    sys.exit(asyncio.run(run()))


@click.command()
@click.pass_obj
def migrate(session: Session) -> None:
    """Bring the ledger's schema up to date."""

    async def run() -> None:
        async with session.stores():
            click.echo("the schema is up to date")

    asyncio.run(run())


COMMANDS = (submit, explain, migrate)

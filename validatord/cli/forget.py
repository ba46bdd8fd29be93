"""`validatord forget`: one mailbox leaves the ledger, because a person may ask for that."""

import asyncio
import sys

import click
from rich.console import Console

from validatord.cli.session import Session
from validatord.errors import AddressSyntaxError
from validatord.mail.address import Mailbox
from validatord.mail.parse import parse_address
from validatord.store import erasure
from validatord.store.database import Database
from validatord.store.erasure import Erasure

EXIT_NOT_ALL = 1
_MOST_LOOKS = 100  # while its domain is being visited; a visit takes no longer than that
_LOOK_SECONDS = 2.0


@click.command()
@click.argument("address")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def forget(session: Session, address: str, *, yes: bool) -> None:
    """Erase a mailbox everywhere in the ledger; exit status 1 if a part of it has to wait for Bouncer."""
    try:
        mailbox = parse_address(address.strip(), allow_special_use=True)
    except AddressSyntaxError as error:
        raise click.UsageError(f"this is no address: {error}") from error
    if not yes:
        click.confirm(f"Erase everything about {mailbox}?", abort=True)

    async def run() -> int:
        async with session.stores() as stores:
            return _tell(await _erase(stores.database, mailbox))

    sys.exit(asyncio.run(run()))


async def _erase(database: Database, mailbox: Mailbox) -> Erasure:
    with Console(stderr=True).status("erasing") as told:
        for _ in range(_MOST_LOOKS):
            done = await erasure.erase(database, mailbox, lambda share: told.update(f"requests: {share:.0%}"))
            if not done.is_visited:
                return done
            told.update("its domain is being visited; waiting for the end of that")
            await asyncio.sleep(_LOOK_SECONDS)
    return Erasure(is_visited=True)


def _tell(done: Erasure) -> int:
    for kind, count in sorted(done.gone.items()):
        click.echo(f"{count:>9,} {kind}")
    if done.is_visited:
        click.echo("nothing was erased: its domain is being visited all the time; try again", err=True)
        return EXIT_NOT_ALL
    if done.at_bouncer:
        click.echo("Bouncer is being asked about it right now: run this again once that batch is over", err=True)
        return EXIT_NOT_ALL
    click.echo("nothing more is known of it here; think of your logs and backups")
    return 0


COMMANDS = (forget,)

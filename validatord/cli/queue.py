"""`validatord queue`: what waits, what rests, what is tried again, and running dry."""

import asyncio
import getpass
import os
from dataclasses import asdict

import click
import orjson
from rich.console import Console
from rich.table import Table

from validatord.cli.session import Session
from validatord.errors import AddressSyntaxError
from validatord.mail.parse import parse_domain
from validatord.mail.verdict import Reason
from validatord.store import pauses, queue, rejected, retract
from validatord.store.database import Database
from validatord.store.pauses import PauseKind
from validatord.store.queue import QueueStats, Undecided

EXIT_ATTENTION = 1
EXIT_USAGE = 2
_LOOK_SECONDS = 1.0
_AT_ONCE = 500
_KINDS = click.Choice([kind.value for kind in PauseKind])


@click.group("queue")
def group() -> None:
    """Look after the queue."""


@group.command()
@click.option("--json", "is_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def stats(session: Session, *, is_json: bool) -> None:
    """Show what waits, whose it is and why; exit status 1 if something waits for a person."""

    async def work(database: Database) -> int:
        found, resting = await queue.get_stats(database), await pauses.load(database)
        high, low = session.settings.store.marks
        if is_json:
            everything = asdict(found) | {"unfinished": found.unfinished, "high_water": high, "low_water": low}
            everything["pauses"] = [asdict(pause) for pause in resting]
            click.echo(orjson.dumps(everything, option=orjson.OPT_INDENT_2))
        else:
            console = Console()
            console.print(f"{found.unfinished:,} unfinished of at most {high:,}", highlight=False)
            _show_domains(console, found)
            _show_shares(console, found)
            _show_waiting(console, found)
            _show_pauses(console, resting)
            _show_dead(console, found)
        return EXIT_ATTENTION if found.rejected_jobs or found.bouncer_letters else 0

    session.run(work)


def _show_domains(console: Console, found: QueueStats) -> None:
    since = f", the longest since {found.oldest_due:%Y-%m-%d %H:%M:%S} UTC" if found.oldest_due else ""
    console.print(
        f"domains: {found.domains:,} with work, {found.domains_leased:,} visited now, {found.domains_due:,} due{since}",
        highlight=False,
    )
    for lane, count in found.lanes.items():
        console.print(f"  {lane or 'lane not known yet':<40} {count:>9,} due", highlight=False)


def _show_shares(console: Console, found: QueueStats) -> None:
    if found.shares:
        table = Table("client", "priority", "unfinished")
        for share in found.shares:
            table.add_row(share.client, str(share.priority), f"{share.requests:,}")
        console.print(table)


def _show_waiting(console: Console, found: QueueStats) -> None:
    for item in found.waiting:
        due = f"  next {item.next_due:%Y-%m-%d %H:%M:%S} UTC" if item.next_due else ""
        console.print(f"  waits: {item.reason:<28} {item.requests:>9,}{due}", highlight=False)


def _show_pauses(console: Console, resting: list[pauses.Pause]) -> None:
    for pause in resting:
        what = f"{pause.kind.value} {pause.key}".rstrip()
        why = f": {pause.reason}" if pause.reason else ""
        console.print(
            f"paused: {what}, by {pause.paused_by} at {pause.created_at:%Y-%m-%d %H:%M} UTC{why}",
            highlight=False,
            markup=False,
        )


def _show_dead(console: Console, found: QueueStats) -> None:
    if found.rejected_jobs:
        console.print(f"{found.rejected_jobs:,} jobs nobody could read: validatord queue rejected", highlight=False)
    if found.bouncer_letters:
        console.print(
            f"{found.bouncer_letters:,} dead letters of Bouncer's: validatord bouncer dead-letters list",
            highlight=False,
        )


@group.command()
@click.argument("kind", type=_KINDS)
@click.argument("key", default="", metavar="[NAME]")
@click.option("--reason", default="", help="Why, for whoever looks next.")
@click.pass_obj
def pause(session: Session, kind: str, key: str, reason: str) -> None:
    """Let something rest: intake, verification, lane NAME (or a provider's key), domain NAME.

    Every daemon hears of it at once; conversations under way end after the answers they wait for.
    """
    found = _check(PauseKind(kind), key)

    async def work(database: Database) -> int:
        is_new = await pauses.pause(database, *found, reason=reason, by=_whoami())
        click.echo("paused" if is_new else "was paused already; the reason is noted")
        return 0

    session.run(work)


@group.command()
@click.argument("kind", type=_KINDS)
@click.argument("key", default="", metavar="[NAME]")
@click.pass_obj
def resume(session: Session, kind: str, key: str) -> None:
    """Let something go on; exit status 1 if it was not paused."""
    found = _check(PauseKind(kind), key)

    async def work(database: Database) -> int:
        was_paused = await pauses.resume(database, *found)
        click.echo("goes on" if was_paused else "was not paused")
        return 0 if was_paused else EXIT_ATTENTION

    session.run(work)


@group.command("reset-lane")
@click.argument("lane")
@click.pass_obj
def reset_lane(session: Session, lane: str) -> None:
    """Let a lane go again that a receiver's refusals closed, such as default/google.

    Only once the cause is mended: whoever goes on knocking gets listed.
    """
    if lane.count("/") != 1:
        raise click.UsageError(f'"{lane}" is no lane; write identity/provider as `validatord queue stats` does')

    async def work(database: Database) -> int:
        await pauses.reset_lane(database, lane, by=_whoami())
        click.echo("every daemon that has this lane lets it go again")
        return 0

    session.run(work)


@group.command("retry-failed")
@click.option("--client", default=None, help="Only this client's.")
@click.option("--submission", default=None, help="Only of this submission.")
@click.option("--reason", default=None, help="Only what ended for this reason, such as no_connection.")
@click.pass_obj
def retry_failed(session: Session, client: str | None, submission: str | None, reason: str | None) -> None:
    """Ask again about everything that ended as unknown, from the start of the schedule.

    Its submissions are unfinished again until it is answered.
    """
    if reason is not None and reason not in {item.value for item in Reason}:
        raise click.UsageError(f'"{reason}" is no reason; `validatord queue stats` and results name them')
    wanted = Undecided(client, submission, reason)

    async def work(database: Database) -> int:
        count, last = 0, 0
        with Console(stderr=True).status("looking") as told:
            while ids := await queue.find_undecided(database, wanted, last, _AT_ONCE):
                count, last = count + await retract.queue_again(database, ids), ids[-1]
                told.update(f"{count:,} queued again")
        click.echo(f"{count:,} requests are queued again")
        return 0

    session.run(work)


@group.command("rejected")
@click.option("--limit", default=20, show_default=True)
@click.pass_obj
def show_rejected(session: Session, limit: int) -> None:
    """Show the newest arq jobs that could not be read, and why."""

    async def work(database: Database) -> int:
        for job in await rejected.list_newest(database, limit):
            click.echo(f"{job.rejected_at:%Y-%m-%d %H:%M:%S}  {job.job_id}  {job.function}: {job.reason}")
        return 0

    session.run(work)


@group.command()
@click.option("--timeout", default=600.0, show_default=True, help="Seconds to wait at most.")
@click.pass_obj
def drain(session: Session, timeout: float) -> None:
    """Take nothing new in and wait until nothing is due and nobody is visited; what waits for later stays.

    Intake stays paused: `validatord queue resume intake` opens it again. Exit status 1 if time ran out.
    """

    async def work(database: Database) -> int:
        await pauses.pause(database, PauseKind.INTAKE, reason="drain", by=_whoami())
        console = Console(stderr=True)
        try:
            async with asyncio.timeout(timeout):
                with console.status("intake is paused; waiting") as told:
                    while (left := await queue.get_stats(database)).domains_due or left.domains_leased:
                        told.update(f"{left.domains_leased:,} domains visited, {left.domains_due:,} due")
                        await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            click.echo("not dry yet; intake stays paused", err=True)
            return EXIT_ATTENTION
        click.echo(f"dry: {left.unfinished:,} requests wait for later; intake stays paused")
        return 0

    session.run(work)


def _check(kind: PauseKind, key: str) -> tuple[PauseKind, str]:
    """Return what is meant, or say what is wrong with it."""
    has_key = kind in {PauseKind.LANE, PauseKind.DOMAIN}
    if has_key != bool(key):
        raise click.UsageError(f"{kind.value} needs a name" if has_key else f"{kind.value} takes no name")
    if kind is not PauseKind.DOMAIN:
        return kind, key
    try:
        return kind, parse_domain(key)
    except AddressSyntaxError as error:
        raise click.UsageError(f'"{key}" is no domain: {error}') from error


def _whoami() -> str:
    """Return who types: the name behind sudo, if there is one."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


COMMANDS = (group,)

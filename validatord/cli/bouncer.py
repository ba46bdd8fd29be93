"""Commands about the paid second opinion: what is under way, what only a person can decide, what a list would cost."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from validatord.bouncer import estimate as the_estimate
from validatord.bouncer.context import keep_own
from validatord.bouncer.estimate import Estimate
from validatord.cli.reading import open_rows
from validatord.cli.session import Session
from validatord.errors import ConfigurationError, StoreError
from validatord.rules import policy as policies
from validatord.rules.policy import ClientPolicy
from validatord.store import bouncer_batches, bouncer_limits, bouncer_queue, bouncer_reports, clients, submissions
from validatord.store.bouncer_batches import Batch
from validatord.store.database import Database

_RECENT = timedelta(minutes=5)
_OPEN_STATES = ("planned", "submitting", "submit_unknown", "submitted", "ready", "downloaded", "cancelling", "lost")
EXIT_ATTENTION = 1


async def _load_policies(database: Database) -> Callable[[str], ClientPolicy]:
    found = {name: policies.read(values) for name, values in (await clients.load_policies(database)).items()}
    return lambda client: found.get(client, ClientPolicy())


@click.group()
def bouncer() -> None:
    """Look after the paid second opinion."""


@bouncer.command()
@click.pass_obj
def status(session: Session) -> None:
    """Show credits, queue, batches and what waits for a person; exit status 1 if something does."""

    async def work(database: Database) -> int:
        console = Console()
        has_key = bool(session.settings.bouncer.api_key.get_secret_value())
        console.print("key: set" if has_key else "key: none; Bouncer is off")
        await _show_accounts(console, database)
        await _show_queue(console, database)
        bought = await bouncer_reports.get_totals(database)
        console.print(
            f"bought: {bought.addresses:,} addresses in {bought.batches:,} batches for {bought.credits:,} credits",
            highlight=False,
        )
        batches = await bouncer_batches.list_batches(database, _OPEN_STATES)
        _show_batches(console, batches)
        letters = await bouncer_reports.count_dead_letters(database)
        if letters:
            console.print(f"{letters} dead letters nobody has seen: validatord bouncer dead-letters list")
        is_waiting = any(batch.state in {"submit_unknown", "lost"} for batch in batches)
        return EXIT_ATTENTION if is_waiting or letters else 0

    session.run(work)


async def _show_accounts(console: Console, database: Database) -> None:
    for tier, account in (await bouncer_limits.load_accounts(database)).items():
        if account.credits_ts is None and not account.stopped_ts:
            continue
        line = f"{tier}: {account.credits if account.credits is not None else '?'} credits"
        if account.stopped_ts:
            line += f", stopped: {account.last_error}"
        elif account.paused_ts:
            line += f", buys nothing ({account.pause_reason}): {account.last_error}"
        console.print(line, markup=False, highlight=False)


async def _show_queue(console: Console, database: Database) -> None:
    for item in await bouncer_reports.count_queue(database):
        oldest = f", the oldest since {item.oldest_ts:%Y-%m-%d %H:%M}" if item.oldest_ts else ""
        console.print(f"{item.tier}: {item.requests:,} requests {item.status}{oldest}", highlight=False)
    used = [f"{bucket.bucket} {bucket.request_count}" for bucket in await bouncer_limits.load_buckets(database)]
    if used:
        console.print(f"calls in the current minute: {', '.join(used)}", highlight=False)


def _show_batches(console: Console, batches: list[Batch]) -> None:
    table = Table()
    for name in ("batch", "state", "Bouncer's id", "its status", "addresses", "done", "since", "trouble"):
        table.add_column(name, justify="right" if name in {"batch", "addresses", "done"} else "left")
    for batch in batches:
        done = f"{batch.processed:,}" if batch.processed is not None else ""
        trouble = _describe_trouble(batch)
        columns = (str(batch.id), batch.state, batch.batch_id or "", batch.status or "", f"{batch.quantity:,}", done)
        table.add_row(*columns, f"{batch.updated_ts:%Y-%m-%d %H:%M}", trouble)
    console.print(table)


def _describe_trouble(batch: Batch) -> str:
    if batch.state != "submit_unknown":
        return batch.error_kind or ""
    return f"{batch.error_kind}; {_describe_hint(batch)}"


def _describe_hint(batch: Batch) -> str:
    """Say what the credits suggest: a hint, since other batches and other people move them, too."""
    before, after = batch.credits_before, batch.credits_after
    if before is None or after is None:
        return "the credits before and after it are not known"
    fell = before - after
    likely = "it was probably taken" if fell >= batch.quantity * 0.4 else "it was probably not taken"
    return f"credits fell by {fell:,} of {batch.quantity:,}: {likely}"


@bouncer.command()
@click.pass_obj
def resume(session: Session) -> None:
    """Buy again, after a pause that only a person ends."""

    async def work(database: Database) -> int:
        ended = [tier for tier in ("main", "deep") if await bouncer_limits.resume_account(database, tier)]
        click.echo(f"buying again: {', '.join(ended)}" if ended else "nothing was paused")
        return 0

    session.run(work)


@bouncer.command()
@click.argument("batch", type=int)
@click.argument("bouncer_id")
@click.pass_obj
def adopt(session: Session, batch: int, bouncer_id: str) -> None:
    """Go on with BATCH, which Bouncer has under BOUNCER_ID: see its dashboard."""

    async def work(database: Database) -> int:
        await bouncer_queue.adopt_batch(database, batch, bouncer_id.strip())
        click.echo(f"batch {batch} goes on as {bouncer_id.strip()}")
        return 0

    session.run(work)


@bouncer.command()
@click.argument("batch", type=int)
@click.option("--now", is_flag=True, help="Even if the create was sent only minutes ago.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def resubmit(session: Session, batch: int, *, now: bool, yes: bool) -> None:
    """Put the addresses of BATCH back into the queue; if Bouncer has it after all, they are paid for twice."""

    async def work(database: Database) -> int:
        found = await _get(database, batch)
        if found.state == "submit_unknown":
            _warn_recent(found, now=now)
            click.echo(_describe_hint(found))
        if not yes:
            click.confirm(f"Buy {found.quantity:,} addresses again?", abort=True)
        moved = await bouncer_queue.resubmit_batch(database, batch)
        click.echo(f"{moved:,} requests are queued again")
        return 0

    session.run(work)


def _warn_recent(batch: Batch, *, now: bool) -> None:
    sent = batch.submitting_ts
    if not now and sent is not None and datetime.now(UTC) - sent < _RECENT:
        raise StoreError(f"batch {batch.id} was sent at {sent:%H:%M:%S}: wait a little, its answer may come; or --now")


@bouncer.command()
@click.argument("batch", type=int)
@click.pass_obj
def abandon(session: Session, batch: int) -> None:
    """End the requests of BATCH with what our own probe said."""

    async def work(database: Database) -> int:
        settle = keep_own("abandoned", datetime.now(UTC))
        click.echo(f"{await bouncer_queue.abandon_batch(database, batch, settle):,} requests ended")
        return 0

    session.run(work)


@bouncer.command()
@click.argument("batch", type=int)
@click.pass_obj
def cancel(session: Session, batch: int) -> None:
    """Have Bouncer end BATCH early; what it did not verify is not paid for and goes back into the queue."""

    async def work(database: Database) -> int:
        if not await bouncer_batches.begin_cancel(database, batch):
            raise StoreError(f"batch {batch} does not run at Bouncer")
        click.echo(f"batch {batch} will be ended")
        return 0

    session.run(work)


async def _get(database: Database, batch: int) -> Batch:
    found = await bouncer_batches.get_batch(database, batch)
    if found is None:
        raise StoreError(f"there is no batch {batch}")
    return found


@bouncer.command()
@click.argument("what", metavar="FILE|SUBMISSION")
@click.option("--client", default="cli", show_default=True, help="Whose policy, budget and submission.")
@click.option("--column", default="", help="CSV column of the addresses; guessed if not given.")
@click.pass_obj
def estimate(session: Session, what: str, client: str, column: str) -> None:
    """Say what a list, or the rest of a submission, may cost in credits; nothing is spent."""
    is_list = what == "-" or Path(what).exists()

    async def work(database: Database) -> int:
        policy = (await _load_policies(database))(client)
        if is_list:
            with open_rows((what,), column) as rows:
                addresses = (row.address for row in rows)
                found = await the_estimate.estimate_list(database, client, policy, addresses)
        else:
            progress = await submissions.get_progress(database, client, what)
            if progress is None:
                raise ConfigurationError([f"there is neither a file nor a submission of {client} called {what}"])
            found = await the_estimate.estimate_submission(database, client, policy, progress.submission_id)
        _show_estimate(found, policy, client)
        return 0

    session.run(work)


def _show_estimate(found: Estimate, policy: ClientPolicy, client: str) -> None:
    lines = [
        f"{found.rows:,} rows; {found.no_address:,} are no address, {found.doubled:,} stand there twice",
        f"{found.known:,} need not be bought: they are finished, fresh, or under way",
        f"{found.surely:,} wait for Bouncer now, {found.open:,} are open",
    ]
    basis = "measured" if found.is_share_measured else "a usual share: too little history here"
    lines.append(f"policy of {client}: {policy.bouncer.mode.value}; {found.share:.0%} of the open ones ({basis})")
    lines.append(f"expected {found.expected:,} credits, at most {found.most:,}; unknown answers cost nothing")
    for left, name in ((found.left_today, "today"), (found.left_this_month, "this month")):
        if left is not None:
            lines.append(f"budget left {name}: {left:,}")
    click.echo("\n".join(lines))


@bouncer.group("dead-letters")
def dead_letters() -> None:
    """What was set aside for a person."""


@dead_letters.command("list")
@click.option("--all", "with_reviewed", is_flag=True, help="Reviewed ones, too.")
@click.option("--limit", default=50, show_default=True)
@click.pass_obj
def list_letters(session: Session, *, with_reviewed: bool, limit: int) -> None:
    """Show dead letters, newest first; exit status 1 if there are any nobody has seen."""

    async def work(database: Database) -> int:
        letters = await bouncer_reports.list_dead_letters(database, with_reviewed=with_reviewed, limit=limit)
        for letter in letters:
            about = letter.email or f"batch {letter.batch_id}"
            state = letter.resolution or ("reviewed" if letter.reviewed else "new")
            click.echo(f"{letter.id:>6}  {letter.failed_ts:%Y-%m-%d %H:%M}  {state:<11}  {about}  {letter.reason}")
            click.echo(f"        {letter.error_message}")
        return EXIT_ATTENTION if any(not letter.reviewed for letter in letters) else 0

    session.run(work)


@dead_letters.command()
@click.argument("letter", type=int)
@click.pass_obj
def review(session: Session, letter: int) -> None:
    """Note that somebody has seen dead letter LETTER."""

    async def work(database: Database) -> int:
        if not await bouncer_reports.review_dead_letter(database, letter):
            raise StoreError(f"there is no dead letter {letter}")
        return 0

    session.run(work)


@dead_letters.command()
@click.argument("letter", type=int)
@click.pass_obj
def retry(session: Session, letter: int) -> None:
    """Put what dead letter LETTER is about back into the queue."""

    async def work(database: Database) -> int:
        click.echo(f"{await bouncer_queue.retry_dead_letter(database, letter):,} requests are queued again")
        return 0

    session.run(work)


@dead_letters.command()
@click.argument("letter", type=int)
@click.pass_obj
def settle(session: Session, letter: int) -> None:
    """End the request of dead letter LETTER with what our own probe said."""

    async def work(database: Database) -> int:
        how = keep_own("settled", datetime.now(UTC))
        click.echo(f"{await bouncer_queue.settle_dead_letter(database, letter, how):,} requests ended")
        return 0

    session.run(work)


COMMANDS = (bouncer,)

"""`validatord check`: verify addresses now and show what came out.

The list goes into the ledger like any other. Where a daemon runs it does the work; else this process
runs the same engine until everything is done that falls due within the wait.
"""

import asyncio
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import click
from rich.console import Console

from validatord.cli.intake import Wanted, new_submission_name, submit_rows
from validatord.cli.interrupt import Interrupt
from validatord.cli.reading import open_rows
from validatord.cli.session import Session
from validatord.cli.showing import Bar, Person, Tally, show_results
from validatord.cli.writing import check_writable, open_writer, to_public
from validatord.clock import SystemClock
from validatord.doctor.names import check_identity_names
from validatord.engine import Engine
from validatord.errors import ConfigurationError, StoreAway, StoreError
from validatord.intake.results import Results
from validatord.mail.request import Priority
from validatord.settings import Settings, parse_duration
from validatord.store import nodes, submissions
from validatord.store.database import Database

CLIENT = "cli"
EXIT_BAD_ROWS = 1
EXIT_INTERRUPTED = 130
_POLL_SECONDS = 0.2
_CHANCE_EVERY = 10  # polls between two looks at when the rest is due
_PAGE = 2000
_AWAY = timedelta(minutes=1)  # a check waits for PostgreSQL no longer

Show = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    sources: tuple[str, ...]
    column: str
    output: str
    form: str
    wait: timedelta
    is_resumed: bool
    is_recheck: bool
    is_quiet: bool


class _Duration(click.ParamType[timedelta]):
    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read a duration the way the settings do."""
        try:
            found = parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not isinstance(found, timedelta):
            self.fail("not a duration", param, ctx)
        return found


@click.command()
@click.argument("sources", nargs=-1, metavar="ADDRESS… | FILE | -")
@click.option("--column", default="", help="CSV column of the addresses; guessed if not given.")
@click.option("-o", "--output", default="", help="Write results there (.csv, .jsonl); else to the terminal or stdout.")
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default=None, help="Instead of by the ending.")
@click.option(
    "--wait",
    type=_Duration(),
    default="60s",
    show_default=True,
    help="Stay for what falls due again within it (greylists); what is due later is written as unknown.",
)
@click.option("--resume", "is_resumed", is_flag=True, help="Go on with the last check instead of beginning one.")
@click.option("--recheck", "is_recheck", is_flag=True, help="Ask again even where a fresh verdict is known.")
@click.option("-q", "--quiet", "is_quiet", is_flag=True, help="No progress on the terminal.")
@click.pass_obj
def check(session: Session, form: str | None, **given: object) -> None:
    """Verify addresses, a list of them (one a line, or CSV), or standard input.

    Ctrl-C keeps what is done; `validatord check --resume` goes on.
    """
    options = Options(form=form or "", **given)  # pyright: ignore[reportArgumentType] click checked the types
    if not options.sources and not options.is_resumed:
        raise click.UsageError("what is to be checked? Give addresses, a file, or - for standard input")
    sys.exit(asyncio.run(_check(session, options)))


async def _check(session: Session, options: Options) -> int:
    settings = session.settings
    check_writable(options.output)  # better now than after an hour
    person = Person.of(options.is_quiet)
    interrupted = Interrupt()
    async with session.stores() as stores:
        database = stores.database
        name = await _find_last(database) if options.is_resumed else new_submission_name()
        with person.bar() as bar:
            if not options.is_resumed:
                await _take_in(database, settings, options, name, bar, interrupted)
            async with _Worker(database, settings, bar) as worker:
                interrupted.hurry = worker.hurry
                progress = await _Watch(worker, name, options.wait, bar).run(interrupted)
        interrupted.stop_listening()
        tally = await _write(await Results.open(database, CLIENT), progress, options)
    person.say(tally.sentence())
    if interrupted.is_set():
        lost = " The list was not read to its end." if interrupted.is_list_cut else ""
        person.insist(f"interrupted; what is done is kept. Go on with: validatord check --resume{lost}")
        return EXIT_INTERRUPTED
    if tally.unfinished:
        person.insist("some are asked again later, by the daemon or with: validatord check --resume")
    return EXIT_BAD_ROWS if tally.bad else 0


async def _take_in(
    database: Database, settings: Settings, options: Options, name: str, bar: Bar, interrupted: Interrupt
) -> None:
    wanted = Wanted(CLIENT, name, Priority.HIGH, is_recheck=options.is_recheck)
    with open_rows(options.sources, options.column) as rows:
        count = await submit_rows(database, settings, interrupted.guard(rows), wanted, bar.taken)
    if not count and not interrupted.is_set():
        raise ConfigurationError([f"{' '.join(options.sources)}: there are no addresses in it"])
    if not count:
        raise click.Abort


async def _find_last(database: Database) -> str:
    last = await submissions.list_submissions(database, 1, client=CLIENT)
    if not last:
        raise ConfigurationError(["there is no check to go on with"])
    return last[0].submission


class _Worker:
    """Sees to it that somebody works: a daemon that runs, or an engine of our own."""

    def __init__(self, database: Database, settings: Settings, bar: Bar) -> None:
        self.database = database
        self._settings = settings
        self._bar = bar
        self._engine: Engine | None = None

    async def __aenter__(self) -> Self:
        await self.ensure()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._engine is not None:
            await self._engine.stop()

    def hurry(self) -> None:
        """Let an engine of our own end in the middle of its conversations."""
        if self._engine is not None:
            self._engine.hurry()

    async def ensure(self) -> None:
        """Start an engine here unless somebody works already."""
        if self._engine is not None and self._engine.fenced.is_set():
            await self._engine.stop()
            self._engine = None
        if self._engine is not None or await nodes.is_running(self.database):
            return
        is_sandbox = not self._settings.lookup.public_addresses_only
        if not is_sandbox and (problems := check_identity_names(self._settings)):
            self._bar.warn("probes from this name will mostly be refused: " + "; ".join(problems))
        settings = self._settings
        engine = Engine(self.database, lambda: settings, SystemClock(), random.Random())  # noqa: S311 spreads waits
        try:
            await engine.start()
        except StoreError:
            return  # another check was faster; it works for us, too
        self._engine = engine


class _Watch:
    """Looks at a submission until everything is finished, or what is left falls due too late."""

    def __init__(self, worker: _Worker, name: str, wait: timedelta, bar: Bar) -> None:
        self._worker = worker
        self._name = name
        self._wait = wait
        self._bar = bar
        self._polls = 0
        self._deadline: datetime | None = None
        self._away_since: datetime | None = None

    async def run(self, interrupted: Interrupt) -> submissions.Progress:
        """Return how far it is when there is nothing more to wait for, or at an interruption."""
        while True:
            try:
                progress = await self._look()
                if interrupted.is_set() or await self._is_over(progress):
                    return progress
            except StoreAway:
                if interrupted.is_set() or not self._is_patient():
                    raise
            else:
                self._away_since = None
            await _rest(interrupted)

    async def _look(self) -> submissions.Progress:
        progress = await submissions.get_progress(self._worker.database, CLIENT, self._name)
        if progress is None:
            raise ConfigurationError([f"submission {self._name} is not in the ledger"])
        self._bar.finished(progress)
        return progress

    async def _is_over(self, progress: submissions.Progress) -> bool:
        if progress.finished == progress.requests:
            return True
        self._polls += 1
        if self._polls % _CHANCE_EVERY:
            return False
        await self._worker.ensure()
        chance = await submissions.find_next_chance(self._worker.database, progress.submission_id)
        now = datetime.now(UTC)
        if chance is None or chance <= now:
            self._deadline = None
            return False
        self._deadline = self._deadline or now + self._wait
        return chance > self._deadline

    def _is_patient(self) -> bool:
        """Whether to wait on for a PostgreSQL that is away; the engine does, too."""
        now = datetime.now(UTC)
        if self._away_since is None:
            self._away_since = now
            self._bar.warn("PostgreSQL is away; waiting")
        return now - self._away_since < _AWAY


async def _rest(interrupted: Interrupt) -> None:
    try:
        async with asyncio.timeout(_POLL_SECONDS):
            await interrupted.wait()
    except TimeoutError:
        return


async def _write(results: Results, progress: submissions.Progress, options: Options) -> Tally:
    tally = Tally()
    if not options.output and not options.form and sys.stdout.isatty():
        show = show_results(Console())
        await _each_result(results, progress.submission_id, show, tally)
        return tally
    with open_writer(options.output, options.form) as writer:
        await _each_result(results, progress.submission_id, writer.write, tally)
    return tally


async def _each_result(results: Results, submission_id: int, show: Show, tally: Tally) -> None:
    after = -1
    while rows := await results.fetch_page(submission_id, after, _PAGE):
        for row in rows:
            tally.count(row)
            show(to_public(row))
        after = rows[-1].idx


COMMANDS = (check,)

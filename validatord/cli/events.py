"""`validatord events`: what campaigns told, imported from the files of whoever sent them."""

import asyncio
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo

import click

from validatord.cli.session import Session
from validatord.cli.showing import Bar, Person
from validatord.errors import ConfigurationError
from validatord.intake.event_files import BadRow, ImportRules, fold, read_event_rows
from validatord.intake.events import RecordedEvents, record_events
from validatord.settings import Settings
from validatord.store.database import Database
from validatord.store.events import EVENT_TYPES, Event

EXIT_BAD_ROWS = 1
_CHUNK = 2000
_SHOWN = 20  # bad rows that are told one by one


@click.group("events")
def group() -> None:
    """What campaigns told about mailboxes: bounces, opens, clicks, replies, complaints."""


class _Zone(click.ParamType[tzinfo]):
    name = "zone"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tzinfo:
        """Read a name such as Europe/Berlin or UTC."""
        try:
            return ZoneInfo(str(value))
        except (OSError, KeyError, ValueError):  # a folder, a name nobody knows, no name at all
            self.fail(f'"{value}" is no time zone, such as Europe/Berlin or UTC', param, ctx)


class _Instant(click.ParamType[datetime]):
    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read an ISO 8601 time; one without a zone is UTC."""
        try:
            at = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f'"{value}" is no ISO 8601 time', param, ctx)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


class _Mapping(click.ParamType[tuple[str, str]]):
    name = "word=type"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Read `word=event_type`."""
        word, _, kind = str(value).rpartition("=")
        if not word or kind not in EVENT_TYPES:
            self.fail(f'"{value}" is not of the form word=type with a type of {", ".join(EVENT_TYPES)}', param, ctx)
        return fold(word), kind


@group.command("import")
@click.argument("source", metavar="FILE|-")
@click.option("--email", default="", help="Column of the address; guessed if not given, as the others.")
@click.option("--type", "event_type", default="", help="Column of the kind of event.")
@click.option("--at", "event_at", default="", help="Column of the time.")
@click.option("--campaign", "campaign_id", default="", help="Column of the campaign; may be missing.")
@click.option("--as", "kind", type=click.Choice(EVENT_TYPES), default=None, help="Every row is such an event.")
@click.option("--when", type=_Instant(), default=None, help="Time of rows without one; the same at each import.")
@click.option("--timezone", "zone", type=_Zone(), default=None, help="Zone of times that say none.")
@click.option("--map", "kinds", type=_Mapping(), multiple=True, help="What a word of the file means; may be repeated.")
@click.option("-q", "--quiet", "is_quiet", is_flag=True, help="No progress on the terminal.")
@click.pass_obj
def import_(session: Session, source: str, *, is_quiet: bool, **given: object) -> None:
    """Import a CSV file of events; the same file again adds nothing.

    A row that cannot be read is named with line and column and left out; the others are kept. Exit status 1
    if there was one.
    """
    options: dict[str, object] = given
    columns = {name: str(options[name]) for name in ("email", "event_type", "event_at", "campaign_id") if options[name]}
    kinds: tuple[tuple[str, str], ...] = options["kinds"]  # pyright: ignore[reportAssignmentType] click checked it
    rules = ImportRules(
        columns=columns,
        kinds=dict(kinds),
        event_type=str(options["kind"] or ""),
        event_at=options["when"],  # pyright: ignore[reportArgumentType] click checked it
        zone=options["zone"],  # pyright: ignore[reportArgumentType] click checked it
    )
    sys.exit(asyncio.run(_import(session, source, rules, Person.of(is_quiet))))


async def _import(session: Session, source: str, rules: ImportRules, person: Person) -> int:
    now = datetime.now(UTC)
    async with session.stores() as stores:
        with _open(source) as stream, person.bar() as bar:
            name = "standard input" if source == "-" else source
            taker = _Taker(stores.database, session.settings, now, bar, person)
            await taker.take(read_event_rows(stream, rules, now, name))
    click.echo(taker.sentence())
    return EXIT_BAD_ROWS if taker.bad else 0


@dataclass(slots=True)
class _Taker:
    """Puts rows into the ledger chunk by chunk, and tells of those that are none."""

    database: Database
    settings: Settings
    now: datetime
    bar: Bar
    person: Person
    read: int = 0
    bad: int = 0
    recorded: RecordedEvents = field(default_factory=RecordedEvents)

    async def take(self, rows: Iterable[Event | BadRow]) -> None:
        """Take every row in; what is committed stays, whatever comes later."""
        chunk: list[Event] = []
        for row in rows:
            self.read += 1
            if isinstance(row, BadRow):
                self._tell(row)
            else:
                chunk.append(row)
            if len(chunk) >= _CHUNK:
                await self._flush(chunk)
        await self._flush(chunk)

    async def _flush(self, chunk: list[Event]) -> None:
        if chunk:
            self.recorded += await record_events(self.database, chunk, self.settings, self.now)
            chunk.clear()
        self.bar.taken(self.read)

    def _tell(self, row: BadRow) -> None:
        self.bad += 1
        if self.bad <= _SHOWN:
            click.echo(f"line {row.line}, column {row.column}: {row.problem}", err=True)
        elif self.bad == _SHOWN + 1:
            click.echo("… more bad lines are only counted", err=True)

    def sentence(self) -> str:
        """Return the counts in one line."""
        found = self.recorded
        parts = [f"{self.read:,} rows", f"{found.added:,} new", f"{found.known:,} known already"]
        parts += [f"{self.bad:,} left out"] if self.bad else []
        parts += [f"{found.rejudged:,} stored verdicts changed"] if found.rejudged else []
        return ", ".join(parts)


@contextmanager
def _open(source: str) -> Generator[BinaryIO]:
    if source == "-":
        yield sys.stdin.buffer
        return
    try:
        with Path(source).open("rb") as stream:
            yield stream
    except OSError as error:
        raise ConfigurationError([f"{source}: {error.strerror}"]) from error


COMMANDS = (group,)

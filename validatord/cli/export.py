"""The command that writes the results of a submission to a file."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import click

from validatord.cli.session import Session
from validatord.cli.showing import Person
from validatord.errors import AddressSyntaxError, ConfigurationError
from validatord.exports.export import Wanted, choose_statuses, find_form, stream
from validatord.exports.forms import Form
from validatord.intake.results import Results
from validatord.mail.parse import parse_domain
from validatord.mail.verdict import Reason, Status

EXIT_UNFINISHED = 1
_FORMS = click.Choice([form.value for form in Form])
_STATUSES = click.Choice([status.value for status in Status])
_REASONS = click.Choice([reason.value for reason in Reason])


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for on the command line."""

    client: str
    form: str | None
    statuses: tuple[str, ...]
    include_accept_all: bool | None
    reasons: tuple[str, ...]
    domains: tuple[str, ...]
    with_unfinished: bool
    after: int
    until: int
    has_bom: bool | None
    is_packed: bool
    output: str

    def want(self, usual: tuple[str, ...]) -> Wanted:
        """Return what the export is like; `usual` are the client's statuses where none is named."""
        form, is_packed = find_form(self.output)
        return Wanted(
            form=Form(self.form) if self.form else form,
            statuses=choose_statuses(self.statuses, usual, include_accept_all=self.include_accept_all),
            reasons=frozenset(self.reasons),
            domains=frozenset(_read_domain(text) for text in self.domains),
            with_unfinished=self.with_unfinished,
            after=self.after,
            until=self.until,
            has_bom=self.has_bom,
            is_packed=self.is_packed or is_packed,
        )


@click.command()
@click.argument("submission")
@click.option("--client", default="cli", show_default=True, help="Whose submission, and under whose policy.")
@click.option("--format", "form", type=_FORMS, default=None, help="Unless the file's name says it: csv.")
@click.option("--status", "statuses", multiple=True, type=_STATUSES, help="Only these; else those of the policy.")
@click.option("--include-accept-all/--no-include-accept-all", default=None, help="Add accept_all, or leave it out.")
@click.option("--reason", "reasons", multiple=True, type=_REASONS, help="Only these.")
@click.option("--domain", "domains", multiple=True, help="Only addresses of these domains.")
@click.option("--unfinished", "with_unfinished", is_flag=True, help="Also what has no result yet.")
@click.option("--after", default=-1, metavar="INDEX", help="Only places behind this one: to go on.")
@click.option("--until", default=2**31 - 1, metavar="INDEX", help="Only places up to this one.")
@click.option("--bom/--no-bom", "has_bom", default=None, help="A byte order mark in front; csv has one.")
@click.option("--gzip", "is_packed", is_flag=True, help="Pack; a name that ends with .gz says so, too.")
@click.option("-o", "--output", default="-", help="File to write; else standard output.")
@click.pass_obj
def export(session: Session, submission: str, **given: object) -> None:
    """Write the results of SUBMISSION: CSV for spreadsheets, raw CSV, JSON lines or Parquet.

    In csv a cell that a spreadsheet would take for a formula gets an apostrophe in front; csv-raw and ndjson
    carry every text as it is; parquet needs the extra of that name. Exit status 1: not all is finished.
    """
    options = Options(**given)  # pyright: ignore[reportArgumentType] click checked the types
    sys.exit(asyncio.run(_export(session, submission, options)))


async def _export(session: Session, submission: str, options: Options) -> int:
    person = Person.of(is_quiet=False)
    async with session.stores() as stores:
        results = await Results.open(stores.database, options.client)
        progress = await results.get_progress(submission)
        if progress is None:
            raise ConfigurationError([f"there is no submission {submission} of {options.client}"])
        wanted = options.want(tuple(results.policy.export_statuses))
        with _open(options.output) as target:
            await _write(stream(results, progress.submission_id, wanted), target)
    left = progress.requests - progress.finished
    if left:
        person.insist(f"{left:,} of {progress.requests:,} have no result yet")
    return EXIT_UNFINISHED if left else 0


async def _write(pieces: AsyncGenerator[bytes], target: IO[bytes]) -> None:
    async for piece in pieces:
        await asyncio.to_thread(target.write, piece)


@contextmanager
def _open(path: str) -> Generator[IO[bytes]]:
    """Open where to write; a file gets its name when it is whole."""
    if path == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = Path(f"{path}.part")
    try:
        with part.open("wb") as target:
            yield target
        part.replace(path)
    except OSError as error:
        raise ConfigurationError([f"{path}: {error.strerror}"]) from error
    finally:
        part.unlink(missing_ok=True)


def _read_domain(text: str) -> str:
    try:
        return parse_domain(text)
    except AddressSyntaxError as error:
        raise ConfigurationError([f"--domain {text}: {error}"]) from None


COMMANDS = (export,)

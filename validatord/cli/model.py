"""Commands about the model: train it from what campaigns told, judge it, put it in force, ask it."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from validatord.cli.session import Session
from validatord.errors import ConfigurationError
from validatord.learning import train as training
from validatord.learning.evaluate import evaluate as judge_model
from validatord.learning.evaluate import write_report
from validatord.learning.judge import Judgement, list_objections
from validatord.learning.observe import Span, Tell, be_silent, find_facts
from validatord.mail.track_record import TrackRecord
from validatord.rules import features, model_file
from validatord.rules.features import Evidence
from validatord.rules.model import Model
from validatord.rules.model_file import MOST_BYTES, Spans
from validatord.store import models
from validatord.store.database import Database
from validatord.store.models import StoredModel

EXIT_REFUSED = 1
_MOST_SHOWN = 12  # contributions


_DAYS = click.IntRange(1, 3650)


@contextmanager
def _watch() -> Generator[Tell]:
    """Show how far the reading is, where somebody watches."""
    if not sys.stderr.isatty():
        yield be_silent
        return
    columns = (TextColumn("reading {task.description}"), TextColumn("{task.completed:,}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks = {name: progress.add_task(name, total=None) for name in ("lists", "verdicts")}
        yield lambda name, count: progress.advance(tasks[name], count)


@click.group()
def model() -> None:
    """Learn from what campaigns met: which mailboxes of accept-all domains are alive."""


@model.command()
@click.option(
    "--window", type=_DAYS, default=45, show_default=True, help="Days after a verdict in which its outcome counts."
)
@click.option(
    "--half-life",
    type=_DAYS,
    default=365,
    show_default=True,
    help="Days after which a bounce of the domain counts half.",
)
@click.pass_obj
def train(session: Session, window: int, half_life: int) -> None:
    """Train a model from the ledger and keep it, not yet in force; needs the extra `ml`."""

    async def work(database: Database) -> int:
        span = Span(until=datetime.now(UTC), spans=Spans(timedelta(days=window), timedelta(days=half_life)))
        with _watch() as tell:
            found = await training.train(database, session.settings, span, tell)
        for problem in found.left_out:
            click.echo(f"left out: {problem}")
        if found.file is None:
            click.echo("no model came of it")
            return EXIT_REFUSED
        kept = {status: section for status, section in found.file.sections.items() if section.report is not None}
        judgements = [one for one in found.judgements if one.status in kept]
        _show(judgements)
        document = model_file.dump(found.file).decode()
        number = await models.add(database, document, found.file.hash, found.file.trained_at, "trained")
        objections = list_objections(judgements)
        for objection in objections:
            click.echo(f"may not be used: {objection}")
        click.echo(f"model {number}, {found.file.hash[:12]}")
        if not objections:
            click.echo(f"put it in force: validatord model activate {number}")
        return 0

    session.run(work)


@model.command()
@click.argument("number", type=int, required=False)
@click.option(
    "--out", "folder", type=click.Path(path_type=Path), help="Folder for report and diagrams; else model-NUMBER."
)
@click.pass_obj
def evaluate(session: Session, number: int | None, folder: Path | None) -> None:
    """Judge model NUMBER (else the one in force, else the newest) by verdicts younger than itself.

    Writes the numbers, and per status the reliability diagram and the ROC curve; drawing needs the extra `ml`.
    """

    async def work(database: Database) -> int:
        stored = await _choose(database, number)
        found = _read(stored)
        judgements = await _judge(session, database, found)
        _show(judgements)
        for path in write_report(folder or Path(f"model-{stored.id}"), found, judgements):
            click.echo(path)
        for objection in list_objections(judgements):
            click.echo(f"may not be used: {objection}")
        return 0

    session.run(work)


@model.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """Show the models, newest first; the one in force is marked."""

    async def work(database: Database) -> int:
        table = Table()
        for name in ("model", "hash", "origin", "trained", "knows until", "status", "Brier", "rules' Brier", "ECE"):
            table.add_column(name, justify="right" if name in {"model", "Brier", "rules' Brier", "ECE"} else "left")
        for stored in await models.list_models(database):
            _add_rows(table, stored)
        Console().print(table)
        return 0

    session.run(work)


def _add_rows(table: Table, stored: StoredModel) -> None:
    file = model_file.read(stored.document, f"model {stored.id}")
    mark = "*" if stored.is_active else ""
    first = (f"{stored.id}{mark}", file.hash[:12], stored.origin, f"{file.trained_at:%Y-%m-%d}")
    for status, section in file.sections.items():
        report = section.report
        figures = (report.model.brier, report.rules.brier, report.model.ece) if report is not None else ()
        table.add_row(*first, f"{file.known_until:%Y-%m-%d}", status, *(f"{figure:.4f}" for figure in figures))


@model.command()
@click.argument("number", type=int)
@click.pass_obj
def activate(session: Session, number: int) -> None:
    """Put model NUMBER in force, if verdicts younger than it show that it beats the rules.

    Daemons take it over within a quarter of a minute.
    """

    async def work(database: Database) -> int:
        stored = await _choose(database, number)
        judgements = await _judge(session, database, _read(stored))
        _show(judgements)
        objections = list_objections(judgements)
        for objection in objections:
            click.echo(f"refused: {objection}", err=True)
        if objections:
            return EXIT_REFUSED
        await models.activate(database, stored.id)
        click.echo(f"model {stored.id}, {stored.hash[:12]}, is in force")
        return 0

    session.run(work)


@model.command()
@click.pass_obj
def deactivate(session: Session) -> None:
    """Let the rules alone speak again."""

    async def work(database: Database) -> int:
        number = await models.deactivate(database)
        click.echo(f"model {number} is not in force any more" if number is not None else "no model was in force")
        return 0

    session.run(work)


@model.command("export")
@click.argument("number", type=int)
@click.argument("target", metavar="FILE|-", default="-", type=click.File("wb"))
@click.pass_obj
def export_(session: Session, number: int, target: Any) -> None:
    """Write model NUMBER as JSON."""

    async def work(database: Database) -> int:
        target.write((await _choose(database, number)).document.encode())
        return 0

    session.run(work)


@model.command("import")
@click.argument("source", metavar="FILE|-", type=click.File("rb"))
@click.pass_obj
def import_(session: Session, source: Any) -> None:
    """Keep a model that was exported elsewhere; it is not in force, and must beat the rules here, too."""
    file = model_file.read(source.read(MOST_BYTES + 1), str(getattr(source, "name", "standard input")))

    async def work(database: Database) -> int:
        document = model_file.dump(file).decode()
        number = await models.add(database, document, file.hash, file.trained_at, "imported")
        click.echo(f"model {number}, {file.hash[:12]}")
        return 0

    session.run(work)


@model.command()
@click.argument("address")
@click.option("--model", "number", type=int, help="Another model than the one in force.")
@click.pass_obj
def explain(session: Session, address: str, number: int | None) -> None:
    """Tell what the model makes of an address that was verified, feature by feature."""

    async def work(database: Database) -> int:
        found = _read(await _choose(database, number))
        status, evidence = await _gather(database, address.strip(), found)
        probability = found.predict(status, evidence)
        if probability is None:
            click.echo(f"the verdict is {status}; the model speaks about {', '.join(found.sections)} only")
            return EXIT_REFUSED
        click.echo(f"{status}: mail arrives in {probability:.1%} of such cases")
        _tell_record(evidence.record)
        for item in found.explain(status, evidence)[:_MOST_SHOWN]:
            click.echo(f"  {item.log_odds:+7.2f}  {features.WORDS[item.feature]} ({item.feature} {item.number:.3g})")
        return 0

    session.run(work)


def _tell_record(record: TrackRecord) -> None:
    click.echo(
        f"of the domain's mailboxes {record.domain_bounced:.1f} bounced and {record.domain_alive:.1f} showed life, "
        f"{record.domain_verified:.1f} were verified (older ones count less); log-odds beside the usual mailbox:"
    )


async def _gather(database: Database, address: str, found: Model) -> tuple[str, Evidence]:
    stored = (await models.load_evidence(database, [address])).get(address)
    if stored is None:
        raise ConfigurationError([f"nothing was verified of {address}; try: validatord check {address}"])
    facts = find_facts(stored.finding)
    if facts is None:
        return str(stored.finding.status), Evidence("")
    mailboxes = [(stored.email, stored.domain.domain)]
    record = (await models.load_track_records(database, mailboxes, found.half_life))[stored.email]
    finding = replace(stored.finding, score_facts=facts)
    local_part = stored.email.rpartition("@")[0]
    return facts.verdict.status.value, features.gather(local_part, finding, stored.domain, record)


async def _choose(database: Database, number: int | None) -> StoredModel:
    if number is not None:
        stored = await models.get(database, number)
        if stored is None:
            raise ConfigurationError([f"there is no model {number}; see: validatord model list"])
        return stored
    stored = await models.get_active(database) or next(iter(await models.list_models(database, 1)), None)
    if stored is None:
        raise ConfigurationError(["there is no model; train one: validatord model train"])
    return stored


def _read(stored: StoredModel) -> Model:
    return model_file.read(stored.document, f"model {stored.id}").to_model()


async def _judge(session: Session, database: Database, found: Model) -> list[Judgement]:
    with _watch() as tell:
        return await judge_model(database, session.settings, found, datetime.now(UTC), tell)


def _show(judgements: list[Judgement]) -> None:
    table = Table()
    columns = ("status", "voice", "Brier", "log loss", "ECE", "area under ROC", "dead", "alive")
    for name in columns:
        table.add_column(name, justify="left" if name in columns[:2] else "right")
    for one in judgements:
        for voice, scores in (("model", one.model), ("rules", one.rules)):
            area = f"{scores.auc:.3f}" if scores.auc is not None else ""
            figures = (f"{scores.brier:.4f}", f"{scores.log_loss:.4f}", f"{scores.ece:.4f}", area)
            table.add_row(one.status, voice, *figures, f"{one.dead:,}", f"{one.alive:,}")
    Console().print(table)


COMMANDS = (model,)

"""`validatord rescore`: score again what is finished, from stored evidence; says what would change, or changes it."""

import asyncio
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import click
import orjson
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from validatord.cli.session import Session
from validatord.cli.showing import Person
from validatord.rules import model_file
from validatord.rules.risk import RiskLists
from validatord.settings import Settings
from validatord.store import models, rescoring
from validatord.store.database import Database
from validatord.verification.rescore import Changes, Rules, rescore_requests, rescore_validations


@click.command()
@click.option("--apply", "is_applied", is_flag=True, help="Write the new scores; without it nothing is changed.")
@click.option("--with-lists", is_flag=True, help="Flags by today's risk lists, not as they were.")
@click.option("--with-events", is_flag=True, help="What campaigns told weighed as of now, not as it was.")
@click.option("--with-model", is_flag=True, help="What the model in force gives, or none; see: validatord model.")
@click.option("--json", "is_json", is_flag=True, help="The report as JSON.")
@click.pass_obj
def rescore(
    session: Session, *, is_applied: bool, with_lists: bool, with_events: bool, with_model: bool, is_json: bool
) -> None:
    """Compute every score again from stored evidence, without a packet, and report what changes.

    It may be stopped at any time and run again: what is done is done, and doing it twice changes nothing more.
    """
    rules = _make_rules(session.settings, is_applied=is_applied, with_lists=with_lists, with_events=with_events)

    async def run() -> dict[str, Changes]:
        async with session.stores() as stores:
            wanted = await _take_model(stores.database, rules) if with_model else rules
            return await _rescore(stores.database, wanted)

    found = asyncio.run(run())
    if is_json:
        report = {name: to_public(changes) for name, changes in found.items()}
        click.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
    else:
        for name, changes in found.items():
            sys.stdout.write("\n".join(_tell(name, changes, is_applied=is_applied)) + "\n")


def _make_rules(settings: Settings, *, is_applied: bool, with_lists: bool, with_events: bool) -> Rules:
    return Rules(
        settings,
        flags_of=RiskLists.load(settings.policy).flags if with_lists else None,
        weigh_at=datetime.now(UTC) if with_events else None,
        is_applied=is_applied,
    )


async def _take_model(database: Database, rules: Rules) -> Rules:
    stored = await models.get_active(database)
    model = model_file.read(stored.document, f"model {stored.id}").to_model() if stored is not None else None
    return replace(rules, asks_model=True, model=model)


async def _rescore(database: Database, rules: Rules) -> dict[str, Changes]:
    person = Person.of(is_quiet=False)
    columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=person.console, transient=True, disable=not person.is_watching) as bar:
        task = bar.add_task("", total=max(1, await rescoring.estimate_rows(database)))

        def tell(count: int) -> None:
            bar.advance(task, count)

        return {
            "results": await rescore_requests(database, rules, tell),
            "mailboxes": await rescore_validations(database, rules, tell),
        }


def to_public(changes: Changes) -> dict[str, Any]:
    """Return a report as JSON shows it."""
    return {
        "examined": changes.examined,
        "without_evidence": changes.without_evidence,
        "changed": changes.changed,
        "written": changes.written,
        "confidence_only": changes.confidences,
        "statuses": [
            {
                "from": before,
                "to": after,
                "count": count,
                "examples": [
                    {"email": one.email, "confidence_from": one.before, "confidence_to": one.after}
                    for one in changes.examples[before, after]
                ],
            }
            for (before, after), count in changes.statuses.most_common()
        ],
    }


def _tell(name: str, changes: Changes, *, is_applied: bool) -> list[str]:
    done = f"{changes.written:,} changed" if is_applied else f"{changes.changed:,} would change"
    lines = [f"{name}: {changes.examined:,} examined, {done}, {changes.confidences:,} of them in confidence alone"]
    if changes.without_evidence:
        lines.append(f"  {changes.without_evidence:,} hold no evidence: cancelled, or stored by an older version")
    for (before, after), count in changes.statuses.most_common():
        lines.append(f"  {before} → {after}: {count:,}")
        lines += [f"    {one.email}  {one.before} → {one.after}" for one in changes.examples[before, after]]
    return lines


COMMANDS = (rescore,)

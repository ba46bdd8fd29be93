"""`validatord lists`: which lists are in use, what they say of a domain, and what our own bounces would add."""

import asyncio
import sys
from dataclasses import asdict
from typing import Any

import click
import orjson

from validatord.cli.session import Session
from validatord.errors import AddressSyntaxError
from validatord.mail.parse import parse_domain
from validatord.mail.suffix import get_version
from validatord.rules.lists_check import DomainReport, Found, check_domain
from validatord.rules.risk import RiskLists
from validatord.store import proposals
from validatord.store.proposals import Proposal, Wanted


@click.group("lists", invoke_without_command=True)
@click.option("--json", "is_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def group(context: click.Context, *, is_json: bool) -> None:
    """Show every list in use: where it comes from, its version, its day and how much it holds."""
    if context.invoked_subcommand is None:
        _show_lists(context.obj, is_json=is_json)


def _show_lists(session: Session, *, is_json: bool) -> None:
    sources = RiskLists.load(session.settings.policy).describe()
    suffixes: dict[str, Any] = {"kind": "public_suffix", "source": "publicsuffixlist", "version": get_version()}
    rows = [asdict(source) for source in sources]
    if is_json:
        for row in (*rows, {**suffixes, "entries": None, "taken_out": None, "dated": None}):
            click.echo(orjson.dumps(row).decode())
        return
    lines = [("list", "source", "version", "day", "entries", "taken out")]
    for row in rows:
        counts = (f"{row['entries']:,}", f"{row['taken_out']:,}")
        lines.append((row["kind"], row["source"], row["version"], str(row["dated"] or ""), *counts))
    lines.append((suffixes["kind"], suffixes["source"], suffixes["version"], "", "", ""))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line[:4], widths[:4], strict=True)]
        cells += [cell.rjust(width) for cell, width in zip(line[4:], widths[4:], strict=True)]
        click.echo("  ".join(cells).rstrip())


@group.command()
@click.argument("domain")
@click.option("--mx", "hosts", multiple=True, metavar="HOST", help="An MX host of the domain; may be repeated.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def check(session: Session, domain: str, hosts: tuple[str, ...], *, is_json: bool) -> None:
    """Say what the lists make of a domain, and which entry or line of a file decides.

    Nobody is asked: what takes the domain's mail is looked up by `validatord check`, or given with --mx.
    """
    try:
        name = parse_domain(domain.rpartition("@")[2].strip().rstrip("."))
    except AddressSyntaxError as error:
        raise click.BadParameter(str(error), param_hint="DOMAIN") from None
    report = check_domain(session.settings.policy, name, tuple(host.lower().rstrip(".") for host in hosts))
    if is_json:
        click.echo(orjson.dumps(asdict(report)).decode())
        return
    for line in _tell(report):
        click.echo(line)


def _tell(report: DomainReport) -> list[str]:
    words = [word for word, holds in (("disposable", report.is_disposable), ("free", report.is_free)) if holds]
    lines = [f"{report.domain}: {', '.join(words) or 'neither disposable nor free'}"]
    if report.ban:
        lines.append(f"  never connected to: {report.ban}")
    if report.suggestion:
        lines.append(f"  probably meant: {report.suggestion}")
    lines += [f"  {'→' if found == report.decided_by else ' '} {_describe(found)}" for found in report.found]
    return lines


def _describe(found: Found) -> str:
    where = f"{found.source} line {found.line}" if found.line else found.source
    what = f'"{"!" if found.takes_out else ""}{found.entry}"'
    return f"{found.kind}: {what} in {where}" + (f" (for the host {found.host})" if found.host else "")


@group.command()
@click.option("--mailboxes", default=5, show_default=True, type=click.IntRange(1), help="Least mailboxes told about.")
@click.option(
    "--share", default=0.8, show_default=True, type=click.FloatRange(0, 1), help="Least share of them that bounced."
)
@click.option("--days", default=365, show_default=True, type=click.IntRange(1), help="How far back bounces count.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object a line.")
@click.pass_obj
def propose(session: Session, mailboxes: int, share: float, days: int, *, is_json: bool) -> None:
    """Propose domains that look disposable by our own bounces; nothing is added by itself.

    The output is a list file: read it, then append what you agree with to the file of policy.deny_file.
    """
    sys.exit(asyncio.run(_propose(session, Wanted(mailboxes, share, days), is_json=is_json)))


async def _propose(session: Session, wanted: Wanted, *, is_json: bool) -> int:
    lists = RiskLists.load(session.settings.policy)
    async with session.stores() as stores:
        found = await proposals.find(stores.database, wanted)
    new = [
        item
        for item in found
        if not (lists.is_disposable(item.domain) or lists.free.covers(item.domain) or lists.allow.covers(item.domain))
    ]
    for item in new:
        click.echo(orjson.dumps(_to_json(item)).decode() if is_json else _to_line(item))
    if not new:
        click.echo("no domain of which so much bounced is unknown to the lists", err=True)
    return 0


def _to_json(item: Proposal) -> dict[str, Any]:
    return {**asdict(item), "share": round(item.bounced / item.mailboxes, 3)}


def _to_line(item: Proposal) -> str:
    said = (
        f"{item.bounced} of {item.mailboxes} mailboxes bounced, {item.alive} showed life, last {item.last_at:%Y-%m-%d}"
    )
    hosts = f"; MX {', '.join(item.mx_hosts[:3])}" if item.mx_hosts else ""
    return f"{item.domain:<40} # {said}{hosts}"


COMMANDS = (group,)

"""Commands about the keys of the HTTP API."""

from datetime import UTC, datetime, timedelta

import click
from rich.console import Console
from rich.table import Table

from validatord.cli.session import Session
from validatord.errors import ConfigurationError, StoreError
from validatord.settings import parse_duration
from validatord.store import keys
from validatord.store.database import Database
from validatord.store.keys import Key, NewKey, Scope

_SCOPES = click.Choice([scope.value for scope in Scope])
_USUAL = (Scope.SUBMIT, Scope.READ, Scope.EVENTS)


@click.group("keys")
def group() -> None:
    """Let other programs use the HTTP API."""


@group.command()
@click.argument("client")
@click.option("--scope", "scopes", type=_SCOPES, multiple=True, help="What it may do; submit, read and events if none.")
@click.option("--label", default="", help="What tells you later where it is used.")
@click.option("--expires", default="", help="When it ends by itself, such as 90d; never unless given.")
@click.pass_obj
def create(session: Session, client: str, scopes: tuple[str, ...], label: str, expires: str) -> None:
    """Make a key for CLIENT and show it, once: on standard output there is nothing but the key."""
    wanted = [Scope(scope) for scope in scopes] or list(_USUAL)
    lifetime = _read_duration(expires, "--expires") if expires else None
    if not 1 <= len(client) <= 100 or len(label) > 100:  # noqa: PLR2004 as in the ledger
        raise ConfigurationError(["a client's name has 1 to 100 characters, a label at most 100"])

    async def work(database: Database) -> int:
        _show(await keys.create_key(database, client, wanted, label=label, lifetime=lifetime))
        return 0

    session.run(work)


@group.command("list")
@click.option("--client", default=None, help="Only this client's.")
@click.option("--all", "with_dead", is_flag=True, help="Revoked and expired ones, too.")
@click.pass_obj
def list_keys(session: Session, client: str | None, *, with_dead: bool) -> None:
    """Show who may use the API."""

    async def work(database: Database) -> int:
        now = datetime.now(UTC)
        found = [key for key in await keys.list_keys(database, client) if with_dead or _is_alive(key, now)]
        table = Table("key", "client", "begins with", "scopes", "label", "created", "last used", "state")
        for key in found:
            used = f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never"
            scopes = " ".join(key.scopes)
            created = f"{key.created_at:%Y-%m-%d}"
            table.add_row(
                str(key.key_id), key.client, key.prefix, scopes, key.label, created, used, _describe(key, now)
            )
        Console().print(table)
        return 0

    session.run(work)


@group.command()
@click.argument("key", type=int)
@click.pass_obj
def revoke(session: Session, key: int) -> None:
    """End KEY within a second, for good."""

    async def work(database: Database) -> int:
        if not await keys.revoke_key(database, key):
            raise StoreError(f"there is no live key {key}")
        click.echo(f"key {key} is revoked")
        return 0

    session.run(work)


@group.command()
@click.argument("key", type=int)
@click.option("--overlap", default="7d", show_default=True, help="How long the old one goes on.")
@click.pass_obj
def rotate(session: Session, key: int, overlap: str) -> None:
    """Make a successor of KEY with the same rights; both work meanwhile."""
    wanted = _read_duration(overlap, "--overlap")

    async def work(database: Database) -> int:
        made = await keys.rotate_key(database, key, wanted)
        if made is None:
            raise StoreError(f"key {key} cannot be rotated: it is unknown, revoked, or has a successor already")
        _show(made)
        return 0

    session.run(work)


def _show(made: NewKey) -> None:
    click.echo(f"key {made.key_id}; it is shown only now:", err=True)
    click.echo(made.text)


def _read_duration(text: str, option: str) -> timedelta:
    try:
        value = parse_duration(text)
    except ValueError as error:
        raise ConfigurationError([f"{option}: {error}"]) from None
    if not isinstance(value, timedelta):
        raise ConfigurationError([f'{option}: "{text[:40]}" is no duration'])
    return value


def _is_alive(key: Key, now: datetime) -> bool:
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now)


def _describe(key: Key, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is not None and key.expires_at <= now:
        return "expired"
    return f"until {key.expires_at:%Y-%m-%d %H:%M}" if key.expires_at is not None else "live"


COMMANDS = (group,)

"""`validatord clients`: who sends work in, and how each wants its results shown."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from validatord.cli.session import Session
from validatord.errors import ConfigurationError
from validatord.rules import gate, policy_model
from validatord.rules.policy_model import ClientPolicy
from validatord.settings import Settings
from validatord.store import clients
from validatord.store.database import Database

_LONGEST_NAME = 100  # as in the ledger


@click.group("clients")
def group() -> None:
    """Clients and their policies: which status each is shown, what is exported, reused, bought and let through.

    A change shows at the next reading of results, finished submissions included.
    """


@group.command("list")
@click.pass_obj
def list_clients(session: Session) -> None:
    """Show all clients and the keys of their policies."""

    async def work(database: Database) -> None:
        table = Table()
        for name in ("client", "since", "submissions", "policy"):
            table.add_column(name, justify="right" if name == "submissions" else "left")
        for item in await clients.list_clients(database):
            keys = ", ".join(_list_own(item.policy)) or "-"
            table.add_row(item.name, f"{item.created_at:%Y-%m-%d}", f"{item.submissions:,}", keys)
        Console().print(table)

    _run(session, work)


@group.command()
@click.argument("client")
@click.option("--json", "is_json", is_flag=True, help="The effective policy as one JSON object.")
@click.pass_obj
def show(session: Session, client: str, *, is_json: bool) -> None:
    """Show the policy that holds for CLIENT, key by key, and which keys it set itself."""

    async def work(database: Database) -> None:
        _show(await _load(database, client), session.settings, is_json=is_json)

    _run(session, work)


@group.command()
@click.argument("client")
@click.pass_obj
def add(session: Session, client: str) -> None:
    """Make CLIENT known, with the empty policy."""
    if not 1 <= len(client) <= _LONGEST_NAME or not client.isprintable() or client != client.strip():
        raise ConfigurationError([f"a client's name has 1 to {_LONGEST_NAME} printable characters"])

    async def work(database: Database) -> None:
        is_new = await clients.add_client(database, client)
        click.echo(f"client {client} {'added' if is_new else 'was there already'}")

    _run(session, work)


@group.command("set")
@click.argument("client")
@click.argument("changes", nargs=-1, required=True, metavar="KEY=VALUE…")
@click.pass_obj
def set_keys(session: Session, client: str, changes: tuple[str, ...]) -> None:
    """Set keys of CLIENT's policy: accept_all=risky bouncer.mode=local_then_bouncer bouncer.statuses=unknown,risky.

    All changes hold together or none does.
    """
    wanted = [_split(change) for change in changes]

    def change(values: Mapping[str, Any]) -> dict[str, Any]:
        found, problems = dict(values), list[str]()
        for key, value in wanted:
            try:
                found = policy_model.with_key(found, key, value)
            except ConfigurationError as error:
                problems += error.problems
        if problems:
            raise ConfigurationError(problems)
        return _check(found)

    _change(session, client, change)


@group.command()
@click.argument("client")
@click.argument("keys", nargs=-1, required=True, metavar="KEY…")
@click.pass_obj
def unset(session: Session, client: str, keys: tuple[str, ...]) -> None:
    """Take keys, or whole sections such as `bouncer`, out of CLIENT's policy: their defaults hold again."""

    def change(values: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(values)
        for key in keys:
            left = policy_model.without_key(found, key)
            if left == found and key not in policy_model.list_keys():
                raise ConfigurationError([f"policy.{key}: there is no such key"])
            found = left
        return _check(found)

    _change(session, client, change)


@group.command()
def keys() -> None:
    """List every key of a policy and what it means."""
    for name, text in policy_model.list_keys().items():
        click.echo(f"{name:<28} {text}")


def _run(session: Session, work: Callable[[Database], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with session.stores() as stores:
            await work(stores.database)

    asyncio.run(run())


def _change(session: Session, client: str, change: Callable[[Mapping[str, Any]], dict[str, Any]]) -> None:
    async def work(database: Database) -> None:
        if not await clients.change_policy(database, client, change):
            raise ConfigurationError([f"there is no client {client}; first: validatord clients add {client}"])
        click.echo(f"policy of {client}: {', '.join(_list_own(await _load(database, client))) or 'empty'}")

    _run(session, work)


async def _load(database: Database, client: str) -> Mapping[str, Any]:
    stored = await clients.load_policy(database, client)
    if stored is None:
        raise ConfigurationError([f"there is no client {client}"])
    return stored


def _split(change: str) -> tuple[str, Any]:
    key, sign, value = change.partition("=")
    if not sign:
        raise ConfigurationError([f"{change}: is not KEY=VALUE"])
    try:
        read = json.loads(value)
    except ValueError:
        return key.strip(), value.strip()
    # A number is a number; what was quoted, a list or null as in JSON, too.
    return key.strip(), read


def _check(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as they are stored: checked, in one spelling, without what says nothing."""
    found = policy_model.read(values).model_dump(mode="json", exclude_unset=True, exclude_none=True)
    return {key: value for key, value in found.items() if value != {}}


def _list_own(values: Mapping[str, Any]) -> list[str]:
    """Return the keys that a client set itself, in the order of a policy."""
    own = _flatten(values)
    return [key for key in policy_model.list_keys() if key in own]


def _show(stored: Mapping[str, Any], settings: Settings, *, is_json: bool) -> None:
    policy = policy_model.read(stored)
    effective = find_effective(policy, settings)
    if is_json:
        click.echo(json.dumps(effective, indent=2))
        return
    own = _list_own(stored)
    for key, value in _flatten(effective).items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)  # pyright: ignore[reportUnknownArgumentType] JSON
        sys.stdout.write(f"{key:<28} {shown or '-':<24} {'set' if key in own else ''}".rstrip() + "\n")


def find_effective(policy: ClientPolicy, settings: Settings) -> dict[str, Any]:
    """Return the policy that holds, with what the settings say where the client says nothing."""
    found = policy.model_dump(mode="json")
    found["gate"] = gate.limits_of(settings.gate, policy.gate).model_dump(mode="json")
    fresh = settings.freshness.model_dump(mode="json")
    found["ttl"] = found["ttl"] or fresh["ttl"]
    found["reuse"] = {name: value or fresh[name] for name, value in found["reuse"].items()}
    return found


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}  # pyright: ignore[reportUnknownArgumentType] JSON
    return found


COMMANDS = (group,)

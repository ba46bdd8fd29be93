"""The commands about the model, from an empty ledger to a model in force."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.fakes.campaign_world import World, make_world, store_world
from tests.integration.learning.conftest import SMALL
from validatord.cli.main import cli
from validatord.errors import ConfigurationError
from validatord.loops.active_model import ActiveModel
from validatord.rules import model_file
from validatord.store import models
from validatord.store.database import Database

Run = Callable[..., Result]


@pytest.fixture
def run(dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command against the test's ledger."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")  # as wide as the table
    monkeypatch.setenv("VALIDATORD_DATABASE__URL", dsn)

    def call(*arguments: str, data: bytes = b"") -> Result:
        return CliRunner().invoke(cli, ["model", *arguments], input=data)

    return call


@pytest.fixture
def world(dsn: str) -> World:
    """A year of campaigns in the ledger."""
    made = make_world(SMALL)
    with_database(dsn, lambda database: store_world(database, made))
    return made


def with_database(dsn: str, work: Callable[[Database], Coroutine[Any, Any, Any]]) -> Any:
    """Do something with the ledger."""

    async def main() -> Any:
        database = await Database.open(dsn, pool_size=2)
        try:
            return await work(database)
        finally:
            await database.aclose()

    return asyncio.run(main())


async def _find_active(database: Database) -> str | None:
    active = ActiveModel(database)
    await active.run_once()
    return active.current.hash if active.current is not None else None


@pytest.mark.timeout(180)
def test_from_training_to_scoring(run: Run, dsn: str, world: World) -> None:
    """Train, judge with diagrams, put in force, ask, take out of force again."""
    trained = run("train")
    assert trained.exit_code == 0, trained.output
    assert "validatord model activate 1" in trained.output
    assert with_database(dsn, _find_active) is None

    judged = run("evaluate", "1", "--out", "report")
    assert judged.exit_code == 0, judged.output
    report = json.loads(Path("report/report.json").read_bytes())
    assert report["statuses"]["accept_all"]["model"]["brier"] < report["statuses"]["accept_all"]["rules"]["brier"]
    for name in ("reliability-accept_all.png", "roc-accept_all.png"):
        assert Path("report", name).read_bytes().startswith(b"\x89PNG")

    activated = run("activate", "1")
    assert activated.exit_code == 0, activated.output
    assert with_database(dsn, _find_active) == report["model"]
    listed = run("list")
    assert "1*" in listed.output

    email = next(email for email, is_alive in world.is_alive.items() if is_alive)
    told = run("explain", email)
    assert told.exit_code == 0, told.output
    assert "accept_all: mail arrives in " in told.output
    assert "how many mailboxes of the domain bounced (domain_dead_odds" in told.output

    assert "model 1 is not in force any more" in run("deactivate").output
    assert "no model was in force" in run("deactivate").output
    assert with_database(dsn, _find_active) is None


@pytest.mark.timeout(180)
def test_a_model_travels_as_a_file(run: Run, dsn: str, world: World) -> None:
    """Exported, imported elsewhere byte for byte the same model; again it is the same one; it is judged there, too."""
    run("train")
    assert run("export", "1", "model.json").exit_code == 0
    data = Path("model.json").read_bytes()
    with_database(dsn, lambda database: database.fetch("DELETE FROM models"))

    imported = run("import", "model.json")
    assert imported.exit_code == 0, imported.output
    assert run("import", "-", data=data).output == imported.output
    number = imported.output.split()[1].rstrip(",")
    exported = run("export", number)
    assert exported.stdout_bytes == data
    assert "imported" in run("list").output
    assert run("activate", number).exit_code == 0


@pytest.mark.timeout(180)
def test_a_model_without_witnesses_is_refused(run: Run, dsn: str, world: World) -> None:
    """Where the ledger holds too few verdicts younger than the model, activation says the numbers; nothing forces it."""
    run("train")
    with_database(dsn, lambda database: database.fetch("DELETE FROM email_events WHERE event_at > '2025-09-01'"))

    refused = run("activate", "1")

    assert refused.exit_code == 1
    assert "refused: accept_all: too few labels: 0 dead and 0 alive" in refused.stderr
    assert with_database(dsn, _find_active) is None
    assert run("activate", "1", "--force").exit_code == 2


@pytest.mark.timeout(180)
def test_a_model_that_is_wrong_here_is_refused(run: Run, dsn: str, world: World) -> None:
    """A well-formed file from elsewhere that says the opposite of what happens here does not come into force."""
    run("train")
    run("export", "1", "model.json")
    file = model_file.read(Path("model.json").read_bytes())
    section = file.sections["accept_all"]
    upside_down = section.model_copy(
        update={"coefficients": tuple(-one for one in section.coefficients), "report": None}
    )
    made = model_file.make(
        {"accept_all": upside_down}, trained_at=file.trained_at, known_until=file.known_until, spans=model_file.Spans()
    )
    Path("evil.json").write_bytes(model_file.dump(made))

    assert run("import", "evil.json").exit_code == 0
    refused = run("activate", "2")
    assert refused.exit_code == 1
    assert "does not beat the rules out of time: Brier" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("evaluate",), "there is no model; train one"),
        (("activate", "7"), "there is no model 7"),
        (("export", "7"), "there is no model 7"),
        (("explain", "a@one.example"), "there is no model"),
        (("import", "evil.json"), "evil.json: schema_version is 'None'"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, arguments: tuple[str, ...], complaint: str) -> None:
    """One clear error, which names what and how to go on."""
    Path("evil.json").write_text('{"__reduce__": "os.system"}', encoding="utf-8")

    result = run(*arguments)

    assert isinstance(result.exception, ConfigurationError)
    assert complaint in str(result.exception)


def test_an_empty_ledger_has_nothing_to_learn(run: Run) -> None:
    """Training says so with the numbers, and nothing is kept."""
    result = run("train")

    assert result.exit_code == 1
    assert "accept_all: too few labels: 0 verdicts have a known outcome" in result.output
    assert "no model came of it" in result.output


def test_one_model_is_in_force(dsn: str) -> None:
    """Whoever activates at the same time: the constraint lets one model be in force; an unreadable one is none."""

    async def work(database: Database) -> None:
        now = datetime(2026, 1, 1, tzinfo=UTC)
        numbers = [await models.add(database, "{}", name * 64, now, "imported") for name in "ab"]
        await asyncio.gather(*(models.activate(database, number) for number in [*numbers, *numbers]))

        assert len([one for one in await models.list_models(database) if one.is_active]) == 1
        assert not await models.activate(database, 99)
        assert await models.get_active(database) is not None
        active = ActiveModel(database)
        assert await active.run_once() == 1
        assert await active.run_once() == 0
        assert (active.current, active.half_life) == (None, None)

    with_database(dsn, work)

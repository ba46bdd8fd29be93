"""A model in force, from the command line to the confidence of a mailbox that was asked about on the wire."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.acceptance.desk import Desk, open_desk
from validatord.rules import model_file
from validatord.rules.model_file import PlattFile, SectionFile, Spans
from validatord.sandbox.spec import SandboxSpec
from validatord.store import models
from validatord.store.database import Database
from validatord.store.events import Event, add_events

pytestmark = pytest.mark.timeout(90)
SPEC = SandboxSpec.of({"full.example": "accept-all", "empty.example": "accept-all", "acme.example": "postfix"})
NOW = datetime.now(UTC)


@pytest.fixture
async def desk(tmp_path: Path, dsn: str) -> AsyncIterator[Desk]:
    """A desk with a small internet."""
    async with open_desk(tmp_path, dsn, SPEC) as found:
        yield found


async def _put_in_force(database: Database) -> None:
    section = SectionFile(
        features=("domain_dead_odds",),
        coefficients=(-1.0,),
        means=(0.0,),
        intercept=0.0,
        calibration=PlattFile(kind="platt", slope=1.0, offset=0.0),
    )
    file = model_file.make({"accept_all": section}, trained_at=NOW, known_until=NOW, spans=Spans())
    number = await models.add(database, model_file.dump(file).decode(), file.hash, NOW, "trained")
    assert await models.activate(database, number)


async def test_what_campaigns_met_tells_accept_all_domains_apart(desk: Desk, database: Database) -> None:
    """Two domains accept everything; where mail came back the confidence is low, where it was read it is high."""
    yesterday = NOW - timedelta(days=1)
    told = [Event(f"gone{number}@empty.example", "hard_bounce", yesterday) for number in range(20)]
    told += [Event(f"reader{number}@full.example", "open", yesterday) for number in range(20)]
    await add_events(database, told)
    addresses = ["maria@full.example", "maria@empty.example", "user1@acme.example"]

    before = await desk.run("check", *addresses)
    await _put_in_force(database)
    after = await desk.run("check", "--recheck", *addresses)

    assert [row["status"] for row in after.rows] == [row["status"] for row in before.rows]
    assert [row["confidence"] for row in before.rows][:2] == ["70", "70"]
    full, empty, sure = (int(row["confidence"]) for row in after.rows)
    assert (full, empty) == (88, 71)
    assert sure == int(before.rows[2]["confidence"])

    story = await desk.run("explain", "maria@empty.example")
    assert "The model, which learned from campaigns, thinks mail arrives in 5% of such cases." in story.out
    told_by_model = await desk.run("model", "explain", "maria@empty.example")
    assert told_by_model.status == 0
    assert "how many mailboxes of the domain bounced (domain_dead_odds 3.0" in told_by_model.out
    unknown = await desk.run("model", "explain", "user1@acme.example")
    assert (unknown.status, unknown.out) == (1, "the verdict is valid; the model speaks about accept_all only\n")

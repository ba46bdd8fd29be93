"""How much better the model knows accept-all addresses than the rules: `python -m tests.bench.bench_model --seeds 5`.

A year of campaigns per seed, with a truth that the ledger does not know; figures by the labels the ledger
gives and by that truth. Then worlds in which nothing can be learned, where the model must be refused; then
what asking the model costs. `--rows 1000000` trains from that many verdicts instead and says what it takes;
`--drawings FOLDER` keeps the diagrams of the first seed.
"""

import argparse
import asyncio
import random
import resource
import statistics
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench.report import Figure, describe_machine, say, show
from tests.fakes.campaign_world import WorldSpec, make_world, store_world
from tests.services import open_state_dir
from validatord.embedded.postgres import FAST_AND_LOOSE, EmbeddedPostgres
from validatord.learning import measure
from validatord.learning.evaluate import evaluate, write_report
from validatord.learning.judge import Judgement, list_objections
from validatord.learning.observe import Span, find_mailed_lists, observe
from validatord.learning.train import Training, train
from validatord.mail.track_record import TrackRecord
from validatord.rules.features import Evidence
from validatord.rules.model import Model
from validatord.settings import Settings
from validatord.store import migrations
from validatord.store.database import Database

_EVEN = WorldSpec(seed=0, concentration=None, has_shapes=False)
_ASKED = 20_000
_RATIO, _ECE = 0.75, 0.03


@dataclass(frozen=True)
class Year:
    """What came of one seed: by the labels, and by the truth (model and rules)."""

    judgement: Judgement
    model: measure.Scores
    rules: measure.Scores


async def open_empty(dsn: str) -> Database:
    """Open the ledger with nothing in it."""
    database = await Database.open(dsn, pool_size=3)
    await database.fetch("DROP SCHEMA public CASCADE")
    await database.fetch("CREATE SCHEMA public")
    await migrations.migrate(database)
    return database


async def live(dsn: str, spec: WorldSpec, drawings: Path | None) -> tuple[Training, Year | None]:
    """Live through a year, train at its end, and hold the model against the truth."""
    database, world = await open_empty(dsn), make_world(spec)
    await store_world(database, world)
    span = Span(until=world.now)
    training = await train(database, Settings(), span)
    year = None
    if training.file is not None and "accept_all" in training.file.sections:
        model = training.file.to_model()
        [judgement] = [one for one in training.judgements if one.status == "accept_all"]
        year = Year(judgement, *await _ask_truth(database, model, span, world.is_alive))
        if drawings is not None:
            write_report(drawings, model, await evaluate(database, Settings(), model, world.now))
    await database.aclose()
    return training, year


async def _ask_truth(
    database: Database, model: Model, span: Span, is_alive: dict[str, bool]
) -> tuple[measure.Scores, measure.Scores]:
    lists = await find_mailed_lists(database, span.spans.window)
    section = model.sections["accept_all"]
    said = [
        (section.predict(one.numbers), one.rules, int(is_alive[one.email]))
        async for one in observe(database, Settings(), replace(span, since=model.known_until), lists)
        if one.status == "accept_all"
    ]
    truth = [alive for _, _, alive in said]
    return measure.measure([one for one, _, _ in said], truth), measure.measure([one for _, one, _ in said], truth)


async def learn(dsn: str, seeds: int, drawings: Path | None) -> list[Figure]:
    """Worlds whose accept-all domains differ."""
    say(f"{'':34}{'by label':^34}{'by truth':^34}")
    say(
        f"{'world':<24}{'verdicts':>10}{'rules':>8}{'model':>8}{'ratio':>8}{'ECE':>8}  {'rules':>8}{'model':>8}{'ratio':>8}{'ECE':>8}"
    )
    years: list[Year] = []
    for seed in range(1, seeds + 1):
        _, year = await live(dsn, WorldSpec(seed), drawings if seed == 1 else None)
        assert year is not None
        _say_year(f"seed {seed}", year)
        years.append(year)
    _, weak = await live(dsn, WorldSpec(1, concentration=5.0), None)
    if weak is not None:
        _say_year("domains that differ less", weak)
    return [
        Figure(
            "Brier, model over rules, by label, worst",
            max(_ratio(year.judgement.model, year.judgement.rules) for year in years),
            most=_RATIO,
            digits=3,
        ),
        Figure(
            "Brier, model over rules, by truth, worst",
            max(_ratio(year.model, year.rules) for year in years),
            most=_RATIO,
            digits=3,
        ),
        Figure(
            "calibration error (ECE) by label, worst",
            max(year.judgement.model.ece for year in years),
            most=_ECE,
            digits=4,
        ),
        Figure("calibration error (ECE) by truth, worst", max(year.model.ece for year in years), most=_ECE, digits=4),
    ]


def _ratio(model: measure.Scores, rules: measure.Scores) -> float:
    return model.brier / rules.brier


def _say_year(name: str, year: Year) -> None:
    parts = [f"{name:<24}{year.judgement.dead + year.judgement.alive:>10,}"]
    for model, rules in ((year.judgement.model, year.judgement.rules), (year.model, year.rules)):
        parts.append(f"{rules.brier:>8.4f}{model.brier:>8.4f}{_ratio(model, rules):>8.3f}{model.ece:>8.4f}  ")
    say("".join(parts).rstrip())


async def learn_in_vain(dsn: str, seeds: int) -> list[Figure]:
    """Worlds in which every domain and name has the share of dead that the rules say."""
    accepted = 0
    for seed in range(1, seeds + 1):
        training, _ = await live(dsn, replace(_EVEN, seed=seed), None)
        objections = [
            text for text in [*training.left_out, *list_objections(training.judgements)] if "accept_all" in text
        ]
        accepted += not objections
        say(f"even world {seed}: {objections[0] if objections else 'ACCEPTED'}")
    return [Figure("models accepted where nothing can be learned", accepted, most=0)]


def ask(training: Training) -> Figure:
    """What the probability of one mailbox costs, evidence to answer."""
    assert training.file is not None
    model = training.file.to_model()
    rng = random.Random(1)
    asked = [
        Evidence(
            rng.choice(["maria.miller", "info", "a7b3c9d1"]),
            reply="250 2.1.5 ok",
            record=TrackRecord(rng.random() * 9, rng.random() * 9),
        )
        for _ in range(_ASKED)
    ]
    rounds: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        for evidence in asked:
            model.predict("accept_all", evidence)
        rounds.append((time.perf_counter() - began) / _ASKED * 1e6)
    return Figure("microseconds for the probability of a mailbox", statistics.median(rounds), digits=1)


async def train_many(dsn: str, rows: int) -> list[Figure]:
    """Train from a large ledger; the memory is that of this process alone."""
    database = await open_empty(dsn)
    say(f"writing {rows:,} verdicts")
    for statement in (_MANY_CLIENTS, _MANY_DOMAINS, _MANY_VERDICTS, _MANY_REQUESTS, _MANY_EVENTS, _MANY_WEEKS):
        async with database.transaction() as connection:
            await connection.execute("SET LOCAL statement_timeout = 0")
            arguments = (rows,) if "$1" in statement else ()
            await connection.fetch(statement, *arguments)
    await database.fetch("ANALYZE")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    heard: dict[str, int] = {}
    began = time.perf_counter()

    def tell(what: str, count: int) -> None:
        heard[what] = heard.get(what, 0) + count
        if what == "verdicts" and heard[what] % 100_000 < count:
            say(f"  {heard[what]:>9,} verdicts, {time.perf_counter() - began:,.0f} s")

    training = await train(database, Settings(), Span(until=make_world(WorldSpec(1, mailboxes=1)).now), tell)
    seconds = time.perf_counter() - began
    say(f"labels: {training.labels}; {training.left_out}")
    await database.aclose()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before
    return [
        Figure("seconds of training", seconds),
        Figure("verdicts read a second", rows / seconds),
        Figure("most memory for it, MB", grown),
    ]


_MANY_CLIENTS = "WITH c AS (INSERT INTO clients (name) VALUES ('crm') RETURNING name) INSERT INTO submissions (client, submission) SELECT c.name, 'many' FROM c"
_MANY_DOMAINS = """
    INSERT INTO domain_cache (domain, has_mx, accept_all)
    SELECT 'd' || n || '.example', true, 'accepts_all' FROM generate_series(0, 20010) AS n"""
_MANY_VERDICTS = """
    INSERT INTO email_validation (email, domain, status, reason, reasons, confidence, reply, checked_at, created_at, smtp_trace)
    SELECT 'm' || n || '@d' || n % 20011 || '.example', 'd' || n % 20011 || '.example', 'accept_all', 'accept_all',
        '["mx", "accept_all"]', 70, '250 2.1.5 ok', t.at, t.at,
        '{"exchanges": [{"stage": "mail", "at": 0.1}, {"stage": "rcpt", "at": 0.3}]}'
    FROM generate_series(1, $1::bigint) AS n
    CROSS JOIN LATERAL (SELECT timestamptz '2025-01-06Z' + n % 365 * interval '1 day' AS at) AS t"""
_MANY_REQUESTS = """
    INSERT INTO requests (submission_id, idx, address, email, domain, state, status, reason, reasons, confidence, checked_at, finished_at)
    SELECT s.id, row_number() OVER () , v.email, v.email, v.domain, 'done', v.status, v.reason, v.reasons, 70, v.checked_at, v.checked_at
    FROM email_validation AS v CROSS JOIN submissions AS s"""
_MANY_EVENTS = """
    INSERT INTO email_events (email, event_type, event_at)
    SELECT v.email, CASE WHEN h.dead THEN 'hard_bounce' ELSE 'open' END, v.checked_at + interval '3 days'
    FROM email_validation AS v
    CROSS JOIN LATERAL (
        SELECT abs(hashtext(v.email)) % 100 < abs(hashtext(v.domain)) % 60 AS dead, abs(hashtext(v.email || '!')) % 100 AS luck
    ) AS h
    WHERE h.dead OR h.luck < 40"""
_MANY_WEEKS = """
    INSERT INTO domain_events (domain, week, event_type, events)
    SELECT substring(e.email FROM '[^@]*$'), date_trunc('week', e.event_at)::date, e.event_type, count(*)
    FROM email_events AS e GROUP BY 1, 2, 3"""


async def run(dsn: str, options: argparse.Namespace) -> int:
    """Run what is asked for."""
    if options.rows:
        return show(await train_many(dsn, options.rows))
    figures = await learn(dsn, options.seeds, options.drawings)
    figures += await learn_in_vain(dsn, options.seeds)
    training, _ = await live(dsn, WorldSpec(1, mailboxes=10_000, domains=400), None)
    return show([*figures, ask(training)])


def main() -> int:
    """Read the arguments, run on a PostgreSQL of our own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--drawings", type=Path)
    options = parser.parse_args()
    say(describe_machine())
    with open_state_dir() as folder:
        server = EmbeddedPostgres(folder, options={**FAST_AND_LOOSE, "shared_buffers": "256MB"})
        server.start()
        try:
            return asyncio.run(run(server.dsn, options))
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(main())

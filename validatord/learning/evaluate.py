"""Judges a model by the ledger: verdicts younger than all it was made of, whose outcome is known by now."""

from datetime import datetime
from pathlib import Path

import orjson

from validatord.learning import draw, observe
from validatord.learning.judge import Judgement, judge
from validatord.learning.observe import Span, Tell, be_silent
from validatord.rules.model import Model
from validatord.rules.model_file import Spans
from validatord.settings import Settings
from validatord.store.database import Database


async def evaluate(
    database: Database, settings: Settings, model: Model, now: datetime, tell: Tell = be_silent
) -> list[Judgement]:
    """Return how a model did beside the rules, status by status; needs no library."""
    span = Span(until=now, since=model.known_until, spans=Spans(model.window, model.half_life))
    lists = await observe.find_mailed_lists(database, model.window, tell)
    return await judge(model, observe.observe(database, settings, span, lists, tell))


def write_report(folder: Path, model: Model, judgements: list[Judgement]) -> list[Path]:
    """Write the numbers and, per status, the reliability diagram and the ROC curve; return the files.

    Raises:
        ConfigurationError: the extra `ml` is not installed; the numbers are written by then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / "report.json"
    numbers = {one.status: one.to_report().model_dump(mode="json") for one in judgements}
    report.write_bytes(orjson.dumps({"model": model.hash, "statuses": numbers}, option=orjson.OPT_INDENT_2))
    written = [report]
    for one in judgements:
        if not one.column.alive:
            continue
        said = {"model": (one.column.model, one.column.alive), "rules": (one.column.rules, one.column.alive)}
        reliability, roc = folder / f"reliability-{one.status}.png", folder / f"roc-{one.status}.png"
        draw.draw_reliability(reliability, one.status, said)
        draw.draw_roc(roc, one.status, said)
        written += [reliability, roc]
    return written

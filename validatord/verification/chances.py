"""What the active model gives mailboxes that were verified before: their stored evidence, today's track record."""

from collections.abc import Sequence
from dataclasses import replace

from validatord.mail.request import ScoreFacts
from validatord.rules import features
from validatord.rules.model import Model
from validatord.store import models
from validatord.store.database import Database


async def find_chances(
    database: Database, model: Model, scored: Sequence[tuple[str, ScoreFacts | None]]
) -> dict[str, float]:
    """Return the probability of each mailbox that the model has one for, from addresses with their score's facts."""
    wanted = {
        email: facts
        for email, facts in scored
        if email and facts is not None and facts.opinion is None and facts.verdict.status.value in model.sections
    }
    verdicts = await models.load_evidence(database, list(wanted))
    mailboxes = [(email, verdict.domain.domain) for email, verdict in verdicts.items()]
    records = await models.load_track_records(database, mailboxes, model.half_life)
    found: dict[str, float] = {}
    for email, verdict in verdicts.items():
        finding = replace(verdict.finding, score_facts=wanted[email])
        evidence = features.gather(email.rpartition("@")[0], finding, verdict.domain, records[email])
        chance = model.predict(wanted[email].verdict.status.value, evidence)
        if chance is not None:
            found[email] = chance
    return found

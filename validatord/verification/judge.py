"""Steps 5 and 6 of a visit: from what was learned about a mailbox to the row that says so.

Judging is `rules/`'s work; here its answers are put together for every request of the mailbox, under
its client's policy, with the evidence beside.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from validatord.mail.mx import MXAnswer
from validatord.mail.probe import ProbeReport
from validatord.mail.request import DomainFacts, Finding, Flags, History, VerificationRequest
from validatord.mail.transcript import Transcript
from validatord.mail.verdict import AcceptAll, Deferral, Handover, Outcome, Pin, Reason, Status, Verdict
from validatord.rules import decide, policy, score
from validatord.settings import FreshnessSettings, Settings
from validatord.store.records import Finished, VisitRecord
from validatord.verification.context import Case, Tools, Visit


@dataclass(frozen=True, slots=True)
class Evidence:
    """What stands beside a verdict: who was asked, what was said, and who says so."""

    source: str
    transcript: Transcript | None = None
    reply: str = ""
    is_accepted: bool = False


def retry_plan(visit: Visit, tools: Tools) -> decide.RetryPlan:
    """Return the schedule by which this visit defers."""
    retry = visit.settings.retry
    return decide.RetryPlan(
        now=tools.clock.now(),
        delays=retry.delays,
        jitter=retry.jitter,
        rng=tools.rng,
        min_wait=retry.min_wait,
        max_wait=retry.max_wait,
    )

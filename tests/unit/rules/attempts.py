"""Attempts as tests write them: a reply with its reading, a request with its past, a schedule without jitter."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from validatord.mail.address import Mailbox
from validatord.mail.probe import ProbeReport
from validatord.mail.provider import MXProvider
from validatord.mail.reply import Reply
from validatord.mail.request import VerificationRequest
from validatord.mail.transcript import Transcript
from validatord.mail.verdict import Deferral, Meaning, Outcome, Pin, ReplyReading, Scope, Stage, Verdict
from validatord.rules.replies import SCOPES
from validatord.rules.retry import RetryPlan

NOW = datetime(2026, 1, 2, tzinfo=UTC)
DELAYS = (timedelta(minutes=15), timedelta(hours=2), timedelta(hours=8))
MAILBOX = Mailbox("user", "example.com")
SPOKEN = Transcript(
    mx_host="mx.example.com",
    mx_address="192.0.2.1",
    identity="default",
    helo_name="probe.example.net",
    envelope_sender="probe@probe.example.net",
)


def read(
    meaning: Meaning, code: int = 0, scope: Scope | None = None, wait: int | None = None, rule: str = "test"
) -> ReplyReading:
    """Return the reading of a reply with that code."""
    is_temporary = 400 <= code < 500
    return ReplyReading(meaning, scope or SCOPES[meaning], is_temporary, rule, wait)


def answered(
    code: int, meaning: Meaning, text: str = "", *, scope: Scope | None = None, wait: int | None = None, **report: Any
) -> ProbeReport:
    """Return the report of a mailbox that got this reply."""
    values: dict[str, Any] = {"provider": MXProvider("p"), "stage": Stage.RCPT, "transcript": SPOKEN}
    return ProbeReport(
        **{"mailbox": MAILBOX}
        | values
        | {"reply": Reply(code, (text,) if text else ()), "reading": read(meaning, code, scope, wait)}
        | report
    )


def failed(kind: str, stage: Stage = Stage.RCPT, **report: Any) -> ProbeReport:
    """Return the report of a mailbox whose session broke down."""
    values: dict[str, Any] = {"mailbox": MAILBOX, "provider": MXProvider("p"), "transcript": SPOKEN}
    return ProbeReport(**values | {"stage": stage, "failure": kind} | report)


def asked(deferrals: int = 0, **values: Any) -> VerificationRequest:
    """Return a request that was deferred so often; `pin` members may be given as `pin_…`."""
    pin = {key.removeprefix("pin_"): values.pop(key) for key in list(values) if key.startswith("pin_")}
    request = VerificationRequest(1, 1, "c", str(MAILBOX), MAILBOX.local_part, MAILBOX.domain)
    return replace(request, deferrals=deferrals, pin=Pin(**pin), **values)


def plan(**values: Any) -> RetryPlan:
    """Return the schedule of the settings without jitter."""
    return RetryPlan(**{"now": NOW, "delays": DELAYS, "jitter": 0.0, "rng": random.Random(1)} | values)


def show(outcome: Outcome | None) -> str:
    """Write an outcome in one line: `valid accepted`, `invalid … low`, `again greylisted 15m`."""
    if isinstance(outcome, Deferral):
        minutes = round((outcome.due_at - NOW).total_seconds() / 60, 1)
        return f"again {outcome.reason} {minutes:g}m" + ("" if outcome.counts_as_attempt else " uncounted")
    assert isinstance(outcome, Verdict)
    return f"{outcome.status} {outcome.reason}" + (" low" if outcome.is_low_confidence else "")

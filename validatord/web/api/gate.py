"""The send gate: whether a campaign may go out to a submission."""

from datetime import datetime
from typing import Literal

from aiohttp import web
from pydantic import Field

from validatord.intake.gate import ask_gate, to_public
from validatord.store.keys import Scope
from validatord.web import problems
from validatord.web.api.submissions import find_own
from validatord.web.fields import SubmissionPath
from validatord.web.problems import Problem
from validatord.web.routes import Answer, Call, Operation, Reply, answer

GateWord = Literal["pass", "warn", "block"]


class GateReasonShown(Answer):
    """One objection."""

    reason: Literal[
        "not_finished",
        "nothing_to_send",
        "too_few_valid",
        "too_many_risky",
        "too_many_unknown_at_small_domains",
        "out_of_date",
    ]
    gate: GateWord = Field(description="Whether it warns or blocks.")
    count: int = Field(description="How many addresses.")
    percent: float = Field(description="How many that is of those that would be sent to.")
    limit: float = Field(description="The limit that was passed, in percent.")
    text: str = Field(description="The same in a sentence.")


class GateNumbersShown(Answer):
    """What was counted, under the client's labels."""

    requests: int
    finished: int
    sent: int = Field(description="Would be sent to: finished, with a label that the client exports.")
    valid: int
    risky: int
    unknown_at_small_domains: int
    outdated: int = Field(description="Out of date at the campaign's time, or now.")


class GateShown(Answer):
    """The answer, its reasons, the gravest first, and the numbers it rests on."""

    submission: int = Field(description="The submission's number.")
    gate: GateWord
    campaign_at: datetime | None = Field(description="When it will be sent to, if anybody said so.")
    reasons: list[GateReasonShown]
    numbers: GateNumbersShown


async def get_gate(call: Call) -> web.Response:
    """Say whether a campaign may go out."""
    found, services = await find_own(call), call.services
    answered = await ask_gate(
        services.database, services.snapshot(), found.client, found.submission, services.clock.now()
    )
    if answered is None:
        raise Problem(problems.NOT_FOUND, "there is no such submission")
    head = {"submission": found.submission_id, "campaign_at": answered.campaign_at}
    return answer({**head, **to_public(answered)})


OPERATIONS = (
    Operation(
        "GET",
        "/v1/submissions/{submission}/gate",
        "Whether a campaign may go out",
        get_gate,
        "Submissions",
        {200: Reply("Pass, warn or block, with reasons.", GateShown)},
        scope=Scope.READ,
        path_model=SubmissionPath,
        description="Reads the whole submission: ask before a campaign, not every second.",
    ),
)

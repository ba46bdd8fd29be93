"""Operations that decide how a submission goes on: pause, resume, cancel, complete."""

from typing import Any

from aiohttp import web
from pydantic import Field

from validatord.store import steering
from validatord.store.keys import Scope
from validatord.store.steering import SubmissionState
from validatord.web import problems
from validatord.web.api.submissions import SubmissionStatus, describe, find_own
from validatord.web.fields import SubmissionPath
from validatord.web.problems import Problem
from validatord.web.routes import Answer, Call, Operation, Reply, answer

_TAG = "Submissions"
_MOVES = 4  # steps done while the caller waits; the rest follows by itself


class Steered(Answer):
    """What state a submission is in now."""

    submission: int
    state: SubmissionState
    changed: bool = Field(description="Whether it was another one before.")


async def pause_submission(call: Call) -> web.Response:
    """Let a submission rest."""
    return await _steer(call, SubmissionState.PAUSED)


async def resume_submission(call: Call) -> web.Response:
    """Go on with a paused submission."""
    return await _steer(call, SubmissionState.ACTIVE)


async def cancel_submission(call: Call) -> web.Response:
    """End a submission for good."""
    return await _steer(call, SubmissionState.CANCELLED)


async def complete_submission(call: Call) -> web.Response:
    """Note that nothing more will come."""
    found = await find_own(call)
    await steering.complete(call.services.database, found.submission_id)
    return answer(await describe(call, found))


async def _steer(call: Call, wanted: SubmissionState) -> web.Response:
    found = await find_own(call)
    database = call.services.database
    has_changed = await steering.set_state(database, found.submission_id, wanted)
    state = await steering.find_state(database, found.client, found.submission)
    if state is None or state.state is not wanted:
        raise Problem(problems.CONFLICT, "this submission was cancelled, and that is for good")
    confidence = call.services.snapshot().score.unknown_from
    for _ in range(_MOVES):
        if not await steering.move_some(database, confidence):
            break
    call.services.wake()
    return answer({"submission": found.submission_id, "state": state.state.value, "changed": has_changed})


def _make_act(word: str, handler: Any, summary: str, description: str = "") -> Operation:
    return Operation(
        "POST",
        f"/v1/submissions/{{submission}}/{word}",
        summary,
        handler,
        _TAG,
        {200: Reply("Its state now.", Steered)},
        scope=Scope.SUBMIT,
        path_model=SubmissionPath,
        problems=(409,),
        description=description,
    )


OPERATIONS = (
    _make_act("pause", pause_submission, "Let a submission rest", "What is being asked at this moment still ends."),
    _make_act("resume", resume_submission, "Go on with a paused submission"),
    _make_act(
        "cancel",
        cancel_submission,
        "End a submission for good",
        "Requests that are not finished end as `unknown` with the reason `cancelled`; what Bouncer was paid for stays.",
    ),
    Operation(
        "POST",
        "/v1/submissions/{submission}/complete",
        "Say that nothing more will come",
        complete_submission,
        _TAG,
        {200: Reply("How far it is.", SubmissionStatus)},
        scope=Scope.SUBMIT,
        path_model=SubmissionPath,
        description="For a list sent in parts, or an upload that broke off and will not go on.",
    ),
)

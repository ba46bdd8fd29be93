"""Operations about submissions: how far one is."""

from datetime import datetime

from aiohttp import web
from pydantic import Field

from validatord.store import submissions
from validatord.store.keys import Scope
from validatord.web import problems
from validatord.web.problems import Problem
from validatord.web.routes import Answer, Call, Model, Operation, Reply, answer

_TAG = "Submissions"
LARGEST = 2**63 - 1


class SubmissionPath(Model):
    """Which submission."""

    submission: int = Field(ge=1, le=LARGEST, description="The submission's number.")


class SubmissionStatus(Answer):
    """How far a submission is."""

    submission: int = Field(description="Its number.")
    client: str
    name: str = Field(description="What its client calls it.")
    requests: int = Field(description="Addresses taken in, doubles included.")
    finished: int = Field(description="Of these, how many have their answer.")
    created_at: datetime
    finished_at: datetime | None


async def get_submission(call: Call) -> web.Response:
    """Say how far a submission is."""
    found = await submissions.find_submission(call.services.database, call.path.submission)
    if found is None or call.access.sees not in {None, found.client}:
        raise Problem(problems.NOT_FOUND, "there is no such submission")
    return answer(
        SubmissionStatus(
            submission=found.submission_id,
            client=found.client,
            name=found.submission,
            requests=found.requests,
            finished=found.finished,
            created_at=found.created_at,
            finished_at=found.finished_at,
        )
    )


OPERATIONS = (
    Operation(
        "GET",
        "/v1/submissions/{submission}",
        "How far a submission is",
        get_submission,
        _TAG,
        {200: Reply("How far it is.", SubmissionStatus)},
        scope=Scope.READ,
        path_model=SubmissionPath,
    ),
)

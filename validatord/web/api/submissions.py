"""Operations about submissions: how far one is, what came out, and whether it goes on."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

import orjson
from aiohttp import web
from pydantic import Field

from validatord.intake.results import Results
from validatord.store import results as stored_results
from validatord.store import steering, submissions
from validatord.store.keys import Scope
from validatord.store.steering import SubmissionState
from validatord.store.submissions import Progress, Submission
from validatord.web import problems, streams
from validatord.web.fields import CHECK_MARK, ClientName, Number, SubmissionPath
from validatord.web.labels import LabelBook
from validatord.web.problems import Problem
from validatord.web.rates import Rates
from validatord.web.rendering import Result, render_result
from validatord.web.routes import JSON, NDJSON, Answer, Call, Model, Operation, Reply, answer

RATES = web.AppKey("rates", Rates)
LABELS = web.AppKey("labels", LabelBook)
_TAG = "Submissions"
_PAGE = 2_000


class ResultPath(SubmissionPath):
    """Which result of a submission."""

    index: int = Field(ge=0, le=2**31 - 1, description="The place in the submission.")


class ListQuery(Model):
    """Which part of the list."""

    limit: int = Field(default=50, ge=1, le=500)
    before: Number | None = Field(default=None, description="Only older ones than this submission.")
    client: ClientName | None = Field(default=None, description="For an admin key: only this client's.")


class PageQuery(Model):
    """Which part of the results."""

    after: int = Field(default=-1, ge=-1, le=2**31 - 1, description="Only places behind this: `next` of the last page.")
    limit: int = Field(default=1000, ge=1, le=5000)


class StreamQuery(Model):
    """Where the stream begins."""

    after: int = Field(default=-1, ge=-1, le=2**31 - 1, description="Only places behind this one.")


class Listed(Answer):
    """A submission in a list."""

    submission: int = Field(description="Its number.")
    client: str
    name: str = Field(description="What its client calls it.")
    priority: int
    requests: int = Field(description="Addresses taken in, doubles included.")
    finished: int = Field(description="Of these, how many have their answer.")
    created_at: datetime
    finished_at: datetime | None


class Submissions(Answer):
    """Submissions, the newest first."""

    submissions: list[Listed]
    next: int | None = Field(description="`before` of the next page; null: there is none.")


class Count(Answer):
    """How many ended so."""

    status: str
    reason: str
    requests: int


class SubmissionStatus(Answer):
    """How far a submission is; labels are those of the client's policy at this moment."""

    submission: int = Field(description="Its number.")
    client: str
    name: str = Field(description="What its client calls it.")
    state: SubmissionState = Field(description="Paused and cancelled ones are not worked on.")
    requests: int = Field(description="Addresses taken in, doubles included.")
    finished: int = Field(description="Of these, how many have their answer.")
    by_status: dict[str, int]
    by_reason: list[Count]
    waiting: dict[str, int] = Field(description="Why what is not finished waits.")
    next_due: datetime | None = Field(description="When something is due next.")
    per_minute: float = Field(description="Answers a minute, of late.")
    expected_end: datetime | None = Field(description="By that rate; null where nothing can be said.")
    created_at: datetime
    finished_at: datetime | None


class Page(Answer):
    """Results by their place."""

    results: list[Result]
    next: int | None = Field(description="`after` of the next page; null: there is none.")


async def find_own(call: Call) -> Submission:
    """Return the submission of the path; another client's does not exist."""
    found = await submissions.find_submission(call.services.database, call.path.submission)
    if found is None or call.access.sees not in {None, found.client}:
        raise Problem(problems.NOT_FOUND, "there is no such submission")
    return found


async def list_submissions(call: Call) -> web.Response:
    """List submissions."""
    query: ListQuery = call.query
    client = query.client if call.access.is_admin else call.access.client
    if query.client not in {None, client}:
        raise Problem(problems.FORBIDDEN, "only an admin key may look at another client")
    found = await submissions.list_submissions(
        call.services.database, query.limit, client=client, before_id=query.before, without=CHECK_MARK
    )
    following = found[-1].submission_id if len(found) == query.limit else None
    return answer({"submissions": [_render_listed(item) for item in found], "next": following})


async def get_submission(call: Call) -> web.Response:
    """Say how far a submission is."""
    return answer(await describe(call, await find_own(call)))


async def describe(call: Call, found: Submission) -> dict[str, Any]:
    """Return what `SubmissionStatus` describes."""
    services = call.services
    results = await Results.open(services.database, found.client)
    progress = await results.get_progress(found.submission)
    state = await steering.find_state(services.database, found.client, found.submission)
    if progress is None or state is None:
        raise Problem(problems.NOT_FOUND, "there is no such submission")
    now, at = services.clock.now(), services.clock.monotonic()
    rate = call.request.app[RATES].measure(progress, at=at, now=now)
    is_active = state.state is SubmissionState.ACTIVE
    return {
        **_render_progress(found, progress),
        "state": state.state.value,
        "per_minute": rate.per_minute,
        "expected_end": rate.expected_end if is_active else None,
    }


def _render_progress(found: Submission, progress: Progress) -> dict[str, Any]:
    return {
        "submission": found.submission_id,
        "client": found.client,
        "name": found.submission,
        "requests": progress.requests,
        "finished": progress.finished,
        "by_status": progress.by_status,
        "by_reason": [
            {"status": status, "reason": reason, "requests": number}
            for (status, reason), number in sorted(progress.by_reason.items())
        ],
        "waiting": progress.waiting,
        "next_due": progress.next_due,
        "created_at": progress.created_at,
        "finished_at": progress.finished_at,
    }


async def get_results(call: Call) -> web.Response:
    """Return a page of results."""
    found = await find_own(call)
    results = await Results.open(call.services.database, found.client)
    rows = await results.fetch_page(found.submission_id, call.query.after, call.query.limit)
    following = rows[-1].idx if len(rows) == call.query.limit else None
    body = orjson.dumps({"results": [render_result(row) for row in rows], "next": following})
    return web.Response(body=body, content_type=JSON)


async def get_result(call: Call) -> web.Response:
    """Return one result."""
    path: ResultPath = call.path
    found = await stored_results.find_result(call.services.database, path.submission, path.index)
    if found is None or call.access.sees not in {None, found.client}:
        raise Problem(problems.NOT_FOUND, "there is no such result")
    return web.Response(body=orjson.dumps(render_result(call.request.app[LABELS].label(found))), content_type=JSON)


async def stream_results(call: Call) -> web.StreamResponse:
    """Stream all results, a JSON object a line, by ranges of places: no transaction stays open."""
    found = await find_own(call)
    results = await Results.open(call.services.database, found.client)

    async def read() -> AsyncIterator[bytes]:
        after = call.query.after
        while rows := await results.fetch_page(found.submission_id, after, _PAGE):
            after = rows[-1].idx
            yield b"".join(orjson.dumps(render_result(row), option=orjson.OPT_APPEND_NEWLINE) for row in rows)

    return await streams.send(call.request, read(), NDJSON)


def _render_listed(item: Submission) -> Mapping[str, Any]:
    return {
        "submission": item.submission_id,
        "client": item.client,
        "name": item.submission,
        "priority": item.priority,
        "requests": item.requests,
        "finished": item.finished,
        "created_at": item.created_at,
        "finished_at": item.finished_at,
    }


OPERATIONS = (
    Operation(
        "GET",
        "/v1/submissions",
        "List submissions",
        list_submissions,
        _TAG,
        {200: Reply("Submissions, the newest first.", Submissions)},
        scope=Scope.READ,
        query_model=ListQuery,
    ),
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
    Operation(
        "GET",
        "/v1/submissions/{submission}/results",
        "A page of results",
        get_results,
        _TAG,
        {200: Reply("Results by their place, finished or not.", Page)},
        scope=Scope.READ,
        path_model=SubmissionPath,
        query_model=PageQuery,
    ),
    Operation(
        "GET",
        "/v1/submissions/{submission}/results.ndjson",
        "All results as a stream",
        stream_results,
        _TAG,
        {200: Reply("A JSON object a line, like `Result`.", content_type=NDJSON)},
        scope=Scope.READ,
        path_model=SubmissionPath,
        query_model=StreamQuery,
        description="A stream that broke off is taken up with `after`, the last place that arrived.",
    ),
    Operation(
        "GET",
        "/v1/submissions/{submission}/results/{index}",
        "One result",
        get_result,
        _TAG,
        {200: Reply("The result.", Result)},
        scope=Scope.READ,
        path_model=ResultPath,
    ),
)

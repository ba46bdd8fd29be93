"""One submission: how far it is, what came out, and what may be done with it."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec

from aiohttp import web

from validatord.errors import StoreAway
from validatord.exports.export import Wanted, stream
from validatord.exports.forms import Form
from validatord.intake.results import Results
from validatord.mail.verdict import Status
from validatord.store import console, steering, submissions
from validatord.store.keys import Scope
from validatord.store.steering import SubmissionState
from validatord.store.submissions import Progress, ResultRow, Submission
from validatord.web import streams
from validatord.web.api.submissions import RATES
from validatord.web.console import charts, render
from validatord.web.console.charts import Piece
from validatord.web.console.desk import DESK, ROOT, Desk, read_form, read_limit, read_number
from validatord.web.rates import Rates

_PAGE = 50
_SCAN = 1000  # rows read at once …
_MOST_SCANNED = 20_000  # … and for one page, however rare what is looked for is
_TICK_SECONDS = 1.0
_SILENCE_TICKS = 15  # then a comment keeps the connection awake
_LONGEST_STREAM_TICKS = 3600
_LONGEST_SEARCH = 100
_ACTS = {
    "pause": (SubmissionState.PAUSED, "Paused: no address of it is asked about until you say so."),
    "resume": (SubmissionState.ACTIVE, "It goes on."),
    "cancel": (SubmissionState.CANCELLED, "Cancelled: what was not finished ends as unknown within moments."),
}


@dataclass(frozen=True, slots=True)
class Filters:
    """What is looked for among the results; empty: everything."""

    status: str = ""
    reason: str = ""
    text: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether every row fits."""
        return not (self.status or self.reason or self.text)

    def fits(self, row: ResultRow) -> bool:
        """Whether a labelled row is looked for."""
        status = row.status or "waiting"
        reason = row.reason or row.deferral_reason or ""
        shown = (row.email or row.address).lower()
        return (
            self.status in {"", status}
            and self.reason in {"", reason}
            and (not self.text or self.text.lower() in shown)
        )


@dataclass(frozen=True, slots=True)
class ResultPage:
    """Some results in order; `after` is where to go on, `scanned` how many rows were looked at."""

    rows: tuple[ResultRow, ...]
    after: int | None
    scanned: int


@dataclass(frozen=True, slots=True)
class ProgressView:
    """How far a submission is, as counts and as a bar."""

    submission: Submission
    progress: Progress
    state: str
    pieces: tuple[Piece, ...]
    expected_end: datetime | None
    per_minute: float

    @property
    def is_running(self) -> bool:
        """Whether something is still to come."""
        return self.submission.finished_at is None


@dataclass(frozen=True, slots=True)
class SubmissionPage:
    """The facts of the page."""

    view: ProgressView
    filters: Filters
    results: ResultPage
    is_first: bool
    by_reason: tuple[tuple[str, str, int], ...]
    statuses: tuple[str, ...]
    reasons: tuple[str, ...]


async def find_submission(desk: Desk, submission_id: int) -> Submission:
    """Return a submission that may be seen.

    Raises:
        HTTPNotFound: there is none, or it is another client's; both look the same.
    """
    found = await submissions.find_submission(desk.database, submission_id)
    if found is None or desk.client not in {None, found.client}:
        raise web.HTTPNotFound
    return found


async def load_progress(desk: Desk, rates: Rates, submission: Submission, results: Results) -> ProgressView:
    """Return how far it is."""
    progress = await results.get_progress(submission.submission)
    if progress is None:
        raise web.HTTPNotFound
    is_running = submission.finished_at is None
    found = await steering.find_state(desk.database, submission.client, submission.submission)
    state = found.state if found is not None else SubmissionState.ACTIVE
    rate = rates.measure(progress, at=desk.services.clock.monotonic(), now=desk.now) if is_running else None
    return ProgressView(
        submission=submission,
        progress=progress,
        state=state.value,
        pieces=charts.stack(progress.by_status, progress.requests),
        expected_end=rate.expected_end if rate is not None and state is SubmissionState.ACTIVE else None,
        per_minute=rate.per_minute if rate is not None else 0.0,
    )


async def load_results(results: Results, submission_id: int, filters: Filters, after: int) -> ResultPage:
    """Return the next rows that fit; rare ones are looked for in a bounded stretch."""
    if filters.is_empty:
        rows = await results.fetch_page(submission_id, after, _PAGE)
        return ResultPage(tuple(rows), rows[-1].idx if len(rows) == _PAGE else None, len(rows))
    found: list[ResultRow] = []
    scanned, at, is_end = 0, after, False
    while scanned < _MOST_SCANNED and not is_end:
        rows = await results.fetch_page(submission_id, at, _SCAN)
        is_end = len(rows) < _SCAN
        for row in rows:
            at, scanned = row.idx, scanned + 1
            if filters.fits(row):
                found.append(row)
            if len(found) == _PAGE:
                return ResultPage(tuple(found), at, scanned)
    return ResultPage(tuple(found), None if is_end else at, scanned)


async def load_page(
    desk: Desk, rates: Rates, submission_id: int, filters: Filters, after: int | None
) -> SubmissionPage:
    """Gather the facts of the page."""
    submission = await find_submission(desk, submission_id)
    results = await Results.open(desk.database, submission.client)
    view = await load_progress(desk, rates, submission, results)
    by_reason = sorted(view.progress.by_reason.items(), key=lambda item: -item[1])
    waiting = sorted(view.progress.waiting)
    return SubmissionPage(
        view=view,
        filters=filters,
        results=await load_results(results, submission_id, filters, -1 if after is None else after),
        is_first=after is None,
        by_reason=tuple((status, reason, count) for (status, reason), count in by_reason),
        statuses=tuple(name for name in (*Status, "waiting") if _has(view, str(name))),
        reasons=tuple(
            sorted({reason for (_, reason), _ in by_reason} | {name for name in waiting if name != "not_tried"})
        ),
    )


def _has(view: ProgressView, status: str) -> bool:
    return any(piece.name == status for piece in view.pieces)


def read_filters(query: Mapping[str, str]) -> Filters:
    """Return what is looked for, out of the address."""
    words = {name: query.get(name, "").strip()[:_LONGEST_SEARCH] for name in ("status", "reason", "text")}
    return Filters(**words)


async def show_submission(request: web.Request) -> web.StreamResponse:
    """Show the page."""
    number = read_number(request, "submission")
    filters, after = read_filters(request.query), read_limit(request, "after")
    facts = await load_page(request[DESK], request.app[ROOT][RATES], number, filters, after)
    has_parquet = find_spec("pyarrow") is not None
    return render.page(
        request, "submission.html", facts=facts, view=facts.view, has_parquet=has_parquet, here="/console/submissions"
    )


async def follow_submission(request: web.Request) -> web.StreamResponse:
    """Send the progress as server-sent events, as long as there is any and somebody listens."""
    desk = request[DESK]
    submission = await find_submission(desk, read_number(request, "submission"))
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    await response.prepare(request)
    with contextlib.suppress(ConnectionError, StoreAway, web.HTTPException):
        await _tell_progress(desk, request.app[ROOT][RATES], submission, response)
    return response


async def _tell_progress(desk: Desk, rates: Rates, submission: Submission, response: web.StreamResponse) -> None:
    told, silent = "", 0
    for _ in range(_LONGEST_STREAM_TICKS):
        if await console.find_live_key(desk.database, desk.require().key_id) is None:
            return  # whoever listens may not any more
        submission = await find_submission(desk, submission.submission_id)
        results = await Results.open(desk.database, submission.client)
        view = await load_progress(desk, rates, submission, results)
        text = render.draw("progress.html", view=view, now=desk.now)
        if not view.is_running:
            await response.write(b"event: finished\ndata: yes\n\n")
            return
        silent = silent + 1 if text == told else 0
        if text != told:
            await response.write(_event("progress", text))
        elif silent % _SILENCE_TICKS == 0:
            await response.write(b": still here\n\n")
        told = text
        await desk.services.clock.sleep(_TICK_SECONDS)
        await asyncio.sleep(0)


def _event(name: str, text: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in text.splitlines())
    return f"event: {name}\n{lines}\n".encode()


async def download_results(request: web.Request) -> web.StreamResponse:
    """Stream the results as a file, those of one status or all."""
    desk = request[DESK]
    desk.require_scope(Scope.READ)
    submission = await find_submission(desk, read_number(request, "submission"))
    try:
        form = Form(request.query.get("form", ""))
    except ValueError:
        raise web.HTTPBadRequest from None
    filters = read_filters(request.query)
    wanted = Wanted(
        form,
        statuses=frozenset(filter(None, [filters.status])),
        reasons=frozenset(filter(None, [filters.reason])),
        with_unfinished=not filters.status,
    )
    pieces = stream(await Results.open(desk.database, submission.client), submission.submission_id, wanted)
    name = f"submission-{submission.submission_id}.{form.ending}"
    return await streams.send(request, pieces, form.content_type, filename=name)


async def steer_submission(request: web.Request) -> web.StreamResponse:
    """Pause, resume or cancel a submission."""
    desk = request[DESK]
    desk.require_scope(Scope.SUBMIT)
    submission = await find_submission(desk, read_number(request, "submission"))
    act = (await read_form(request)).get("act", "")
    if act not in _ACTS:
        raise web.HTTPBadRequest
    state, said = _ACTS[act]
    is_new = await steering.set_state(desk.database, submission.submission_id, state)
    where = f"/console/submissions/{submission.submission_id}"
    raise render.go(request, where, said if is_new else "It was so already.", "good" if is_new else "warn")


ROUTES = (
    web.get("/submissions/{submission}", show_submission),
    web.post("/submissions/{submission}", steer_submission),
    web.get("/submissions/{submission}/results", download_results),
    web.get("/submissions/{submission}/events", follow_submission),
)

"""`/v1/bulk`: a list as a job; a job is a submission of ours, its number the job's.

Reacher's webhook for each address is refused rather than forgotten: docs/webhooks.md tells of the end of a submission.
"""

import asyncio
import contextlib
import csv
import io
from collections.abc import AsyncGenerator
from http import HTTPStatus
from secrets import token_hex
from typing import Any

import orjson
from aiohttp import web

from validatord.errors import StoreError
from validatord.exports import cells
from validatord.intake.results import Results
from validatord.mail.address import Mailbox
from validatord.mail.request import Flags, LabelKey
from validatord.store import steering, submissions
from validatord.store.steering import SubmissionState
from validatord.store.submissions import Submission
from validatord.web import streams, taking
from validatord.web.auth import Access
from validatord.web.problems import Problem
from validatord.web.reacher.check import describe
from validatord.web.reacher.door import answer, read_object, refuse
from validatord.web.reacher.mapping import Prober, judge, render, render_time
from validatord.web.reacher.parts import Checked, render_mx, render_smtp
from validatord.web.services import SERVICES
from validatord.web.taking import Wish

_MOST_BYTES = 50 * 1024 * 1024
_ROWS = 1000
_PAGE = 500
_LARGEST = 2**63 - 1
_LAST = 2**31 - 1
ONE_BODY = web.AppKey("one body", asyncio.Semaphore)  # fifty megabytes of addresses in memory are enough
_SOMEBODY = Mailbox("somebody", "one.example")
_VERDICTS: tuple[str, ...] = ("safe", "risky", "invalid", "unknown")
_COLUMNS = (
    "input",
    "is_reachable",
    "misc.is_disposable",
    "misc.is_role_account",
    "misc.gravatar_url",
    "mx.accepts_mail",
    "smtp.can_connect",
    "smtp.has_full_inbox",
    "smtp.is_catch_all",
    "smtp.is_deliverable",
    "smtp.is_disabled",
    "syntax.is_valid_syntax",
    "syntax.domain",
    "syntax.username",
    "error",
)


async def create_job(request: web.Request, access: Access) -> web.StreamResponse:
    """Take a list in."""
    async with request.app[ONE_BODY]:
        body = await read_object(request, _MOST_BYTES)
        addresses = body.get("input")
        if not isinstance(addresses, list) or not addresses or not all(isinstance(item, str) for item in addresses):  # pyright: ignore[reportUnknownVariableType]
            return refuse("input field is required: a list of addresses.")
        if body.get("webhook"):
            return refuse("webhook is not supported here: register one with POST /v1/webhooks.")
        return answer({"job_id": await _take_in(request.app, access.client, addresses)})  # pyright: ignore[reportUnknownArgumentType]


async def _take_in(app: web.Application, client: str, addresses: list[str]) -> int:
    wish = Wish(client, f"reacher-{token_hex(12)}", expected=len(addresses))
    number = 0
    try:
        for start in range(0, len(addresses), _ROWS):
            part = Wish(client, wish.submission, first_index=start, expected=wish.expected)
            number = (await taking.take_in(app, part, addresses[start : start + _ROWS])).submission_id
    except (Problem, StoreError):
        # Nobody would ever hear the number of a job that was taken in by half.
        if number:
            with contextlib.suppress(StoreError):
                await steering.set_state(app[SERVICES].database, number, SubmissionState.CANCELLED)
        raise
    return number


async def get_job(request: web.Request, access: Access) -> web.StreamResponse:
    """Say how far a job is."""
    found = await _find(request, access)
    if found is None:
        return _missing()
    results = await Results.open(request.app[SERVICES].database, found.client)
    progress = await results.get_progress(found.submission)
    if progress is None:
        return _missing()
    totals: dict[str, int] = dict.fromkeys(_VERDICTS, 0)
    prober = Prober.of(request.app[SERVICES].snapshot())
    for key, number in progress.counts.items():
        totals[_judge(key, results.labels.of(key).status, prober)] += number
    return answer(
        {
            "job_id": found.submission_id,
            "created_at": render_time(found.created_at),
            "finished_at": render_time(found.finished_at) if found.finished_at else None,
            "total_records": found.requests,
            "total_processed": found.finished,
            "summary": {f"total_{name}": number for name, number in totals.items()},
            "job_status": "Completed" if found.finished_at else "Running",
        }
    )


def _judge(key: LabelKey, shown: str, prober: Prober) -> str:
    """Return what answers about findings of a kind say, without reading them."""
    flags = Flags(key.is_disposable, key.is_role, key.is_free)
    checked = Checked("", _SOMEBODY, key.status, key.reason, shown=shown, flags=flags, mx_host="mx.one.example")
    return judge(checked, render_mx(checked), render_smtp(checked, prober.patience))


async def get_results(request: web.Request, access: Access) -> web.StreamResponse:
    """Send what came out of a job, as JSON or CSV."""
    found = await _find(request, access)
    if found is None:
        return _missing()
    form = request.query.get("format", "json").lower()
    offset = _read_number(request.query.get("offset", "0"))
    limit = _read_number(request.query.get("limit", str(_LAST) if form == "csv" else "50"))
    if form not in {"json", "csv"} or offset is None or limit is None:
        return refuse("format is json or csv; limit and offset are numbers.")
    if found.finished_at is None:
        return refuse("Job is still running.")
    if form == "csv":
        return await streams.send(request, _write_csv(request, found, offset, limit), "text/csv")
    return await streams.send(request, _write_json(request, found, offset, limit), "application/json")


def _read_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(_LAST)) else None


async def _write_json(request: web.Request, found: Submission, offset: int, limit: int) -> AsyncGenerator[bytes]:
    separator = b'{"results":['
    async for page in _read(request, found, offset, limit):
        yield separator + b",".join(orjson.dumps(item) for item in page)
        separator = b","
    yield b"]}" if separator == b"," else separator + b"]}"


async def _write_csv(request: web.Request, found: Submission, offset: int, limit: int) -> AsyncGenerator[bytes]:
    yield _to_csv([_COLUMNS])
    async for page in _read(request, found, offset, limit):
        yield _to_csv([_to_cells(item) for item in page])


async def _read(
    request: web.Request, found: Submission, offset: int, limit: int
) -> AsyncGenerator[list[dict[str, Any]]]:
    """Yield answers of a job by ranges of places: a list has no gaps, so an offset is a place."""
    services = request.app[SERVICES]
    results, prober = await Results.open(services.database, found.client), Prober.of(services.snapshot())
    after = offset - 1
    while limit > 0 and after < _LAST:
        rows = await submissions.fetch_results(services.database, found.submission_id, after, min(_PAGE, limit))
        if not rows:
            return
        after, limit = rows[-1].idx, limit - len(rows)
        times = [row.checked_at or row.finished_at or found.created_at for row in rows]
        described = await describe(services, results, rows)
        yield [render(checked, prober, at, at) for checked, at in zip(described, times, strict=True)]


def _to_cells(item: dict[str, Any]) -> list[str]:
    """Return an answer as a row; where a part is an error its cells are empty."""
    mx, smtp = item["mx"], item["smtp"]
    smtp_names = ("can_connect_smtp", "has_full_inbox", "is_catch_all", "is_deliverable", "is_disabled")
    failed = smtp.get("error") or mx.get("error")
    misc, syntax = item["misc"], item["syntax"]
    values = [
        *(item["input"], item["is_reachable"], misc["is_disposable"], misc["is_role_account"], misc["gravatar_url"]),
        mx.get("accepts_mail"),
        *(smtp.get(name) for name in smtp_names),
        *(syntax["is_valid_syntax"], syntax["domain"], syntax["username"]),
        orjson.dumps(failed).decode() if failed else None,
    ]
    return [cells.to_safe(cells.to_text(value)) for value in values]


def _to_csv(table: list[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    return text.getvalue().encode("utf-8", "replace")


async def _find(request: web.Request, access: Access) -> Submission | None:
    text = request.match_info["job"]
    number = int(text) if text.isascii() and text.isdigit() and len(text) < len(str(_LARGEST)) else 0
    found = await submissions.find_submission(request.app[SERVICES].database, number) if number else None
    return found if found is not None and access.sees in {None, found.client} else None


def _missing() -> web.Response:
    return refuse("There is no such job.", HTTPStatus.NOT_FOUND)

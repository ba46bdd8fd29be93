"""Operations that give the results of a submission as a file: CSV, JSON lines, Parquet."""

from typing import Annotated, Any

from aiohttp import web
from pydantic import BeforeValidator, Field

from validatord.errors import AddressSyntaxError, ConfigurationError
from validatord.exports.export import Wanted, choose_statuses, stream
from validatord.exports.forms import Form
from validatord.intake.results import Results
from validatord.mail.parse import parse_domain
from validatord.mail.verdict import Reason, Status
from validatord.store.keys import Scope
from validatord.web import problems, streams
from validatord.web.api.submissions import find_own
from validatord.web.fields import SubmissionPath
from validatord.web.problems import Problem
from validatord.web.routes import Call, Model, Operation, Reply

_TAG = "Exports"
_LAST = 2**31 - 1
_WORDS = {"true": True, "false": False}


def _split(value: Any) -> Any:
    """Read `a,b`, and a name that is given several times."""
    return tuple(value.split(",")) if isinstance(value, str) else value


def _read_choice(value: Any) -> Any:
    return _WORDS.get(value, value) if isinstance(value, str) and value in _WORDS else _refuse(value)


def _refuse(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    msg = "say true or false"
    raise ValueError(msg)


Choice = Annotated[bool, BeforeValidator(_read_choice)]
Place = Annotated[int, Field(ge=-1, le=_LAST)]


class ExportQuery(Model):
    """What an export holds."""

    status: Annotated[tuple[Status, ...], BeforeValidator(_split)] = Field(
        default=(),
        max_length=10,
        description="Only these statuses, as you are shown them; else your policy's usual ones.",
    )
    include_accept_all: Choice | None = Field(default=None, description="Add `accept_all`, or leave it out.")
    reason: Annotated[tuple[Reason, ...], BeforeValidator(_split)] = Field(
        default=(), max_length=100, description="Only these main reasons."
    )
    domain: Annotated[tuple[str, ...], BeforeValidator(_split)] = Field(
        default=(), max_length=100, description="Only addresses of these domains."
    )
    unfinished: Choice = Field(default=False, description="Also what has no result yet; not together with `status`.")
    after: Place = Field(default=-1, description="Only places behind this one: the last `index` that arrived.")
    until: Place = Field(default=_LAST, description="Only places up to this one.")


class CSVQuery(ExportQuery):
    """What a CSV file is like besides."""

    raw: Choice = Field(default=False, description="Every text as it is, instead of safe for spreadsheets.")
    bom: Choice | None = Field(default=None, description="A byte order mark in front; usual for spreadsheets.")
    header: Choice | None = Field(default=None, description="A line of names; usual unless `after` is given.")


async def export_csv(call: Call) -> web.StreamResponse:
    """Send CSV."""
    query: CSVQuery = call.query
    form = Form.CSV_RAW if query.raw else Form.CSV
    return await _send(call, form, has_bom=query.bom, has_header=query.header)


async def export_ndjson(call: Call) -> web.StreamResponse:
    """Send JSON lines."""
    return await _send(call, Form.NDJSON)


async def export_parquet(call: Call) -> web.StreamResponse:
    """Send Parquet."""
    return await _send(call, Form.PARQUET)


async def _send(
    call: Call, form: Form, *, has_bom: bool | None = None, has_header: bool | None = None
) -> web.StreamResponse:
    found = await find_own(call)
    query: ExportQuery = call.query
    results = await Results.open(call.services.database, found.client)
    usual = tuple(status.value for status in results.policy.export_statuses)
    asked = tuple(status.value for status in query.status)
    wanted = Wanted(
        form=form,
        statuses=choose_statuses(asked, usual, include_accept_all=query.include_accept_all),
        reasons=frozenset(reason.value for reason in query.reason),
        domains=frozenset(_read_domain(text) for text in query.domain),
        with_unfinished=query.unfinished,
        after=query.after,
        until=query.until,
        has_bom=has_bom,
        has_header=has_header,
    )
    try:
        pieces = stream(results, found.submission_id, wanted)
    except ConfigurationError as error:
        raise Problem(problems.INVALID, str(error)) from None
    name = f"submission-{found.submission_id}.{form.ending}"
    return await streams.send(call.request, pieces, form.content_type, filename=name)


def _read_domain(text: str) -> str:
    """Return a domain as A-labels; what is none matches nothing."""
    try:
        return parse_domain(text)
    except AddressSyntaxError:
        return text


def _make(form: Form, handler: Any, query_model: type[Model], summary: str, description: str) -> Operation:
    disposition = {"Content-Disposition": "The name of the file."}
    return Operation(
        "GET",
        f"/v1/submissions/{{submission}}/export.{form.ending}",
        summary,
        handler,
        _TAG,
        {200: Reply("The file, in pieces.", content_type=form.content_type, headers=disposition)},
        scope=Scope.READ,
        path_model=SubmissionPath,
        query_model=query_model,
        description=description,
    )


OPERATIONS = (
    _make(
        Form.CSV,
        export_csv,
        CSVQuery,
        "Results as CSV",
        "A cell that a spreadsheet would take for a formula gets an apostrophe in front; `raw` leaves every text as it "
        "is. An export that broke off goes on with `after`.",
    ),
    _make(
        Form.NDJSON,
        export_ndjson,
        ExportQuery,
        "Results as JSON lines",
        "One object a line. An export that broke off goes on with `after`.",
    ),
    _make(
        Form.PARQUET,
        export_parquet,
        ExportQuery,
        "Results as Parquet",
        "Needs the extra `parquet` on the server. A file that broke off is of no use; ask for ranges of places then.",
    ),
)

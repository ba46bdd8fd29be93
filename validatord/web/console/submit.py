"""Sending a list in: paste or drop it, choose the column, see what it would cost, then submit."""

import asyncio
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from aiohttp import web

from validatord.errors import ConfigurationError
from validatord.intake import results
from validatord.intake.dry_run import DryRun, dry_run
from validatord.intake.reading import Head, InputRow, read_addresses, read_head
from validatord.mail.request import Priority
from validatord.store import submissions
from validatord.store.keys import Scope
from validatord.web import taking
from validatord.web.console import mailbox, render
from validatord.web.console.desk import DESK, ROOT, Desk
from validatord.web.console.upload import Upload, read_upload
from validatord.web.problems import Problem
from validatord.web.taking import Wish

_SHOWN = 8
_CHUNK = 1000
_LONGEST_SHOWN_AGAIN = 262_144
_PREVIEW = "preview"
_LONGEST_NAME, _LONGEST_CLIENT = 200, 100


@dataclass(frozen=True, slots=True)
class ShownRow:
    """One row of the preview: the text, and what is wrong with it."""

    line: int
    address: str
    fault: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a list looks like, and what it would cost."""

    head: Head
    rows: tuple[ShownRow, ...]
    cost: DryRun


@dataclass(frozen=True, slots=True)
class SubmitPage:
    """The facts of the page: what was filled in, what is wrong with it, and the preview where one was asked for."""

    client: str
    name: str = ""
    priority: str = Priority.NORMAL.value
    column: str = ""
    text: str = ""
    file_name: str = ""
    problem: str = ""
    preview: Preview | None = None


async def show_form(request: web.Request) -> web.StreamResponse:
    """Show the empty form."""
    access = request[DESK].require_scope(Scope.SUBMIT)
    return _show(request, SubmitPage(access.client))


async def take_form(request: web.Request) -> web.StreamResponse:
    """Preview a list, or take it in."""
    desk = request[DESK]
    desk.require_scope(Scope.SUBMIT)
    if request.content_type != "multipart/form-data":
        raise web.HTTPBadRequest
    upload = await read_upload(request)
    try:
        return await _answer(request, desk, upload)
    finally:
        upload.close()


async def _answer(request: web.Request, desk: Desk, upload: Upload) -> web.StreamResponse:
    fields = upload.fields
    page = SubmitPage(
        client=fields.get("client", "").strip()[:_LONGEST_CLIENT] or desk.require().client,
        name=fields.get("name", "").strip()[:_LONGEST_NAME],
        priority=fields.get("priority", Priority.NORMAL.value),
        column=fields.get("column", "").strip(),
        text=upload.pasted(_LONGEST_SHOWN_AGAIN),
        file_name=upload.file_name,
    )
    try:
        if fields.get("act") == _PREVIEW:
            return _show(request, _with(page, preview=await _look(desk, upload, page)))
        number, count = await _take_in(request, desk, upload, page)
    except (ConfigurationError, csv.Error, Problem) as error:
        return _show(request, _with(page, problem=_say(error)), status=422)
    raise render.go(request, f"/console/submissions/{number}", f"{count:,} addresses were taken in.")


async def _look(desk: Desk, upload: Upload, page: SubmitPage) -> Preview:
    """Return what the list looks like; a column that this list does not have is not insisted on."""
    head = read_head(upload.open_list())
    column = page.column if page.column in head.columns else ""
    shown = [
        ShownRow(row.line, row.address, mailbox.read_mailbox(desk, row.address)[1])
        for row in islice(_read(upload, column), _SHOWN)
    ]
    if not shown:
        raise ConfigurationError(["There is no address in it. Paste some, one a line, or choose a file."])
    client = taking.choose_client(desk.require(), page.client)
    policy = await results.load_policy(desk.database, client)
    services = desk.services
    addresses = (row.address for row in _read(upload, column))
    cost = await dry_run(desk.database, services.clock, services.submitter.rules, (client, policy), addresses)
    return Preview(Head(head.columns, column or head.chosen), tuple(shown), cost)


async def _take_in(request: web.Request, desk: Desk, upload: Upload, page: SubmitPage) -> tuple[int, int]:
    """Take the whole list in, chunk by chunk; return the submission and how many addresses it has."""
    client = taking.choose_client(desk.require(), page.client)
    if page.name and await submissions.get_progress(desk.database, client, page.name) is not None:
        raise ConfigurationError([f'{client} has a submission called "{page.name}" already: choose another name.'])
    head = read_head(upload.open_list())
    column = page.column if page.column in head.columns else ""
    count = await _count(_read(upload, column))
    most = desk.services.snapshot().web.max_upload_rows
    if not count or count > most:
        said = f"A list has at most {most:,} rows; this one has {count:,}." if count else "There is no address in it."
        raise ConfigurationError([said])
    wish = Wish(client, page.name or taking.new_name(), _priority_of(page.priority), expected=count)
    number, place = 0, 0
    rows = _read(upload, column)
    while chunk := list(islice(rows, _CHUNK)):
        contacts = [taking.read_contact(row.contact_id) for row in chunk]
        part = Wish(wish.client, wish.submission, wish.priority, place, count)
        taken = await taking.take_in(request.app[ROOT], part, [row.address for row in chunk], contacts)
        number, place = taken.submission_id, place + len(chunk)
    return number, place


def _read(upload: Upload, column: str) -> Iterator[InputRow]:
    return read_addresses(upload.open_list(), column=column, name="the list")


async def _count(rows: Iterator[InputRow]) -> int:
    count = 0
    while chunk := sum(1 for _ in islice(rows, _CHUNK)):
        count += chunk
        await asyncio.sleep(0)
    return count


def _priority_of(word: str) -> Priority:
    try:
        return Priority(word)
    except ValueError:
        return Priority.NORMAL


def _say(error: Exception) -> str:
    return "; ".join(error.problems) if isinstance(error, ConfigurationError) else str(error)


def _with(page: SubmitPage, *, preview: Preview | None = None, problem: str = "") -> SubmitPage:
    column = preview.head.chosen if preview is not None else page.column
    return SubmitPage(
        page.client, page.name, page.priority, column, page.text, page.file_name, problem or page.problem, preview
    )


def _show(request: web.Request, facts: SubmitPage, *, status: int = 200) -> web.StreamResponse:
    return render.page(request, "submit.html", status=status, facts=facts, priorities=[item.value for item in Priority])


ROUTES = (web.get("/submit", show_form), web.post("/submit", take_form))

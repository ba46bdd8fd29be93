"""Operations that take addresses in: a JSON body, an upload of any length, and the older routes."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from aiohttp import web
from pydantic import AwareDatetime, Field

from validatord.mail.request import Priority
from validatord.store.keys import Scope
from validatord.web import problems, repeats, taking
from validatord.web.fields import CHECK_MARK, Address, ClientName, SubmissionName
from validatord.web.problems import Problem
from validatord.web.routes import NDJSON, Answer, Call, Model, Operation, Reply, answer
from validatord.web.taking import Wish

_TAG = "Submissions"
_OLDER = "Older routes"
_CREATED = 201
_LARGEST_INDEX = 2**31 - 10_001
_PROBLEMS = (409, 422, 429)
_CAMPAIGN = "When it will be sent to: verdicts that would be out of date by then are asked again."
_HEADERS = {repeats.HEADER: repeats.ABOUT}


class Item(Model):
    """One address."""

    email: Address
    contact_id: UUID | None = Field(default=None, description="Your own number for whose address it is.")


class SubmissionBody(Model):
    """A list of addresses, or a part of one."""

    items: list[Address | Item] = Field(
        min_length=1, max_length=10_000, description="Addresses, or objects; each place gets its answer."
    )
    name: SubmissionName | None = Field(default=None, description="What you call it; else it gets a name.")
    client: ClientName | None = Field(default=None, description="For an admin key: in whose name.")
    priority: Priority = Field(default=Priority.NORMAL, description="Who goes first.")
    first_index: int = Field(
        default=0, ge=0, le=_LARGEST_INDEX, description="The first item's place: for a list in parts."
    )
    expected: int | None = Field(
        default=None, ge=1, le=2**31 - 1, description="How many items the whole list has: it is not finished before."
    )
    revalidate: bool = Field(default=False, description="Ask again even where a fresh verdict is known.")
    campaign_at: AwareDatetime | None = Field(default=None, description=_CAMPAIGN)


class Submitted(Answer):
    """What was taken in; it is committed."""

    ok: bool = Field(description="Always true: what went wrong is a problem.")
    submission: int = Field(description="The submission's number.")
    name: str = Field(description="Its name.")
    queued: int = Field(description="Items of this request; those that were known from before are counted, too.")


class UploadQuery(Model):
    """How to read an upload."""

    name: SubmissionName | None = Field(
        default=None, description="What you call it. Needed to go on with an upload that broke off."
    )
    column: str = Field(default="", max_length=200, description="The CSV column of the addresses; else it is guessed.")
    client: ClientName | None = Field(default=None, description="For an admin key: in whose name.")
    priority: Priority = Field(default=Priority.LOW, description="Who goes first.")
    first_index: int = Field(default=0, ge=0, le=_LARGEST_INDEX, description="The first row's place.")
    campaign_at: AwareDatetime | None = Field(default=None, description=_CAMPAIGN)


class OlderItem(Model):
    """One address of the older route."""

    email: Address
    contactId: UUID | None = None  # noqa: N815 the older contract's own name


class OlderBody(Model):
    """A list in the older form."""

    items: list[OlderItem] = Field(min_length=1, max_length=10_000)


class RevalidateBody(Model):
    """Addresses to be asked again."""

    emails: list[Address] = Field(min_length=1, max_length=10_000)


class OlderAnswer(Answer):
    """What was taken in."""

    ok: bool
    queued: int = Field(description="How many addresses.")
    submission: int = Field(description="The submission's number.")


async def submit(call: Call) -> web.Response:
    """Take a list, or a part of one, in."""
    body: SubmissionBody = call.body
    client = taking.choose_client(call.access, body.client)
    emails = [item if isinstance(item, str) else item.email for item in body.items]
    contacts = [None if isinstance(item, str) else item.contact_id for item in body.items]
    _check_count(call, len(emails))
    wish = Wish(client, "", body.priority, body.first_index, body.expected, body.revalidate, body.campaign_at)

    async def make(name: str) -> web.Response:
        result = await taking.take_in(call.request.app, _named(wish, name), emails, contacts)
        made = Submitted(ok=True, submission=result.submission_id, name=name, queued=len(emails))
        return answer(made, _CREATED, location=f"/v1/submissions/{result.submission_id}")

    return await _once(call, body.model_dump_json().encode(), body.name, make)


async def upload(call: Call) -> web.Response:
    """Take an upload in, row by row, in flat memory."""
    if call.request.content_type not in {"text/csv", NDJSON}:
        raise Problem(problems.UNSUPPORTED_MEDIA_TYPE, f"an upload is text/csv or {NDJSON}")
    query: UploadQuery = call.query
    client = taking.choose_client(call.access, query.client)
    wish = Wish(client, "", query.priority, query.first_index, campaign_at=query.campaign_at)

    async def make(name: str) -> web.Response:
        taken = await taking.take_stream(call.request, _named(wish, name), query.column)
        made = Submitted(ok=True, submission=taken.submission_id, name=name, queued=taken.rows)
        return answer(made, _CREATED, location=f"/v1/submissions/{taken.submission_id}")

    # What a stream holds is compared row by row with what the ledger holds under its name.
    return await _once(call, call.request.content_type.encode(), query.name, make)


async def submit_older(call: Call) -> web.Response:
    """Take a list in the older form in."""
    body: OlderBody = call.body
    contacts = [item.contactId for item in body.items]
    return await _take_older(call, [item.email for item in body.items], contacts, is_revalidation=False)


async def revalidate(call: Call) -> web.Response:
    """Ask again about addresses, whatever is known."""
    return await _take_older(call, call.body.emails, [], is_revalidation=True)


async def revalidate_older(call: Call) -> web.Response:
    """Ask again about addresses, whatever is known."""
    return await revalidate(call)


async def _take_older(
    call: Call, emails: Sequence[str], contacts: Sequence[UUID | None], *, is_revalidation: bool
) -> web.Response:
    _check_count(call, len(emails))
    wish = Wish(call.access.client, "", is_revalidation=is_revalidation)

    async def make(name: str) -> web.Response:
        result = await taking.take_in(call.request.app, _named(wish, name), emails, contacts)
        return answer(OlderAnswer(ok=True, queued=len(emails), submission=result.submission_id))

    return await _once(call, call.body.model_dump_json().encode(), None, make)


async def _once(call: Call, material: bytes, name: str | None, make: repeats.Make) -> web.Response:
    if name is not None and name.startswith(CHECK_MARK):
        raise Problem(problems.CONFLICT, f"names that begin with {CHECK_MARK} are those of single checks")
    chosen = name or taking.new_name()
    return await repeats.answer_once(call.request, call.services.database, call.access.client, material, chosen, make)


def _named(wish: Wish, name: str) -> Wish:
    return replace(wish, submission=name)


def _check_count(call: Call, count: int) -> None:
    most = call.services.snapshot().web.max_items
    if count > most:
        raise Problem(problems.INVALID, f"a body here has at most {most} addresses; larger lists are uploads")


OPERATIONS = (
    Operation(
        "POST",
        "/v1/submissions",
        "Submit a list",
        submit,
        _TAG,
        {_CREATED: Reply("Taken in, and committed.", Submitted, headers={"Location": "Where its status is."})},
        scope=Scope.SUBMIT,
        body_model=SubmissionBody,
        headers=_HEADERS,
        problems=_PROBLEMS,
        description="The same name again adds only places that are not there yet, so repeating is safe.",
    ),
    Operation(
        "POST",
        "/v1/uploads",
        "Upload a list of any length",
        upload,
        _TAG,
        {_CREATED: Reply("Taken in, and committed.", Submitted, headers={"Location": "Where its status is."})},
        scope=Scope.SUBMIT,
        query_model=UploadQuery,
        takes=("text/csv", NDJSON),
        headers=_HEADERS,
        problems=_PROBLEMS,
        description="CSV, or a JSON text or object a line. Every thousand rows are committed: an upload that breaks "
        "off is sent again under its name, as a whole or from the row its status names.",
    ),
    Operation(
        "POST",
        "/v1/revalidate",
        "Ask again about addresses",
        revalidate,
        _TAG,
        {200: Reply("Taken in.", OlderAnswer)},
        scope=Scope.SUBMIT,
        body_model=RevalidateBody,
        headers=_HEADERS,
        problems=_PROBLEMS,
    ),
    Operation(
        "POST",
        "/validation/submit",
        "Submit a list",
        submit_older,
        _OLDER,
        {200: Reply("Taken in.", OlderAnswer)},
        scope=Scope.SUBMIT,
        body_model=OlderBody,
        headers=_HEADERS,
        problems=_PROBLEMS,
    ),
    Operation(
        "POST",
        "/validation/revalidate",
        "Ask again about addresses",
        revalidate_older,
        _OLDER,
        {200: Reply("Taken in.", OlderAnswer)},
        scope=Scope.SUBMIT,
        body_model=RevalidateBody,
        headers=_HEADERS,
        problems=_PROBLEMS,
    ),
)

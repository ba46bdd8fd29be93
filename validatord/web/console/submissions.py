"""All submissions, the newest first."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from validatord.store import console, submissions
from validatord.store.submissions import Submission
from validatord.web.console import render
from validatord.web.console.desk import DESK, Desk, read_limit
from validatord.web.fields import CHECK_MARK

_PAGE = 30


@dataclass(frozen=True, slots=True)
class SubmissionsPage:
    """The facts of the page; `older` is where the next page begins."""

    recent: tuple[Submission, ...]
    states: Mapping[int, str]
    client: str
    older: int | None
    is_first: bool


async def load_page(desk: Desk, client: str, before: int | None) -> SubmissionsPage:
    """Return one page of the list, of one client or of all that may be seen."""
    wanted = desk.client or client.replace("\x00", "") or None
    found = await submissions.list_submissions(
        desk.database, _PAGE + 1, client=wanted, before_id=before, without=CHECK_MARK
    )
    return SubmissionsPage(
        recent=tuple(found[:_PAGE]),
        states=await console.load_states(desk.database, [item.submission_id for item in found]),
        client=wanted if wanted is not None and desk.client is None else "",
        older=found[_PAGE - 1].submission_id if len(found) > _PAGE else None,
        is_first=before is None,
    )


async def show_submissions(request: web.Request) -> web.StreamResponse:
    """Show the list."""
    facts = await load_page(request[DESK], request.query.get("client", ""), read_limit(request, "before"))
    return render.page(request, "submissions.html", facts=facts)


ROUTES = (web.get("/submissions", show_submissions),)

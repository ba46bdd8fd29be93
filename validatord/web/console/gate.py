"""The send gate of a submission: may a campaign go out to it. Asked for apart, since it counts every result."""

from dataclasses import dataclass

from aiohttp import web

from validatord.intake.gate import ask_gate
from validatord.rules.gate import GateAnswer
from validatord.store.keys import Scope
from validatord.store.submissions import Submission
from validatord.web.console import render
from validatord.web.console.desk import DESK, read_number
from validatord.web.console.submission import find_submission


@dataclass(frozen=True, slots=True)
class GatePage:
    """The facts of the page."""

    submission: Submission
    answer: GateAnswer


async def show_gate(request: web.Request) -> web.StreamResponse:
    """Show what the gate says."""
    desk = request[DESK]
    desk.require_scope(Scope.READ)
    submission = await find_submission(desk, read_number(request, "submission"))
    settings = desk.services.snapshot()
    answer = await ask_gate(desk.database, settings, submission.client, submission.submission, desk.now)
    if answer is None:
        raise web.HTTPNotFound
    return render.page(request, "gate.html", facts=GatePage(submission, answer), here="/console/submissions")


ROUTES = (web.get("/submissions/{submission}/gate", show_gate),)

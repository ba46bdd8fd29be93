"""One mailbox: the verdict and everything it rests on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import web

from validatord.errors import AddressSyntaxError
from validatord.intake.results import MailboxResult, Results
from validatord.mail.address import Mailbox
from validatord.mail.parse import parse_address
from validatord.mail.request import Finding
from validatord.mail.transcript import Exchange, Transcript
from validatord.rules import words
from validatord.rules.explain import explain
from validatord.store import console
from validatord.store.console import OpenRequest
from validatord.store.keys import Scope
from validatord.web.api.check import Wanted, check_now
from validatord.web.console import charts, render
from validatord.web.console.charts import Lean
from validatord.web.console.desk import DESK, ROOT, Desk, read_form

_LONGEST = 400
_PATIENCE_SECONDS = 6.0  # then the page says that the answer takes a while
_DONE = "done"
_MOST_LINES = 60
_TOLD_ELSEWHERE = ("DNS: ", "The confidence is made of ")
_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError)
_NAMES = {
    "syntax": "well-formed address",
    "mx": "the domain names a mail host",
    "address_only": "no mail host, only an address",
    "accepted": "the host accepted it",
    "accept_all": "the host accepts every address",
    "disposable": "a throw-away domain",
    "role": "a function, not a person",
    "positive_history": "mail was opened or answered",
    "hard_bounce": "mail came back for good",
    "domain_health": "SPF and DMARC are published",
    "low_confidence": "weak evidence",
    "band": "kept inside the band of its status",
    "refusal": "a clear refusal",
    "weak_refusal": "a refusal on weak evidence",
    "inferred_refusal": "a refusal, inferred",
    "model": "the trained model",
    "bouncer": "Bouncer's own score",
}


@dataclass(frozen=True, slots=True)
class Part:
    """One contribution to the confidence."""

    name: str
    said: str
    points: int
    lean: Lean


@dataclass(frozen=True, slots=True)
class Line:
    """One exchange of the conversation: what we said, what came back, and how to colour it."""

    at: float
    ours: str
    theirs: str
    tone: str


@dataclass(frozen=True, slots=True)
class Talk:
    """The conversation with a host."""

    transcript: Transcript
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class MailboxPage:
    """The facts of the page; `result` is None where nobody asked about the address yet."""

    email: str
    fault: str
    result: MailboxResult | None
    waiting: tuple[OpenRequest, ...] = ()
    story: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    talk: Talk | None = None
    dns: tuple[str, ...] = ()

    @property
    def finding(self) -> Finding:
        """The labelled finding; only where there is one."""
        if self.result is None:
            msg = "nothing is known"
            raise ValueError(msg)
        return self.result.validation.finding


async def load_page(desk: Desk, text: str) -> MailboxPage:
    """Gather everything known of an address."""
    text = text.strip()[:_LONGEST].replace("\x00", "")
    mailbox, fault = read_mailbox(desk, text)
    email = str(mailbox) if mailbox is not None else text
    if not email:
        return MailboxPage("", "", None)
    client = desk.require().client
    result = await (await Results.open(desk.database, client)).find_mailbox(email)
    waiting: list[OpenRequest] = []
    if mailbox is not None:
        waiting = await console.find_open_requests(desk.database, email, mailbox.domain, desk.client)
    if result is None:
        return MailboxPage(email, fault, None, tuple(waiting))
    finding = result.validation.finding
    return MailboxPage(
        email=email,
        fault=fault,
        result=result,
        waiting=tuple(waiting),
        story=_tell(finding),
        parts=list_parts(finding),
        talk=read_talk(finding.smtp_trace),
        dns=read_dns(finding.dns_trace),
    )


def _tell(finding: Finding) -> tuple[str, ...]:
    """Return the story without what stands beside it anyway: status, reason, the look-ups one by one."""
    return tuple(line for line in explain(finding)[2:] if not line.startswith(_TOLD_ELSEWHERE))


def read_mailbox(desk: Desk, text: str) -> tuple[Mailbox | None, str]:
    """Return the mailbox of a text, or None and what is wrong with it."""
    try:
        is_open = not desk.services.snapshot().lookup.public_addresses_only
        return parse_address(text, allow_special_use=is_open), ""
    except AddressSyntaxError as error:
        return None, str(error)


def list_parts(finding: Finding) -> tuple[Part, ...]:
    """Return the contributions with their bars."""
    most = max((abs(points) for _, points in finding.contributions), default=0)
    return tuple(
        Part(name, _NAMES.get(name, name), points, charts.lean(points, most)) for name, points in finding.contributions
    )


def read_talk(trace: Mapping[str, Any]) -> Talk | None:
    """Return the stored conversation; None where there was none, or it cannot be read."""
    if not trace:
        return None
    try:
        transcript = Transcript.from_json(dict(trace))
        return Talk(transcript, tuple(_line_of(exchange) for exchange in transcript.exchanges[:_MOST_LINES]))
    except _UNREADABLE:
        return None


def _line_of(exchange: Exchange) -> Line:
    if exchange.reply is None:
        failure = words.FAILURES.get(exchange.failure or "", exchange.failure or "no answer")
        return Line(exchange.at, exchange.command, failure, "no")
    tone = "yes" if exchange.reply.is_positive else "later" if exchange.reply.is_transient else "no"
    return Line(exchange.at, exchange.command, str(exchange.reply), tone)


def read_dns(trace: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what was asked of DNS and answered, as lines."""
    lines = trace.get("lines", trace.get("trace"))
    found = [str(line) for line in cast("list[Any]", lines)[:_MOST_LINES]] if isinstance(lines, list) else []
    if trace.get("failure"):
        found.append(f"failed: {trace['failure']}")
    return tuple(found)


async def show_mailbox(request: web.Request) -> web.StreamResponse:
    """Show the page."""
    desk = request[DESK]
    desk.require_scope(Scope.READ)
    facts = await load_page(desk, request.query.get("email", ""))
    return render.page(request, "mailbox.html", facts=facts)


async def check_again(request: web.Request) -> web.StreamResponse:
    """Ask about an address anew, before everything else."""
    desk = request[DESK]
    access = desk.require_scope(Scope.SUBMIT)
    text = (await read_form(request)).get("email", "").strip()[:_LONGEST]
    mailbox, fault = read_mailbox(desk, text)
    where = str(request.rel_url.with_path("/console/mailbox").with_query({"email": str(mailbox or text)}))
    if mailbox is None:
        raise render.go(request, where, fault, "warn")
    budget = min(_PATIENCE_SECONDS, desk.services.snapshot().web.check_budget.total_seconds())
    wanted = Wanted(access.client, str(mailbox), None, budget, is_revalidation=True)
    _, row = await check_now(request.app[ROOT], wanted)
    if row.state == _DONE:
        raise render.go(request, where, "It was asked again just now.")
    raise render.go(request, where, "It is asked again, before everything else; the answer takes a while.")


ROUTES = (web.get("/mailbox", show_mailbox), web.post("/mailbox", check_again))

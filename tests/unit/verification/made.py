"""Visits, cases and reports made for tests, as a look-up and a conversation would have left them."""

from collections import deque
from datetime import UTC, datetime
from typing import Any

from validatord.mail.address import Mailbox
from validatord.mail.mx import MXAnswer, MXHost, MXOutcome
from validatord.mail.probe import ProbeReport
from validatord.mail.provider import MXProvider
from validatord.mail.reply import Reply
from validatord.mail.request import DomainFacts, VerificationRequest
from validatord.mail.transcript import Exchange, Transcript
from validatord.mail.verdict import Pin, Stage
from validatord.rules.replies import read_reply
from validatord.settings import Settings
from validatord.smtp.plan import ConversationReport, MailboxAnswer
from validatord.verification.context import Case, Visit

DOMAIN = "acme.example"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
OK = "250 2.1.5 Ok"
NO = "550 5.1.1 User unknown"
RELAY = "554 5.7.1 Relay access denied"
SHUT = "421 4.3.2 Service shutting down"


def make_case(name: str, **more: Any) -> Case:
    """Make a case with one request; `more` are fields of the request."""
    request = VerificationRequest(
        **{
            "request_id": abs(hash(name)) % 10_000,
            "submission_id": 1,
            "client": "crm",
            "address": f"{name}@{DOMAIN}",
            "local_part": name,
            "domain": DOMAIN,
            "created_at": NOW,
            "pin": Pin(),
            **more,
        }
    )
    return Case(Mailbox(name, DOMAIN), (request,))


def make_answer(*hosts: tuple[int, str], **more: Any) -> MXAnswer:
    """Make the answer of a look-up with these hosts, each with one address."""
    found = tuple(MXHost(name, preference, (f"192.0.2.{place}",)) for place, (preference, name) in enumerate(hosts, 1))
    return MXAnswer(DOMAIN, MXOutcome.OK, found, **more)


def make_visit(*cases: Case, **more: Any) -> Visit:
    """Make a visit that has looked up its hosts."""
    usual: dict[str, Any] = {
        "domain": DOMAIN,
        "settings": Settings(),
        "facts": DomainFacts(DOMAIN),
        "histories": {},
        "pending": deque(cases),
        "started_at": NOW,
        "mx": make_answer((10, "mx1.acme.example")),
        "provider": MXProvider("acme.example"),
    }
    return Visit(**{**usual, **more})


def make_reply(text: str) -> Reply:
    """Read one line as a reply."""
    return Reply(int(text[:3]), (text[4:],))


def make_probe(name: str, text: str = "", **more: Any) -> ProbeReport:
    """Make what an attempt learned from a reply to RCPT, or from a failure."""
    reply = make_reply(text) if text else None
    reading = read_reply(reply, Stage.RCPT, recipient=f"{name}@{DOMAIN}") if reply is not None else None
    return ProbeReport(
        Mailbox(name, DOMAIN),
        MXProvider("acme.example"),
        **{"stage": Stage.RCPT, "reply": reply, "reading": reading, **more},
    )


def make_report(answers: dict[str, str], control: str = "", **more: Any) -> ConversationReport:
    """Make the report of a conversation from replies by local part."""
    found: dict[Mailbox, MailboxAnswer] = {}
    for name, text in answers.items():
        reply = make_reply(text)
        exchange = Exchange(Stage.RCPT, f"RCPT TO:<{name}@{DOMAIN}>", reply)
        reading = read_reply(reply, Stage.RCPT, recipient=f"{name}@{DOMAIN}")
        found[Mailbox(name, DOMAIN)] = MailboxAnswer(exchange, Transcript(), reading)
    controls = (Exchange(Stage.RCPT, f"RCPT TO:<madeupname234567@{DOMAIN}>", make_reply(control)),) if control else ()
    return ConversationReport(answers=found, control=controls, **more)

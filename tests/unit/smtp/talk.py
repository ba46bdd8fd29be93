"""What the tests of this room share: an identity, short deadlines, a reader of replies, a way in."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from tests.fakes.clock import FakeClock
from tests.fakes.mx_script import MXScript
from validatord.mail.address import Mailbox
from validatord.mail.reply import Reply
from validatord.mail.transcript import Exchange
from validatord.mail.verdict import Meaning, ReplyReading, Scope, Stage
from validatord.settings import IdentitySettings, SMTPSettings
from validatord.smtp.dialogue import Session
from validatord.smtp.plan import Guide, Plan
from validatord.smtp.session import open_session

DOMAIN = "example.org"
SENDER = "probe@verify.example.net"
CONTROL = ("q7jd2mcv5xkw3eab@example.org", "talimo.berudi4821@example.org")
IDENTITY = IdentitySettings(name="here", helo_name="verify.example.net", envelope_sender=SENDER)


def make_settings(**changes: Any) -> SMTPSettings:
    """Return settings whose deadlines are long enough never to matter, unless changed."""
    return SMTPSettings.model_validate({"quit_timeout": 1, "connect_timeout": 5} | changes)


@contextlib.asynccontextmanager
async def session_with(
    host: MXScript, clock: FakeClock | None = None, *, identity: IdentitySettings = IDENTITY, **changes: Any
) -> AsyncIterator[Session]:
    """Open a session with the scripted host and drop it at the end."""
    options = {key: changes.pop(key) for key in ("use_tls", "allow_pipelining") if key in changes}
    session = await open_session(host.target(), identity, make_settings(**changes), clock or FakeClock(), **options)
    try:
        yield session
    finally:
        session.abort()


def mailbox(local_part: str, domain: str = DOMAIN) -> Mailbox:
    """Return a mailbox of the domain of these tests."""
    return Mailbox(local_part, domain)


def mailboxes(*local_parts: str) -> tuple[Mailbox, ...]:
    """Return several mailboxes of one domain."""
    return tuple(map(mailbox, local_parts))


def make_plan(*local_parts: str, **changes: Any) -> Plan:
    """Return a plan about these local parts."""
    return Plan(**({"domain": DOMAIN, "mailboxes": mailboxes(*local_parts), "envelope_sender": SENDER} | changes))


def rcpt(*local_parts: str) -> list[tuple[Stage, str]]:
    """Return RCPT commands."""
    return [(Stage.RCPT, f"RCPT TO:<{local_part}@{DOMAIN}>") for local_part in local_parts]


MAIL = (Stage.MAIL, f"MAIL FROM:<{SENDER}>")
RSET = (Stage.RSET, "RSET")

_WORDS = {
    "too many recipients": Meaning.TOO_MANY_RECIPIENTS,
    "blocked": Meaning.SENDER_IP_BLOCKED,
    "policy": Meaning.POLICY_REJECTED,
    "at a rate": Meaning.RECIPIENT_RATE_LIMITED,
}


def read(reply: Reply, stage: Stage, recipient: str) -> ReplyReading:
    """Read a reply by a few words: the rules of the product are another room's business."""
    for word, meaning in _WORDS.items():
        if word in reply.text.lower():
            return ReplyReading(meaning, Scope.RECIPIENT, reply.is_transient, word)
    if reply.is_positive:
        return ReplyReading(Meaning.OK, Scope.RECIPIENT, temporary=False, rule="ok")
    meaning = Meaning.NO_SUCH_MAILBOX if reply.is_permanent else Meaning.TEMPORARY_FAILURE
    return ReplyReading(meaning, Scope.RECIPIENT, reply.is_transient, "code")


class Pace:
    """Counts what is asked for; a test may put a function in the way."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.before: Any = None

    async def __call__(self, count: int) -> None:
        self.asked.append(count)
        if self.before is not None:
            await self.before(count)


def make_guide(pace: Pace | None = None) -> Guide:
    """Return a guide that stops at a blocked sender and doubts policy refusals."""
    return Guide(
        read=read,
        pace=pace or Pace(),
        stop_early=lambda reading: reading.meaning is Meaning.SENDER_IP_BLOCKED,
        wants_postmaster=lambda reading: reading.meaning is Meaning.POLICY_REJECTED,
    )


def codes(exchanges: list[Exchange]) -> list[int | str | None]:
    """Return the code or the failure of each exchange."""
    return [exchange.reply.code if exchange.reply else exchange.failure for exchange in exchanges]

"""Alerts leave by mail to the operator's own relay; whatever the relay does is an answer, and nothing secret is told."""

import asyncio
import email
import email.policy
import ssl
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.fakes.relay import CERTIFICATE, Relay, make_server_tls, open_relay
from validatord.notify.mail import MailSender, write_mail
from validatord.notify.message import Message
from validatord.rules import alerts
from validatord.settings import AlertSettings

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PASSWORD = "correct horse battery"


def make_settings(relay: Relay | None = None, **values: Any) -> AlertSettings:
    """Return settings that lead to the relay."""
    known = {
        "recipients": ["ops@example.com", "boss@example.com"],
        "sender": "validatord@example.com",
        "smtp_host": "127.0.0.1",
        "smtp_port": relay.port if relay is not None else 25,
        "smtp_tls": "none",
        "smtp_timeout": "5s",
    }
    return AlertSettings.model_validate(known | values)


def make_message(*names: str, state: str = "firing") -> Message:
    """Return a message about some alerts."""
    rules = {rule.name: rule for rule in alerts.RULES}
    since = AT
    told = [
        alerts.Alert(rules[name], value=7, since=since, cleared_at=None if state == "firing" else AT) for name in names
    ]
    data = alerts.make_message("node-1", told, AlertSettings())
    return Message("5d0c1b1e-0000-4000-8000-000000000001", "alert", AT, dict(data))


async def test_a_whole_mail_arrives() -> None:
    """The relay takes one message for all recipients, as its standards want it, and it says what is wrong and what to do."""
    async with open_relay() as relay:
        answer = await MailSender(lambda: make_settings(relay)).send(make_message("PostgreSQLAway", "CreditsLow"))

        assert answer.is_taken
        [mail] = relay.mails
    assert (mail.sender, mail.recipients) == ("validatord@example.com", ["ops@example.com", "boss@example.com"])
    read = email.message_from_string(mail.text, policy=email.policy.SMTP)
    assert read["Subject"] == "[validatord node-1] PostgreSQL does not answer (and 1 more)"
    assert read["Message-ID"] == "<5d0c1b1e-0000-4000-8000-000000000001@example.com>"
    assert read["Auto-Submitted"] == "auto-generated"
    assert read["Date"] == "Fri, 02 Jan 2026 03:04:05 +0000"
    text = read.get_content()
    assert "CRITICAL  PostgreSQLAway: PostgreSQL does not answer" in text
    assert "WARNING  CreditsLow: 7 credits are left at Bouncer (fewer than 1,000)" in text
    assert "look at the server and at database.url" in text


async def test_what_is_over_is_told_as_over() -> None:
    """A message about an end says so in its subject and gives no advice."""
    mail = write_mail(make_settings(), make_message("CreditsLow", state="over"))

    assert mail["Subject"].startswith("[validatord node-1] over: 7 credits")
    assert "OVER  CreditsLow" in mail.get_content()
    assert "buy more" not in mail.get_content()


async def test_the_same_message_is_the_same_mail() -> None:
    """A repeated delivery carries the same Message-ID and text, so that a reader sees one mail."""
    first, second = (write_mail(make_settings(), make_message("Backlog")).as_string() for _ in range(2))

    assert first == second


async def test_user_and_password() -> None:
    """With a user it logs in before it sends."""
    async with open_relay() as relay:
        settings = make_settings(relay, smtp_user="robot", smtp_password=PASSWORD)
        answer = await MailSender(lambda: settings).send(make_message("Backlog"))

        assert answer.is_taken
        assert relay.mails[0].user == "robot"


@pytest.mark.parametrize("how", ["starttls", "tls"])
async def test_encrypted(how: str) -> None:
    """STARTTLS and TLS from the first byte are spoken, and a certificate nobody vouches for is refused."""
    trust = ssl.create_default_context(cafile=str(CERTIFICATE))
    trust.check_hostname = False
    async with open_relay(tls=make_server_tls() if how == "tls" else None) as relay:
        settings = make_settings(relay, smtp_tls=how)

        taken = await MailSender(lambda: settings, tls=trust).send(make_message("Backlog"))
        refused = await MailSender(lambda: settings).send(make_message("Backlog"))

        assert taken.is_taken
        assert not refused.is_taken
        assert len(relay.mails) == 1


@pytest.mark.parametrize(
    ("command", "line", "said"),
    [
        ("MAIL", "550 5.7.1 go away", "SMTPSenderRefused (550 5.7.1 go away)"),
        ("RCPT", "550 5.1.1 nobody", "SMTPRecipientsRefused"),
        ("DATA", "451 4.3.0 later", "SMTPDataError (451 4.3.0 later)"),
        ("EHLO", "421 full", "full"),
        ("AUTH", "535 5.7.8 wrong", "SMTPAuthenticationError (535 5.7.8 wrong)"),
    ],
)
async def test_a_relay_that_refuses(command: str, line: str, said: str) -> None:
    """A refusal is an answer with the relay's own words, and the password stands in none of it."""
    async with open_relay() as relay:
        relay.refuse[command] = line
        settings = make_settings(relay, smtp_user="robot", smtp_password=PASSWORD)
        answer = await MailSender(lambda: settings).send(make_message("Backlog"))

    assert not answer.is_taken
    assert said in answer.error
    assert PASSWORD not in f"{answer}"


async def test_a_relay_that_is_silent() -> None:
    """The whole mail has one deadline."""
    async with open_relay() as relay:
        relay.is_silent = True
        settings = make_settings(relay, smtp_timeout="100ms")
        answer = await MailSender(lambda: settings).send(make_message("Backlog"))

    assert answer.error
    assert not answer.is_taken


async def test_no_relay_at_all() -> None:
    """Nobody listens: that is said without an address."""
    async with open_relay() as relay:
        settings = make_settings(relay)
    await asyncio.sleep(0)
    answer = await MailSender(lambda: settings).send(make_message("Backlog"))

    assert not answer.is_taken
    assert "Connect" in answer.error


async def test_nobody_wants_mail() -> None:
    """Without recipients nothing is connected to, and nothing is tried again."""
    sender = MailSender(AlertSettings)

    assert not sender.is_wanted
    assert (await sender.send(make_message("Backlog"))).is_taken


@pytest.mark.parametrize("text", ["a\r\nBcc: evil@example.com", "a\nb", "\u2028x", "x" * 5000])
def test_nothing_gets_into_the_headers(text: str) -> None:
    """A text with line breaks stays one header, and a long one is cut."""
    data = {"node": text, "alerts": [{"name": "A", "state": "firing", "severity": "warning", "summary": text}]}
    mail = write_mail(make_settings(), Message("id", "alert", AT, data))

    parsed = email.message_from_bytes(mail.as_bytes(), policy=email.policy.SMTP)
    assert set(parsed.keys()) == set(mail.keys())
    assert "Bcc" not in parsed
    assert len(parsed["Subject"]) <= 150

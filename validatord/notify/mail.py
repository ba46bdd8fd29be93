"""Sends alerts by mail, to the operator's own relay and nobody else's.

The only place of the project that ever sends a message. Nothing that probes may import it, and it takes neither
host nor recipient from anywhere but the operator's settings.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, cast

import aiosmtplib

from validatord.notify.message import Answer, Message
from validatord.settings import AlertSettings

_LONGEST_SUBJECT = 150
_PERMANENT = range(500, 600)


class MailSender:
    """Sends through the relay that the settings name at that moment."""

    def __init__(self, settings: Callable[[], AlertSettings], *, tls: ssl.SSLContext | None = None) -> None:
        self._settings = settings
        self._tls = tls  # replaces the usual trust in authorities

    def __repr__(self) -> str:
        return f"<MailSender by way of {self._settings().smtp_host or 'nobody'}>"

    @property
    def is_wanted(self) -> bool:
        """Whether anybody gets mail."""
        return bool(self._settings().recipients)

    async def send(self, message: Message) -> Answer:
        """Send one alert; whatever happens is an answer."""
        settings = self._settings()
        if not settings.recipients:
            return Answer(is_taken=True, excerpt="nobody gets alerts by mail")
        try:
            async with asyncio.timeout(settings.smtp_timeout.total_seconds()):
                refused = await _submit(settings, write_mail(settings, message), self._tls)
        except TimeoutError:
            return Answer(is_taken=False, error="the relay did not answer in time")
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            return _tell(error)
        if refused:
            return Answer(is_taken=False, error=f"the relay refused {len(refused)} of the recipients")
        return Answer(is_taken=True)


async def _submit(settings: AlertSettings, mail: EmailMessage, tls: ssl.SSLContext | None) -> Mapping[str, Any]:
    """Hand the mail to the relay and return the recipients it refused."""
    client = aiosmtplib.SMTP(
        hostname=settings.smtp_host,
        port=settings.smtp_port,
        use_tls=settings.smtp_tls == "tls",
        start_tls=settings.smtp_tls == "starttls",
        timeout=settings.smtp_timeout.total_seconds(),
        tls_context=tls,
    )
    async with client:
        if settings.smtp_user:
            await client.login(settings.smtp_user, settings.smtp_password.get_secret_value())
        refused, _ = await client.send_message(mail)
    return refused


def write_mail(settings: AlertSettings, message: Message) -> EmailMessage:
    """Return the mail about an alert; the same message is the same mail, however often it is sent."""
    node = str(message.data.get("node", ""))
    entries = cast("list[dict[str, Any]]", message.data.get("alerts") or [])
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = _one_line(f"[validatord {node}] {_summarise(entries, message.data)}")[:_LONGEST_SUBJECT]
    mail["From"] = settings.sender
    mail["To"] = ", ".join(settings.recipients)
    mail["Date"] = format_datetime(message.happened_at)
    mail["Message-ID"] = f"<{message.event_id}@{settings.sender.partition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday note shall answer
    mail.set_content("\n".join(_write_lines(node, entries, message.data)))
    return mail


def _summarise(entries: list[dict[str, Any]], data: Mapping[str, Any]) -> str:
    if not entries:
        return str(data.get("text", "a message"))
    firing = [entry for entry in entries if entry.get("state") == "firing"]
    first = (firing or entries)[0]
    rest = len(firing or entries) - 1
    said = f"{first.get('summary')}" if firing else f"over: {first.get('summary')}"
    return said + (f" (and {rest} more)" if rest else "")


def _write_lines(node: str, entries: list[dict[str, Any]], data: Mapping[str, Any]) -> list[str]:
    lines = [str(data["text"]), ""] if data.get("text") else []
    for entry in entries:
        state = "OVER" if entry.get("state") != "firing" else str(entry.get("severity", "")).upper()
        lines += [f"{state}  {entry.get('name')}: {entry.get('summary')}", f"    since {entry.get('since')}"]
        lines += [f"    {entry.get('fix')}"] if entry.get("state") == "firing" else []
        lines.append("")
    return [*map(_one_line, lines), f"-- validatord, node {_one_line(node)}"]


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def _tell(error: Exception) -> Answer:
    """Name a breakdown; what the relay said is kept, what we said to it is not."""
    code = error.code if isinstance(error, aiosmtplib.SMTPResponseException) else None
    said = _one_line(str(getattr(error, "message", "")))[:200]
    text = f"{type(error).__name__}" + (f" ({code} {said})" if code is not None else "")
    return Answer(is_taken=False, error=text, excerpt=said if code in _PERMANENT else "")

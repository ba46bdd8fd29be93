"""One attempt on one mailbox, and the three ways it can end: for good, again, or once more and then for good.

The table of `decide` and `decide_rcpt` is written in these words; the schedule is `retry`'s.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from validatord.mail.probe import ProbeReport
from validatord.mail.request import VerificationRequest
from validatord.mail.verdict import Deferral, Outcome, Pin, Reason, Status, Verdict
from validatord.rules.reply_text import normalise_text
from validatord.rules.retry import RetryPlan


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was learned, for whom, and when it may be asked again."""

    report: ProbeReport
    request: VerificationRequest
    retry: RetryPlan

    @property
    def text(self) -> str:
        """The refusal's text without the address, to compare with an earlier one; empty without a reply."""
        if self.report.reply is None:
            return ""
        return normalise_text(self.report.reply, str(self.report.mailbox))

    @property
    def said(self) -> str:
        """What this attempt said, in words to compare: the reply's meaning and force, or the kind of failure."""
        reading = self.report.reading
        if reading is None:
            return self.report.failure
        return f"{reading.meaning.value}, temporary" if self.is_soft else reading.meaning.value

    @property
    def is_soft(self) -> bool:
        """Whether the refusal is a temporary one: 4xx, whatever its text says (RFC 5321 4.2.1)."""
        reply, reading = self.report.reply, self.report.reading
        return (reply is not None and reply.is_transient) or (reading is not None and reading.temporary)

    @property
    def is_said_again(self) -> bool:
        """Whether the attempt before this one said the same."""
        return bool(self.said) and self.request.pin.last_meaning == self.said

    @property
    def is_same_text_long_after(self) -> bool:
        """Whether the same text came before, and the longest wait of the schedule lies between."""
        return self._is_same_text and self.retry.is_long_after(self._text_since)

    def end(self, status: Status, reason: Reason, *tokens: str, low: bool = False) -> Verdict:
        """Return a verdict; `tokens` are further reasons in a stable order."""
        return Verdict(status, reason, (reason.value, *tokens), is_low_confidence=low)

    def end_unknown(self, reason: Reason, *tokens: str) -> Verdict:
        """Return the verdict `unknown`: nothing was said about the mailbox."""
        return self.end(Status.UNKNOWN, reason, *tokens)

    def again(self, reason: Reason, otherwise: Verdict | None = None) -> Outcome:
        """Ask again by the schedule; once that is used up, end with `otherwise` or `unknown`."""
        reading = self.report.reading
        asked = reading.retry_after_seconds if reading is not None else None
        due_at = self.retry.find_due(self.request.deferrals, asked)
        if due_at is not None:
            return self._defer(due_at, reason)
        return otherwise or self.end_unknown(reason, "retries_exhausted")

    def once(self, reason: Reason, wait: timedelta, otherwise: Verdict | None = None) -> Outcome:
        """Ask once more after `wait`; if the same is said again, end with `otherwise` or `unknown`."""
        if self.is_said_again or self.retry.is_used_up(self.request.deferrals):
            return otherwise or self.end_unknown(reason)
        return self._defer(self.retry.find_due_after(wait), reason)

    @property
    def _is_same_text(self) -> bool:
        text = self.text
        return bool(text) and text == self.request.pin.last_text

    @property
    def _text_since(self) -> datetime | None:
        since = self.request.pin.text_since
        return datetime.fromisoformat(since) if since else self.request.first_tried_at

    def _defer(self, due_at: datetime, reason: Reason) -> Deferral:
        return Deferral(due_at, reason, pin=self._pin())

    def _pin(self) -> Pin:
        """Return what the next attempt must repeat: this attempt's triplet, or the earlier one's where nobody spoke."""
        spoken, before = self.report.transcript, self.request.pin
        return Pin(
            identity=spoken.identity or before.identity,
            helo_name=spoken.helo_name or before.helo_name,
            envelope_sender=spoken.envelope_sender or before.envelope_sender,
            source_address=self.retry.source_address or before.source_address,
            mx_host=spoken.mx_host or before.mx_host,
            mx_address=spoken.mx_address or before.mx_address,
            last_meaning=self.said,
            # A breakdown in between must not make us forget what the host said before it.
            last_text=self.text or before.last_text,
            text_since=self._get_text_since(),
            node=self.retry.node or before.node,
        )

    def _get_text_since(self) -> str:
        if not self.text or self._is_same_text:
            return self.request.pin.text_since
        return self.retry.now.isoformat()

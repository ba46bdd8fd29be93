"""What one session has asked of its host so far, and which budget that uses up.

Receivers count the same things: refused RCPT, RSET and time lead to slower replies first and to a
hang-up later, so a session ends before that.
"""

from collections.abc import Sequence

from validatord.mail.reply import Reply
from validatord.mail.verdict import Stage
from validatord.settings import SMTPSettings
from validatord.smtp.capabilities import Limits

# A host that slows down this much, and beyond a second, is tarpitting us: the session is used up.
_TARPIT_FACTOR = 5
_TARPIT_SECONDS = 1.0


class Account:
    """Counters of one session; changed by the session alone."""

    def __init__(self, settings: SMTPSettings) -> None:
        self.round_trips = 0
        self.commands = 0
        self.mails = 0
        self.rcpts = 0
        self.refusals = 0  # refused RCPT
        self.resets = 0
        self.is_envelope_open = False
        self.is_tarpit = False
        self._settings = settings
        self._first_rcpt_seconds: float | None = None

    def __repr__(self) -> str:
        return f"rcpt={self.rcpts} refusals={self.refusals} resets={self.resets}"

    def sent(self, stages: Sequence[Stage]) -> None:
        """Count one group of commands."""
        self.round_trips += 1
        self.commands += len(stages)
        self.mails += stages.count(Stage.MAIL)
        self.rcpts += stages.count(Stage.RCPT)
        self.resets += stages.count(Stage.RSET)

    def answered(self, stage: Stage, reply: Reply, seconds: float) -> None:
        """Count one reply that took so long, from the reply before it."""
        if stage is Stage.MAIL:
            self.is_envelope_open = reply.is_positive
        elif stage is Stage.RSET and reply.is_positive:
            self.is_envelope_open = False
        elif stage is Stage.RCPT:
            self.refusals += reply.is_refusal
            self._watch_pace(seconds)

    def spent(self, limits: Limits, seconds_left: float) -> tuple[str, ...]:
        """Name the budgets that are used up; any of them forbids another envelope."""
        settings = self._settings
        found = {
            "refusals": self.refusals >= settings.refusals_per_session,
            "rcpt": self.rcpts >= settings.rcpt_per_session,
            "tarpit": self.is_tarpit,
            "time": not self._has_time(seconds_left),
            "resets": self.is_envelope_open and self.resets >= settings.resets_per_session,
            "mail": limits.mail_max is not None and self.mails >= limits.mail_max,
        }
        return tuple(name for name, is_spent in found.items() if is_spent)

    def _has_time(self, seconds_left: float) -> bool:
        """Whether a slow reply would still fit: running into a deadline of ours is no fault of the host."""
        whole = self._settings.session_timeout.total_seconds()
        return seconds_left > min(self._settings.rcpt_timeout.total_seconds(), whole / 4)

    def _watch_pace(self, seconds: float) -> None:
        if self._first_rcpt_seconds is None:
            self._first_rcpt_seconds = seconds
        elif seconds > max(_TARPIT_SECONDS, _TARPIT_FACTOR * self._first_rcpt_seconds):
            self.is_tarpit = True

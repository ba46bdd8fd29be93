"""What a conversation is given and what it gives back: values only."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from validatord.errors import GateClosed, SessionFailed
from validatord.mail.address import Mailbox
from validatord.mail.reply import Reply
from validatord.mail.transcript import Exchange, Transcript
from validatord.mail.verdict import ReplyReading, Stage
from validatord.smtp import commands

# Failures of a mailbox that was not asked because its RCPT cannot be sent.
SMTPUTF8_UNSUPPORTED = "smtputf8_unsupported"
NOT_SENDABLE = "not_sendable"


@dataclass(frozen=True, slots=True)
class Plan:
    """Whom to ask about in one conversation; all mailboxes are of one domain.

    `control` holds full addresses, the first shape and then the second, or nothing if the accept-all
    state is known. The null path `<>` goes out only if `envelope_sender` says so.
    """

    domain: str
    mailboxes: tuple[Mailbox, ...]
    envelope_sender: str
    control: tuple[str, ...] = ()
    wants_postmaster: bool = False
    rcpt_per_envelope: int = 5
    refusals_per_session: int = 8

    def __post_init__(self) -> None:
        """Refuse what could never be sent: a second domain, an envelope sender that is none."""
        strangers = {mailbox.domain for mailbox in self.mailboxes} - {self.domain}
        if strangers:
            raise ValueError(f"one envelope, one domain: {self.domain} and {sorted(strangers)}")
        commands.mail(self.envelope_sender)
        for address in self.control:
            commands.rcpt(address)


def _never(_: ReplyReading) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Guide:
    """The judgement of others, asked while speaking.

    `read` says what a reply to a recipient means. `pace` is awaited before each group of targets with
    the number of its RCPT and may raise `GateClosed`; `pace_control` before a control, without which
    the targets already answered could not be judged. `stop_early` ends the conversation after such a
    reading; `wants_postmaster` tells which refusals are worth a control with postmaster.
    """

    read: Callable[[Reply, Stage, str], ReplyReading]
    pace: Callable[[int], Awaitable[None]]
    stop_early: Callable[[ReplyReading], bool] = _never
    wants_postmaster: Callable[[ReplyReading], bool] = _never
    pace_control: Callable[[int], Awaitable[None]] | None = None  # None: as `pace`


@dataclass(frozen=True, slots=True)
class MailboxAnswer:
    """How a mailbox was answered; `reading` is None where its RCPT could not be sent at all."""

    exchange: Exchange
    transcript: Transcript
    reading: ReplyReading | None = None


@dataclass(frozen=True, slots=True)
class ConversationReport:
    """What a conversation brought.

    `answers` and `unanswered` together are the plan's mailboxes. Of the unanswered, `lost` were on the
    wire when the session broke. `refusal` is a refused MAIL; `failure` the breakdown that left
    something unanswered; `gate` a lane that closed in between; `spent` the session budget that ended
    it (tarpit, refusals, rcpt, resets, mail, time). `transcript` speaks for the unanswered.
    """

    answers: dict[Mailbox, MailboxAnswer] = field(default_factory=dict[Mailbox, MailboxAnswer])
    unanswered: tuple[Mailbox, ...] = ()
    lost: tuple[Mailbox, ...] = ()
    control: tuple[Exchange, ...] = ()
    postmaster: Exchange | None = None
    failure: SessionFailed | None = None
    refusal: Exchange | None = None
    gate: GateClosed | None = None
    spent: str = ""
    one_rcpt_per_envelope: bool = False
    is_accept_all_seen: bool = False  # every shape of control recipient was accepted
    is_stopped_early: bool = False
    needs_unpipelined_retry: bool = False
    transcript: Transcript = field(default_factory=Transcript)

"""What one attempt learned about one mailbox, before anybody judges it.

`smtp/` produces the answers, `verification/` puts them together, `rules/decide` judges.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from validatord.mail.address import Mailbox
from validatord.mail.provider import MXProvider
from validatord.mail.reply import Reply
from validatord.mail.transcript import Transcript
from validatord.mail.verdict import AcceptAll, ReplyReading, Stage

# `ProbeReport.failure` where the local part needs RFC 6531 and the host does not offer it: no RCPT was sent.
SMTPUTF8_UNSUPPORTED = "smtputf8_unsupported"
# … where the address does not pass the wire gate and no byte of it was sent.
NOT_SENDABLE = "not_sendable"


class Signal(StrEnum):
    """What a lane is told about how the receiver treats us; an answer about a mailbox is no failure."""

    SUCCESS = "success"  # RCPT accepted
    REFUSED_UNKNOWN = "refused_unknown"  # no such mailbox: feeds the unknown-user guard
    BLOCKED_EARLY = "blocked_early"  # sender_ip_blocked at connect, EHLO or MAIL
    BLOCKED = "blocked"  # sender_ip_blocked at RCPT
    RATE_LIMITED = "rate_limited"
    CONNECTION_FAILED = "connection_failed"  # refused, timeout, cut before an answer
    REJECTED_SILENTLY = "rejected_silently"  # greeting 5xx without known text


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """All that is known about one mailbox after one attempt.

    Exactly one of `reply` and `failure` is set. `stage` is where it happened: a refusal at MAIL stands
    here with stage MAIL for every mailbox of the envelope. `control` is the accept-all state after this
    attempt. `postmaster`, where asked, is how postmaster@ of the same domain was answered in the same
    session, and `is_same_for_postmaster` that both texts were equal once the address is cut out.
    `is_backup_mx`: a better-preference host failed before this one answered. `is_control_cached`: the
    accept-all state was known before and not asked in this session, so it says nothing about this host.
    `failure` is the `kind` of a SessionFailed, or SMTPUTF8_UNSUPPORTED or NOT_SENDABLE where nothing
    could be asked.
    """

    mailbox: Mailbox
    provider: MXProvider
    stage: Stage
    reply: Reply | None = None
    reading: ReplyReading | None = None
    failure: str = ""
    control: AcceptAll = AcceptAll.NOT_ASKED
    postmaster: ReplyReading | None = None
    is_same_for_postmaster: bool = False
    is_backup_mx: bool = False
    is_implicit_mx: bool = False
    is_control_cached: bool = False
    transcript: Transcript = field(default_factory=Transcript)

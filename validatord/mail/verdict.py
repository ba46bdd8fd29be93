"""The words of judging: what a reply means, whom it speaks about, and how one attempt ends.

`Status` and `Reason` are public: they stand in the ledger, the API and the exports.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    """The public outcome of one mailbox."""

    VALID = "valid"
    INVALID = "invalid"
    ACCEPT_ALL = "accept_all"
    RISKY = "risky"
    UNKNOWN = "unknown"
    FREE_PROVIDER = "free_provider"  # only as the result of a client's policy


class Stage(StrEnum):
    """The command a reply answers."""

    CONNECT = "connect"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    MAIL = "mail"
    RCPT = "rcpt"
    RSET = "rset"
    QUIT = "quit"


class Meaning(StrEnum):
    """What one reply says; a closed set."""

    OK = "ok"
    NO_SUCH_MAILBOX = "no_such_mailbox"
    MAILBOX_FULL = "mailbox_full"
    MAILBOX_DISABLED = "mailbox_disabled"
    RECIPIENT_RATE_LIMITED = "recipient_rate_limited"
    GREYLISTED = "greylisted"
    RATE_LIMITED = "rate_limited"
    SENDER_IP_BLOCKED = "sender_ip_blocked"
    SENDER_REJECTED = "sender_rejected"
    POLICY_REJECTED = "policy_rejected"
    RELAY_DENIED = "relay_denied"
    DOMAIN_NOT_HOSTED = "domain_not_hosted"
    TEMPORARY_FAILURE = "temporary_failure"
    TOO_MANY_RECIPIENTS = "too_many_recipients"
    TLS_REQUIRED = "tls_required"
    AUTH_REQUIRED = "auth_required"
    PROTOCOL_ERROR = "protocol_error"


class Scope(StrEnum):
    """Whom a reply or failure speaks about; only RECIPIENT may touch a verdict about a mailbox."""

    RECIPIENT = "recipient"
    HOST = "host"
    DOMAIN = "domain"
    PROVIDER = "provider"
    OURSELVES = "ourselves"


class Reason(StrEnum):
    """Why a status or deferral is what it is; one main reason each."""

    # valid
    ACCEPTED = "accepted"
    FORWARDED = "forwarded"
    RECIPIENT_RATE_LIMITED = "recipient_rate_limited"
    # accept_all
    ACCEPT_ALL = "accept_all"
    # invalid
    SYNTAX = "syntax"
    DOMAIN_NOT_FOUND = "domain_not_found"
    NULL_MX = "null_mx"
    NO_MAIL_HOST = "no_mail_host"
    MX_NOT_PUBLIC = "mx_not_public"
    MX_UNRESOLVABLE = "mx_unresolvable"
    NO_SUCH_MAILBOX = "no_such_mailbox"
    MAILBOX_DISABLED = "mailbox_disabled"
    USER_NOT_LOCAL = "user_not_local"
    DOMAIN_NOT_HOSTED = "domain_not_hosted"
    RELAY_DENIED = "relay_denied"
    SMTPUTF8_UNSUPPORTED = "smtputf8_unsupported"
    # risky
    MAILBOX_FULL = "mailbox_full"
    DISPOSABLE = "disposable"
    HARD_BOUNCE = "hard_bounce"
    COMPLAINT = "complaint"
    LOW_DELIVERABILITY = "low_deliverability"
    LOW_QUALITY = "low_quality"
    # unknown, and the reasons of deferrals
    DNS_FAILURE = "dns_failure"
    NO_CONNECTION = "no_connection"
    CONNECTION_LOST = "connection_lost"
    CONNECTION_REJECTED = "connection_rejected"
    GREYLISTED = "greylisted"
    RATE_LIMITED = "rate_limited"
    SENDER_IP_BLOCKED = "sender_ip_blocked"
    SENDER_REJECTED = "sender_rejected"
    POLICY_REJECTED = "policy_rejected"
    RELAY_DENIED_SOFT = "relay_denied_soft"
    NO_SUCH_MAILBOX_SOFT = "no_such_mailbox_soft"
    TEMPORARY_FAILURE = "temporary_failure"
    TLS_REQUIRED = "tls_required"
    AUTH_REQUIRED = "auth_required"
    PROTOCOL_ERROR = "protocol_error"
    CANNOT_VERIFY = "cannot_verify"
    ADDRESS_REFUSED = "address_refused"
    ACCEPT_ALL_UNDETERMINED = "accept_all_undetermined"
    BACKUP_MX_ONLY = "backup_mx_only"
    PROVIDER_PAUSED = "provider_paused"
    NEVER_PROBE = "never_probe"
    OPTED_OUT = "opted_out"
    CANCELLED = "cancelled"
    DAILY_CAP = "daily_cap"
    HANDED_OVER = "handed_over"
    ERASED = "erased"
    # a request that could not be read at all
    UNREADABLE = "unreadable"


class AcceptAll(StrEnum):
    """What is known of a domain: does it accept any local part?"""

    ACCEPTS_ALL = "accepts_all"
    REJECTS_UNKNOWN = "rejects_unknown"
    UNDETERMINED = "undetermined"  # asked, but the answer was not about the control recipient
    NOT_ASKED = "not_asked"


@dataclass(frozen=True, slots=True)
class ReplyReading:
    """What `rules.replies.read_reply` makes of one reply.

    `rule` is the stable identifier of the table row or fallback that decided; `retry_after_seconds`
    is a wait the text itself asks for, already bounded, or None.
    """

    meaning: Meaning
    scope: Scope
    temporary: bool
    rule: str
    retry_after_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The final word of one attempt on a mailbox, before score and policy."""

    status: Status
    reason: Reason
    reasons: tuple[str, ...] = ()
    is_low_confidence: bool = False


@dataclass(frozen=True, slots=True)
class Pin:
    """What a later attempt must repeat, since greylists remember the triplet (RFC 6647).

    Also carries what the last attempt said, for rules that need the same answer twice.
    """

    identity: str = ""
    helo_name: str = ""
    envelope_sender: str = ""
    source_address: str = ""
    mx_host: str = ""
    mx_address: str = ""
    last_meaning: str = ""
    last_text: str = ""
    text_since: str = ""  # when `last_text` was first heard, ISO 8601
    node: str = ""


@dataclass(frozen=True, slots=True)
class Deferral:
    """No verdict now: due again at `due_at`, for `reason`.

    `counts_as_attempt` is false where nothing was learned by our own fault or wait (gate closed, our
    stop, unanswered because the session ended): such a deferral never exhausts the schedule.
    """

    due_at: datetime
    reason: Reason
    counts_as_attempt: bool = True
    pin: Pin = field(default_factory=Pin)


@dataclass(frozen=True, slots=True)
class Handover:
    """No verdict from us: the client's policy lets Bouncer decide; `verdict` is what our probe said."""

    verdict: Verdict


Outcome = Verdict | Deferral | Handover

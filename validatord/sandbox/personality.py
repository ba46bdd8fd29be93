"""How one kind of MX host behaves, as a value: what it says, whom it takes, and what is wrong with it.

The catalogue of them is in `vendors` and `faults`; `dialogue` and `wire` play them.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from validatord.mail.verdict import Reason, Status
from validatord.sandbox.mailboxes import MailboxState


@dataclass(frozen=True, slots=True)
class Phrases:
    """Replies as they go out, one per situation; several lines are separated by a newline.

    Fields in braces: host, client, rcpt, local, domain, sender, helo.
    """

    greeting: str = "220 {host} ESMTP Postfix"
    helo: str = "250 {host}"
    mail: str = "250 2.1.0 Ok"
    reset: str = "250 2.0.0 Ok"
    bye: str = "221 2.0.0 Bye"
    tls_ready: str = "220 2.0.0 Ready to start TLS"
    # recipients, by state of the mailbox
    accepted: str = "250 2.1.5 Ok"
    unknown: str = "550 5.1.1 <{rcpt}>: Recipient address rejected: User unknown in local recipient table"
    full: str = "552 5.2.2 <{rcpt}>: Recipient address rejected: Quota exceeded (mailbox for user is full)"
    full_for_now: str = "452 4.2.2 <{rcpt}>: Recipient address rejected: Quota exceeded (mailbox for user is full)"
    disabled: str = "550 5.2.1 <{rcpt}>: Recipient address rejected: This mailbox has been disabled"
    busy: str = "450 4.2.1 <{rcpt}>: Recipient is receiving mail at a rate that prevents additional messages"
    forwarded: str = "251 2.1.5 User not local; will forward to <{local}@elsewhere.example>"
    not_local: str = "551 5.1.6 User not local; please try <{local}@elsewhere.example>"
    unclear: str = "550 5.7.1 Administrative prohibition"
    # refusals about something else than the mailbox
    relay: str = "554 5.7.1 <{rcpt}>: Relay access denied"
    greylisted: str = "450 4.2.0 <{rcpt}>: Recipient address rejected: Greylisted, please try again later"
    too_many_recipients: str = "452 4.5.3 Error: too many recipients"
    other_domain: str = "451 4.3.0 Multiple destination domains per transaction is unsupported. Please try again."
    rate: str = "450 4.7.1 Error: too much mail from {client}"
    blocked: str = "554 5.7.1 Service unavailable; Client host [{client}] blocked for too many unknown recipients"
    need_tls: str = "530 5.7.0 Must issue a STARTTLS command first"
    need_smtputf8: str = "553 5.6.7 Address requires SMTPUTF8"
    # the course of the session
    helo_first: str = "503 5.5.1 Error: send HELO/EHLO first"
    nested: str = "503 5.5.1 Error: nested MAIL command"
    mail_first: str = "503 5.5.1 Error: need MAIL command"
    bad_sender: str = "501 5.1.7 Bad sender address syntax"
    bad_recipient: str = "501 5.1.3 Bad recipient address syntax"
    unknown_command: str = "502 5.5.2 Error: command not recognized"
    not_here: str = "502 5.5.1 Error: command not implemented"
    out_of_turn: str = "554 SMTP synchronization error"
    shutdown: str = "421 4.3.2 {host} Service shutting down and closing transmission channel"
    too_many_errors: str = "421 4.7.0 {host} Error: too many errors"
    too_many_others: str = "554 Too many nonmail commands"
    too_many_sessions: str = "421 4.7.0 {host} Error: too many connections from {client}"
    idle: str = "421 4.4.2 {host} Error: timeout exceeded"

    def of_state(self, state: MailboxState) -> str:
        """Return the reply to RCPT for a mailbox in that state."""
        if state is MailboxState.SLOW:
            return self.accepted
        return str(getattr(self, state.value))


@dataclass(frozen=True, slots=True)
class Greylist:
    """First contact of (client, sender, recipient) is refused; the same again passes after `delay_seconds`."""

    delay_seconds: float = 300
    starts_over: bool = False  # a retry that comes too early begins the wait again


@dataclass(frozen=True, slots=True)
class Limits:
    """What a host counts before it loses patience; 0 means it does not count."""

    rcpt_per_envelope: int = 0
    rcpt_per_session: int = 0  # then 421 in place of the answer
    rcpt_per_minute: int = 0  # of one client at one provider
    refusals: int = 0  # the session is closed after so many refused recipients
    refusals_until_slow: int = 0  # afterwards every reply waits a second
    refusals_until_421: int = 0
    nonmail: int = 0  # commands other than MAIL, RCPT, DATA, QUIT; the first RSET is free
    sessions: int = 0  # open ones of one client at one provider
    unknown_users: int = 0  # of one client at one provider; then it is turned away at the greeting


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds at full speed, on top of the host's latency."""

    greeting_line: float = 0  # between two lines of the greeting
    byte: float = 0  # between two bytes of every reply
    refusal: float = 0  # before a refused RCPT
    slow_mailbox: float = 10
    idle: float = 0  # silence after which the host says 421 unasked; 0: never


class Listener(StrEnum):
    """What a client meets before the first byte."""

    OPEN = "open"
    REFUSED = "refused"  # nobody listens
    SILENT = "silent"  # takes the connection and never says a word
    BLACKHOLE = "blackhole"  # does not even answer the SYN


class TLS(StrEnum):
    """What happens about STARTTLS (RFC 3207)."""

    NONE = "none"
    OFFERED = "offered"
    REQUIRED = "required"
    BROKEN = "broken"  # offered, but the handshake fails
    UNAVAILABLE = "unavailable"  # offered, but refused with 454


class Directory(StrEnum):
    """Which recipients of its own domains a host accepts."""

    RULE = "rule"  # `mailboxes.find_state`
    EVERYBODY = "everybody"


@dataclass(frozen=True, slots=True)
class Personality:
    """One kind of MX host.

    `fixed` answers a verb (or "CONNECT") always in the same way. `hang_at` and `drop_at` name verbs that
    are never answered, or that end the connection. `mangle` names a way to spoil the replies to
    `mangled`. `expects` is what a careful verifier must say about every mailbox there, the first being the
    best; empty: what the state of the mailbox says, or one of `also`.
    """

    name: str
    phrases: Phrases = field(default_factory=Phrases)
    keywords: tuple[str, ...] = ("PIPELINING", "SIZE 10240000", "ENHANCEDSTATUSCODES", "8BITMIME")
    directory: Directory = Directory.RULE
    has_postmaster: bool = True
    listener: Listener = Listener.OPEN
    tls: TLS = TLS.NONE
    greylist: Greylist | None = None
    limits: Limits = field(default_factory=Limits)
    waits: Waits = field(default_factory=Waits)
    fixed: tuple[tuple[str, str], ...] = ()
    null_sender: str = ""  # how MAIL FROM:<> is refused; empty: it is not
    is_one_domain_per_envelope: bool = False
    is_strict_about_turns: bool = False  # a command out of turn ends the session
    hang_at: frozenset[str] = frozenset()
    drop_at: frozenset[str] = frozenset()
    mangle: str = ""
    mangled: frozenset[str] = frozenset({"RCPT"})
    expects: tuple[tuple[Status, Reason], ...] = ()
    also: tuple[tuple[Status, Reason], ...] = ()

    @property
    def offers_pipelining(self) -> bool:
        """RFC 2920."""
        return "PIPELINING" in self.keywords

    @property
    def offers_smtputf8(self) -> bool:
        """RFC 6531."""
        return "SMTPUTF8" in self.keywords

"""MX hosts that refuse us, are broken, overloaded, hostile or simply not there.

What stands in `expects` is the point of each: none of them may make a living mailbox look dead.
"""

from validatord.mail.verdict import Reason, Status
from validatord.sandbox.personality import TLS, Directory, Limits, Listener, Personality, Phrases, Waits

_UNKNOWN = Status.UNKNOWN
_BLOCKED = ((_UNKNOWN, Reason.SENDER_IP_BLOCKED), (_UNKNOWN, Reason.PROVIDER_PAUSED))
_RATE = ((_UNKNOWN, Reason.RATE_LIMITED), (_UNKNOWN, Reason.PROVIDER_PAUSED))
_NO_CONNECTION = (
    (_UNKNOWN, Reason.NO_CONNECTION),
    (_UNKNOWN, Reason.CONNECTION_LOST),
    (_UNKNOWN, Reason.PROVIDER_PAUSED),
)
_LOST = ((_UNKNOWN, Reason.CONNECTION_LOST), *_NO_CONNECTION)
_GARBAGE = ((_UNKNOWN, Reason.PROTOCOL_ERROR), *_LOST)
# The control recipient may be what gets no answer.
_CUT = (
    (_UNKNOWN, Reason.ACCEPT_ALL_UNDETERMINED),
    (_UNKNOWN, Reason.TEMPORARY_FAILURE),
    (_UNKNOWN, Reason.CONNECTION_LOST),
)
_SENDER = ((_UNKNOWN, Reason.SENDER_REJECTED),)
_POLICY = ((_UNKNOWN, Reason.POLICY_REJECTED), (_UNKNOWN, Reason.PROVIDER_PAUSED))


def _always(
    name: str, verb: str, reply: str, *expects: tuple[Status, Reason], phrases: Phrases | None = None
) -> Personality:
    """A host that answers one verb always in the same way."""
    return Personality(name, phrases or Phrases(), fixed=((verb, reply),), expects=expects)


def _mangled(kind: str, *verbs: str, expects: tuple[tuple[Status, Reason], ...] = _GARBAGE) -> Personality:
    """A host whose replies to `verbs` are spoiled."""
    return Personality("mangled-" + kind, mangle=kind, mangled=frozenset(verbs or ("RCPT",)), expects=expects)


_REFUSING_US = (
    _always(
        "blocked-greeting",
        "CONNECT",
        "554-{host}\n554-No SMTP service\n554-IP address is block listed.\n"
        "554 For explanation visit https://postmaster.example/error-messages?ip={client}&c=bl",
        *_BLOCKED,
    ),
    _always(
        "blocked-rcpt",
        "RCPT",
        "554 5.7.1 <{rcpt}>: Recipient address rejected: https://www.spamhaus.org/query/ip/192.0.2.9",
        *_BLOCKED,
    ),
    _always(
        "blocked-mail",
        "MAIL",
        "553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.9, see spamhaus.org/sbl",
        *_BLOCKED,
    ),
    _always(
        "rejecting-greeting", "CONNECT", "554 No SMTP service here", (_UNKNOWN, Reason.CONNECTION_REJECTED), *_BLOCKED
    ),
    _always("busy-greeting", "CONNECT", "421 4.7.0 {host} Error: too many connections from {client}", *_RATE),
    _always(
        "rate-limited",
        "RCPT",
        "550 5.1.1 <{rcpt}> - 198.51.100.225 has sent to too many recipients this hour. IB607",
        *_RATE,
    ),
    _always(
        "recipient-rate",
        "RCPT",
        "450 4.2.1 <{rcpt}>: The user you are trying to contact is receiving mail at a rate that prevents "
        "additional messages from being delivered",
        (_UNKNOWN, Reason.RECIPIENT_RATE_LIMITED),
        (Status.VALID, Reason.RECIPIENT_RATE_LIMITED),
    ),
    _always("sender-refused", "MAIL", "550 5.1.8 <{sender}>: Sender address rejected: Domain not found", *_SENDER),
    _always("callback-failed", "RCPT", "550-Verification failed for <{sender}>\n550 Sender verify failed", *_SENDER),
    _always(
        "auth-required", "MAIL", "530 5.7.57 Client not authenticated to send mail", (_UNKNOWN, Reason.AUTH_REQUIRED)
    ),
    _always(
        "relay-denied",
        "RCPT",
        "554 5.7.1 <{rcpt}>: Relay access denied",
        (Status.INVALID, Reason.RELAY_DENIED),
        (Status.INVALID, Reason.DOMAIN_NOT_HOSTED),
    ),
    _always("policy", "RCPT", "550 5.7.1 Message refused, see our terms of use", *_POLICY),
    _always(
        "cannot-verify", "RCPT", "252 2.1.5 Cannot VRFY user, but will accept message", (_UNKNOWN, Reason.CANNOT_VERIFY)
    ),
    _always("temporary", "RCPT", "451 4.3.0 Error: queue file write error", (_UNKNOWN, Reason.TEMPORARY_FAILURE)),
)

_IMPATIENT = (
    Personality("hangup", limits=Limits(refusals=1)),
    Personality("shutdown", limits=Limits(rcpt_per_session=3), also=_CUT),
    Personality("guarded", limits=Limits(unknown_users=10), also=_BLOCKED),
    Personality("rate-counting", limits=Limits(rcpt_per_minute=20), also=_RATE),
    Personality("one-session", limits=Limits(sessions=1), also=_RATE),
    Personality("idle-421", waits=Waits(idle=3)),
)

_ODD = (
    Personality("backup", directory=Directory.EVERYBODY, expects=((Status.ACCEPT_ALL, Reason.ACCEPT_ALL),)),
    Personality(
        "drip-greeting",
        Phrases(greeting="220-{host}\n220-Unsolicited mail is not welcome\n220 {host} ESMTP"),
        waits=Waits(greeting_line=2),
    ),
    Personality("drip-bytes", waits=Waits(byte=1), also=_LOST),
    Personality(
        "soft-unknown",
        Phrases(unknown="450 4.1.1 <{rcpt}>: Recipient address rejected: User unknown in virtual alias table"),
        also=(
            (Status.INVALID, Reason.NO_SUCH_MAILBOX_SOFT),
            (_UNKNOWN, Reason.NO_SUCH_MAILBOX_SOFT),
            (_UNKNOWN, Reason.ACCEPT_ALL_UNDETERMINED),  # the control recipient gets the same answer
        ),
    ),
    Personality("empty-refusal", Phrases(unknown="550 mailbox unavailable")),
    Personality("tls-broken", tls=TLS.BROKEN),
    Personality("tls-unavailable", tls=TLS.UNAVAILABLE),
    Personality(
        "tls-injection",
        Phrases(tls_ready="220 2.0.0 Ready to start TLS\n250 2.1.5 Ok"),
        tls=TLS.OFFERED,
        also=_GARBAGE,
    ),
    _mangled("split", "CONNECT", "EHLO", "MAIL", "RCPT", "RSET", "QUIT", expects=()),
    _mangled("halves", "CONNECT", "EHLO", "MAIL", "RCPT", "RSET", "QUIT", expects=()),
    _mangled("bare_lf", "CONNECT", "EHLO", "MAIL", "RCPT", "RSET", "QUIT", expects=()),
    _mangled("no_text", expects=()),
    _mangled("latin1", expects=()),
    _mangled("mixed_codes", expects=()),
    # Readable by the lenient; giving up is right as well.
    Personality("mangled-nul", mangle="nul", also=_GARBAGE),
    Personality("mangled-doubled", mangle="doubled", also=_GARBAGE),
)

_BROKEN = (
    *(_mangled(kind) for kind in ("text", "code", "junk", "long_line", "no_end", "many_lines")),
    Personality("mangled-greeting", mangle="text", mangled=frozenset({"CONNECT"}), expects=_GARBAGE),
    *(
        Personality(f"hang-{verb.lower()}", hang_at=frozenset({verb}), expects=_LOST)
        for verb in ("EHLO", "MAIL", "RCPT")
    ),
    *(
        Personality(f"drop-{verb.lower()}", drop_at=frozenset({verb}), expects=_LOST)
        for verb in ("CONNECT", "EHLO", "MAIL", "RCPT")
    ),
    Personality("hang-quit", hang_at=frozenset({"QUIT"})),
    Personality("refused", listener=Listener.REFUSED, expects=_NO_CONNECTION),
    Personality("silent", listener=Listener.SILENT, expects=_NO_CONNECTION),
    Personality("blackhole", listener=Listener.BLACKHOLE, expects=_NO_CONNECTION),
)

FAULTS = (*_REFUSING_US, *_IMPATIENT, *_ODD, *_BROKEN)

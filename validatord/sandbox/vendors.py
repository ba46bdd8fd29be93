"""MX hosts that work as their makers meant them to: the families met in the field, with their own words.

Reply lines are facts taken from documentation and public logs; who says them is told in the name.
"""

from dataclasses import replace

from validatord.mail.verdict import Reason, Status
from validatord.sandbox.personality import TLS, Directory, Greylist, Limits, Personality, Phrases, Waits

_ACCEPT_ALL = ((Status.ACCEPT_ALL, Reason.ACCEPT_ALL),)

POSTFIX = Personality("postfix", tls=TLS.NONE)

_GOOGLE = Phrases(
    greeting="220 {host} ESMTP k4si1234567lfd.12 - gsmtp",
    helo="250 {host} at your service",
    mail="250 2.1.0 OK k4si1234567lfd.12 - gsmtp",
    accepted="250 2.1.5 OK k4si1234567lfd.12 - gsmtp",
    reset="250 2.1.5 Flushed k4si1234567lfd.12 - gsmtp",
    bye="221 2.0.0 closing connection k4si1234567lfd.12 - gsmtp",
    unknown="550-5.1.1 The email account that you tried to reach does not exist. Please try\n"
    "550-5.1.1 double-checking the recipient's email address for typos or\n"
    "550-5.1.1 unnecessary spaces. For more information, go to\n"
    "550 5.1.1  https://support.google.com/mail/?p=NoSuchUser k4si1234567lfd.12 - gsmtp",
    full="552-5.2.2 The recipient's inbox is out of storage space and inactive. Please\n"
    "552-5.2.2 direct the recipient to\n"
    "552 5.2.2  https://support.google.com/mail/?p=OverQuotaPerm k4si1234567lfd.12 - gsmtp",
    full_for_now="452-4.2.2 The recipient's inbox is out of storage space. Please direct the\n"
    "452-4.2.2 recipient to\n"
    "452 4.2.2  https://support.google.com/mail/?p=OverQuotaTemp k4si1234567lfd.12 - gsmtp",
    disabled="550-5.2.1 The email account that you tried to reach is inactive. For more\n"
    "550-5.2.1 information, go to\n"
    "550 5.2.1  https://support.google.com/mail/?p=DisabledUser k4si1234567lfd.12 - gsmtp",
    busy="450-4.2.1 The user you are trying to contact is receiving email at a rate that\n"
    "450-4.2.1 prevents additional messages from being delivered. Please resend your\n"
    "450-4.2.1 message at a later time. For more information, go to\n"
    "450 4.2.1  https://support.google.com/mail/?p=ReceivingRate k4si1234567lfd.12 - gsmtp",
    other_domain="451-4.3.0 Multiple destination domains per transaction is unsupported.  Please\n"
    "451 4.3.0 try again. k4si1234567lfd.12 - gsmtp",
)
GOOGLE = Personality(
    "google",
    _GOOGLE,
    keywords=("SIZE 157286400", "8BITMIME", "ENHANCEDSTATUSCODES", "PIPELINING", "CHUNKING", "SMTPUTF8"),
    tls=TLS.OFFERED,
    is_one_domain_per_envelope=True,
)

_MICROSOFT = Phrases(
    greeting="220 {host} Microsoft ESMTP MAIL Service ready",
    mail="250 2.1.0 Sender OK",
    accepted="250 2.1.5 Recipient OK",
    reset="250 2.0.0 Resetting",
    bye="221 2.0.0 Service closing transmission channel",
)
_MICROSOFT_KEYWORDS = ("SIZE 157286400", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "8BITMIME", "CHUNKING", "SMTPUTF8")
OUTLOOK = Personality(
    "outlook",
    replace(
        _MICROSOFT,
        unknown="550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302). [{host}]",
        too_many_recipients="452 4.5.3 Recipients belong to multiple regions ATTR38 [{host}]",
    ),
    keywords=_MICROSOFT_KEYWORDS,
    tls=TLS.OFFERED,
    limits=Limits(rcpt_per_envelope=1),
)
M365 = Personality(
    "m365",
    replace(
        _MICROSOFT,
        unknown="550 5.4.1 Recipient address rejected: Access denied. For more information see "
        "https://aka.ms/EXOSmtpErrors [{host}]",
        too_many_recipients="452 4.5.3 Too many recipients (AS780090) [{host}]",
    ),
    keywords=_MICROSOFT_KEYWORDS,
    tls=TLS.OFFERED,
    has_postmaster=False,
)
M365_NEW_SENDER = replace(M365, name="m365-new-sender", limits=Limits(rcpt_per_envelope=1))
# The same words from a host that is not Microsoft's say nothing about the mailbox.
M365_LOOKALIKE = replace(
    M365,
    name="m365-lookalike",
    also=((Status.UNKNOWN, Reason.POLICY_REJECTED), (Status.UNKNOWN, Reason.ACCEPT_ALL_UNDETERMINED)),
)
M365_OPEN = replace(M365, name="m365-open", directory=Directory.EVERYBODY, expects=_ACCEPT_ALL)

YAHOO = Personality(
    "yahoo",
    Phrases(
        greeting="220 {host} ESMTP ready",
        mail="250 sender <{sender}> ok",
        accepted="250 recipient <{rcpt}> ok",
        reset="250 reset",
        bye="221 {host}",
    ),
    keywords=("PIPELINING", "SIZE 41943040", "8BITMIME"),
    directory=Directory.EVERYBODY,
    tls=TLS.OFFERED,
    expects=_ACCEPT_ALL,
)
GMX = Personality(
    "gmx",
    Phrases(
        greeting="220 {host} Nemesis ESMTP Service ready",
        mail="250 Requested mail action okay, completed",
        accepted="250 OK",
        reset="250 OK",
        bye="221 {host} Service closing transmission channel",
        unknown="550 Requested action not taken: mailbox unavailable",
        full="552 Requested mail action aborted: exceeded storage allocation. Quota exceeded.",
        full_for_now="452 Requested action not taken: mailbox full, quota exceeded",
        disabled="550 Requested action not taken: mailbox is disabled",
    ),
    keywords=("8BITMIME", "SIZE 157286400"),
    tls=TLS.OFFERED,
    limits=Limits(refusals=1),
)
YANDEX = Personality(
    "yandex",
    Phrases(
        greeting="220 {host} ESMTP (Want to use Yandex.Mail for your domain? Visit http://pdd.yandex.example)",
        unknown="550 5.7.1 No such user!",
        disabled="550 5.7.1 Policy rejection on the target address",
        busy="450 4.2.1 The recipient has exceeded their message rate limit. Try again later.",
    ),
    tls=TLS.OFFERED,
)
EXCHANGE = Personality(
    "exchange",
    replace(_MICROSOFT, unknown="550 5.1.1 User unknown"),
    keywords=_MICROSOFT_KEYWORDS[:-1],
    tls=TLS.OFFERED,
    waits=Waits(refusal=5),
)
EXIM = Personality(
    "exim",
    Phrases(
        greeting="220 {host} ESMTP Exim 4.97",
        helo="250 {host} Hello {helo} [{client}]",
        mail="250 OK",
        accepted="250 Accepted",
        reset="250 Reset OK",
        bye="221 {host} closing connection",
        unknown="550 Unrouteable address",
        full="552 mailbox is full / over quota",
        full_for_now="452 <{rcpt}> mailbox is full / over quota, try again later",
        disabled="550 <{rcpt}>: this account has been disabled or suspended",
        relay="550 relay not permitted",
        mail_first="503 sender not yet given",
        unknown_command="500 unrecognized command",
        bad_recipient="501 <{rcpt}>: malformed address",
    ),
    keywords=("SIZE 52428800", "8BITMIME", "PIPELINING", "HELP"),
    limits=Limits(nonmail=10),
    is_strict_about_turns=True,
)
SENDMAIL = Personality(
    "sendmail",
    Phrases(
        greeting="220 {host} ESMTP Sendmail 8.17.1/8.17.1",
        mail="250 2.1.0 <{sender}>... Sender ok",
        accepted="250 2.1.5 <{rcpt}>... Recipient ok",
        reset="250 2.0.0 Reset state",
        bye="221 2.0.0 {host} closing connection",
        unknown="550 5.1.1 <{rcpt}>... User unknown",
        relay="550 5.7.1 <{rcpt}>... Relaying denied",
    ),
)
QMAIL = Personality(
    "qmail",
    Phrases(greeting="220 {host} ESMTP", mail="250 ok", accepted="250 ok", reset="250 flushed", bye="221 {host}"),
    keywords=("PIPELINING", "8BITMIME"),
    directory=Directory.EVERYBODY,
    expects=_ACCEPT_ALL,
)
ACCEPT_ALL = Personality("accept-all", directory=Directory.EVERYBODY, expects=_ACCEPT_ALL)
POSTFIX_LIMITS = Personality("postfix-limits", limits=Limits(refusals_until_slow=10, refusals_until_421=20))
TLS_OFFERED = Personality("tls-offered", tls=TLS.OFFERED)
TLS_REQUIRED = Personality("tls-required", tls=TLS.REQUIRED)
SMTPUTF8 = Personality(
    "smtputf8", keywords=("PIPELINING", "SIZE 10240000", "ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8")
)
# RFC 9422
LIMITS = Personality(
    "limits",
    keywords=("PIPELINING", "ENHANCEDSTATUSCODES", "LIMITS RCPTMAX=2 RCPTDOMAINMAX=1"),
    limits=Limits(rcpt_per_envelope=2),
    is_one_domain_per_envelope=True,
)
NO_PIPELINING = Personality("no-pipelining", keywords=("SIZE 10240000", "ENHANCEDSTATUSCODES"))
HELO_ONLY = Personality(
    "helo-only",
    Phrases(unknown="550 <{rcpt}>: User unknown", accepted="250 ok", mail="250 ok"),
    fixed=(("EHLO", "502 5.5.2 Error: command not recognized"),),
)
NULL_SENDER_REFUSED = Personality("null-sender-refused", null_sender="553 5.7.1 NULL sender is not allowed")

GREYLIST = Personality("greylist", greylist=Greylist())
GREYLIST_WAIT = Personality(
    "greylist-wait",
    Phrases(greylisted="451 4.7.1 Greylisting in action, please try again in 120 seconds"),
    greylist=Greylist(delay_seconds=120, starts_over=True),
)
# Says nothing of greylisting at all; only its behaviour tells.
GREYLIST_SILENT = Personality(
    "greylist-silent",
    Phrases(greylisted="451 Internal resources are temporarily unavailable"),
    greylist=Greylist(),
)

VENDORS = (
    *(
        POSTFIX,
        GOOGLE,
        OUTLOOK,
        M365,
        M365_NEW_SENDER,
        M365_LOOKALIKE,
        M365_OPEN,
        YAHOO,
        GMX,
        YANDEX,
        EXCHANGE,
        EXIM,
        SENDMAIL,
    ),
    *(QMAIL, ACCEPT_ALL, POSTFIX_LIMITS, TLS_OFFERED, TLS_REQUIRED, SMTPUTF8, LIMITS, NO_PIPELINING, HELO_ONLY),
    *(NULL_SENDER_REFUSED, GREYLIST, GREYLIST_WAIT, GREYLIST_SILENT),
)

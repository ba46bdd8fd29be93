"""Wordings that speak about the domain or the mailbox asked for; tried after every wording about us.

Order: relay and domain, full, disabled, unknown, policy. What no row knows is left to the codes.
"""

from validatord.mail.verdict import Meaning
from validatord.rules.reply_rule import Table

RELAY = Table(
    "relay",
    Meaning.RELAY_DENIED,
    "Postfix, Sendmail, Exim, qmail rcpthosts, Courier; sisimai norelaying table 2025",
    (
        (
            "denied",
            "relay relaying relayed",
            r"\brelay(?:ing|ed)?\b{gap}\b(?:den(?:ied|y)|not (?:allowed|permitted|enabled|possible|supported)|prohibited|disallowed|refused|reject\w*|forbidden)|"
            r"\b(?:not|n't|no|unable to|cannot|can't|do not|denies|insecure|as a)\b{gap}\brelay",
        ),
        ("rcpthosts", "rcpthosts", r"\brcpthosts\b"),
        ("not-local", "local domain delivery", r"not allowed to non-local|outside of your domain|delivery is not allowed to this address|non-local recipient"),
    ),
)

DOMAIN = Table(
    "domain",
    Meaning.DOMAIN_NOT_HOSTED,
    "RFC 7504, RFC 7505; Sendmail, Postfix; sisimai hostunknown table 2025; Google, Exchange Online, Trend Micro replies",
    (
        (
            "unknown",
            "domain host hostname domains tenant",
            r"\b(?:no such|unknown|invalid|un(?:route?able|resolvable)|non-?local|non-existent|bad) (?:recipient |mail |e-?mail |destination )*(?:domain|host|tenant)\b|"
            r"\b(?:domain|host|tenant)s?(?: ?name)?\b(?! table)[^.;]{0,40}\b(?:unknown|not found|not known|n[o']t exist|must exist|not (?:hosted|local|handled|served|valid|configured|here|defined)|no such)",
        ),
        ("no-mail", "mail accept accepts null nullmx", r"\b(?:host|domain|server|machine|system)\b{gap}\b(?:does|do|will) not accept (?:e?-?mails?|messages|any)|\bnull ?mx\b"),
        ("not-handled", "handle handled host hosted", r"\b(?:do|does|will|is|are)(?:n't| not) (?:be )?(?:handled?|host(?:ed)?|serviced?|responsible) (?:e?-?mails? for )?(?:this|that|the|by|here|for)(?! user| recipient)"),
        ("not-found", "find", r"able to find the recipient domain|destination system address"),
        ("no-domain", "domain", r"rejected: no-domain"),
        ("tenant", "tenant", r"\btenant\b{gap}(?:no mail-enabled|not found)"),
    ),
)

FULL = Table(
    "full",
    Meaning.MAILBOX_FULL,
    "RFC 5321 4.2.3; sisimai mailboxfull table 2025; Dovecot, Cyrus, Exim, Sun Messaging, Domino texts",
    (
        (
            "quota",
            "quota overquota quotas",
            r"\bover(?: \w+)? ?quota|overquota|\b(?:exceed\w*|exe+ded|exceeding|out of|beyond|reached|full|violat\w*|exhausted){gap}\bquota|"
            r"\bquota\b{gap}\b(?:exceed\w*|exeed\w*|full|violat\w*|reached|limit|used)",
        ),
        (
            "box-full",
            "full",
            r"\b(?:mail ?box|in ?box|mail ?folder|mail ?dir|mail ?file|account|user|recipient|storage|box)\b{gap}\bfull\b|\bfull (?:mail ?|in ?)?box|\bis full\b",
        ),
        (
            "storage",
            "storage space disk stored",
            r"\benough (?:disk |storage )?space|\bstorage (?:limit|allocation|quota|space|full)|\b(?:out of|exceed\w*|not enough|insufficient|no more|used up|run out of|over){gap}\b(?:storage|disk|space)\b|"
            r"\b(?:disk|storage|mail) ?space{gap}\b(?:limit|exceed|exhaust|used|full|insufficient|not)|\bspace has been used",
        ),
        (
            "box-limit",
            "mailbox mailfile mail box local too messages maximum",
            r"\bmail ?box\b{gap}\b(?:exceed\w*|limit ex|size limit|over (?:its|the)|local limit)|(?:has|have) too many (?:messages|e?-?mails)|"
            r"mail file size exceeds|would exceed{gap}\b(?:quota|storage|allowed|mailbox)|too much mail data",
        ),
        ("google", "overquotatemp overquotaperm", r"overquota(?:temp|perm)"),
    ),
)

DISABLED = Table(
    "disabled",
    Meaning.MAILBOX_DISABLED,
    "RFC 3463 X.2.1; sisimai suspend table 2025; Yahoo, Mail.ru, Free, Comcast replies",
    (
        (
            "state",
            "disabled inactive inactivated deactivated suspended suspend frozen locked closed expired terminated cancelled canceled archived "
            "inactivity maintenance discontinued activated active blocked isblocked",
            r"\b(?:{who}|this|user|contact)\b[^;]{0,80}?\b(?:disabled|inactive|deactivated|(?<!not found or )inactivated|suspended|frozen|locked|closed|expired|terminated|cancell?ed|"
            r"archived|discontinued|(?:is )?blocked(?: due| for| by (?:the )?admin|\.|$)|not (?:been )?activ(?:e|ated)\b|in maintenance mode)",
        ),
        (
            "adjective",
            "disabled inactive deactivated suspended frozen locked closed expired archived dormant terminated",
            r"\b(?:disabled|inactive|deactivated|suspended|frozen|locked|closed|expired|archived|dormant|terminated) (?:e-?mail )?{who}\b|"
            r"\bis (?:currently |temporarily |now |administratively )*(?:disabled|suspended|locked|inactive|deactivated)\b|\btemporar(?:y|ily) (?:locked|inactive|disabled|suspended)|"
            r"rejected: inactive$",
        ),
        ("inactivity", "inactivity", r"\binactivity\b"),
        ("google", "disableduser", r"disableduser"),
        ("banned", "banned", r"banned recipient"),
        ("yahoo", "delivery", r"delivery error: dd\b{gap}no longer valid"),
        ("accessed", "accessed", r"mailbox cannot be accessed"),
    ),
)

UNKNOWN_FOREHAND = Table(
    "user_unknown",
    Meaning.NO_SUCH_MAILBOX,
    "EVO Mail Server table; sisimai userunknown table 2025",
    (
        ("or-inactive", "not unknown", r"\b(?:not found|unknown|n[o']t exist|nonexistent) or\b"),
        ("not-an-active", "active", r"not an active (?:e-?mail )?(?:address|user|account|mailbox)"),
    ),
)

UNKNOWN = Table(
    "user_unknown",
    Meaning.NO_SUCH_MAILBOX,
    "Postfix, Exim, Sendmail, qmail, Courier, Exchange defaults; sisimai userunknown table 2025; BounceParser corpus; SMTP Field Manual",
    (
        (
            "unknown-who",
            "unknown invalid such bad nonexistent non existent unrecognized illegal incorrect wrong not valid unrouteable unroutable "
            "undeliverable unavailable undefined no unallocated existing",
            r"\b(?:unknown|invalid|no such|bad(?: destination)?|non-? ?exist(?:ent|ing)|inexistent|unrecogni[sz]ed|illegal|incorrect|wrong|undefined|un(?:route?able|deliverable)|"
            r"unavailable|not an? (?:valid|known|existing|active|local|registered|recogni[sz]ed)|no valid|isn't a valid)"
            r"(?: (?:or )?[\w/'-]+){0,3}? ?[/-]?{who}\b(?! table|-bound)",
        ),
        (
            "who-unknown",
            "user users usr userid username mailbox mailboxes mail mail-box account accounts recipient recipients addressee address addresses alias inbox email rcpt "
            "customer subscriber person member local mailname spectator name",
            r"\b(?:{who}|spectator)\b(?! verif)[^.;]{0,70}?\b(?:unknown|invalid|(?:is |was |were )?not (?:be )?(?:found|known|exists?|exist\w*|recogni[sz]ed|valid|ok|"
            r"present|here|available|registered|defined|located|listed|allocated|accepted here|in (?:the |my |our )?(?:recipient|user|directory|valid|list))|"
            r"(?:does|do|did|doesn'?t|don'?t|did)(?:n't| not|)? (?:not )?(?:have an account|have a mailbox|seem to exist|exist\w*|no exist\w*)|does no exist|no longer (?:exists?|valid|available|on server|accepts?|here|in use)|"
            r"n'?t (?:exists?|be found|found|recogni[sz]ed|valid)|can(?:not|'t) be (?:found|located)|could not be found|non-?existent|unavailable(?! or access)|unallocated|"
            r"wrong or no longer|marked as invalid|has been (?:deleted|removed|replaced)|deleted|missing home|not ok|refuses to accept)\b",
            "5",
        ),
        (
            "who-unknown-soft",
            "user users mailbox account recipient address alias rcpt",
            r"\b{who}\b[^.;]{0,70}?\b(?:unknown|not found|n[o']t exist|no such)",
            "4",
        ),
        (
            "no-who",
            "no nobody none there",
            r"\bno (?:mail ?box|account|user|recipient|alias|mail box|one|person|customer|record|match)\b[^.;]{0,50}\b(?:here|by th(?:at|is) name|found|for this|available|with|at|matching|named|exists?|of that)|"
            r"\bno mail ?box\b|\bthere is no(?: one| such| user|body| mailbox)|\bno in name directory",
        ),
        (
            "names",
            "customer match unrouteable unroutable badrcptto badrecipientto badrecipient validrcptto directory ldap listed nosuchuser recipientnotfound "
            "exrecipnotfound usernotfound addressnotfound unknownuser handle accept allowed local list blank account rejected unknown user no addr recipient lookup bad deliver find locate",
            r"not our (?:customer|user)|n[o']t match any|unroute?able address|\bbadrcptto|\bbadrecipient|\bvalidrcptto|not (?:present |found |listed )*in (?:the )?(?:\w+ )?(?:directory|ldap)|nosuchuser|"
            r"(?:ex)?recip(?:ient)?notfound|not found by smtp address lookup|(?:user|address|mailbox|recipient)_?not_?found|no_such_user|bad_recipient|unknown_user|cannot deliver mail for|"
            r"(?:n't|not) handle mail for that user|can't accept user|not in (?:the )?recipient list|mailbox is not allowed|blank mailhost|this user doesn't have an?\b|"
            r"^(?:\d\.\d\.\d )?(?:- )?(?:<addr> )?recipient rejected\b(?! ?-|: ?(?!.*unknown)| by| due)|invalid-recipient|user not local|addresses were unknown|is not an? (?:known|valid) user|"
            r"email name is not found|unavailable mail user|^(?:<addr> )?unknown$|(?:unable to|cannot|could not|couldn't|can't) (?:find|locate) (?:the |this |a |that )?(?:\w+ )?{who}\b",
            "5 451",
        ),
        ("mailbox-unavailable", "mailbox recipient", r"\bmail ?box (?:is |currently )*una?vail?able\b(?! or access)|^(?:\d\.\d\.\d )?(?:- )?recipient unavailable", "5"),
        ("bare-not-found", "not found exist unknown", r"^(?:\d\.\d\.\d )?(?:<addr> ?)?[:.,-]* ?(?:is )?(?:not (?:found|known|exist)|unknown\W*$|does(?:n't| not) exist)", "5"),
    ),
)

POLICY = Table(
    "policy",
    Meaning.POLICY_REJECTED,
    "Yahoo, Apple, Mimecast, Zoho, Yandex, QQ replies; sisimai policyviolation, spamdetected, filtered tables 2025",
    (
        (
            "reasons",
            "policy policies spam virus unsolicited ube security content abuse preferences prohibited prohibition authorized",
            r"\bpolic(?:y|ies)\b|\bspam|\bvirus|\bunsolicited|\bube\b|security (?:reasons|polic)|\bcontent\b|\babuse\b|recipient preferences|prohibit|not authorized",
        ),
        (
            "by-recipient",
            "recipient recipients user blocked access destination",
            r"(?:blocked|rejected|refused) by (?:the |this )?(?:recipients?|user)|recipients?{gap}(?:n't want|only accept)|user reject|\bblock-(?:send|rcpt)|\baccess (?:is )?denied|rejected by destination",
        ),
    ),
)

TABLES: tuple[Table, ...] = (RELAY, DOMAIN, FULL, UNKNOWN_FOREHAND, DISABLED, UNKNOWN, POLICY)

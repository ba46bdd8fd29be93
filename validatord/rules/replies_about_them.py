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
            r"(?:\bnot|n't|\bno|\bunable to|\bcannot|\bcan't|\bdenies|\binsecure|\bas a)\b{gap}\brelay",
        ),
        ("rcpthosts", "rcpthosts relay", r"\brcpthosts\b|\brelay check|unauthori[sz]ed relay"),
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
            r"\b{not_ours}(?<!this )(?<!sending )(?:domain|host|tenant)s?(?: ?name)?\b(?! table){gap}\b(?:unknown|not found|not known|n[o']t exist|must exist|not (?:hosted|local|handled|served|valid|configured|here|defined)|no such)",
        ),
        ("no-mail", "mail accept accepts null nullmx", r"\b(?:host|domain|server|machine|system)\b{gap}\b(?:does|do|will) not accept (?:e?-?mails?|messages|any)|\bnull ?mx\b"),
        ("not-handled", "handle handled host hosted", r"\b(?:do|does|will|is|are)(?:n't| not) (?:be )?(?:handled?|host(?:ed)?|serviced?|responsible) (?:e?-?mails? for )?(?:this|that|the|by|here|for)(?! user| recipient)"),
        ("not-found", "find system", r"able to find the recipient domain|destination system address"),
        ("no-domain", "domain local", r"rejected: no-domain|\bnot (?:for )?(?:a |one of our )?local (?:domain|host)"),
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
            r"\bover(?: \w+){0,2} ?quota|overquota|\b(?:exceed\w*|exe+ded|exceeding|out of|beyond|reached|full|violat\w*|exhausted){gap}\bquota|"
            r"\bquota\b{gap}\b(?:exceed\w*|exeed\w*|full|violat\w*|reached|limit|used)",
        ),
        (
            "box-full",
            "full",
            r"\b{not_ours}(?:mail ?box|in ?box|mail ?folder|mail ?dir|mail ?file|account|user|recipient|storage|box)\b{gap}\bfull\b|\bfull (?:mail ?|in ?)?box",
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
            r"\b{box}\b{gap}\b(?:disabled|inactive|deactivated|(?<!not found or )inactivated|suspend(?:ed| the service)|frozen|locked|(?<!connection )closed|(?<!message )expired|terminated|cancell?ed|"
            r"archived|discontinued|not (?:been )?activ(?:e|ated)\b|in maintenance mode)",
        ),
        (
            "adjective",
            "disabled inactive deactivated suspended frozen locked closed expired archived dormant terminated",
            r"\b(?:disabled|inactive|deactivated|suspended|frozen|locked|closed|expired|archived|dormant|terminated) (?:e-?mail )?{who}\b|"
            r"\bis (?:currently |temporarily |now |administratively )*(?:disabled|suspended|locked|inactive|deactivated)\b|\btemporar(?:y|ily) (?:locked|inactive|disabled|suspended)|"
            r"rejected: inactive$",
        ),
        (
            "blocked",
            "blocked isblocked",
            r"\b{box}(?<!address) (?:account |mailbox )?(?:is ?|has been |was |currently |temporarily )+blocked(?! by| from| list)",
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
            r"\b(?:{unknown}|invalid|no such|bad(?! destination system)|non-? ?exist(?:ent|ing)|inexistent|unrecogni[sz]ed|illegal|incorrect|wrong|undefined|un(?:route?able|deliverable)|"
            r"unavailable|not an? (?:valid|known|existing|active|local|registered|recogni[sz]ed)|no valid|isn't a valid)"
            r"(?: (?:or )?(?!from\b|sender|return|source|client|ip\b|helo|reply|originator|remote|reverse|host)[\w/'-]+){0,3}? ?[/-]?{who}\b(?! table|-bound| agent| auth)|\bno such id\b",
        ),
        (
            "who-unknown",
            "user users usr userid username mailbox mailboxes mail mail-box account accounts recipient recipients addressee address addresses alias inbox email rcpt "
            "customer subscriber person member local mailname spectator name",
            r"\b(?:{who}|spectator)\b(?! verif)[^.;]{0,70}?\b(?:{unknown}|invalid|unrecogni[sz]ed|(?:is |was |were )?(?<!service )not (?:be )?(?:found|known|exists?|exist\w*|recogni[sz]ed|valid|ok|"
            r"present|here|available|local|a member|registered|defined|located|listed|allocated|accepted here|in (?:the |my |our )?(?:recipient|user|directory|valid|list))|"
            r"(?:does|do|did|doesn'?t|don'?t|did)(?:n't| not|)? (?:not )?(?:have an account|have a mailbox|seem to exist|exist\w*|no exist\w*)|does no exist|no exists?|cannot be verified|no longer (?:exists?|valid|available|on server|accepts?|here|in use)|"
            r"n'?t (?:exists?|be found|found|recogni[sz]ed|valid)|can(?:not|'t) be (?:found|located)|could not be found|non-?existent|(?<!service )(?<!system )(?<!server )(?<!database )unavailable(?! or access)|unallocated|lookup{gap}failed|(?<=recipient is )not allowed|"
            r"wrong or no longer|marked as invalid|has been (?:deleted|removed|replaced)|missing home|not ok|refuses to accept)\b",
            "5",
        ),
        (
            "who-unknown-soft",
            "user users mailbox account recipient address alias rcpt",
            r"\b{who}\b[^.;]{0,70}?\b(?:{unknown}|not found|n[o']t exist|no exist|no such)",
            "4",
        ),
        (
            "no-who",
            "no nobody none there have",
            r"\bno (?:mail ?box|account|user|recipient|alias|mail box|one|person|customer|record|match)\b[^.;]{0,50}\b(?:here|by th(?:at|is) name|found|for this|available|with|at|matching|named|exists?|of that)|"
            r"\bno mail ?box\b|n[o']t have an? (?:\S+ )?(?:account|mailbox|user)\b|\bnobody (?:here|by)|\bthere is no(?: one| such| user|body| mailbox)|\bno in name directory",
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
        (
            "gone",
            "left longer",
            r"\bhas left (?:the |our )|\bno longer (?:works?|employed|with (?:the|our|us)|a (?:member|customer|employee)|at this)",
            "5",
        ),
        ("verify", "verify verification", r"\brecipient verif(?:y|ication) failed|failed to verify (?:the )?(?:recipient|address|user)", "5"),
        ("email", "mail email", r"^(?:\d\.\d\.\d )?(?:the )?e-?mail (?:is )?(?:not found|unknown|invalid|not valid|does(?:n't| not) exist)|\b{unknown} e-?mail\b", "5"),
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
            "administrator administratively bounced junk policy policies spam virus unsolicited ube security content abuse preferences prohibited prohibition authorized",
            r"\bpolic(?:y|ies)\b|\bspam|\bvirus|\bunsolicited|\bube\b|security (?:reasons|polic)|\bcontent\b|\babuse\b|\bjunk\b|bounced by|\badministrat(?:or|ively|ive) (?:prohib|reject|block|den|refus)|recipient preferences|prohibit|not authorized",
        ),
        (
            "by-recipient",
            "recipient recipients user blocked access destination",
            r"(?:blocked|rejected|refused) by (?:the |this )?(?:recipients?|user)|recipients?{gap}(?:n't want|only accept)|user reject|\bblock-(?:send|rcpt)|\baccess (?:is )?denied|rejected by destination",
        ),
    ),
)

TABLES: tuple[Table, ...] = (RELAY, DOMAIN, FULL, UNKNOWN_FOREHAND, DISABLED, UNKNOWN, POLICY)

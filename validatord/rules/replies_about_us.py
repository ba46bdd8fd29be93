"""Wordings that speak about us: our address, our host, our pace, our sender, how we talk.

They come before every wording about a mailbox, so that a refusal of us is never a verdict about one.
Order: what must outrank a block list first, then our IP, rate, TLS, authentication, sender.
"""

from validatord.mail.verdict import Meaning
from validatord.rules.reply_rule import Table

FOREHAND = (
    Table(
        "greylist",
        Meaning.GREYLISTED,
        "RFC 6647; postgrey, milter-greylist, SQLgrey manuals; zone-mta bounces.txt 2024",
        (
            ("grey", "grey greylist greylisted greylisting gray graylist", r"\bgr[ea]y[ -]?list|\bgrey\.rbl"),
            ("verification", "verification", r"^(?!.*\bsender\b).*verification in progress", "4"),
            ("not-yet", "authorized", r"not yet authorized to deliver", "4"),
        ),
    ),
    Table(
        "sender",
        Meaning.SENDER_REJECTED,
        "Exim verify.c; Postfix smtpd; Exchange Online NDR list 2024; SMTP Field Manual 2023",
        (
            ("verify", "sender verify callout", r"\bverify mail ?from|\bsender is (?:a )?spammer|\bsender\b{gap}\bverif|\bverif\w*{gap}\bsender\b"),
            ("callback", "verification callback callout call", r"verification failed for <addr>|^(?!.*recipient).*\bcall[ -]?(?:back|out)\b"),
            ("address-rejected", "sender", r"sender (?:e-?mail )?address(?:es)?(?: <addr>)?:? (?:rejected|refused|denied)"),
            (
                "domain-listed",
                "sender mail mailfrom helo envelope from sending",
                r"\b(?:mail ?from|helo|ehlo|sender|envelope|sending) (?:e-?mail |envelope )?"
                r"(?:domain|address|name|host ?name)\b(?! ?rejected)[^.;,]{0,60}?\b(?:listed|black|block|banned)",
            ),
            (
                "your-address-listed",
                "your",
                r"\byour (?:e-?mail |envelope |sender |from )*(?:address|domain|sender)\b(?! ip){gap}\b(?:black|block|bann)",
            ),
            ("address-syntax", "sender", r"\bsender address\b{gap}not a valid|required for sender"),
            (
                "helo",
                "helo ehlo",
                r"\b(?:helo|ehlo)\b(?: \S+){0,3}? (?:rejected|invalid|refused|not allowed|is invalid|does(?:n't| not)|denied|must)",
            ),
            ("domain-list", "dbl uribl surbl rhsbl", r"\b(?:dbl|uribl|surbl|rhsbl)\b"),
        ),
    ),
    Table(
        "rate",
        Meaning.RATE_LIMITED,
        "Google SMTP error reference 2025; Yahoo Sender Hub 2026; GoDaddy bounce page; SMTP Field Manual",
        (
            ("limited", "rate", r"\brate[ -]limit(?:ed|ing)\b"),
            ("sessions-from", "many", r"too many (?:\w+ )?(?:sessions|connections) from this ip"),
            ("deferred", "deferred", r"messages? from{gap}temporarily deferred", "4"),
            (
                "harvest",
                "excessive harvest harvesting dha maximum limit threshold retrying count",
                r"\bexcessive\b{gap}\b(?:unknown|invalid|bad|user|recip)|\bharvest|\bdha\b|max\w*{gap}\b(?:invalid|unknown|bad) (?:users?|recipients?|rcpts?|address)|"
                r"\b(?:invalid|unknown|bad) (?:users?|recipients?|rcpts?|address\w*) (?:limit|count|threshold)|user unknown limit|retrying too fast",
            ),
            ("some-messages", "limits", r"we have limits for how many messages"),
        ),
    ),
    Table(
        "relay",
        Meaning.RELAY_DENIED,
        "Sendmail proto.m4",
        (("sendmail", "relaying", r"^(?:\d\.\d\.\d )?(?:\.{3} )?relaying denied\. (?:ip name lookup|proper auth)"),),
    ),
    Table(
        "policy",
        Meaning.POLICY_REJECTED,
        "GMX and web.de postmaster pages 2025; zone-mta bounces.txt",
        (
            ("restrictions", "policy", r"reject(?:ed)? due to policy"),
            ("by-recipient", "recipient user", r"\b(?:black|block)\w* by (?:the |this )?(?:recipient|user)\b"),
        ),
    ),
    Table(
        "user_unknown",
        Meaning.NO_SUCH_MAILBOX,
        "cPanel Exim; KumoMTA community bounces.toml 2025",
        (("cpanel", "account", r"could not deliver mail to(?! ?<addr>).{0,80}?account or domain may not exist"),),
    ),
)

OUR_IP = Table(
    "our_ip",
    Meaning.SENDER_IP_BLOCKED,
    "zone-mta bounces.txt 2024; sisimai tables 2025; GMX, T-Online, Comcast, Cox postmaster pages; Postfix, Sendmail",
    (
        (
            "list-name",
            "spamhaus spamcop sorbs barracudacentral barracuda barracudanetworks abuseat cbl uceprotect senderscore "
            "invaluement ivmsip cloudmark hostkarma junkemailfilter mailspike spamrl psbl manitu cobion mail "
            "abusix trend returnpath backscatterer nixspam ipcheck proofpoint sbl xbl pbl zen csi spamrats "
            "lashback 0spam drbl blocklist sender delist blackholes",
            r"spamhaus|spamcop|\bsorbs\b|barracuda ?(?:central|reputation|networks\.com/reputation)|abuseat|uceprotect|"
            r"senderscore|invaluement|ivmsip|cloudmark|\bcsi\.|hostkarma|mailspike|spamrl\b|\bpsbl\b|manitu\.net|cobion|"
            r"mail-abuse|abusix|trend micro rbl|return ?path dnsbl|backscatterer|nix ?spam|ipcheck\.proofpoint|"
            r"dnsbl-lookup|prs\.proofpoint|\b(?:s|x|p)bl\b|\bzen\b|spamrats|lashback|0spam|\bdrbl\b|blocklist\.de|"
            r"sender\.office\.com|delist@|black ?holes?\b",
        ),
        ("dns-list", "dnsbl rbl dns rbls dnsbls attrbl realtime real", r"dnsbl|\battrbl|\brbls?\b|real-?time (?:black|block)|dns[ -](?:black|block|based)"),
        ("using", "using", r"\b(?:blocked|rejected|listed|refused|banned|blacklisted|denied) using\b"),
        ("listed-at", "listed", r"(?<!not )(?<!n't )(?<!are )(?:\bis |\b)listed (?:at|in|on|by)\b(?! (?:the )?(?:domino|directory))"),
        ("found-on", "found", r"\bfound (?:on|in)\b{gap}\b(?:list|black|block)"),
        (
            "block-list",
            "black blacklist blacklisted blacklists block blocklist blocklisted banlist denylist blocklisting blackliste schwarze",
            r"(?<!may be )(?<!recipient )(?<!user )\b(?:black|block|ban|deny)[ -]?list(?!ed by (?:the )?recipient)",
        ),
        ("banned", "banned", r"\bbanned (?:send|ip|host)|\b(?:ip|host){near}\bbanned"),
        (
            "host-blocked",
            "your this the sending connecting source client remote originating senders",
            r"\b{our} (?:\S+ ){0,2}?{host}\b(?! admin){gap}\b(?:is|was|has|have|been|are|being)\b{gap}"
            r"\b(?:block|bann|denied|refus|reject|screened|suspended|prohibited|forbidden|identified as)",
        ),
        ("reputation", "reputation", r"\breputation\b"),
        ("client-host", "client connecting", r"\bclient (?:host|address|ip)\b|\bclient \[|\bconnecting host\b|\bclient [\d.]{7,15} "),
        (
            "reverse-dns",
            "reverse rdns ptr fcrdns hostname unresolvable name resolve dynamic dial dialup generic mismatches",
            r"\breverse[ -]?(?:dns|host|lookup|name|entry)|\brdns\b|\bptr\b|\bfcrdns\b|"
            r"cannot (?:find|resolve) your (?:reverse )?(?:host ?name|address)|ip name lookup|unresolvable relay|"
            r"\bdynamic(?:ally)?[ -](?:ip|address|assigned)|\bdial-?up\b|generic (?:r?dns|ptr|host)|mismatches client",
        ),
        ("geography", "geographic geographical geolocation location country", r"geographic|geo-?(?:ip|location)|your (?:location|country)|country{gap}(?:block|den|not)"),
        ("host-network", "network", r"host network,? (?:is )?not allowed|from your network"),
        ("proxy", "proxy proxies", r"\bopen prox|\bprox(?:y|ies)\b{gap}(?:detected|reject|not)"),
        (
            "not-accepted-from",
            "accepting accepted accept connect access allow allowed",
            r"not (?:currently )?accepting (?:connections|mail from|messages from)|"
            r"(?:connections?|mails?|messages?|traffic|e-?mails?) (?:is |are )?(?:not|will not be|won't be) accepted from|"
            r"(?:do(?:es)? not|don't|won't|cannot) (?:accept|allow|receive|take) (?:any )?(?:mails?|e-?mails?|messages?|connections?) from (?!(?:this |the )?(?:sender|address|domain|outside|external|non|unauth|specific))|"
            r"not allowed to connect|\bno access from|\baccess from ip|(?:your|the) access to{gap}(?:reject|den)|over ipv6|"
            r"not (?:in|on) (?:the )?(?:white|allow)list",
            "5 42 45",
        ),
        ("connection-denied", "connection", r"\bconnection (?:denied|rejected|refused|not allowed)\b", "5"),
        (
            "spam-source",
            "spam spamming spammer spams black ip",
            r"\bsending spam|\bspammer|\bspam (?:ip|source|host)|\bspam{gap}\bfrom your\b|\bblock(?:ed)? for spam|\bspamming issues|"
            r"^(?:\d\.\d\.\d )?(?:black|bad) ip\b|\bip is (?:rejected|hangup|not)|has recently sent spam|spam abuse",
        ),
        ("not-directly", "authorized smtp", r"not authorized to send e?-?mail directly|use the smtp (?:server|relay) (?:of|at) your"),
        ("intrusion", "intrusion ip sending", r"intrusion prevention|\bip check|unverif\w+ sending ip|\bdenyip\b"),
        ("confirmation", "confirm confirmation", r"confirm this mail server|server requires confirmation"),
        ("provider-network", "part", r"part of their network"),
        ("aol", "rtr con", r"\brtr:(?:bb|du|bl|sc|rd|ge)|\bcon:b1"),
        ("hotmail", "ou sc dy", r"\b(?:ou|sc|dy)-00\d\b"),
        (
            "address-refused",
            "block blocked blocking blacklist reject rejected refused refuse denied deny reputation spam abuse not poor policy banned "
            "prohibited forbidden",
            r"^(?!.*(?:user unknown|unknown user|no such user|not found|n[o']t exist|relay|too many|per (?:hour|day)|exceed|gr[ae]y|\bspf\b|\bdkim\b|\bdmarc\b))"
            r"(?=.*(?:{ip}))(?=.*\b(?:block|bann|refus|reject|denied|deny|reputation|spam|abus|prohibit|forbid|not (?:allow|permit|accept|author|welcome)))",
        ),
    ),
)

RATE = (
    Table(
        "recipient_rate",
        Meaning.RECIPIENT_RATE_LIMITED,
        "Google SMTP error reference 2025; Yandex help; Apple (SMTP Field Manual); Exchange Online NDR list",
        (
            ("receiving", "receiving", r"\breceiving (?:e?-?mails?|messages?) (?:too quickly|at a rate|too fast)|frequency of receiving"),
            ("their-limit", "recipient mailbox user recipients", r"\b(?:recipient|mailbox|user)(?:'s)?\b{gap}\bexceed\w*{gap}\b(?:rate|per hour|messages they can|message limit)|\bper hour message receive limit"),
            ("volume", "volume", r"messages to (?:<addr> )?deferred due to excessive volume"),
        ),
    ),
    Table(
        "too_many_recipients",
        Meaning.TOO_MANY_RECIPIENTS,
        "RFC 5321 4.5.3.1.10; Google, Exchange Online replies",
        (
            ("regions", "regions multiple", r"belong to multiple regions|multiple destination domains"),
            ("transaction", "transaction", r"separate transaction|per transaction exceeded|(?:one|single) (?:rcpt|recipient) per"),
            (
                "recipients",
                "many",
                r"too many (?:rcpts?|recipients?)\b(?! ?(?:received|from|sent|in the|in a|this|per|, ip))(?!{gap}\b(?:hour|day|minute)\b)",
            ),
        ),
    ),
    Table(
        "rate",
        Meaning.RATE_LIMITED,
        "Postfix, Sendmail, Exim limits; sisimai ratelimited table 2025; QQ and NetEase help pages; Cox, Comcast, GoDaddy pages",
        (
            (
                "too-many",
                "many much",
                r"(?<!has )(?<!have )too (?:many|much)(?! mail data)(?: \S+){0,3}? "
                r"(?:connections?|sessions?|errors?|messages?|e-?mails?|mails?|requests?|commands?|concurrent|recipients?|rcpts?|users?|attempts|bad|invalid|unknown|address(?:es)?)",
            ),
            ("has-sent", "sent", r"has sent (?:too|to too) many|max(?:imum)? (?:number of )?(?:invalid|unknown) recipients"),
            (
                "limit",
                "rate limit limits limited frequency throttl throttled throttling throughput maximum max quota exceeded reached exceeds concurrent",
                r"\b(?:rate|frequency|connections?|message|sending|session|submission|throughput|volume|concurren\w+|e-?mails?)"
                r"(?: (?!storage|size)\w+)? (?:limit|rate|quota)s?\b{gap}(?:exceed|reach)|\bthrottl|\brate[ -]?limit|\bfrequency (?:is )?limited|"
                r"\bexceed\w*{gap}\b(?:rate|connection limit|per (?:hour|day|minute)|permitted limits|allowable number|max (?:e-?mails|messages))|"
                r"\bmax(?:imum)?{gap}\b(?:messages?|e-?mails?|connections?|recipients?|smtp (?:sessions|services)|connection limit|sending rate)\b(?! size| length)|"
                r"reached (?:its|the) limit|\b(?:daily|hourly){gap}(?:quota|limit)|\b(?:relay|sending|user sending) limit exceeded",
            ),
            ("slow-down", "slow slower", r"\bslow(?:er| down)\b"),
            ("deferred", "deferred complaints volume", r"deferred due to (?:unexpected|excessive|user|high)|user complaints|unusual rate", "4"),
            ("attempts", "numerous", r"numerous attempts"),
            ("error-limit", "too", r"error: too (?:many|much)"),
        ),
    ),
    Table(
        "greylist",
        Meaning.GREYLISTED,
        "RFC 6647; Mimecast SMTP error codes 2024",
        (
            ("come-back", "again retry back later resend wait", r"\b(?:try|retry|come back|again|resend|wait|please)\b{gap}\b(?:in|after|for|another)\b{gap}\b\d+ ?(?:s|m|h|sec|min|hour)\w*", "450 451"),
        ),
    ),
)

PROTOCOL = Table(
    "protocol",
    Meaning.PROTOCOL_ERROR,
    "RFC 5321 4.2; Postfix, Exim, Sendmail; Google SMTP error reference",
    (
        ("sequence", "first sequence mail rcpt need polite order precede", r"\b(?:helo|ehlo|hello|mail|rcpt) first\b|bad sequence|\bneed (?:mail|rcpt) |out of (?:order|sequence)|(?:mail|rcpt)(?: from| to)?(?: command)? must precede|say helo"),
        (
            "syntax",
            "syntax syntactically malformed rfc qualified format characters synchronization synchronisation protocol pipelining",
            r"\bsyntax\b(?! ?error{gap}sender)|syntactically|malformed|not a valid rfc|need fully[ -]qualified address|"
            r"fully[ -]qualified e?-?mail address|invalid format|illegal characters?|synchroni[sz]ation|protocol (?:error|violation)|improper use of smtp",
        ),
        ("command", "command commands name recognized unrecognized unimplemented line recipients", r"(?:command|parameters?)(?: \S+){0,2} (?:un|not )(?:recogni[sz]ed|implemented)|(?:un|not )(?:recogni[sz]ed|implemented) command|command (?:line )?too long|^line too long|no recipients specified|name not allowed$"),
        ("invalid-address", "invalid bad", r"^(?:\d\.\d\.\d )?(?:invalid|bad)(?: email)? address\b", "501 553"),
    ),
)

TLS = Table(
    "tls",
    Meaning.TLS_REQUIRED,
    "RFC 3207; Postfix; Google, Mimecast, MessageLabs replies",
    (
        ("starttls", "starttls", r"\b(?:must|need|issue|requires?|use|send|first)\b{gap}\bstarttls|\bstarttls{gap}\b(?:required|first|must)"),
        ("required", "tls tlsv encryption ssl encrypted sslv", r"\b(?:tls|ssl|encryption|encrypted connection)\b[^.;]{0,40}\b(?:required|needed|mandatory|must)|\b(?:requires?|must use|need)\b[^.;]{0,30}\b(?:tls|ssl|encrypt)"),
    ),
)

SENDER = Table(
    "sender",
    Meaning.SENDER_REJECTED,
    "Postfix, Sendmail, qmail, Exim defaults; sisimai rejected and authfailure tables 2025; SMTP Field Manual",
    (
        ("spf", "spf sender dkim dmarc openspf dkim unauthenticated authenticate 1", r"\bspf\b|sender policy framework|\bdkim\b|\bdmarc\b|unauthenticated e?-?mail|\bspf="),
        ("helo", "helo ehlo helohost", r"\b(?:helo|ehlo)"),
        (
            "sender",
            "sender senders",
            r"\bsender\b{gap}\b(?:reject|refus|denied|deny|invalid|unknown|not|no |block|bann|does|domain|must|unroutable|unresolvable|unval|unver|unauth|untrust)|"
            r"\b(?:invalid|unknown|bad|null|unroutable|unresolvable|bogus|denies the|block policy for|envelope|empty envelope) senders?\b|\bno sender\b|\bfrom sender\b|senderfilter|"
            r"\bdomain of sender|\bsender domain|\bsenders? not (?:pre-?)?(?:approved|authori[sz]ed|authenticated)|unroutable sender",
        ),
        (
            "mail-from",
            "mail mailfrom from bogus envelope null badmailfrom return returned mx",
            r"\bmail ?from\b{gap}\b(?:mismatch|fail|domain|reject|invalid|unknown|not|has no|no mx|denied|bad|refus|rfc)|\bbogus mail ?from|badmailfrom|"
            r"\bnull (?:sender|mx)\b{gap}\bsender|\bempty envelope|^(?:\d\.\d\.\d )?<> |\bfrom[: ]+(?:address|domain)\b{gap}(?:invalid|not|incorrect|reject|must|does)|"
            r"(?:invalid|incorrect|bad|wrong) (?:envelope[ -])?from(?: |: ?)address|envelope (?:blocked|rejected|sender|from)|"
            r"returned mail not|return[ -]path{gap}(?:invalid|not|reject|refus)|^(?:\d\.\d\.\d )?mx records? for|has no a, aaaa|rfc\.?5321 (?:from )?domain|from: domain is invalid",
        ),
        ("sending-address", "sending address", r"\bsending (?:address|domain)\b{gap}(?:invalid|not|reject|does|refus|accept)"),
        (
            "your-domain",
            "your",
            r"\byour (?:\w+ )?(?:domain|sender|envelope|return path|e-?mail address)\b{gap}(?:\bnot\b|n't|invalid|unknown|\bno\b|reject|refus|fail|block|missing)",
        ),
        (
            "return-address",
            "invalid bad unknown wrong unresolvable missing",
            r"\b(?:invalid|bad|unknown|wrong|unresolvable|missing) (?:\w+ )?(?:return|from|reply|originator|source|reverse[ -]path|mail from)\b ?(?:address|path|domain)?",
        ),
        ("sending-denied", "sending", r"\b(?:mail|message) sending\b{gap}\b(?:disabled|denied|blocked|prohibited|suspended|not allowed)"),
        ("outbound", "outbound spoof spoofed", r"bad outbound sender|rejecting spoofed"),
        ("sender-null-mx", "null", r"sender{gap}null ?mx"),
        ("not-allowed-to-send", "allowed allow", r"(?:not|n't) allow(?:ed)?(?: \w+)? (?:to send|sending) (?:e?-?mails? )?from"),
        ("invalid-domain", "domain dns", r"^(?:\d\.\d\.\d )?invalid domain,? see|domain may not exist or dns check"),
    ),
)

AUTH = Table(
    "auth",
    Meaning.AUTH_REQUIRED,
    "RFC 4954; MailEnable, Exchange, Orange replies",
    (
        (
            "required",
            "authentication authenticate authenticated authentification login auth logged",
            r"^(?!.*\brelay)(?=.*(?:authenti\w+ (?:is )?(?:require|invalid|fail|unsuccess|credential)|requires? (?:smtp )?authentic|"
            r"(?:must|need to|please) (?:first )?(?:authenticate|log ?in|turn on smtp auth)|\bnot (?:been )?(?:authenticated|logged in)|smtp auth|"
            r"authentication failure|authentifi|\bauth failed))",
        ),
    ),
)

TEMPORARY = Table(
    "temporary",
    Meaning.TEMPORARY_FAILURE,
    "RFC 5321 4.2.3; Postfix, Exim, Sendmail, Exchange Online; sisimai systemerror table 2025",
    (
        (
            "temporary",
            "temporary temporarily tempfail",
            r"\btemporar(?:y|ily) (?:server|system|domain|local|lookup|internal|error|fail|problem|condition|dns|rejected message|unable|not available|unavailable(?! -? ?try))",
            "4",
        ),
        (
            "internal",
            "mailer local internal server configuration processing write load dns lookup timeout timed",
            r"local (?:error|problem|configuration)|internal (?:server |system )?error|\bserver error\b|configuration (?:error|problem)|error in processing|"
            r"file write error|cannot write|could not load|lookup (?:failure|failed|error)|dns (?:not available|failure|error|timeout)|"
            r"\btimed[ -]?out\b|\btime-?out\b|connection (?:timed out|refused|reset)|lost connection|connection time\b|mailer error",
        ),
        ("resources", "insufficient resources space memory disk queue shortage", r"insufficient (?:system|disk|memory)|resources? temporarily|out of memory|no space left|space shortage, please try later$|disk full condition|interrupted system call|queue quota|queue (?:full|has been stopped|unavailable)", ""),
        ("busy", "busy overloaded down maintenance responding replicated license home qqt", r"\b(?:too|server|ports are|system\S*|is|agent) busy\b|\boverload|\bhost (?:is )?down|not responding|under maintenance|failed to be replicated|license expired|(?:^|\)) ?busy\b|trouble in home directory|\bqqt? (?:failure|trouble)"),
        ("callout", "callout verify complete", r"could not complete{gap}(?:callout|command)|unable to (?:verify|complete|process)", "4"),
        ("size", "size big large", r"(?:message|data)\b{gap}\b(?:too (?:big|large)|exceed\w*{gap}(?:size|maximum))|(?<!file )size{gap}exceeds{gap}(?:maximum|limit|size)|message size exceeds", "4 552 523 554"),
        ("unverified", "unverified", r"\bunverified address", "4"),
        ("loop", "hops hop loop loops", r"too many hops|hop count|mail ?loop|loops? (?:back|detected)"),
        ("recipient", "recipient", r"^(?:\d\.\d\.\d )?(?:- )?recipient temporarily unavailable|account is temporarily unavailable", "4"),
    ),
)

TABLES: tuple[Table, ...] = (*FOREHAND, OUR_IP, *RATE, PROTOCOL, TLS, SENDER, AUTH, TEMPORARY)

"""What one SMTP reply means: pure, from the reply, the command it answers, and who said it.

Text is judged before the enhanced status code and the bare code last, because servers choose codes more
carelessly than words; words about us come before words about a mailbox, because a refusal of us is never
a verdict about one. Nothing said before RCPT is ever read as being about a mailbox.
"""

import re

from validatord.mail.reply import EnhancedCode, Reply
from validatord.mail.verdict import Meaning, ReplyReading, Scope, Stage
from validatord.rules import quirks, reply_codes, reply_wait
from validatord.rules.reply_rule import RuleIndex, TextRule, load_rules
from validatord.rules.reply_spelling import respell
from validatord.rules.reply_text import cut_address, name_recipient, normalise_text, strip_accents

__all__ = ["normalise_text", "read_reply"]

SCOPES: dict[Meaning, Scope] = {
    Meaning.OK: Scope.RECIPIENT,
    Meaning.NO_SUCH_MAILBOX: Scope.RECIPIENT,
    Meaning.MAILBOX_FULL: Scope.RECIPIENT,
    Meaning.MAILBOX_DISABLED: Scope.RECIPIENT,
    Meaning.RECIPIENT_RATE_LIMITED: Scope.RECIPIENT,
    Meaning.GREYLISTED: Scope.HOST,
    Meaning.RATE_LIMITED: Scope.PROVIDER,
    Meaning.SENDER_IP_BLOCKED: Scope.OURSELVES,
    Meaning.SENDER_REJECTED: Scope.OURSELVES,
    Meaning.POLICY_REJECTED: Scope.HOST,
    Meaning.RELAY_DENIED: Scope.DOMAIN,
    Meaning.DOMAIN_NOT_HOSTED: Scope.DOMAIN,
    Meaning.TEMPORARY_FAILURE: Scope.HOST,
    Meaning.TOO_MANY_RECIPIENTS: Scope.PROVIDER,
    Meaning.TLS_REQUIRED: Scope.HOST,
    Meaning.AUTH_REQUIRED: Scope.HOST,
    Meaning.PROTOCOL_ERROR: Scope.HOST,
}

# What a wording about a recipient or a domain means where no recipient was named yet. At MAIL the only
# mailbox and domain in the conversation are our sender's.
_AT_MAIL: dict[Meaning, Meaning] = {
    Meaning.NO_SUCH_MAILBOX: Meaning.SENDER_REJECTED,
    Meaning.MAILBOX_DISABLED: Meaning.SENDER_REJECTED,
    Meaning.DOMAIN_NOT_HOSTED: Meaning.SENDER_REJECTED,
    Meaning.MAILBOX_FULL: Meaning.TEMPORARY_FAILURE,
    Meaning.RECIPIENT_RATE_LIMITED: Meaning.RATE_LIMITED,
}
_EARLIER: dict[Meaning, Meaning] = {
    Meaning.NO_SUCH_MAILBOX: Meaning.POLICY_REJECTED,
    Meaning.MAILBOX_DISABLED: Meaning.POLICY_REJECTED,
    Meaning.DOMAIN_NOT_HOSTED: Meaning.POLICY_REJECTED,
    Meaning.MAILBOX_FULL: Meaning.TEMPORARY_FAILURE,
    Meaning.RECIPIENT_RATE_LIMITED: Meaning.RATE_LIMITED,
}


# A last look before a mailbox is called unknown or disabled: words that make a refusal of us likely.
# Few where a row's wording decided, many where only a code did.
_DECIDES_A_MAILBOX = frozenset({Meaning.NO_SUCH_MAILBOX, Meaning.MAILBOX_DISABLED})
_US_IN_TEXT = re.compile(
    r"\bspam|(?<!may be )\bblack ?list|\breputation|\bdnsbl|\brbl\b|\bsender\b|\bspf\b|\brdns\b|\bptr\b|"
    r"\bpolic(?:y|ies)\b|\blimit|\btoo many\b|\bmaximum number|\battack|"
    r"\b(?:your|sending|source|client|connecting|originating|remote|reply|return|from) (?:e?-?mail |ip )?"
    r"(?:ip|host(?! said)|hostname|address(?! ?book)|server(?! (?:said|returned))|domain|account|mail ?box|network|"
    r"provider|isp|client|mta|path)\b"
    r"(?! admin)|\breturn[ -]path|\boriginator|\b(?:helo|ehlo)\b|\bthis client\b|\bhost ?name\b|"
    r"\byou (?:are sending|send|sent) (?:as|from)\b|\bknow you\b|"
    r"\bfrom (?:outside|you|your|this|the|ip|unknown)\b(?! server)|"
    r"\bblocked (?:ip|using|by(?! (?:the |our |an )?(?:system )?admin))\b|"
    r"\b(?:ihre?[mnrs]?|votre|sua?|seu|tu[oa]|twoj\w*|uw) (?:e-?mail-?)?"
    r"(?:ip|adre|direcc|indiriz|endere|server|domain|compte|konto|cuenta|conta|casella|boite|buzon|account|postfach)|"
    r"\byour (?:hosting|mail ?system|postmaster|organi[sz]ation|company|site|web ?site)\b|\boriginating\b|"
    r"\breply-?to\b|\bfrom: |\bmail from\b|"
    r"\bprob(?:e|es|ing)\b|\bscan(?:s|n\w+)?\b|\bharvest|\bguess|\bgeo\b|\bsecurity violation|\bvirus|"
    r"\bcontent\b|\b(?:block\w*|reject\w*|refus\w*|denied) (?:for|due to|because of) abus|\banti-?abus|\bbotnet|"
    r"\basn\b|\bnot (?:auth\w+|allowed|permitted) to (?:send|post)|\bonly members\b|\bopen relay|\bgo away|\btarpit|"
    r"\buntrusted|\bdata ?cent|\bhosting (?:range|provider|network)|\bclients? (?:not|block|refus|reject|denied)|"
    r"\b(?:network|range|host)s? (?:is |are )?(?:block|refus|reject|denied|not allowed)|\baccess (?:is )?denied|"
    r"\bverification attempt|\baddress check(?:er|ing)|\bfirewall|\bdetected\b|"
    r"\babsender|\bexpedit|\bremitente|\bremetente|\bmittente|\bnadawc|\bafzender|\bafsender|\bavsandar|"
    r"(?<![a-z0-9?&])ips?(?![a-z0-9=/])|\blahettaja|\bodes[iy]latel|\bodosielatel|\bgonderen|відправник|αποστολε|المرسل|השולח|"
    r"\bваш\S* (?:ip|адрес|сервер|домен|аккаунт|ящик|учетн)|отправител|"  # noqa: RUF001 Cyrillic
    r"您的(?!邮件)|发件人|寄件|差出人|送信|" + strip_accents("발신|보낸|보내는")
)
_US_BESIDE_CODE = re.compile(
    r"\byour?\b|\bips?\b|\bfrom\b|\bsender|\bclient\b|\bconnect|\bspam|\bblock|\bblack|\breput|\babus|\bpolic|"
    r"\bden(?:y|ied)\b|\brefus|\bforbid|\bprohibit|\blisted\b|\blimit|\btoo many|\bnetwork|\badministrat|"
    r"\btls\b|\bauthent|\bservice\b|\bsending\b|\bsource\b|\boriginat|\breply\b|\breturn\b|\b(?:host|server|helo)\b"
)
_IP_ADDRESS = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]?\w)")
# RFC 4954 6: answers to a client that wants to log in, never about a recipient.
_LOGIN_CODES = frozenset({534, 535, 538})
_ABOUT_A_SENDER = frozenset({(1, 7), (1, 8)})  # RFC 3463 3.2
# Details this high are Exchange Online's own and say more than "busy" or "access denied" beside them.
_EXCHANGE_ONLINE = 500
_VAGUE = frozenset({Meaning.TEMPORARY_FAILURE, Meaning.POLICY_REJECTED})
_FULL = (2, 2)  # RFC 3463 3.3: a limit of the mailbox, not of ours
_RECIPIENTS = (5, 3)  # RFC 3463 3.6: of one envelope, unless a time or a source is named
_SECURITY = 7  # RFC 3463 2: policy or security, which may not be about the mailbox at all
_PER_TIME = re.compile(r"\b(?:hour|day|minute|session|from|your|received|sent|invalid|bad|unknown)\b")
_IS_ABSENT = re.compile(r"\b(?:does not|doesn't|do not) exist\b|\bunknown\b|\bnot found\b|\b(?:no|not an?) valid\b")
_HOLDS_FOR_SENDER = _DECIDES_A_MAILBOX | {Meaning.DOMAIN_NOT_HOSTED, Meaning.PROTOCOL_ERROR}


# File order is the order of judgement: our IP, rate, TLS, authentication and sender before relay, domain,
# full, disabled, unknown; policy last.
_TABLES = (
    "replies_about_us.toml",
    "replies_about_us_tongues.toml",
    "replies_about_them.toml",
    "replies_about_them_tongues.toml",
)
INDEX = RuleIndex([rule for name in _TABLES for rule in load_rules(name)])
# Single words for what no row above knows, tried last and doubted most.
HINTS = RuleIndex(load_rules("replies_hints.toml"))


def read_reply(reply: Reply, stage: Stage, *, mx_host: str = "", recipient: str = "") -> ReplyReading:
    """Return what `reply` to the command of `stage` means.

    Args:
        reply: any reply, also one nobody has seen before.
        stage: the command it answers; before RCPT nothing is read as being about a mailbox.
        mx_host: who said it, for the habits of single providers.
        recipient: the address of RCPT, cut out of the text before matching.
    """
    if reply.is_positive:
        scope = Scope.RECIPIENT if stage is Stage.RCPT else Scope.HOST
        return ReplyReading(Meaning.OK, scope, temporary=False, rule=f"positive:{reply.code}")
    if not reply.is_refusal:
        return ReplyReading(Meaning.PROTOCOL_ERROR, Scope.HOST, temporary=False, rule=f"bare:{reply.code}")
    text = normalise_text(reply, recipient)
    meaning, rule = _read_refusal(reply, stage, text, mx_host, recipient)
    if stage is Stage.CONNECT and _is_about_our_address(meaning, text):
        meaning, rule = Meaning.SENDER_IP_BLOCKED, f"{rule}@{stage.value}"
    meaning, rule = _hold_to_stage(meaning, rule, stage, text)
    scope = SCOPES[meaning]
    return ReplyReading(
        meaning=meaning,
        scope=scope,
        temporary=reply.is_transient,
        rule=rule,
        retry_after_seconds=reply_wait.find_wait(text),
    )


def _read_refusal(reply: Reply, stage: Stage, text: str, mx_host: str, recipient: str) -> tuple[Meaning, str]:
    quirk = quirks.find_quirk(text, mx_host)
    if quirk is not None:
        return quirk.meaning, f"quirk:{quirk.name}"
    enhanced = Reply(reply.code, tuple(cut_address(line, recipient) for line in reply.lines)).enhanced
    views = _list_views(reply, text, recipient)
    rule = _find_rule(INDEX, reply, views)
    if rule is not None:
        return _doubt(rule.meaning, f"text:{rule.name}", text, enhanced)
    rule = _find_rule(HINTS, reply, views)
    if rule is not None:
        return _doubt(rule.meaning, f"text:{rule.name}", text, enhanced, is_loose=True)
    meaning = reply_codes.read_enhanced(enhanced, reply.code) if enhanced is not None else None
    if meaning is not None:
        return _doubt(meaning, f"code:{enhanced}", text, None, is_loose=True)
    return reply_codes.read_bare(reply.code, stage, has_text=bool(text)), f"bare:{reply.code}"


def _list_views(reply: Reply, text: str, recipient: str) -> list[str]:
    """Return the text as it may be read, the plainest first."""
    views = [text]
    named = name_recipient(reply, recipient)
    if named is not None:
        views.append(named)
    views.extend(respelled for view in tuple(views) if (respelled := respell(view)) != view)
    return views


def _find_rule(index: RuleIndex, reply: Reply, views: list[str]) -> TextRule | None:
    if reply.code in _LOGIN_CODES:
        return None
    code = str(reply.code)
    return next((rule for view in views if (rule := index.find(view, code)) is not None), None)


def _doubt(
    meaning: Meaning, rule: str, text: str, enhanced: EnhancedCode | None, *, is_loose: bool = False
) -> tuple[Meaning, str]:
    if enhanced is not None and (enhanced.subject, enhanced.detail) in _ABOUT_A_SENDER and meaning in _HOLDS_FOR_SENDER:
        return Meaning.SENDER_REJECTED, f"{rule}:code:{enhanced}"
    if enhanced is not None and meaning in _VAGUE and enhanced.detail >= _EXCHANGE_ONLINE:
        return reply_codes.read_enhanced(enhanced, 0) or meaning, f"{rule}:code:{enhanced}"
    if enhanced is not None and (enhanced.subject, enhanced.detail) == _FULL and meaning is Meaning.RATE_LIMITED:
        return Meaning.MAILBOX_FULL, f"{rule}:code:{enhanced}"
    if enhanced is not None and (enhanced.subject, enhanced.detail) == _RECIPIENTS and meaning is Meaning.RATE_LIMITED:
        return (meaning, rule) if _PER_TIME.search(text) else (Meaning.TOO_MANY_RECIPIENTS, f"{rule}:code:{enhanced}")
    if _may_be_about_us(meaning, text, enhanced, is_loose=is_loose):
        return Meaning.POLICY_REJECTED, f"{rule}:doubted"
    return meaning, rule


def _may_be_about_us(meaning: Meaning, text: str, enhanced: EnhancedCode | None, *, is_loose: bool) -> bool:
    if meaning not in _DECIDES_A_MAILBOX:
        return False
    if not is_loose:
        return _US_IN_TEXT.search(text) is not None
    if meaning is Meaning.NO_SUCH_MAILBOX and enhanced is not None and enhanced.subject == _SECURITY:
        return True
    return _US_IN_TEXT.search(text) is not None or _US_BESIDE_CODE.search(text) is not None


def _is_about_our_address(meaning: Meaning, text: str) -> bool:
    """At the greeting nothing of us is known but the address we come from: no sender, no HELO name."""
    if meaning is Meaning.POLICY_REJECTED:
        return _IP_ADDRESS.search(text) is not None
    return meaning is Meaning.SENDER_REJECTED


def _hold_to_stage(meaning: Meaning, rule: str, stage: Stage, text: str) -> tuple[Meaning, str]:
    if stage is Stage.RCPT:
        return meaning, rule
    if stage is Stage.EHLO and meaning is Meaning.DOMAIN_NOT_HOSTED:
        return Meaning.SENDER_REJECTED, f"{rule}@{stage.value}"  # the only domain named yet is our HELO name
    if stage is Stage.MAIL and meaning is Meaning.POLICY_REJECTED and _IS_ABSENT.search(text):
        return Meaning.SENDER_REJECTED, f"{rule}@{stage.value}"  # whatever is missing was named in our MAIL
    held = (_AT_MAIL if stage is Stage.MAIL else _EARLIER).get(meaning)
    return (meaning, rule) if held is None else (held, f"{rule}@{stage.value}")

"""What single MX providers mean by words and codes that mean something else elsewhere.

Each row is bound to the provider's MX host names, or to a mark only that provider puts into its replies,
and carries its source with a date. A row outranks the text tables: it knows better who is talking.
"""

import re
from dataclasses import dataclass

from validatord.mail.verdict import Meaning


@dataclass(frozen=True, slots=True)
class Quirk:
    """One provider's habit: `hosts` are MX suffixes, `mark` a sign in the text; either one suffices."""

    name: str
    meaning: Meaning
    hosts: tuple[str, ...]
    pattern: re.Pattern[str]
    source: str
    mark: re.Pattern[str] | None = None

    def fits(self, text: str, mx_host: str) -> bool:
        """Whether the reply is this provider's and says this."""
        return (mx_host.endswith(self.hosts) or self._is_marked(text)) and bool(self.pattern.search(text))

    def _is_marked(self, text: str) -> bool:
        return self.mark is not None and bool(self.mark.search(text))


_MICROSOFT = (".protection.outlook.com", ".mx.microsoft")
_MICROSOFT_MARK = re.compile(r"\.prod\.protection\.outlook\.com\b")
_GOOGLE = (".google.com", ".googlemail.com", ".psmtp.com")
_YANDEX = (".yandex.ru", ".yandex.net", ".yandex.com")
_GODADDY = (".secureserver.net",)
_GODADDY_MARK = re.compile(r"\bib\d{3}\b")
_ORANGE = (".orange.fr", ".laposte.net", ".wanadoo.fr")
_TENCENT = (".qq.com",)
_NETEASE = (".netease.com", ".163.com", ".126.com")
_MIMECAST = (".mimecast.com", ".mimecast.co.za")
_TREND = (".trendmicro.com", ".trendmicro.eu", ".trendmicro.co.jp")
_SPECTRUM = (".charter.net", ".spectrum.net", ".rr.com", ".cloudfilter.net")

_NDR = "Exchange Online NDR list, 2024"
_BOUNCES = "GoDaddy bounce page, 2024"
_OFR = "postmastery Orange page and sisimai table, 2025"
_QQ = "QQ Mail help pages, 2025"
_163 = "NetEase help_spam_16 page, 2024"
_MC = "Mimecast SMTP error codes, 2024"


def _codes(*codes: str) -> re.Pattern[str]:
    """Orange and La Poste: OFR_416, LPN007_420, LPN416, ofr004-104."""
    return re.compile(rf"\b(?:ofr|lpn|ouk)(?:[a-z0-9]{{3}}[-_])?_?(?:{'|'.join(codes)})\b")


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


QUIRKS: tuple[Quirk, ...] = (
    # Directory based edge blocking: the address is not in the tenant's directory.
    Quirk("microsoft:dbeb", Meaning.NO_SUCH_MAILBOX, _MICROSOFT, _words(r"\b5\.(?:4\.1|7\.504)\b.*recipient address(?:es)? rejected ?: access denied"), _NDR, _MICROSOFT_MARK),
    Quirk("microsoft:banned-recipient", Meaning.MAILBOX_DISABLED, _MICROSOFT, _words(r"\b5\.7\.505\b"), _NDR),
    Quirk("microsoft:busy", Meaning.RATE_LIMITED, _MICROSOFT, _words(r"\b4\.7\.(?:5\d\d|6\d\d|8[5-9]\d)\b"), _NDR),
    Quirk("microsoft:hotmail-rate", Meaning.RATE_LIMITED, (".hotmail.com", *_MICROSOFT), _words(r"\brp-00[1-3]\b"), "Outlook.com troubleshooting page, 2023"),
    Quirk("microsoft:no-subscription", Meaning.DOMAIN_NOT_HOSTED, _MICROSOFT, _words(r"no mail-enabled subscriptions"), _NDR),
    Quirk("google:try-later", Meaning.RATE_LIMITED, _GOOGLE, _words(r"^4\.7\.0 try again later, closing"), "Google SMTP error reference, 2025"),
    Quirk("yandex:policy-target", Meaning.MAILBOX_DISABLED, _YANDEX, _words(r"policy rejection on the target address"), "Yandex Mail help, bounces, 2024"),
    Quirk("godaddy:blocked", Meaning.SENDER_IP_BLOCKED, _GODADDY, _words(r"\bib1(?:0[3-689]|1[0-3])\b|^rbl reject"), _BOUNCES, _GODADDY_MARK),
    Quirk("godaddy:rate", Meaning.RATE_LIMITED, _GODADDY, _words(r"\bib(?:007|50[49]|510|60[67])\b"), _BOUNCES, _GODADDY_MARK),
    Quirk("godaddy:busy", Meaning.TEMPORARY_FAILURE, _GODADDY, _words(r"\bib101\b"), _BOUNCES, _GODADDY_MARK),
    Quirk("godaddy:recipients", Meaning.TOO_MANY_RECIPIENTS, _GODADDY, _words(r"\bib605\b"), _BOUNCES, _GODADDY_MARK),
    Quirk("godaddy:sender", Meaning.SENDER_REJECTED, _GODADDY, _words(r"\bib50[1268]\b"), _BOUNCES, _GODADDY_MARK),
    Quirk("orange:unknown", Meaning.NO_SUCH_MAILBOX, _ORANGE, _codes("416", "418"), _OFR, _codes("416", "418")),
    Quirk("orange:full", Meaning.MAILBOX_FULL, _ORANGE, _codes("417"), _OFR, _codes("417")),
    Quirk("orange:disabled", Meaning.MAILBOX_DISABLED, _ORANGE, _codes("420", "426"), _OFR, _codes("420", "426")),
    Quirk("orange:our-ip", Meaning.SENDER_IP_BLOCKED, _ORANGE, _codes("101", "102", "103", "510", "630", "999"), _OFR, _codes("101", "102", "103", "510", "999")),
    Quirk("orange:rate", Meaning.RATE_LIMITED, _ORANGE, _codes("104", "105", "107", "108", "109", "201"), _OFR, _codes("104", "105", "108")),
    Quirk("orange:sender", Meaning.SENDER_REJECTED, _ORANGE, _codes("401", "403", "405", "415", "421", "517"), _OFR, _codes("401", "403", "405", "415", "517")),
    Quirk("tencent:recipient-rate", Meaning.RECIPIENT_RATE_LIMITED, _TENCENT, _words(r"^mailbox unavailable or access deni"), _QQ),
    Quirk("tencent:rate", Meaning.RATE_LIMITED, _TENCENT, _words(r"^(?:ip|connection|domain|sender) frequency limited"), _QQ),
    Quirk("tencent:spam-ip", Meaning.SENDER_IP_BLOCKED, _TENCENT, _words(r"^suspected (?:spam ip|bounce attack)|^connection denied"), _QQ),
    Quirk("tencent:by-recipient", Meaning.POLICY_REJECTED, _TENCENT, _words(r"^mail is rejected by recipients|^mail content denied|^suspected spam\b(?! ip)"), _QQ),
    Quirk("netease:rate", Meaning.RATE_LIMITED, _NETEASE, _words(r"\b(?:hl:(?:rep|icc|ifc)|(?:mi|rp):(?:dmc|drc|cel|ccl|sfq))\b"), _163),
    Quirk("netease:our-ip", Meaning.SENDER_IP_BLOCKED, _NETEASE, _words(r"\b(?:hl:mep|dt:rbl|wm:bli|mi:imf)\b"), _163),
    Quirk("netease:spam", Meaning.POLICY_REJECTED, _NETEASE, _words(r"\bdt:spm\b"), _163),
    Quirk("mimecast:greylist", Meaning.GREYLISTED, _MIMECAST, _words(r"internal resources? (?:are |is )?temporarily unavailable"), _MC),
    Quirk("mimecast:connections", Meaning.RATE_LIMITED, _MIMECAST, _words(r"account service is temporarily unavailable"), _MC),
    Quirk("mimecast:envelope", Meaning.SENDER_REJECTED, _MIMECAST, _words(r"envelope (?:blocked|rejected)"), _MC),
    Quirk("trendmicro:reputation", Meaning.SENDER_IP_BLOCKED, _TREND, _words(r"rejected: ers-"), "Trend Micro Email Security knowledge base, 2024"),
    Quirk("apple:not-accepting", Meaning.SENDER_IP_BLOCKED, (".icloud.com", ".apple.com", ".me.com"), _words(r"esmtp not accepting connections"), "postmastery iCloud page, 2024"),
    Quirk("yahoo:deferred", Meaning.RATE_LIMITED, (".yahoodns.net",), _words(r"\[(?:tss04|gl01)\]"), "Yahoo Sender Hub, 2026"),
    Quirk("yahoo:permanently-deferred", Meaning.SENDER_IP_BLOCKED, (".yahoodns.net",), _words(r"\[(?:tss0[579]|tss1\d|bl2\d)\]"), "Yahoo Sender Hub, 2026"),
    Quirk("t-online:unknown-ip", Meaning.SENDER_IP_BLOCKED, (".t-online.de",), _words(r"^ip[=:]"), "T-Online postmaster replies, 2024", _words(r"rx\.t-online\.de|\btos?[ab]r?@")),
    Quirk("cisco:policy", Meaning.SENDER_IP_BLOCKED, (".messagelabs.com",), _words(r"connection rejected by policy"), "Broadcom knowledge base 164955, 2024"),
    Quirk("spectrum:blocked", Meaning.SENDER_IP_BLOCKED, _SPECTRUM, _words(r"\baup#\S*?(?:1000|1[12]\d\d)\b|aup#(?:cxbl|cdrbl|ipbl)"), "Spectrum and Cox error code pages, 2024"),
    Quirk("spectrum:rate", Meaning.RATE_LIMITED, _SPECTRUM, _words(r"\baup#\S*?(?:13\d\d|14\d\d|1540|1580)\b|aup#(?:cxcnct|cxmxrt)"), "Spectrum and Cox error code pages, 2024"),
    # The help page named by the URL is all the text there is.
    Quirk("i-ua:unknown", Meaning.NO_SUCH_MAILBOX, (".i.ua",), _words(r"i\.ua/err/2\b"), "sisimai table, 2025", _words(r"\bi\.ua/err/")),
    Quirk("i-ua:disabled", Meaning.MAILBOX_DISABLED, (".i.ua",), _words(r"i\.ua/err/3\b"), "sisimai table, 2025", _words(r"\bi\.ua/err/")),
    Quirk("i-ua:full", Meaning.MAILBOX_FULL, (".i.ua",), _words(r"i\.ua/err/4\b"), "sisimai table, 2025", _words(r"\bi\.ua/err/")),
)

# Signs that any marked row can fit: without one of these the marks need not be tried.
_ANY_MARK = re.compile(r"outlook\.com|\bib\d{3}\b|\b(?:ofr|lpn)|rx\.t-online|\bi\.ua/")


def find_quirk(text: str, mx_host: str) -> Quirk | None:
    """Return the first quirk that fits folded `text` from `mx_host`, or None."""
    host = "." + mx_host.casefold().rstrip(".") if mx_host else ""
    is_marked = bool(_ANY_MARK.search(text))
    for quirk in QUIRKS:
        if (is_marked or host.endswith(quirk.hosts)) and quirk.fits(text, host):
            return quirk
    return None

"""The address that was probably meant: slips at the domains that most people use.

Precision before recall: a name that is known to take mail is never corrected, nor is one that could just
as well be a firm's own. The answer depends on the address alone. It is a remark; no verdict follows from it.
"""

from functools import cache, lru_cache

from rapidfuzz.distance import DamerauLevenshtein

from validatord.mail.address import Mailbox
from validatord.rules.lists import read_domain, read_own_list

# In the order of use: the first of equally near ones wins. Short names (aol, gmx, live) and names one letter
# from a word or a firm (naver, charter, rogers) are left out: too much is near to them.
_PROVIDERS = (
    "gmail.com", "yahoo.com", "hotmail.com", "outlook.com", "icloud.com", "googlemail.com", "protonmail.com",
    "comcast.net", "verizon.net", "sbcglobal.net", "bellsouth.net", "earthlink.net", "optonline.net",
    "rocketmail.com", "yahoo.co.uk", "yahoo.co.in", "yahoo.co.jp", "yahoo.fr", "yahoo.de", "yahoo.it", "yahoo.es",
    "yahoo.ca", "yahoo.com.br", "yahoo.com.au", "hotmail.co.uk", "hotmail.fr", "hotmail.de", "hotmail.it",
    "hotmail.es", "outlook.fr", "outlook.de", "outlook.es", "outlook.it", "btinternet.com", "virginmedia.com",
    "ntlworld.com", "blueyonder.co.uk", "t-online.de", "freenet.de", "bluewin.ch", "orange.fr", "wanadoo.fr",
    "laposte.net", "libero.it", "virgilio.it", "fastmail.com", "tutanota.com", "rediffmail.com", "bigpond.com",
    "sympatico.ca", "videotron.ca", "yandex.ru", "yandex.com", "rambler.ru", "seznam.cz", "foxmail.com",
)  # fmt: skip

# Providers that exist under .com alone, whatever else is typed after their name.
_ONLY_COM = frozenset({"gmail", "googlemail", "icloud", "protonmail"})

# Top levels that do not exist and the one that was meant.
_SLIPS = {
    **dict.fromkeys(("con", "cmo", "ocm", "vom", "xom", "cpm", "comm", "coom", "ccom", "comn", "c0m", "cim"), "com"),
    **dict.fromkeys(("nte", "ner", "nett", "nrt", "nwt"), "net"),
    **dict.fromkeys(("ogr", "orgg", "rog", "prg"), "org"),
}
# Top levels that do exist; a slip only behind a provider's name.
_SLIPS_OF_PROVIDERS = {"co": "com", "cm": "com", "om": "com", "ne": "net"}

_FIRST_LETTER_COUNTS_UP_TO = 7  # hmail.com may be anybody's, hotmial.com is not
_TWO_SLIPS_FROM = 9  # hotmart.com is two letters from hotmail.com and a firm


def suggest(mailbox: Mailbox) -> str:
    """Return the address that was probably meant, or an empty text."""
    better = _find_better(mailbox.domain)
    return f"{mailbox.local_part}@{better}" if better else ""


@cache
def _known() -> frozenset[str]:
    return read_own_list("free", "free_providers.txt", read_domain).names | frozenset(_PROVIDERS)


@lru_cache(4096)
def _find_better(domain: str) -> str:
    if domain in _known():
        return ""
    name, _, rest = domain.partition(".")
    if name in _ONLY_COM:
        return f"{name}.com"
    front, _, top = domain.rpartition(".")
    if top in _SLIPS:
        repaired = f"{front}.{_SLIPS[top]}"
        return _find_near(repaired) or repaired
    if rest in _SLIPS_OF_PROVIDERS:
        repaired = f"{name}.{_SLIPS_OF_PROVIDERS[rest]}"
        return repaired if repaired in _PROVIDERS else _find_near(repaired)
    return _find_near(domain)


def _find_near(domain: str) -> str:
    """Return the provider with the same top level whose name is a slip away, or an empty text."""
    if domain in _known():
        return ""
    name, _, rest = domain.partition(".")
    best, nearest = "", _TWO_SLIPS_FROM
    for provider in _PROVIDERS:
        meant, _, its_rest = provider.partition(".")
        if rest != its_rest or (len(meant) <= _FIRST_LETTER_COUNTS_UP_TO and not _starts_alike(name, meant)):
            continue
        # icould.com: the right letters in another order may be two slips apart.
        most = 2 if len(meant) >= _TWO_SLIPS_FROM or sorted(name) == sorted(meant) else 1
        distance = DamerauLevenshtein.distance(name, meant, score_cutoff=most)
        if distance <= most and distance < nearest:
            best, nearest = provider, distance
    return best


def _starts_alike(name: str, meant: str) -> bool:
    """Whether the first letter is right, or the first two stand the wrong way round."""
    return name[:1] == meant[:1] or (name[:1] == meant[1:2] and name[1:2] == meant[:1])

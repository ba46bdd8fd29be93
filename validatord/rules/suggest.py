"""The domain that was probably meant: slips at the domains that most people use, and at the operator's own.

Precision before recall: a name that is known to take mail is never corrected, nor is one that could just
as well be a firm's own. Of the ledger it knows what `learn` told; whether both domains take mail today is
asked by whoever has the answer (`risk.RiskLists.find_suggestion`). No verdict follows from a suggestion.
"""

from collections.abc import Collection, Iterable, Iterator
from functools import cache

from rapidfuzz.distance import OSA

from validatord.mail.address import Mailbox
from validatord.mail.suffix import is_registry_suffix
from validatord.rules import packages
from validatord.rules.keyboard import measure_slip
from validatord.rules.lists import read_entry, read_own_list
from validatord.rules.suggest_index import SlipIndex

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
    "windowslive.com", "telefonica.net", "posteo.de", "free.fr",
)  # fmt: skip

# Providers that exist under .com alone, whatever else is typed after their name.
_ONLY_COM = frozenset({"gmail", "googlemail", "icloud", "protonmail"})

# Top levels that do not exist and the one that was meant.
_SLIPS = {
    **dict.fromkeys(
        ("con", "cmo", "ocm", "vom", "xom", "cpm", "comm", "coom", "ccom", "comn", "c0m", "cim", "clm", "coml", "cok"),
        "com",
    ),
    **dict.fromkeys(("nte", "ner", "nett", "nrt", "nwt", "met", "ney", "nety"), "net"),
    **dict.fromkeys(("ogr", "orgg", "rog", "prg", "irg", "orf", "ofg"), "org"),
}
# Top levels that do exist; a slip only behind a provider's name.
_SLIPS_OF_PROVIDERS = {"co": "com", "cm": "com", "om": "com", "ne": "net"}

_SLIP_OF_SUFFIX = 0.8  # most that a suffix which does not exist may be away from one that does
_KEPT = 20_000  # answers remembered


class Suggester:
    """Finds what was meant; lives as long as the process, `learn` may be called at any time."""

    def __init__(self) -> None:
        self._answers: dict[str, str] = {}
        self._own: frozenset[str] = frozenset()
        self._without_mail: frozenset[str] = frozenset()
        self._index = _build_index(())

    def __repr__(self) -> str:
        return f"<Suggester {len(self._own)} own, {len(self._without_mail)} without mail>"

    @property
    def targets(self) -> frozenset[str]:
        """Every domain that may be suggested because it is listed; those with a repaired top level come beside."""
        return self._own | frozenset(_PROVIDERS)

    def learn(self, own: Iterable[str], without_mail: Collection[str] = ()) -> None:
        """Take the operator's most frequent domains, in their order, and which targets have no MX."""
        # A domain below somebody's own has no slips of its own: the host's name may be anything.
        usable = [domain for domain in own if "xn--" not in domain and is_registry_suffix(domain.partition(".")[2])]
        self._own, self._without_mail = frozenset(usable), frozenset(without_mail)
        self._index = _build_index([domain for domain in usable if domain not in _PROVIDERS])
        self._answers = {}

    def suggest(self, mailbox: Mailbox) -> str:
        """Return the address that was probably meant, or an empty text."""
        better = self.find_better(mailbox.domain)
        return f"{mailbox.local_part}@{better}" if better else ""

    def find_better(self, domain: str) -> str:
        """Return the domain that was probably meant, or an empty text; never the domain itself."""
        known = self._answers.get(domain)
        if known is None:
            if len(self._answers) >= _KEPT:
                self._answers = {}
            known = self._answers[domain] = self._find(domain)
        return known

    def _find(self, domain: str) -> str:
        if self._is_known(domain) or "xn--" in domain:
            return ""
        found = self._repair(domain)
        return "" if found in self._without_mail or found == domain else found

    def _is_known(self, domain: str) -> bool:
        return domain in _known() or domain in self._own

    def _repair(self, domain: str) -> str:
        name, _, rest = domain.partition(".")
        is_suffix = is_registry_suffix(rest)
        if name in _ONLY_COM and (is_suffix or "." not in rest):
            return f"{name}.com"
        if rest in _SLIPS_OF_PROVIDERS:
            repaired = f"{name}.{_SLIPS_OF_PROVIDERS[rest]}"
            return repaired if repaired in _PROVIDERS else self._index.find(name, _SLIPS_OF_PROVIDERS[rest])
        if is_suffix:
            return self._index.find(name, rest)
        # Under a top level that exists somebody may have registered just that.
        if is_registry_suffix(rest.rpartition(".")[2]):
            return ""
        return self._repair_suffix(name, rest) or self._repair_top(domain)

    def _repair_suffix(self, name: str, rest: str) -> str:
        """Behind a known name a suffix that does not exist is a slip of one that does; of two as near neither."""
        best: dict[str, float] = {}
        for suffix, away in _near_suffixes(rest):
            whole = f"{name}.{suffix}"
            found = whole if self._is_known(whole) else self._index.find(name, suffix)
            if found:
                best[found] = min(away, best.get(found, away))
        nearest = min(best.values(), default=0.0)
        found = [domain for domain, away in best.items() if away == nearest]
        return found[0] if len(found) == 1 else ""

    def _repair_top(self, domain: str) -> str:
        front, _, top = domain.rpartition(".")
        if top not in _SLIPS:
            return ""
        name, _, rest = f"{front}.{_SLIPS[top]}".partition(".")
        whole = f"{name}.{rest}"
        return whole if self._is_known(whole) else self._index.find(name, rest) or whole


def _build_index(own: Iterable[str]) -> SlipIndex:
    return SlipIndex(_PROVIDERS, tuple(own))


@cache
def _known() -> frozenset[str]:
    """The domains that are never corrected: providers by our own list, and by the package where ours is silent."""
    ours = read_own_list("free", "free_providers.txt", read_entry)
    return frozenset(packages.read_free().names) - frozenset(ours.taken_out) | frozenset(ours.names) | set(_PROVIDERS)


@cache
def _suffixes() -> tuple[str, ...]:
    """The suffixes that many people have a mailbox under."""
    ours = read_own_list("free", "free_providers.txt", read_entry)
    return tuple(sorted({rest for name in ours.names if is_registry_suffix(rest := name.partition(".")[2])}))


def _near_suffixes(rest: str) -> Iterator[tuple[str, float]]:
    for suffix in _suffixes():
        if OSA.distance(rest, suffix, score_cutoff=1) <= 1:
            away = measure_slip(rest, suffix, _SLIP_OF_SUFFIX)
            if away <= _SLIP_OF_SUFFIX:
                yield suffix, away

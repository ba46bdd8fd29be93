"""What the lists make of a domain, and which entry of which source decides: for whoever doubts a flag."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from validatord.mail.mx import DomainMail
from validatord.rules.lists import DomainSet, ListPart, parents
from validatord.rules.risk import RiskLists, read_parts
from validatord.settings import PolicySettings

_OF_HOSTS = ("disposable_mx", "parked_mx")
_EXACT = ("never_probe", "opt_out")
# Who has the last word on "disposable", then on "free".
_STRONGEST_FIRST = ("allow", "deny", "disposable", "disposable_mx", "free", "never_probe", "opt_out", "parked_mx")


@dataclass(frozen=True, slots=True)
class Found:
    """One entry that speaks of the domain, or of a host of it; `line` is 0 where a source has no lines."""

    kind: str
    source: str
    entry: str
    line: int
    takes_out: bool = False
    host: str = ""


@dataclass(frozen=True, slots=True)
class DomainReport:
    """The flags of a domain, every entry about it, strongest first, and the one that decides, if any."""

    domain: str
    is_disposable: bool
    is_free: bool
    ban: str
    suggestion: str
    decided_by: Found | None
    found: tuple[Found, ...]


def check_domain(policy: PolicySettings, domain: str, hosts: tuple[str, ...] = ()) -> DomainReport:
    """Look a domain up in every list these settings name; `hosts` are its MX hosts where they are known.

    Raises:
        ConfigurationError: a list cannot be used.
    """
    lists = RiskLists.load(policy)
    mails = {domain: DomainMail(has_mx=True, hosts=hosts)} if hosts else {}
    found = tuple(_find_all(read_parts(policy), domain, hosts))
    is_disposable = lists.is_disposable(domain, mails)
    return DomainReport(
        domain,
        is_disposable=is_disposable,
        is_free=not is_disposable and lists.free.covers(domain),
        ban=str(lists.find_ban(domain) or ""),
        suggestion=lists.find_suggestion(domain, mails),
        decided_by=_find_decider(found),
        found=found,
    )


def _find_all(parts: Mapping[str, list[ListPart]], domain: str, hosts: tuple[str, ...]) -> Iterator[Found]:
    for kind in _STRONGEST_FIRST:
        for name in hosts if kind in _OF_HOSTS else (domain,):
            host = name if kind in _OF_HOSTS else ""
            entries = [entry for part in parts[kind] for entry in _find_in(part, name, host)]
            # Within a list taking out wins.
            yield from sorted(entries, key=lambda found: not found.takes_out)


def _find_in(part: ListPart, name: str, host: str) -> Iterator[Found]:
    kind, source = part.source.kind, part.source.source
    for entries, takes_out in ((part.taken_out, True), (part.names, False)):
        entry = _find_entry(entries, name, is_exact=kind in _EXACT)
        if entry is not None:
            yield Found(kind, source, entry, entries[entry], takes_out, host)


def _find_entry(entries: Mapping[str, int], name: str, *, is_exact: bool) -> str | None:
    """Look up only what could speak of the name: a package holds tens of thousands."""
    above = tuple(parents(name))
    candidates = [one for one in (*above, *(f".{parent}" for parent in above[1:])) if one in entries]
    if is_exact:
        return candidates[0] if candidates else None
    return DomainSet(candidates).find(name)


def _find_decider(found: tuple[Found, ...]) -> Found | None:
    """The strongest entry; a list whose entries are taken out has no say beside that."""
    return next((one for one in found if one.kind != "parked_mx"), None)

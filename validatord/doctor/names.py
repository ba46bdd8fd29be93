"""Whether what we call ourselves can be said to a receiver at all; examined before every start too.

Looks nothing up: whether a name leads to our address is `identity`'s business.
"""

import functools
import ipaddress
import tomllib

from validatord import data
from validatord.lookup.provider import ProviderFile
from validatord.mail.suffix import find_registrable_domain
from validatord.rules.lists import read_domain, read_own_list
from validatord.settings import Settings

# RFC 6761, RFC 6762, RFC 8375, RFC 9476 and the ICANN resolution on .internal: no receiver can look these up.
_LOCAL_ENDINGS = ("localhost", "localdomain", "local", "lan", "home.arpa", "internal", "invalid", "test", "example")


def check_identity_names(settings: Settings) -> list[str]:
    """Return a sentence for each HELO name or envelope sender that receivers refuse; empty: all can be used."""
    problems: list[str] = []
    for identity in settings.identities:
        place = f'identity "{identity.name}"'
        if problem := find_name_problem(identity.helo_name):
            problems.append(f"{place}: helo_name {identity.helo_name} {problem}")
        _, at, domain = identity.envelope_sender.rpartition("@")
        if at and (problem := find_name_problem(domain)):
            problems.append(f"{place}: the domain of envelope_sender {identity.envelope_sender} {problem}")
    return problems


def find_name_problem(name: str) -> str:
    """Return why the name cannot be ours, as the end of a sentence, or an empty text."""
    folded = name.lower().rstrip(".")
    if _is_address(folded):
        return "is an IP address: say the name its PTR record gives"
    if folded == "localhost" or "." not in folded:
        return "has no dot: say the full name that the address's PTR record gives"
    if any(folded.endswith(f".{ending}") for ending in _LOCAL_ENDINGS):
        return "is a name nobody outside can look up"
    if find_registrable_domain(folded) in _load_big_names():
        return "belongs to a large mail provider: use a domain of yours"
    return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]").removeprefix("ipv6:"))
    except ValueError:
        return False
    return True


@functools.cache
def _load_big_names() -> frozenset[str]:
    """The registrable domains of free mail providers, and of those who run MX hosts for very many."""
    free = read_own_list("free", "free_providers.txt", read_domain).names
    table = ProviderFile.model_validate(tomllib.loads(data.read_text("config/providers.toml")))
    large = [suffix for entry in table.providers.values() if entry.is_large for suffix in entry.suffixes]
    return frozenset(map(find_registrable_domain, (*free, *large)))

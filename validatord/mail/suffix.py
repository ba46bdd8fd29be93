"""Public suffixes: below which names everybody may register (publicsuffix.org), and what somebody registered there.

The one home of publicsuffixlist. Two sections: suffixes of registries ("co.uk") and those that a firm
offers to its customers (a name of dynamic DNS, of a web hoster).
"""

from functools import cache
from importlib import metadata

import publicsuffixlist


def find_registrable_domain(name: str) -> str:
    """Return the domain somebody registered, such as example.co.uk; a public suffix stays as it is.

    Private suffixes (a hosting company's customer names) do not count: the host is the company's.
    """
    folded = name.lower().rstrip(".")
    return _load_registries().privatesuffix(folded) or folded


def is_public_suffix(name: str) -> bool:
    """Whether others register names below this one, be it at a registry or at a firm; a top level always."""
    return _load_all().is_public(name)


def is_registry_suffix(name: str) -> bool:
    """Whether this is a suffix of a registry, such as "com" or "co.uk"; what is delegated nowhere is none."""
    return _load_delegated().is_public(name)


def get_version() -> str:
    """Return the version of the list in use."""
    return metadata.version("publicsuffixlist")


@cache
def _load_registries() -> publicsuffixlist.PublicSuffixList:
    return publicsuffixlist.PublicSuffixList(only_icann=True)


@cache
def _load_delegated() -> publicsuffixlist.PublicSuffixList:
    return publicsuffixlist.PublicSuffixList(only_icann=True, accept_unknown=False)


@cache
def _load_all() -> publicsuffixlist.PublicSuffixList:
    return publicsuffixlist.PublicSuffixList()

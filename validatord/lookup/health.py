"""What a domain publishes about its own mail: SPF, DMARC, how many ways in it has.

These are signals for the score and for people. A record that could not be asked for is None like one that
is not there: nothing here fails, and nothing here decides.
"""

import asyncio
from dataclasses import dataclass

from validatord import errors
from validatord.lookup.provider import network_key
from validatord.lookup.resolver import Resolver
from validatord.mail.mx import MXAnswer
from validatord.mail.suffix import find_registrable_domain

MAX_RECORD = 1000
_SPF = "v=spf1"
_DMARC = "v=dmarc1"


@dataclass(frozen=True, slots=True)
class DomainHealth:
    """The records as published, cut to `MAX_RECORD`; None: none, several, or no answer.

    `dmarc_policy` is what holds for this very domain: none, quarantine, reject or empty. `dmarc_domain` is
    where the record stands, the organizational domain if the domain itself has none. `mx_count` and
    `network_count` (unlike /24 or /48) are 0 without an MX answer.
    """

    domain: str
    spf: str | None = None
    dmarc: str | None = None
    dmarc_policy: str = ""
    dmarc_domain: str = ""
    mx_count: int = 0
    network_count: int = 0

    @property
    def is_redundant(self) -> bool:
        """Whether mail still arrives when one host or its network is gone."""
        return self.mx_count > 1 and self.network_count > 1


async def lookup_health(resolver: Resolver, domain: str, *, answer: MXAnswer | None = None) -> DomainHealth:
    """Return what is published for a domain; `answer` is its MX answer, where the caller has one."""
    spf, (dmarc, dmarc_domain) = await asyncio.gather(
        _find_record(resolver, domain, _SPF), _find_dmarc(resolver, domain)
    )
    hosts = answer.hosts if answer else ()
    return DomainHealth(
        domain,
        spf,
        dmarc,
        dmarc_policy=_read_policy(dmarc, is_inherited=dmarc_domain != domain),
        dmarc_domain=dmarc_domain,
        mx_count=len(hosts),
        network_count=len({network_key(address) for host in hosts for address in host.addresses}),
    )


async def _find_dmarc(resolver: Resolver, domain: str) -> tuple[str | None, str]:
    # RFC 7489 6.6.3: the domain itself, then its organizational domain.
    for name in dict.fromkeys((domain, find_registrable_domain(domain))):
        record = await _find_record(resolver, f"_dmarc.{name}", _DMARC)
        if record is not None:
            return record, name
    return None, ""


async def _find_record(resolver: Resolver, name: str, version: str) -> str | None:
    try:
        answer = await resolver.query(name, "TXT")
    except errors.LookupFailed:
        return None
    records = [text for text in answer.values if _has_version(text, version)]
    # RFC 7208 4.5, RFC 7489 6.6.3: more than one is as good as none.
    return records[0][:MAX_RECORD] if len(records) == 1 else None


def _has_version(text: str, version: str) -> bool:
    """Whether the text begins with the version and nothing more: "v=spf10" is another one."""
    folded = text.lower()
    return folded.startswith(version) and folded[len(version) : len(version) + 1] in {"", " ", ";"}


def _read_policy(dmarc: str | None, *, is_inherited: bool) -> str:
    tags: dict[str, str] = {}
    for part in (dmarc or "").lower().split(";"):
        tag, _, value = part.partition("=")
        tags.setdefault(tag.strip(), value.strip())
    policy = tags.get("p", "")
    policy = tags.get("sp", policy) if is_inherited else policy
    return policy if policy in {"none", "quarantine", "reject"} else ""

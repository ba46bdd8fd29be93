"""Whether SPF lets one of our addresses send for one of our domains (RFC 7208), told in a few words.

Knows ip4, ip6, a, mx, include, all and redirect. What an operator's own record rarely holds (exists,
ptr, macros) is passed over and said so.
"""

import ipaddress
import re
from dataclasses import dataclass, field

from validatord import errors
from validatord.lookup.resolver import Resolver

_VERSION = "v=spf1"
_MOST_LOOKUPS = 10  # RFC 7208 4.6.4
_MOST_HOSTS = 10  # RFC 7208 4.6.4: of one "mx"
_RESULTS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
_COSTLY = frozenset({"a", "mx", "include", "exists", "ptr"})
_MODIFIER = re.compile(r"[a-z][a-z0-9_.-]*=", re.IGNORECASE)
_MECHANISM = re.compile(r"([a-z0-9]+)(?::|(?=/)|$)(.*)", re.IGNORECASE)
# RFC 7208 5.6: domain, then the lengths for IPv4 and IPv6, each of which may be missing.
_HOSTS = re.compile(r"([^/]*)(/\d+)?(?:/(/\d+))?")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class SPFResult:
    """`result` is a word of RFC 7208 2.6; `why` the term that decided or what is wrong; `passed_over` terms."""

    result: str
    why: str = ""
    passed_over: tuple[str, ...] = ()


class _Broken(Exception):
    """The evaluation ends here (RFC 7208 2.6.6 and 2.6.7)."""

    def __init__(self, result: str, why: str) -> None:
        super().__init__(why)
        self.result = SPFResult(result, why)


@dataclass(slots=True)
class _Evaluation:
    resolver: Resolver
    address: Address
    lookups: int = 0
    passed_over: list[str] = field(default_factory=list[str])

    async def check(self, domain: str) -> SPFResult:
        """check_host() of RFC 7208 4."""
        terms = await self._find_terms(domain)
        if terms is None:
            return SPFResult("none", f"{domain} publishes no SPF record")
        redirect = ""
        for term in terms:
            if _MODIFIER.match(term):
                name, _, value = term.partition("=")
                redirect = value if name.lower() == "redirect" else redirect
            else:
                qualifier = term[0] if term[0] in _RESULTS else ""
                if await self._matches(term.removeprefix(qualifier), domain):
                    return SPFResult(_RESULTS[qualifier or "+"], f'"{term}" of {domain}')
        if redirect:
            return await self._follow(redirect)
        return SPFResult("neutral", f"no term of {domain} matches")

    async def _follow(self, redirect: str) -> SPFResult:
        self._count_lookup()
        found = await self.check(redirect)
        # RFC 7208 6.1: a redirect that leads nowhere is an error.
        return SPFResult("permerror", found.why) if found.result == "none" else found

    async def _find_terms(self, domain: str) -> list[str] | None:
        texts = [text.split() for text in await self._look_up(domain, "TXT")]
        records = [words for words in texts if words and words[0].lower() == _VERSION]
        if len(records) > 1:
            raise _Broken("permerror", f"{domain} publishes {len(records)} SPF records")  # RFC 7208 4.5
        return records[0][1:] if records else None

    async def _matches(self, mechanism: str, domain: str) -> bool:
        parsed = _MECHANISM.fullmatch(mechanism)
        name, value = (parsed[1].lower(), parsed[2]) if parsed else ("", "")
        if name in _COSTLY:
            self._count_lookup()
        if name in {"exists", "ptr"} or "%" in value:
            self.passed_over.append(mechanism)
            return False
        match name:
            case "all":
                return True
            case "ip4" | "ip6":
                return self._is_inside(value)
            case "include":
                return await self._includes(value)
            case "a" | "mx":
                return await self._is_host(name, value, domain)
            case _:
                raise _Broken("permerror", f'"{mechanism}" of {domain} is no SPF term')

    async def _includes(self, domain: str) -> bool:
        found = await self.check(domain)
        if found.result in {"none", "permerror"}:
            raise _Broken("permerror", f"include:{domain}: {found.why}")  # RFC 7208 5.2
        return found.result == "pass"

    async def _is_host(self, name: str, value: str, domain: str) -> bool:
        parsed = _HOSTS.fullmatch(value)
        if parsed is None:
            raise _Broken("permerror", f'"{name}:{value}" of {domain} is no SPF term')
        target = parsed[1] or domain
        hosts = (await self._look_up(target, "MX"))[:_MOST_HOSTS] if name == "mx" else (target,)
        is_four = isinstance(self.address, ipaddress.IPv4Address)
        rdtype, length = ("A", parsed[2]) if is_four else ("AAAA", parsed[3])
        for host in hosts:
            addresses = await self._look_up(host, rdtype)
            if any(self._is_inside(address + (length or "")) for address in addresses):
                return True
        return False

    def _is_inside(self, text: str) -> bool:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise _Broken("permerror", f'"{text}" is no network') from None
        return network.version == self.address.version and self.address in network

    async def _look_up(self, name: str, rdtype: str) -> tuple[str, ...]:
        try:
            return (await self.resolver.query(name, rdtype)).values
        except errors.LookupFailed as failure:
            raise _Broken("temperror", f"{rdtype} of {name} cannot be looked up: {failure.kind}") from failure

    def _count_lookup(self) -> None:
        self.lookups += 1
        if self.lookups > _MOST_LOOKUPS:
            raise _Broken("permerror", f"it takes more than {_MOST_LOOKUPS} look-ups")


async def evaluate_spf(resolver: Resolver, domain: str, address: str) -> SPFResult:
    """Return what SPF of `domain` says about mail from `address`; ValueError if that is no IP address."""
    evaluation = _Evaluation(resolver, ipaddress.ip_address(address))
    try:
        found = await evaluation.check(domain)
    except _Broken as broken:
        found = broken.result
    return SPFResult(found.result, found.why, tuple(evaluation.passed_over))

"""What the sandbox's name server knows: records and troubles, and the answer to one question."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

import dns.name
import dns.rcode
import dns.rrset

from validatord.sandbox.spec import DNSOutcome, DNSTrouble, DomainSpec, SandboxSpec

TTL = 300
_DEEPEST_ALIAS = 16
_SOA = "ns.sandbox.example. hostmaster.sandbox.example. 1 3600 600 86400 60"
_RCODES = {
    DNSOutcome.NXDOMAIN: dns.rcode.NXDOMAIN,
    DNSOutcome.SERVFAIL: dns.rcode.SERVFAIL,
    DNSOutcome.REFUSED: dns.rcode.REFUSED,
}


@dataclass(frozen=True, slots=True)
class ZoneAnswer:
    """The answer to one question; `outcome` and `delay_seconds` say how it goes out."""

    outcome: DNSOutcome
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    rrsets: tuple[dns.rrset.RRset, ...] = ()
    delay_seconds: float = 0.0


@dataclass(slots=True)
class Zones:
    """All records by (name, type), names in lower case without the last dot; troubles by name."""

    records: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict[tuple[str, str], tuple[str, ...]])
    troubles: dict[str, DNSTrouble] = field(default_factory=dict[str, DNSTrouble])
    _met: Counter[str] = field(default_factory=Counter[str])
    _names: set[str] = field(default_factory=set[str])

    def add(self, name: str, rdtype: str, *texts: str) -> None:
        """Add records of one name and type, written as in a zone file."""
        key = name.lower().rstrip("."), rdtype
        self.records[key] = (*self.records.get(key, ()), *texts)
        labels = key[0].split(".")
        # A name exists when anything below it does (RFC 8020 2).
        self._names.update(".".join(labels[index:]) for index in range(len(labels)))

    def find_answer(self, name: str, rdtype: str) -> ZoneAnswer:
        """Answer one question, troubles included."""
        name = name.lower().rstrip(".")
        trouble = self._find_trouble(name, rdtype) or DNSTrouble()
        match trouble.outcome:
            case DNSOutcome.NODATA:
                return ZoneAnswer(DNSOutcome.ANSWER, delay_seconds=trouble.delay_seconds)
            case DNSOutcome.NXDOMAIN | DNSOutcome.SERVFAIL | DNSOutcome.REFUSED as outcome:
                return ZoneAnswer(DNSOutcome.ANSWER, _RCODES[outcome], delay_seconds=trouble.delay_seconds)
            case outcome:
                rcode, rrsets = self._follow(name, rdtype)
                return ZoneAnswer(outcome, rcode, tuple(rrsets), trouble.delay_seconds)

    def _find_trouble(self, name: str, rdtype: str) -> DNSTrouble | None:
        trouble = self.troubles.get(name)
        if trouble is None or trouble.rdtype not in {"", rdtype}:
            return None
        self._met[name] += 1
        return trouble if not trouble.times or self._met[name] <= trouble.times else None

    def _follow(self, name: str, rdtype: str) -> tuple[dns.rcode.Rcode, list[dns.rrset.RRset]]:
        """Collect the records of a name, through aliases as a resolver does; a loop just ends."""
        found: list[dns.rrset.RRset] = []
        for _ in range(_DEEPEST_ALIAS):
            if texts := self.records.get((name, rdtype)):
                return dns.rcode.NOERROR, [*found, _rrset(name, rdtype, texts)]
            alias = self.records.get((name, "CNAME"))
            if not alias:
                break
            found.append(_rrset(name, "CNAME", alias))
            name = alias[0].lower().rstrip(".")
        return (dns.rcode.NOERROR if name in self._names else dns.rcode.NXDOMAIN), found


def authority() -> dns.rrset.RRset:
    """Return the SOA that goes with every negative answer (RFC 2308 3)."""
    return dns.rrset.from_text(dns.name.root, TTL, "IN", "SOA", _SOA)


def build_zones(spec: SandboxSpec, addresses: Mapping[str, str]) -> Zones:
    """Put together the records of all hosts and domains of a sandbox."""
    zones = Zones(troubles={name.lower(): trouble for name, trouble in spec.troubles.items()})
    for name, address in addresses.items():
        zones.add(name, "A", address)
        zones.add(ip_address(address).reverse_pointer, "PTR", name + ".")
    for name, domain in spec.domains.items():
        _add_domain(zones, name.lower(), domain)
    for (name, rdtype), texts in spec.records.items():
        zones.add(name, rdtype, *texts)
    return zones


def _add_domain(zones: Zones, name: str, domain: DomainSpec) -> None:
    zones.add(name, "SOA", _SOA)
    zones.add(name, "NS", "ns.sandbox.example.")
    for preference, host in domain.mx:
        zones.add(name, "MX", f"{preference} {host.rstrip('.')}.")
    if domain.has_spf:
        zones.add(name, "TXT", '"v=spf1 mx -all"')
    if domain.has_dmarc:
        zones.add("_dmarc." + name, "TXT", '"v=DMARC1; p=reject"')
    if domain.trouble is not None:
        zones.troubles[name] = domain.trouble


def _rrset(name: str, rdtype: str, texts: Sequence[str]) -> dns.rrset.RRset:
    return dns.rrset.from_text_list(dns.name.from_text(name), TTL, "IN", rdtype, list(texts))

"""Building blocks for larger sandboxes: domains and hosts piece by piece, and lists with their truth."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from validatord.mail.verdict import Reason, Status
from validatord.sandbox.spec import DNSTrouble, DomainSpec, HostSpec, SandboxSpec
from validatord.sandbox.truth import expected_outcomes

_ADJECTIVES = "amber bold brisk calm clear crisp early fair gentle green keen late mild noble plain quiet rapid silver"
_NOUNS = "alder birch cedar dune ember fern grove heath iris juniper kestrel larch maple nettle otter pine quartz reed"


@dataclass(frozen=True, slots=True)
class SampleAddress:
    """One line of a list; every element of `outcomes` is a right answer, the first is the best.

    `kind` says why it is in the list. `suggestion` is the address that was meant, for typos.
    """

    address: str
    kind: str
    outcomes: tuple[tuple[Status, Reason], ...]
    suggestion: str = ""

    @property
    def status(self) -> Status:
        """The best answer's status."""
        return self.outcomes[0][0]

    @property
    def reason(self) -> Reason:
        """The best answer's reason."""
        return self.outcomes[0][1]


@dataclass(frozen=True, slots=True)
class Sample:
    """A list with its truth, and the sandbox it belongs to.

    The daemon must be told of `disposable_domains` and `free_domains` (`policy.disposable_file` and
    `policy.free_file`), since no public list knows them.
    """

    spec: SandboxSpec
    addresses: tuple[SampleAddress, ...]
    disposable_domains: tuple[str, ...] = ()
    free_domains: tuple[str, ...] = ()


@dataclass(slots=True)
class World:
    """A sandbox in the making; everything random comes from `rng`, so a seed makes the same one again."""

    rng: random.Random
    latency: tuple[float, float]
    hosts: dict[str, HostSpec] = field(default_factory=dict[str, HostSpec])
    domains: dict[str, DomainSpec] = field(default_factory=dict[str, DomainSpec])
    records: dict[tuple[str, str], Sequence[str]] = field(default_factory=dict[tuple[str, str], Sequence[str]])
    troubles: dict[str, DNSTrouble] = field(default_factory=dict[str, DNSTrouble])

    def add_host(self, name: str, personality: str, provider: str = "") -> str:
        """Add an MX host; return its name."""
        self.hosts[name] = HostSpec.of(personality, round(self.rng.uniform(*self.latency), 4), provider)
        return name

    def add_provider(self, provider: str, personality: str, count: int) -> list[str]:
        """Add the MX hosts of one provider; return their names."""
        return [self.add_host(f"mx{number}.{provider}", personality) for number in range(1, count + 1)]

    def add_domain(self, name: str, hosts: Sequence[str], *, accepts_all: bool = False) -> str:
        """Add a domain served by these hosts, all of the same preference; return its name."""
        self.domains[name] = DomainSpec(tuple((10, host) for host in hosts), accepts_all=accepts_all)
        return name

    def add_own(self, name: str, *personalities: str, accepts_all: bool = False) -> str:
        """Add a domain with MX hosts of its own, in order of preference; return its name."""
        hosts = [self.add_host(f"mx{number}.{name}", one) for number, one in enumerate(personalities, 1)]
        mx = tuple((10 * number, host) for number, host in enumerate(hosts, 1))
        self.domains[name] = DomainSpec(mx, accepts_all=accepts_all)
        return name

    def add_tenant(self, name: str, personality: str) -> str:
        """Add a domain whose MX host carries the domain in its own name, as Microsoft 365 does it."""
        # The real suffix: what `Access denied` means depends on it.
        host = f"{name.replace('.', '-')}.mail.protection.outlook.com"
        return self.add_domain(name, [self.add_host(host, personality, "m365-like.example")])

    def judge(self, local_part: str, domain: str, kind: str = "") -> SampleAddress:
        """Return a line of the list with the truth about it, by the domain's best MX host."""
        spec = self.domains[domain]
        best = min(spec.mx)[1] if spec.mx else domain
        outcomes = expected_outcomes(local_part, spec, self.hosts[best].personality)
        return SampleAddress(f"{local_part}@{domain}", kind or local_part.rstrip("0123456789"), outcomes)

    def build(self, speed: float) -> SandboxSpec:
        """Return the finished sandbox."""
        return SandboxSpec(dict(self.hosts), dict(self.domains), dict(self.records), dict(self.troubles), speed)


def share_out(total: int, count: int, exponent: float = 1.0) -> list[int]:
    """Split `total` over `count` ranks by Zipf's law, at least 1 each."""
    weights = [rank**-exponent for rank in range(1, count + 1)]
    whole = sum(weights)
    shares = [1 + int((total - count) * weight / whole) for weight in weights]
    shares[0] += total - sum(shares)
    return shares


def people_like_name(rng: random.Random) -> str:
    """Return a local part of two words with a dot between, as people have; some exist and some do not."""
    return f"{rng.choice(_ADJECTIVES.split())}.{rng.choice(_NOUNS.split())}"

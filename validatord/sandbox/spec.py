"""What a sandbox consists of: MX hosts with their personalities, domains with their records.

`SandboxSpec.of({"acme.example": "postfix"})` is enough for most tests; the demo's and the benchmark's
worlds are made by `sample`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from validatord.sandbox import mailboxes, personalities
from validatord.sandbox.mailboxes import MailboxState
from validatord.sandbox.personality import Directory, Personality


class DNSOutcome(StrEnum):
    """How the name server treats questions about one name."""

    ANSWER = "answer"
    NXDOMAIN = "nxdomain"
    NODATA = "nodata"
    SERVFAIL = "servfail"
    REFUSED = "refused"
    TIMEOUT = "timeout"  # no answer at all
    TRUNCATED = "truncated"  # over UDP; the answer is there over TCP
    WRONG_ID = "wrong_id"  # an answer to a question nobody asked
    GARBAGE = "garbage"  # bytes that are no DNS message


@dataclass(frozen=True, slots=True)
class DNSTrouble:
    """What goes wrong with questions about one name; `rdtype` empty: about every type.

    The first `times` questions meet the trouble, all of them if 0. `delay_seconds` makes answers late.
    """

    outcome: DNSOutcome = DNSOutcome.ANSWER
    delay_seconds: float = 0.0
    rdtype: str = ""
    times: int = 0


@dataclass(frozen=True, slots=True)
class HostSpec:
    """One MX host; `latency_seconds` passes before each burst of replies.

    `provider` is the name under which clients are counted; empty: the last two labels of the host's name.
    """

    personality: Personality
    latency_seconds: float = 0.0
    provider: str = ""

    @classmethod
    def of(cls, personality: str, latency_seconds: float = 0.0, provider: str = "") -> "HostSpec":
        """Build one from the name of a personality."""
        return cls(personalities.find_personality(personality), latency_seconds, provider)


@dataclass(frozen=True, slots=True)
class DomainSpec:
    """One domain that takes mail, or does not.

    `mx` are preferences and host names; hosts without a `HostSpec` are names without an address. A domain
    that is itself the name of a host and has no `mx` takes mail there (implicit MX). `mailboxes` overrules
    the general rule.
    """

    mx: tuple[tuple[int, str], ...] = ()
    accepts_all: bool = False
    mailboxes: Mapping[str, MailboxState] = field(default_factory=dict[str, MailboxState])
    has_spf: bool = True
    has_dmarc: bool = True
    trouble: DNSTrouble | None = None


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """A whole sandbox; ports of 0 are chosen at the start, every wait is divided by `speed`.

    `records` are further DNS records: (name, type) → texts as in a zone file.
    """

    hosts: Mapping[str, HostSpec] = field(default_factory=dict[str, HostSpec])
    domains: Mapping[str, DomainSpec] = field(default_factory=dict[str, DomainSpec])
    records: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict[tuple[str, str], Sequence[str]])
    troubles: Mapping[str, DNSTrouble] = field(default_factory=dict[str, DNSTrouble])
    speed: float = 1.0
    dns_port: int = 0
    smtp_port: int = 0
    control_port: int = 0

    @classmethod
    def of(
        cls,
        domains: Mapping[str, "str | HostSpec | Personality | Sequence[str | HostSpec | Personality]"],
        speed: float = 1.0,
    ) -> "SandboxSpec":
        """Build a sandbox where each domain has MX hosts of its own, in order of preference.

        Hosts are called mx1.<domain>, mx2.<domain> and so on.
        """
        spec = cls(speed=speed)
        for domain, given in domains.items():
            hosts = [given] if isinstance(given, str | HostSpec | Personality) else list(given)
            spec = spec.with_domain(domain, *hosts)
        return spec

    def with_domain(
        self, domain: str, *hosts: "str | HostSpec | Personality", accepts_all: bool = False
    ) -> "SandboxSpec":
        """Return the same with one domain more, on hosts of its own."""
        named = {f"mx{number}.{domain}": to_host(host) for number, host in enumerate(hosts, 1)}
        mx = tuple((10 * number, name) for number, name in enumerate(named, 1))
        return replace(
            self,
            hosts={**self.hosts, **named},
            domains={**self.domains, domain: DomainSpec(mx, accepts_all=accepts_all)},
        )


def to_host(host: str | HostSpec | Personality) -> HostSpec:
    """Return the host that a personality or its name stands for."""
    if isinstance(host, HostSpec):
        return host
    return HostSpec(host) if isinstance(host, Personality) else HostSpec.of(host)


def provider_of(name: str, host: HostSpec) -> str:
    """Return under which provider clients of this host are counted."""
    return host.provider or ".".join(name.split(".")[-2:])


def find_state(local_part: str, domain: DomainSpec, personality: Personality) -> MailboxState:
    """Return what a host of that personality knows of a mailbox of that domain."""
    if local_part in domain.mailboxes:
        return domain.mailboxes[local_part]
    if domain.accepts_all or personality.directory is Directory.EVERYBODY:
        return MailboxState.ACCEPTED
    if local_part.lower() == "postmaster" and not personality.has_postmaster:
        return MailboxState.UNKNOWN
    return mailboxes.find_state(local_part)

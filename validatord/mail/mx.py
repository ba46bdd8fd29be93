"""What DNS says about where a domain takes its mail."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

NO_RESOURCES = "no_resources"  # a failure: we could not even ask, for want of files or memory


class MXOutcome(StrEnum):
    """How the look-up of a domain's mail hosts ended; all but OK and FAILED are final answers."""

    OK = "ok"
    DOMAIN_NOT_FOUND = "domain_not_found"  # NXDOMAIN
    NULL_MX = "null_mx"  # RFC 7505
    NO_MAIL_HOST = "no_mail_host"  # no MX, no A, no AAAA
    MX_NOT_PUBLIC = "mx_not_public"  # only addresses nobody may connect to
    MX_UNRESOLVABLE = "mx_unresolvable"  # MX names exist, none has an address
    FAILED = "failed"  # timeout or SERVFAIL: no answer at all


@dataclass(frozen=True, slots=True)
class MXHost:
    """One host to talk to: its name, preference, and the addresses that were checked.

    `canonical_name` is where the name leads if it is an alias, else empty: it may tell the provider.
    """

    name: str
    preference: int
    addresses: tuple[str, ...]
    canonical_name: str = ""


@dataclass(frozen=True, slots=True)
class DomainMail:
    """What is known of a domain's mail, in short: has it MX hosts, and which.

    An implicit host does not count: a web server that never meant to take mail has one, too.
    """

    has_mx: bool
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MXAnswer:
    """The answer for one domain.

    `hosts` are sorted by preference and hold only usable ones. `is_implicit`: the domain is its own MX
    host (RFC 5321 5.1). `trace` is what was asked and answered, as text lines, for `dns_trace`.
    `unanswered_preference` is the best preference among the hosts DNS said nothing about this time: a
    usable host behind it is a backup.
    """

    domain: str
    outcome: MXOutcome
    hosts: tuple[MXHost, ...] = ()
    is_implicit: bool = False
    failure: str = ""
    trace: tuple[str, ...] = ()
    looked_up_at: datetime | None = None
    expires_at: datetime | None = None
    unanswered_preference: int | None = None

    @property
    def best_preference(self) -> int | None:
        """The lowest preference number among the usable hosts and those DNS did not answer for."""
        unanswered = () if self.unanswered_preference is None else (self.unanswered_preference,)
        return min((*(host.preference for host in self.hosts), *unanswered), default=None)

    @property
    def host_set(self) -> str:
        """The MX names in a stable form: the accept-all state belongs to (domain, host set)."""
        return ",".join(sorted(host.name for host in self.hosts))

    @property
    def mail(self) -> DomainMail | None:
        """The answer in short, alias names of the hosts included; None where DNS gave none."""
        if self.outcome is MXOutcome.FAILED:
            return None
        names = (name for host in self.hosts for name in (host.name, host.canonical_name) if name)
        return DomainMail(self.outcome is MXOutcome.OK and not self.is_implicit, tuple(names))

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict for `domain_cache.mx_answer`."""
        return {
            "outcome": self.outcome.value,
            "hosts": [
                {
                    "name": host.name,
                    "preference": host.preference,
                    "addresses": list(host.addresses),
                    "canonical_name": host.canonical_name,
                }
                for host in self.hosts
            ],
            "is_implicit": self.is_implicit,
            "failure": self.failure,
            "trace": list(self.trace),
            "unanswered_preference": self.unanswered_preference,
        }

    @classmethod
    def from_json(cls, domain: str, data: dict[str, Any], looked_up_at: datetime, expires_at: datetime) -> "MXAnswer":
        """Read what `to_json` wrote."""
        hosts = tuple(
            MXHost(host["name"], int(host["preference"]), tuple(host["addresses"]), host.get("canonical_name", ""))
            for host in data["hosts"]
        )
        return cls(
            domain,
            MXOutcome(data["outcome"]),
            hosts,
            is_implicit=bool(data["is_implicit"]),
            failure=data.get("failure", ""),
            trace=tuple(data.get("trace", ())),
            looked_up_at=looked_up_at,
            expires_at=expires_at,
            unanswered_preference=data.get("unanswered_preference"),
        )

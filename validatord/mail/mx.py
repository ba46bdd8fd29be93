"""What DNS says about where a domain takes its mail."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


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
    """One host to talk to: its name, preference, and the addresses that were checked."""

    name: str
    preference: int
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MXAnswer:
    """The answer for one domain.

    `hosts` are sorted by preference and hold only usable ones. `is_implicit`: the domain is its own MX
    host (RFC 5321 5.1). `trace` is what was asked and answered, as text lines, for `dns_trace`.
    """

    domain: str
    outcome: MXOutcome
    hosts: tuple[MXHost, ...] = ()
    is_implicit: bool = False
    failure: str = ""
    trace: tuple[str, ...] = ()
    looked_up_at: datetime | None = None
    expires_at: datetime | None = None

    @property
    def best_preference(self) -> int | None:
        """The lowest preference number among the usable hosts."""
        return min((host.preference for host in self.hosts), default=None)

    @property
    def host_set(self) -> str:
        """The MX names in a stable form: the accept-all state belongs to (domain, host set)."""
        return ",".join(sorted(host.name for host in self.hosts))

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict for `domain_cache.mx_answer`."""
        return {
            "outcome": self.outcome.value,
            "hosts": [{"name": h.name, "preference": h.preference, "addresses": list(h.addresses)} for h in self.hosts],
            "is_implicit": self.is_implicit,
            "failure": self.failure,
            "trace": list(self.trace),
        }

    @classmethod
    def from_json(cls, domain: str, data: dict[str, Any], looked_up_at: datetime, expires_at: datetime) -> "MXAnswer":
        """Read what `to_json` wrote."""
        hosts = tuple(MXHost(h["name"], int(h["preference"]), tuple(h["addresses"])) for h in data["hosts"])
        return cls(
            domain,
            MXOutcome(data["outcome"]),
            hosts,
            is_implicit=bool(data["is_implicit"]),
            failure=data.get("failure", ""),
            trace=tuple(data.get("trace", ())),
            looked_up_at=looked_up_at,
            expires_at=expires_at,
        )

"""Work as values: a request, the lease of a domain, what is known of a domain."""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from validatord.mail.mx import MXAnswer
from validatord.mail.verdict import AcceptAll, Pin, Verdict


class Priority(StrEnum):
    """How urgent a submission is; the numbers are the plan's and stand in the ledger."""

    CRITICAL = "critical"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @property
    def weight(self) -> int:
        """The number in the ledger: higher goes first."""
        return {"critical": 100, "high": 75, "normal": 50, "low": 25}[self.value]


class RequestState(StrEnum):
    """Where a request stands in the ledger."""

    QUEUED = "queued"
    HANDED_OVER = "handed_over"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class VerificationRequest:
    """One wish to verify one mailbox, as a visit sees it."""

    request_id: int
    submission_id: int
    client: str
    address: str
    local_part: str
    domain: str
    contact_id: UUID | None = None
    priority: int = 50
    attempt: int = 0  # attempts that reached an answer of their own
    deferrals: int = 0  # how far along the retry schedule
    pin: Pin = field(default_factory=Pin)
    first_tried_at: datetime | None = None
    created_at: datetime | None = None
    reuse_from: datetime | None = None  # an older verdict does not answer it, however fresh


@dataclass(frozen=True, slots=True)
class DomainFacts:
    """What the ledger knows of a domain (`domain_cache`)."""

    domain: str
    mx: MXAnswer | None = None
    provider_key: str = ""
    accept_all: AcceptAll = AcceptAll.NOT_ASKED
    accept_all_host_set: str = ""
    accept_all_until: datetime | None = None
    accept_all_seen: int = 0  # agreeing observations on different days
    accept_all_seen_at: datetime | None = None  # when the last of them was made
    spf: str | None = None
    dmarc: str | None = None
    is_redundant: bool | None = None  # several MX hosts in several networks
    health_checked_at: datetime | None = None  # when the three above were looked up
    rcpt_day: date | None = None  # the day (UTC) on which …
    rcpt_count: int = 0  # … so many RCPT were sent


@dataclass(frozen=True, slots=True)
class DomainWeek:
    """What campaigns told about all mailboxes of a domain in the week that begins on `monday`."""

    monday: date
    hard_bounces: int = 0
    soft_bounces: int = 0
    signs_of_life: int = 0  # opens, clicks and replies
    complaints: int = 0


@dataclass(frozen=True, slots=True)
class History:
    """What campaigns told about a mailbox (`email_events`): when each happened, newest first, the latest 20.

    `weeks` are those of its domain, newest first. What it is worth today is `rules.history`'s.
    """

    hard_bounces: tuple[datetime, ...] = ()
    soft_bounces: tuple[datetime, ...] = ()
    opens: tuple[datetime, ...] = ()
    clicks: tuple[datetime, ...] = ()
    replies: tuple[datetime, ...] = ()
    complaints: tuple[datetime, ...] = ()
    weeks: tuple[DomainWeek, ...] = ()


@dataclass(frozen=True, slots=True)
class Past:
    """What history is worth at a time, each from 0 to 1; `domain_bounces` is the share of the domain's mail lately."""

    hard_bounce: float = 0.0
    soft_bounce: float = 0.0
    sign_of_life: float = 0.0
    complaint: float = 0.0
    domain_bounces: float = 0.0


NO_PAST = Past()


@dataclass(frozen=True, slots=True)
class Flags:
    """What is known of an address without asking anybody."""

    is_disposable: bool = False
    is_role: bool = False
    is_free: bool = False
    suggestion: str = ""  # the address that was probably meant, or empty


@dataclass(frozen=True, slots=True)
class Opinion:
    """A confidence that somebody else gave, 0 to 100; None where they gave a status alone."""

    source: str
    points: int | None = None


@dataclass(frozen=True, slots=True)
class ScoreFacts:
    """Everything the confidence of one mailbox depends on; kept beside it, so that it can be computed again."""

    verdict: Verdict
    flags: Flags = field(default_factory=Flags)
    past: Past = NO_PAST
    has_mx: bool = False
    has_address: bool = False  # only A or AAAA: the domain is its own MX host
    is_healthy: bool = False  # SPF and DMARC are published
    opinion: Opinion | None = None  # counts in place of what we would count ourselves
    chance: float | None = None  # the model's probability, 0 to 1, that mail would arrive; None: it says nothing
    notes: tuple[str, ...] = ()  # reasons that others added, after ours


class LabelKey(NamedTuple):
    """All of a finding that a client's policy looks at; finished requests are counted by it."""

    status: str
    reason: str
    confidence: int
    is_disposable: bool = False
    is_role: bool = False
    is_free: bool = False


Contribution = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Finding:
    """The row that a verdict becomes: everything `email_validation` and the exports show.

    `contributions` add up to `confidence`; `score_facts` is what they were counted from.
    """

    status: str
    reason: str
    reasons: tuple[str, ...]
    confidence: int
    flags: Flags = field(default_factory=Flags)
    mx_host: str = ""
    mx_hosts: tuple[str, ...] = ()
    reply: str = ""
    dns_trace: dict[str, Any] = field(default_factory=dict[str, Any])
    smtp_trace: dict[str, Any] = field(default_factory=dict[str, Any])
    source: str = "probe"  # probe, syntax, dns, cache, bouncer …: who said it
    checked_at: datetime | None = None
    expires_at: datetime | None = None  # when the row counts as out of date
    fresh_until: datetime | None = None  # reused instead of asked again until then; None: never
    contributions: tuple[Contribution, ...] = ()
    score_facts: ScoreFacts | None = None

    @property
    def label_key(self) -> LabelKey:
        """What a policy, and a count, goes by."""
        flags = self.flags
        return LabelKey(
            str(self.status), str(self.reason), self.confidence, flags.is_disposable, flags.is_role, flags.is_free
        )

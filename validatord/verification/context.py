"""What a visit works with: the tools it calls, the settings it sees, and what it has learned so far."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from validatord.clock import Clock
from validatord.lookup.health import DomainHealth
from validatord.lookup.mx import MXLookup
from validatord.lookup.provider import ProviderDirectory
from validatord.mail.address import Mailbox
from validatord.mail.mx import DomainMail, MXAnswer
from validatord.mail.probe import ProbeReport
from validatord.mail.provider import MXProvider
from validatord.mail.request import DomainFacts, History, VerificationRequest
from validatord.mail.track_record import TrackRecord
from validatord.mail.verdict import AcceptAll
from validatord.pacing.book import LaneBook
from validatord.pacing.lane import Lane
from validatord.rules.identical import IdenticalRefusals
from validatord.rules.model import Model
from validatord.rules.policy import ClientPolicy
from validatord.rules.risk import RiskLists
from validatord.settings import IdentitySettings, Settings
from validatord.smtp.pool import SessionPool
from validatord.store.retract import Retraction, TakenBack
from validatord.verification.memory import Memory
from validatord.verification.record import Recorder


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a visit asks of the ledger besides its own record.

    `reserve(client, day, wanted, cap)` returns how many mailboxes may be asked about for a client that day;
    `give_back(client, day, count)` returns what was not used of it.
    """

    take_back: Callable[[Retraction], Awaitable[TakenBack]]
    reserve: Callable[[str, date, int, int], Awaitable[int]]
    give_back: Callable[[str, date, int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Tools:
    """The skills a visit calls, built once by the engine."""

    lookup: MXLookup
    lookup_health: Callable[[str, MXAnswer], Awaitable[DomainHealth]]
    providers: ProviderDirectory
    lanes: LaneBook
    pool: SessionPool
    recorder: Recorder
    ledger: Ledger
    clock: Clock
    rng: random.Random
    control_secret: bytes
    node: str
    lists: RiskLists
    policy_of: Callable[[str], ClientPolicy]
    find_model: Callable[[], Model | None] = lambda: None
    memory: Memory = field(default_factory=Memory)
    refusals: IdenticalRefusals = field(default_factory=IdenticalRefusals)


@dataclass(frozen=True, slots=True)
class Case:
    """One mailbox of a visit, and every request that waits for its answer."""

    mailbox: Mailbox
    requests: tuple[VerificationRequest, ...]

    @property
    def pinned_identity(self) -> str:
        """The identity an earlier attempt used, or empty."""
        return next((request.pin.identity for request in self.requests if request.pin.identity), "")

    @property
    def pinned_host(self) -> tuple[str, str] | None:
        """The MX host and address of the last attempt: a greylist may be known there alone (RFC 6647)."""
        pins = (request.pin for request in self.requests)
        return next(((pin.mx_host, pin.mx_address) for pin in pins if pin.mx_host), None)

    @property
    def pinned_sender(self) -> str:
        """The envelope sender an earlier attempt used, or empty."""
        return next((request.pin.envelope_sender for request in self.requests if request.pin.envelope_sender), "")


@dataclass(slots=True)
class Visit:
    """The state of one visit; changed synchronously, between awaits."""

    domain: str
    settings: Settings
    facts: DomainFacts
    histories: Mapping[str, History]
    pending: deque[Case]
    started_at: datetime
    records: Mapping[str, TrackRecord] = field(default_factory=dict[str, TrackRecord])
    identity: IdentitySettings = field(default_factory=IdentitySettings)
    mx: MXAnswer | None = None
    mails: dict[str, DomainMail] = field(
        default_factory=dict[str, DomainMail]
    )  # of the domain, and of the one it may be a slip of
    provider: MXProvider = field(default_factory=lambda: MXProvider(key=""))
    lane: Lane | None = None
    health: asyncio.Task[DomainHealth | None] | None = None
    accept_all: AcceptAll = AcceptAll.NOT_ASKED
    has_new_control: bool = False  # the accept-all state was learned in this visit …
    is_control_of_backup: bool = False  # … from a host of worse preference
    held: dict[Mailbox, ProbeReport] = field(default_factory=dict[Mailbox, ProbeReport])  # kept back, see `hold`
    has_taken_witness: bool = False
    rcpts: int = 0  # RCPT sent so far
    not_before: datetime | None = None
    gate_cause: str = ""

    @property
    def lane_name(self) -> str:
        """The lane's name, or empty while it is not known."""
        return self.lane.name if self.lane is not None else ""


def gather_cases(requests: tuple[VerificationRequest, ...]) -> deque[Case]:
    """Put the requests of one mailbox together, in the order the mailboxes came."""
    found: dict[Mailbox, list[VerificationRequest]] = {}
    for request in requests:
        found.setdefault(Mailbox(request.local_part, request.domain), []).append(request)
    return deque(Case(mailbox, tuple(group)) for mailbox, group in found.items())

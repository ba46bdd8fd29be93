"""What a visit works with: the tools it calls, the settings it sees, and what it has learned so far."""

import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from validatord.clock import Clock
from validatord.lookup.mx import MXLookup
from validatord.lookup.provider import ProviderDirectory
from validatord.mail.address import Mailbox
from validatord.mail.mx import MXAnswer
from validatord.mail.provider import MXProvider
from validatord.mail.request import DomainFacts, Flags, History, VerificationRequest
from validatord.mail.verdict import AcceptAll, Reason
from validatord.pacing.lane import Lane, LaneBook
from validatord.rules.policy import ClientPolicy
from validatord.settings import IdentitySettings, Settings
from validatord.smtp.pool import SessionPool
from validatord.verification.record import Recorder


class Memory:
    """What lanes taught about envelopes; bounded, and forgotten at a restart."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._one_rcpt: dict[str, None] = {}

    def is_one_rcpt(self, lane_name: str) -> bool:
        """Whether the lane's provider wants one recipient per envelope."""
        return lane_name in self._one_rcpt

    def note_one_rcpt(self, lane_name: str) -> None:
        """Remember that it does."""
        self._one_rcpt[lane_name] = None
        if len(self._one_rcpt) > self._most:
            del self._one_rcpt[next(iter(self._one_rcpt))]


@dataclass(frozen=True, slots=True)
class Tools:
    """The skills a visit calls, built once by the engine."""

    lookup: MXLookup
    providers: ProviderDirectory
    lanes: LaneBook
    pool: SessionPool
    recorder: Recorder
    clock: Clock
    rng: random.Random
    control_secret: bytes
    node: str
    flags_of: Callable[[Mailbox], Flags]
    find_ban: Callable[[str], Reason | None]
    policy_of: Callable[[str], ClientPolicy]
    memory: Memory = field(default_factory=Memory)


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
    identity: IdentitySettings = field(default_factory=IdentitySettings)
    mx: MXAnswer | None = None
    provider: MXProvider = field(default_factory=lambda: MXProvider(key=""))
    lane: Lane | None = None
    accept_all: AcceptAll = AcceptAll.NOT_ASKED
    has_new_control: bool = False  # the accept-all state was learned in this visit
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

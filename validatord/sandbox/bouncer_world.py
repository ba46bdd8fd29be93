"""The sandbox Bouncer without its door: accounts, batches and time, all computed from what happened when.

Batches wait in a line and are worked off by as many slots as there are (one, as the real service does).
Nothing runs in the background: every look settles what should have happened until now.
"""

import heapq
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from validatord.sandbox import bouncer_verdicts

_SIXTY_DAYS = 60 * 86_400.0


@dataclass(frozen=True, slots=True)
class BouncerSpec:
    """What kind of Bouncer; times are virtual seconds, of which `speed` pass in a real one."""

    seed: int = 1
    speed: float = 1.0
    keys: tuple[tuple[str, str], ...] = (("sandbox-key", "main"), ("deep-key", "deep"))  # key, account
    credits: int = 1_000_000
    slots: int = 1
    start_delay: tuple[float, float] = (2.0, 4.0)
    base_seconds: float = 10.0
    items_per_second: float = 40.0
    creates_per_minute: int = 60
    others_per_minute: int = 200
    credits_per_minute: int = 10
    is_limited: bool = True
    finish_status: int = 400  # of a finish that cannot be: some say 400, some 200 with the error inside
    has_control: bool = False


class VirtualTime:
    """Seconds since the start, as fast as wanted, and movable."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._started = time.monotonic()
        self._moved = 0.0

    def now(self) -> float:
        """Return the virtual seconds."""
        return (time.monotonic() - self._started) * self._speed + self._moved

    def advance(self, seconds: float) -> None:
        """Move on."""
        self._moved += seconds


@dataclass(slots=True)
class PaidAccount:
    """Credits of one customer; `reserved` ones belong to batches that are not complete."""

    name: str
    credits: int
    reserved: int = 0

    @property
    def available(self) -> int:
        """What the API shows and what a create may take."""
        return self.credits - self.reserved


@dataclass(slots=True)
class SandboxBatch:
    """One batch as the service has it."""

    ref: str
    seq: int
    account: PaidAccount
    emails: tuple[str, ...]
    duplicates: int
    created: float
    delay: float
    seconds: float
    reserved: int
    started: float | None = None
    ends: float | None = None
    completed: float | None = None
    deleted: float | None = None
    finished_items: int | None = None  # how many were done when it was ended early
    used: int = 0
    is_stuck: bool = False  # never goes on, for as long as it is set
    left_out: int = 0  # so many at its end are not verified and not charged

    @property
    def status(self) -> str:
        """The API's word."""
        if self.completed is not None:
            return "completed"
        return "queued" if self.started is None else "processing"


@dataclass(slots=True)
class World:
    """Accounts, batches, time."""

    spec: BouncerSpec
    time: VirtualTime
    batches: dict[str, SandboxBatch] = field(default_factory=dict[str, SandboxBatch])
    accounts: dict[str, PaidAccount] = field(default_factory=dict[str, PaidAccount])
    charges: dict[str, int] = field(default_factory=dict[str, int])
    most_open: int = 0
    is_stopped: bool = False  # no batch goes on
    _open: list[SandboxBatch] = field(default_factory=list[SandboxBatch])
    _rng: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 a toy world's dice

    def __post_init__(self) -> None:
        self._rng = random.Random(self.spec.seed)  # noqa: S311
        for _, name in self.spec.keys:
            self.accounts.setdefault(name, PaidAccount(name, self.spec.credits))

    def find_account(self, key: str) -> PaidAccount | None:
        """Return whose key it is."""
        name = dict(self.spec.keys).get(key)
        return self.accounts[name] if name is not None else None

    def create(self, account: PaidAccount, emails: Sequence[str]) -> SandboxBatch | None:
        """Take a batch and reserve its credits; None: there are not enough."""
        self.settle()
        unique = tuple(dict.fromkeys(emails))
        needed = sum(not bouncer_verdicts.is_free(email) for email in unique)
        if account.available < needed:
            return None
        account.reserved += needed
        seq = len(self.batches)
        batch = SandboxBatch(
            ref=f"{self._rng.getrandbits(96):024x}",
            seq=seq,
            account=account,
            emails=unique,
            duplicates=len(emails) - len(unique),
            created=self.time.now(),
            delay=self._rng.uniform(*self.spec.start_delay),
            seconds=self.spec.base_seconds + len(unique) / self.spec.items_per_second,
            reserved=needed,
        )
        self.batches[batch.ref] = batch
        self._open.append(batch)
        self.most_open = max(self.most_open, len(self._open))
        return batch

    def find(self, ref: str, account: PaidAccount) -> SandboxBatch | None:
        """Return a batch of this account that is not forgotten."""
        self.settle()
        batch = self.batches.get(ref)
        return batch if batch is not None and batch.account is account else None

    def settle(self) -> None:
        """Let happen what should have happened until now, in order."""
        now = self.time.now()
        free = [0.0] * self.spec.slots
        for batch in list(self._open):
            at = heapq.heappop(free)
            if batch.is_stuck or self.is_stopped:
                heapq.heappush(free, now)
                continue
            start = batch.started if batch.started is not None else max(batch.created + batch.delay, at)
            end = batch.ends if batch.ends is not None else start + batch.seconds
            heapq.heappush(free, end)
            if start <= now:
                batch.started, batch.ends = start, end
            if end <= now:
                self._complete(batch, end)

    def count_processed(self, batch: SandboxBatch) -> int:
        """Return how many are done; it never goes down."""
        if batch.completed is not None:
            return len(self.list_done(batch))
        if batch.started is None:
            return 0
        share = (self.time.now() - batch.started) / max(batch.seconds, 0.001)
        return min(int(len(batch.emails) * share), max(0, len(batch.emails) - 1))

    def list_done(self, batch: SandboxBatch) -> tuple[str, ...]:
        """Return the addresses that were verified."""
        done = batch.emails if batch.finished_items is None else batch.emails[: batch.finished_items]
        return done[: len(done) - batch.left_out] if batch.left_out else done

    def finish(self, batch: SandboxBatch) -> bool:
        """End a running batch early; False where it does not run."""
        if batch.started is None or batch.completed is not None:
            return False
        batch.finished_items = self.count_processed(batch)
        batch.ends = self.time.now() + self._rng.uniform(1, 3)
        batch.is_stuck = False
        return True

    def delete(self, batch: SandboxBatch) -> None:
        """Forget the addresses."""
        batch.deleted = self.time.now()
        batch.emails = ()

    def is_gone(self, batch: SandboxBatch) -> bool:
        """Whether the results are not there any more."""
        return batch.deleted is not None or (
            batch.completed is not None and self.time.now() > batch.completed + _SIXTY_DAYS
        )

    def judge(self, batch: SandboxBatch, email: str) -> bouncer_verdicts.Opinion:
        """Return the opinion on an address of a batch."""
        return bouncer_verdicts.judge(self.spec.seed, email, is_deep=batch.account.name == "deep")

    def _complete(self, batch: SandboxBatch, at: float) -> None:
        batch.completed = at
        self._open.remove(batch)
        for email in self.list_done(batch):
            if not bouncer_verdicts.is_free(email) and self.judge(batch, email).status != "unknown":
                batch.used += 1
                name = f"deep {email}" if batch.account.name == "deep" else email
                self.charges[name] = self.charges.get(name, 0) + 1
        batch.account.credits -= batch.used
        batch.account.reserved -= batch.reserved

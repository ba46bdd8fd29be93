"""What a list would cost before a credit is spent: counted where the ledger knows, reckoned where it does not."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from validatord.errors import AddressSyntaxError
from validatord.mail.parse import parse_address
from validatord.rules.policy import BouncerMode, ClientPolicy
from validatord.store import bouncer_queue, bouncer_reports
from validatord.store.database import Database

_CHUNK = 1000
_LEAST_HISTORY = 200  # finished requests below which their share says little
_USUAL_SHARE = 0.15  # of a mixed list that a probe leaves undecided


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a list or submission may cost.

    `surely` addresses wait for Bouncer already; of the `open` ones our own probe will decide most. A credit
    is one address; what Bouncer cannot tell either is free.
    """

    rows: int
    no_address: int
    doubled: int
    known: int
    surely: int
    open: int
    share: float
    is_share_measured: bool
    left_today: int | None
    left_this_month: int | None

    @property
    def most(self) -> int:
        """Credits at the very most."""
        return self.surely + self.open

    @property
    def expected(self) -> int:
        """Credits by the share of what was handed over before."""
        return self.surely + round(self.open * self.share)


async def estimate_list(database: Database, client: str, policy: ClientPolicy, addresses: Iterable[str]) -> Estimate:
    """Estimate a list that is not submitted yet."""
    rows = no_address = known = 0
    seen: set[str] = set()
    source = iter(addresses)
    while chunk := list(islice(source, _CHUNK)):
        rows += len(chunk)
        fresh: dict[str, None] = {}
        for text in chunk:
            email = _read(text)
            no_address += email is None
            if email is not None and email not in seen:
                fresh[email] = None
        seen.update(fresh)
        known += len(await bouncer_reports.find_paid_for(database, list(fresh)))
    doubled = rows - no_address - len(seen)
    counts = (rows, no_address, doubled, known, 0, len(seen) - known)
    return await _reckon(database, client, policy, counts)


async def estimate_submission(database: Database, client: str, policy: ClientPolicy, submission_id: int) -> Estimate:
    """Estimate what a submission may still cost."""
    need = await bouncer_reports.estimate_submission(database, submission_id)
    counts = (need.requests, 0, 0, need.finished + need.under_way, need.waiting, need.not_tried)
    return await _reckon(database, client, policy, counts)


async def _reckon(
    database: Database, client: str, policy: ClientPolicy, counts: tuple[int, int, int, int, int, int]
) -> Estimate:
    share, is_measured = await _find_share(database, policy)
    taken = await bouncer_queue.load_budgets(database, "main")
    cascade = policy.bouncer
    return Estimate(
        *counts,
        share=share,
        is_share_measured=is_measured,
        left_today=_left(cascade.credits_per_day, taken.get((client, "day"), 0)),
        left_this_month=_left(cascade.credits_per_month, taken.get((client, "month"), 0)),
    )


async def _find_share(database: Database, policy: ClientPolicy) -> tuple[float, bool]:
    if policy.bouncer.mode is BouncerMode.LOCAL_ONLY:
        return 0.0, True
    if policy.bouncer.mode is BouncerMode.BOUNCER_ONLY:
        return 1.0, True
    finished, handed_over = await bouncer_reports.share_handed_over(database)
    is_measured = finished >= _LEAST_HISTORY
    return (handed_over / finished if is_measured else _USUAL_SHARE), is_measured


def _left(cap: int | None, taken: int) -> int | None:
    return None if cap is None else max(0, cap - taken)


def _read(text: str) -> str | None:
    try:
        return str(parse_address(text, allow_special_use=True))
    except AddressSyntaxError:
        return None

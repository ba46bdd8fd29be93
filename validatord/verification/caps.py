"""Daily caps: of RCPT to one domain, and of mailboxes asked about for one client; days are UTC.

What is over a cap waits for the next day with the reason `daily_cap`. The domain's count stands with its
facts, the client's is reserved in the ledger before anybody is asked.
"""

import contextlib
from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta

from validatord.errors import GateClosed, StoreAway
from validatord.mail.verdict import Reason
from validatord.rules import decide
from validatord.verification.context import Case, Tools, Visit
from validatord.verification.judge import Evidence, Rows, add_outcome, plan_retry

# Not everybody at midnight.
_SPREAD = timedelta(minutes=10)


def count_rcpts(visit: Visit, now: datetime) -> int:
    """Return how many RCPT the visit's domain has had today."""
    before = visit.facts.rcpt_count if visit.facts.rcpt_day == now.date() else 0
    return before + visit.rcpts


def find_room(visit: Visit, now: datetime, reserve: int, lane_left: int | None) -> int | None:
    """Return how many targets may still be asked about today, `reserve` RCPT kept for controls; None: any number.

    `lane_left` is what the lane's own day has left.

    Raises:
        GateClosed: the domain's day is used up.
    """
    cap = visit.settings.policy.rcpt_per_domain_per_day
    lefts = [] if lane_left is None else [lane_left]
    if cap:
        lefts.append(cap - count_rcpts(visit, now))
        if lefts[-1] <= 0:
            raise GateClosed(f"domain {visit.domain}: rcpt_per_day", find_next_day(now))
    return max(1, min(lefts) - reserve) if lefts else None


def find_next_day(now: datetime) -> datetime:
    """Return the beginning of the next day."""
    return datetime.combine(now.date() + timedelta(days=1), time(), UTC)


class Shares:
    """What one visit uses of the clients' days."""

    def __init__(self, visit: Visit, tools: Tools) -> None:
        self._visit = visit
        self._tools = tools
        self._day = tools.clock.now().date()
        self._reserved: Counter[str] = Counter()

    async def take(self) -> Rows:
        """Reserve a share for everybody pending; put off whom no share is left for."""
        visit, tools = self._visit, self._tools
        cap = visit.settings.policy.requests_per_client_per_day
        if not cap:
            return Rows()
        groups: defaultdict[str, list[Case]] = defaultdict(list)
        for case in visit.pending:
            groups[_payer(case)].append(case)
        over: set[Case] = set()
        for client, cases in groups.items():
            self._reserved[client] = await tools.ledger.reserve(client, self._day, len(cases), cap)
            over.update(cases[self._reserved[client] :])
        put_off = [case for case in visit.pending if case in over]
        visit.pending = deque(case for case in visit.pending if case not in over)
        return _put_off(put_off, visit, tools)

    async def give_back(self) -> None:
        """Give back the shares of those who were not asked after all."""
        for client, count in (self._reserved & Counter(map(_payer, self._visit.pending))).items():
            with contextlib.suppress(StoreAway):  # then the day is shorter by these
                await self._tools.ledger.give_back(client, self._day, count)


def _payer(case: Case) -> str:
    """The client whose share a mailbox is asked on: the first who wanted it; others profit."""
    return case.requests[0].client


def _put_off(cases: Iterable[Case], visit: Visit, tools: Tools) -> Rows:
    rows = Rows()
    retry = plan_retry(visit, tools)
    due_at = find_next_day(retry.now) + tools.rng.random() * _SPREAD
    for request in [request for case in cases for request in case.requests]:
        outcome = decide.decide_gate(request, due_at, Reason.DAILY_CAP, retry)
        add_outcome(rows, visit, request, outcome, Evidence("probe"), tools)
    return rows

"""One visit: the due mailboxes of one domain, from DNS to record, in one conversation if it can be.

    1  take what needs no asking: fresh verdicts, domains that are never probed
    2  look up where the domain takes its mail; an answer without mail hosts decides for all
    3  find the lane: who we are to whom; no room there puts the domain back
    4  ask: targets first, the control recipient after an accepted one
    5  judge every answer, 6 score it under the client's policy
    7  record after every conversation, and release the domain with the last record

The story holds no technique: each step is a call. It never sends anything itself.
"""

from collections.abc import Sequence
from contextlib import contextmanager, suppress
from collections.abc import Iterator
from datetime import datetime

from validatord.errors import GateClosed
from validatord.lookup.walk import order_hosts
from validatord.mail.probe import ProbeReport
from validatord.mail.request import DomainFacts
from validatord.mail.verdict import AcceptAll
from validatord.pacing.identity import choose_identity
from validatord.pacing.lane import Lane
from validatord.settings import Settings
from validatord.store.leases import DomainVisit
from validatord.verification import judge, shortcut
from validatord.verification.ask import Asker
from validatord.verification.context import Case, Tools, Visit, gather_cases
from validatord.verification.facts import facts_after
from validatord.verification.judge import Rows
from validatord.verification.walk import Walk


class Visitor:
    """Runs visits; holds nothing between them but its tools."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def visit(self, work: DomainVisit, settings: Settings) -> None:
        """Visit one leased domain."""
        visit = self._open(work, settings)
        rows = shortcut.answer_known(visit, work, self._tools)
        with suppress(GateClosed):
            rows += await self._decide_pending(visit)
        rows += judge.give_up(visit, self._tools) if visit.not_before is not None else Rows()
        await self._record(visit, rows, is_last=True)

    def _open(self, work: DomainVisit, settings: Settings) -> Visit:
        tools = self._tools
        facts = work.facts or DomainFacts(work.domain)
        if facts.mx is not None:
            tools.lookup.remember(facts.mx)
        return Visit(
            domain=work.domain,
            settings=settings,
            facts=facts,
            histories=work.histories,
            pending=gather_cases(work.requests),
            started_at=tools.clock.now(),
        )

    async def _decide_pending(self, visit: Visit) -> Rows:
        """Steps 2 to 6; what cannot be asked now stays pending."""
        if not visit.pending:
            return Rows()
        await self._look_up(visit)
        if (rows := judge.decide_by_mx(visit, self._tools)) is not None:
            return rows
        with self._closing_gate(visit):
            lane = self._find_lane(visit)
            if visit.accept_all is AcceptAll.ACCEPTS_ALL:
                return shortcut.answer_accept_all(visit, self._tools)
            if not lane.has_room():
                visit.not_before = lane.retry_at()
                return Rows()
            await self._ask(visit, lane)
        return shortcut.answer_accept_all(visit, self._tools) if visit.accept_all is AcceptAll.ACCEPTS_ALL else Rows()

"""One visit: the due mailboxes of one domain, from DNS to record, in one conversation if it can be.

    1  take what needs no asking: fresh verdicts, domains that are never probed
    2  look up where the domain takes its mail; an answer without mail hosts decides for all
    3  find the lane: who we are to whom; no room there puts the domain back
    4  ask: targets first, the control recipient after an accepted one
    5  judge every answer, 6 score it under the client's policy
    7  record after every conversation, and release the domain with the last record

The story holds no technique: each step is a call. It never sends anything itself.
"""

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from loguru import logger

from validatord.errors import GateClosed, Stopping
from validatord.lookup.walk import order_hosts
from validatord.mail.mx import MXAnswer, MXOutcome
from validatord.mail.probe import ProbeReport
from validatord.mail.request import DomainFacts
from validatord.mail.verdict import AcceptAll
from validatord.pacing.identity import choose_identity
from validatord.pacing.lane import Lane
from validatord.settings import Settings
from validatord.store.leases import DomainVisit
from validatord.store.records import VisitRecord
from validatord.verification import judge, shortcut
from validatord.verification.ask import Asker, Settle
from validatord.verification.context import Case, Tools, Visit, gather_cases
from validatord.verification.facts import facts_after, known_accept_all
from validatord.verification.judge import Rows
from validatord.verification.walk import Walk


class Visitor:
    """Runs visits; holds nothing between them but its tools, which a reload may replace."""

    def __init__(self, tools: Tools) -> None:
        self.tools = tools

    async def visit(self, work: DomainVisit, settings: Settings) -> None:
        """Visit one leased domain; raises LeaseLost if it is somebody else's by now."""
        visit = self._open(work, settings)
        rows = shortcut.answer_known(visit, work.fresh, self.tools)
        with _noting_gate(visit):
            rows.add(await self._decide_pending(visit))
        rows.add(judge.give_up(visit, self.tools))
        await self._record(visit, rows, is_last=True)

    def _open(self, work: DomainVisit, settings: Settings) -> Visit:
        facts = work.facts or DomainFacts(work.domain)
        if facts.mx is not None:
            self.tools.lookup.remember(facts.mx)
        return Visit(
            domain=work.domain,
            settings=settings,
            facts=facts,
            histories=work.histories,
            pending=gather_cases(work.requests),
            started_at=self.tools.clock.now(),
        )

    async def _decide_pending(self, visit: Visit) -> Rows:
        """Steps 2 to 6; what cannot be asked now stays pending."""
        if not visit.pending:
            return Rows()
        visit.mx = await self.tools.lookup.lookup(visit.domain)
        if visit.mx.outcome is not MXOutcome.OK:
            return judge.decide_by_mx(visit, visit.mx, self.tools)
        lane = self._find_lane(visit, visit.mx)
        if visit.accept_all is AcceptAll.ACCEPTS_ALL:
            return shortcut.answer_accept_all(visit, self.tools)
        await self._ask_in(lane, visit, visit.mx)
        return shortcut.answer_accept_all(visit, self.tools)

    def _find_lane(self, visit: Visit, mx: MXAnswer) -> Lane:
        """Find who we are to whom, and what is known of the domain already."""
        tools = self.tools
        visit.provider = tools.providers.find(mx.hosts[0])
        visit.accept_all = known_accept_all(visit, tools.clock.now())
        if visit.provider.accepts_everything:
            visit.accept_all = AcceptAll.ACCEPTS_ALL
        pinned = next((case.pinned_identity for case in visit.pending if case.pinned_identity), "")
        # A paused identity is not replaced: its lane is shut until the pause is over.
        visit.identity = choose_identity(visit.domain, visit.settings.identities, pinned)
        visit.lane = tools.lanes.get(visit.identity.name, visit.provider)
        return visit.lane

    async def _ask_in(self, lane: Lane, visit: Visit, mx: MXAnswer) -> None:
        """Step 4, if the lane has room for one more visit; else the domain waits for it."""
        if not lane.has_room():
            visit.not_before = lane.retry_at()
            return
        lane.enter_visit()
        try:
            async with asyncio.timeout(visit.settings.smtp.visit_timeout.total_seconds()) as deadline:
                await Asker(visit, self._start_walk(visit, mx), lane, self.tools, self._settler(visit, deadline)).run()
        except TimeoutError:
            # Whoever was being asked is asked again later; the others of this visit wait as long.
            logger.warning("visit took too long without an answer; its domain waits")
            visit.not_before = self.tools.clock.now() + visit.settings.retry.delays[0]
        finally:
            lane.leave_visit()

    def _start_walk(self, visit: Visit, mx: MXAnswer) -> Walk:
        smtp = visit.settings.smtp
        stops = order_hosts(
            mx,
            self.tools.rng,
            ipv4_first=visit.settings.lookup.is_ipv4_preferred,
            max_addresses=smtp.max_addresses,
            first=next((case.pinned_host for case in visit.pending if case.pinned_host), None),
        )
        return Walk(stops, smtp.max_hosts)

    def _settler(self, visit: Visit, deadline: asyncio.Timeout) -> Settle:
        """Return what is done with the answers of a conversation: judge and record them at once."""

        async def settle(reports: Sequence[tuple[Case, ProbeReport]]) -> None:
            rows = judge.judge(visit, reports, self.tools)
            await self._record(visit, rows, is_last=False)
            # The deadline is for one mailbox, not for a long list that goes on well.
            whole = visit.settings.smtp.visit_timeout.total_seconds()
            deadline.reschedule(asyncio.get_running_loop().time() + whole)

        return settle

    async def _record(self, visit: Visit, rows: Rows, *, is_last: bool) -> None:
        record = VisitRecord(
            domain=visit.domain,
            lane=visit.lane_name,
            finished=tuple(rows.finished),
            deferred=tuple(rows.deferred),
            handed_over=tuple(rows.handed_over),
            facts=facts_after(visit, self.tools.clock.now()) if visit.mx is not None else None,
            release=is_last,
            not_before=visit.not_before if is_last else None,
        )
        # What was learned is written even if the visit is being cancelled: asking again costs others.
        await asyncio.shield(self.tools.recorder.record(record))


@contextmanager
def _noting_gate(visit: Visit) -> Generator[None]:
    """A closed gate puts the domain back until it opens; nothing is said about any mailbox."""
    try:
        yield
    except Stopping:
        return  # it was we who ended it: the domain is due at once, for whoever comes next
    except GateClosed as closed:
        visit.not_before = closed.retry_at
        visit.gate_cause = closed.cause

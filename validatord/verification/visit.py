"""One visit: the due mailboxes of one domain, from DNS to record, in one conversation if it can be.

    1  take what needs no asking: fresh verdicts, domains that are never probed
    2  look up where the domain takes its mail; an answer without mail hosts, or hosts of throw-away mail, decides
       for all
    3  find the lane: who we are to whom; no room there puts the domain back
    4  ask: targets first, the control recipient after an accepted one
    5  judge every answer, 6 score it
    7  record after every conversation, and release the domain with the last record

The story holds no technique: each step is a call. It never sends anything itself.
"""

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from loguru import logger

from validatord.errors import GateClosed, Stopping
from validatord.lookup.walk import order_hosts
from validatord.mail.mx import NO_RESOURCES, MXAnswer, MXOutcome
from validatord.mail.probe import ProbeReport
from validatord.mail.request import DomainFacts
from validatord.mail.verdict import AcceptAll
from validatord.pacing.identity import choose_identity
from validatord.pacing.lane import Lane
from validatord.settings import Settings
from validatord.store.leases import DomainVisit
from validatord.store.records import Finished, VisitRecord
from validatord.verification import caps, guard, health, judge, shortcut, slips
from validatord.verification.ask import Asker, Settle
from validatord.verification.context import Case, Tools, Visit, gather_cases
from validatord.verification.facts import facts_after, known_accept_all
from validatord.verification.judge import Rows
from validatord.verification.turns import Crowded, Lanes
from validatord.verification.walk import Walk

_SHORTAGE = timedelta(seconds=30)  # of our own; the failed look-up is remembered about as long


class Visitor:
    """Runs visits; holds nothing between them but its tools, which a reload may replace."""

    def __init__(self, tools: Tools) -> None:
        self.tools = tools

    async def visit(self, work: DomainVisit, settings: Settings) -> None:
        """Visit one leased domain; raises LeaseLost if it is somebody else's by now."""
        visit = self._open(work, settings)
        rows = shortcut.answer_known(visit, work.fresh, self.tools)
        try:
            with _noting_gate(visit):
                await self._decide_pending(visit, rows)
            rows.add(judge.give_up(visit, self.tools))
            await health.take(visit, self.tools)
            await self._record(visit, rows, is_last=True)
        finally:
            health.cancel(visit)

    async def give_up(self, work: DomainVisit, settings: Settings) -> None:
        """Finish what is due of a domain whose visits always fail; touches nothing that may be why."""
        finding = shortcut.make_failed(settings, self.tools.clock.now())
        finished = tuple(Finished(request, finding, request.attempt) for request in work.requests)
        await asyncio.shield(self.tools.recorder.record(VisitRecord(work.domain, finished=finished, release=True)))

    def _open(self, work: DomainVisit, settings: Settings) -> Visit:
        facts = work.facts or DomainFacts(work.domain)
        if facts.mx is not None:
            self.tools.lookup.remember(facts.mx)
        return Visit(
            domain=work.domain,
            settings=settings,
            facts=facts,
            histories=work.histories,
            records=work.records,
            pending=gather_cases(work.requests),
            started_at=self.tools.clock.now(),
        )

    async def _decide_pending(self, visit: Visit, rows: Rows) -> None:
        """Steps 2 to 6; what cannot be asked now stays pending."""
        if not visit.pending:
            return
        visit.mx = await self.tools.lookup.lookup(visit.domain)
        if visit.mx.failure == NO_RESOURCES:
            raise GateClosed("DNS: no files or no memory to ask with", self.tools.clock.now() + _SHORTAGE)
        visit.mails = await slips.look_up_mails(visit, visit.mx, self.tools)
        if visit.mx.outcome is not MXOutcome.OK:
            rows.add(judge.decide_by_mx(visit, visit.mx, self.tools))
            return
        rows.add(shortcut.answer_disposable(visit, self.tools))
        if not visit.pending:
            return
        health.start(visit, self.tools)
        lane = self._find_lane(visit, visit.mx)
        if visit.accept_all is not AcceptAll.ACCEPTS_ALL:
            await self._ask_in(lane, visit, visit.mx, rows)
        await health.take(visit, self.tools)
        rows.add(shortcut.answer_accept_all(visit, self.tools))

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

    async def _ask_in(self, lane: Lane, visit: Visit, mx: MXAnswer, rows: Rows) -> None:
        """Step 4, if the lanes have room for one more visit; else the domain waits for it."""
        lanes = Lanes.of(visit, lane, self.tools.lanes, self.tools.clock)
        lanes.enter_visit()
        shares = caps.Shares(visit, self.tools)
        try:
            rows.add(await shares.take())
            async with asyncio.timeout(visit.settings.smtp.visit_timeout.total_seconds()) as deadline:
                await Asker(visit, self._start_walk(visit, mx), lanes, self.tools, self._settler(visit, deadline)).run()
        except TimeoutError:
            # Whoever was being asked is asked again later; the others of this visit wait as long.
            logger.warning("visit took too long without an answer; its domain waits")
            visit.not_before = self.tools.clock.now() + visit.settings.retry.delays[0]
            visit.gate_cause = "visit_timeout"
        finally:
            lanes.leave_visit()
            await shares.give_back()

    def _start_walk(self, visit: Visit, mx: MXAnswer) -> Walk:
        smtp = visit.settings.smtp
        stops = order_hosts(
            mx,
            self.tools.rng,
            ipv4_first=visit.settings.lookup.is_ipv4_preferred,
            max_addresses=smtp.max_addresses,
            first=next((case.pinned_host for case in visit.pending if case.pinned_host), None),
        )
        # The host of the last attempt comes first among its equals, but a backup never before the best.
        return Walk(sorted(stops, key=lambda stop: stop.preference), smtp.max_hosts, mx.best_preference)

    def _settler(self, visit: Visit, deadline: asyncio.Timeout) -> Settle:
        """Return what is done with the answers of a conversation: judge and record them at once."""

        async def settle(reports: Sequence[tuple[Case, ProbeReport]]) -> None:
            await health.take(visit, self.tools)
            rows = judge.judge(visit, reports, self.tools)
            await self._record(visit, rows, is_last=False)
            await self._think_again(visit, reports, rows)
            # The deadline is for one mailbox, not for a long list that goes on well.
            whole = visit.settings.smtp.visit_timeout.total_seconds()
            deadline.reschedule(asyncio.get_running_loop().time() + whole)

        return settle

    async def _think_again(self, visit: Visit, reports: Sequence[tuple[Case, ProbeReport]], rows: Rows) -> None:
        """Take back what was concluded from words that turn out to be about us."""
        guard.note_taken(visit, reports, self.tools)
        retraction = guard.observe(visit, reports, rows, self.tools)
        if retraction is not None:
            taken = await asyncio.shield(self.tools.ledger.take_back(retraction))
            logger.bind(queued=taken.queued, ended=taken.ended).warning("verdicts taken back: the refusals were of us")

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
    except Crowded as crowded:
        visit.not_before = crowded.retry_at
    except GateClosed as closed:
        visit.not_before = closed.retry_at
        visit.gate_cause = closed.cause

"""Step 4 of a visit: hold conversations until every mailbox was asked, or asking makes no sense.

A conversation holds one turn of the lane; what it left unanswered goes back to the front of the queue
and is asked in the next one. What an answer means is `rules/`'s business; here it only decides whether
and with whom to go on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from validatord.mail.probe import ProbeReport
from validatord.mail.reply import Reply
from validatord.mail.verdict import AcceptAll, ReplyReading, Stage
from validatord.pacing.lane import Lane, Turn
from validatord.rules import decide
from validatord.rules.replies import read_reply
from validatord.smtp import conversation, plan
from validatord.smtp.control import control_recipients
from validatord.smtp.dialogue import Session
from validatord.verification import hear
from validatord.verification.context import Case, Tools, Visit
from validatord.verification.walk import Walk, open_next

Settle = Callable[[Sequence[tuple[Case, ProbeReport]]], Awaitable[None]]


class Asker:
    """Asks about the pending mailboxes of one visit and hands every report to `settle`."""

    def __init__(self, visit: Visit, walk: Walk, lane: Lane, tools: Tools, settle: Settle) -> None:
        self._visit = visit
        self._walk = walk
        self._lane = lane
        self._tools = tools
        self._settle = settle

    async def run(self) -> None:
        """Ask until nobody is left to ask about, or nobody to ask.

        Raises:
            GateClosed: the lane lets nobody in; what was not asked is still pending.
        """
        size = self._visit.settings.smtp.rcpt_per_session
        wanted = -(-len(self._visit.pending) // size)
        workers = max(1, min(self._visit.settings.pacing.per_domain_concurrency, wanted))
        if workers == 1:
            await self._work()
        else:
            await _run_all([self._work for _ in range(workers)])
        if not self._is_answered_for_all:
            await self._report_unreached()

    @property
    def _is_answered_for_all(self) -> bool:
        return self._visit.accept_all is AcceptAll.ACCEPTS_ALL

    async def _work(self) -> None:
        while self._visit.pending and self._walk.stop is not None and not self._is_answered_for_all:
            priority = self._visit.pending[0].requests[0].priority
            async with self._lane.turn(priority) as turn:
                answered = await self._converse(turn)
            if answered:
                # Outside the turn: others of the lane speak while this is written.
                await self._settle(answered)

    async def _converse(self, turn: Turn) -> list[tuple[Case, ProbeReport]]:
        batch = self._take(turn)
        answered: list[tuple[Case, ProbeReport]] = []
        try:
            answered = await self._ask(batch)
        finally:
            done = {case.mailbox for case, _ in answered}
            self._visit.pending.extendleft(reversed([case for case in batch if case.mailbox not in done]))
        return answered

    def _take(self, turn: Turn) -> list[Case]:
        """Take the next mailboxes, all with the same envelope sender."""
        pending = self._visit.pending
        size = 1 if turn.is_trial else self._visit.settings.smtp.rcpt_per_session
        taken: list[Case] = []
        while pending and len(taken) < size and (not taken or pending[0].pinned_sender == taken[0].pinned_sender):
            taken.append(pending.popleft())
        return taken

    async def _ask(self, batch: list[Case]) -> list[tuple[Case, ProbeReport]]:
        """Hold one conversation; return what it said about mailboxes."""
        if not batch:
            return []
        session = await open_next(self._walk, self._visit, self._lane, self._tools)
        if session is None:
            return []
        try:
            report = await conversation.converse(session, self._plan(batch), self._guide(session))
        finally:
            self._tools.pool.give_back(self._lane.name, session)
        return hear.hear(report, session, batch, hear.Listener(self._visit, self._walk, self._lane, self._tools))

    def _plan(self, batch: list[Case]) -> plan.Plan:
        visit, pace = self._visit, self._visit.provider.pace
        smtp, accept_all = visit.settings.smtp, visit.settings.accept_all
        per_envelope = min(smtp.rcpt_per_envelope, pace.rcpt_per_envelope)
        return plan.Plan(
            domain=visit.domain,
            mailboxes=tuple(case.mailbox for case in batch),
            envelope_sender=self._walk.sender or batch[0].pinned_sender or visit.identity.envelope_sender,
            control=self._choose_control(),
            wants_postmaster=accept_all.is_postmaster_control and visit.provider.postmaster_control,
            rcpt_per_envelope=1 if self._tools.memory.is_one_rcpt(self._lane.name) else per_envelope,
            refusals_per_session=min(smtp.refusals_per_session, pace.refusals_per_session),
        )

    def _choose_control(self) -> tuple[str, ...]:
        """Return the control recipients to ask, or none where the domain's state is known."""
        visit = self._visit
        if visit.accept_all not in {AcceptAll.NOT_ASKED, AcceptAll.UNDETERMINED}:
            return ()
        shapes = control_recipients(self._tools.control_secret, visit.domain, self._tools.clock.now().date())
        return shapes if visit.settings.accept_all.is_confirmed_by_second_shape else shapes[:1]

    def _guide(self, session: Session) -> plan.Guide:
        def read(reply: Reply, stage: Stage, recipient: str) -> ReplyReading:
            return read_reply(reply, stage, mx_host=session.host_name, recipient=recipient)

        return plan.Guide(
            read=read,
            pace=self._lane.pace_rcpt,
            pace_control=self._lane.pace_control,
            stop_early=decide.is_about_us,
            wants_postmaster=decide.wants_postmaster,
        )

    async def _report_unreached(self) -> None:
        """Report the last trouble of the walk for everybody who was never asked."""
        trouble = self._walk.trouble
        cases = list(self._visit.pending)
        self._visit.pending.clear()
        if not cases:
            return
        reports = [
            ProbeReport(
                mailbox=case.mailbox,
                provider=self._visit.provider,
                stage=trouble.stage,
                reply=trouble.reply,
                reading=trouble.reading,
                failure=trouble.failure,
                control=self._visit.accept_all,
                is_backup_mx=self._walk.has_failed_better,
                is_implicit_mx=self._visit.mx is not None and self._visit.mx.is_implicit,
                is_control_cached=not self._visit.has_new_control,
                transcript=trouble.transcript,
            )
            for case in cases
        ]
        await self._settle(list(zip(cases, reports, strict=True)))


async def _run_all(works: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Run side by side; the first failure ends all and is raised as it is, not as a group."""
    tasks = [asyncio.ensure_future(work()) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

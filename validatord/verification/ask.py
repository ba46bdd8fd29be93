"""Step 4 of a visit: hold conversations until every mailbox was asked, or asking makes no sense.

A conversation holds one turn of the lanes; what it left unanswered goes back to the front of the queue
and is asked in the next one. What an answer means is `rules/`'s business; here it only decides whether
and with whom to go on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from validatord.errors import GateClosed
from validatord.mail.probe import ProbeReport
from validatord.mail.reply import Reply
from validatord.mail.verdict import AcceptAll, ReplyReading, Stage
from validatord.rules import decide
from validatord.rules.replies import read_reply
from validatord.smtp import conversation, plan
from validatord.smtp.control import control_recipients
from validatord.smtp.dialogue import Session
from validatord.verification import caps, hear, hold
from validatord.verification.context import Case, Tools, Visit
from validatord.verification.hold import Answered
from validatord.verification.turns import Lanes, Talk
from validatord.verification.walk import Walk, open_next, part

Settle = Callable[[Sequence[tuple[Case, ProbeReport]]], Awaitable[None]]


class Asker:
    """Asks about the pending mailboxes of one visit and hands every report to `settle`."""

    def __init__(self, visit: Visit, walk: Walk, lanes: Lanes, tools: Tools, settle: Settle) -> None:
        self._visit = visit
        self._walk = walk
        self._lanes = lanes
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
            async with self._lanes.turn(priority) as talk:
                answered = await self._converse(talk)
            if answered:
                await self._settle(answered)
            talk.check()

    async def _converse(self, talk: Talk) -> Answered:
        """Hold one conversation; whom it left unanswered stays pending."""
        visit = self._visit
        batch = self._take(talk)
        visit.rcpts += len(batch)  # as planned, until it is known
        planned, sent = len(batch), 0
        answered: Answered = []
        try:
            session = await open_next(self._walk, visit, talk, self._tools) if batch else None
            if session is not None:
                before = session.rcpt_count
                try:
                    answered = await self._ask(session, batch, talk)
                finally:
                    sent = session.rcpt_count - before
        finally:
            visit.rcpts += sent - planned
            done = {case.mailbox for case, _ in answered}
            visit.pending.extendleft(reversed([case for case in batch if case.mailbox not in done]))
        return answered

    def _take(self, talk: Talk) -> list[Case]:
        """Take the next mailboxes, all with the same envelope sender; GateClosed by the domain's cap."""
        size = 1 if talk.is_trial else self._visit.settings.smtp.rcpt_per_session
        reserve, lane_left = len(self._choose_control(is_backup=False)), self._lanes.provider.speed.rcpt_left
        room = caps.find_room(self._visit, self._tools.clock.now(), reserve, lane_left)
        size = size if room is None else min(size, room)
        if (witness := hold.take_witness(self._visit)) is not None:
            return [witness]
        taken: list[Case] = []
        pending = self._visit.pending
        while pending and len(taken) < size and (not taken or pending[0].pinned_sender == taken[0].pinned_sender):
            taken.append(pending.popleft())
        return taken

    async def _ask(self, session: Session, batch: list[Case], talk: Talk) -> Answered:
        """Hold one conversation in an open session; return what it said about mailboxes."""
        talk.session = session
        try:
            report = await conversation.converse(session, self._plan(session, batch), self._guide(session, talk))
        finally:
            talk.pause()
            part(session, talk, self._tools)
        return hear.hear(report, session, batch, hear.Listener(self._visit, self._walk, talk, self._tools))

    def _plan(self, session: Session, batch: list[Case]) -> plan.Plan:
        visit, pace = self._visit, self._visit.provider.pace
        smtp, accept_all = visit.settings.smtp, visit.settings.accept_all
        per_envelope = min(smtp.rcpt_per_envelope, pace.rcpt_per_envelope)
        return plan.Plan(
            domain=visit.domain,
            mailboxes=tuple(case.mailbox for case in batch),
            envelope_sender=self._walk.sender or batch[0].pinned_sender or visit.identity.envelope_sender,
            control=self._choose_control(is_backup=self._walk.is_backup(session.host_name)),
            wants_postmaster=accept_all.is_postmaster_control and visit.provider.postmaster_control,
            rcpt_per_envelope=1 if self._lanes.provider.is_one_rcpt_per_envelope else per_envelope,
            refusals_per_session=min(smtp.refusals_per_session, pace.refusals_per_session),
        )

    def _choose_control(self, *, is_backup: bool) -> tuple[str, ...]:
        """Return the control recipients to ask, or none where the state is known, or was asked a moment ago."""
        visit = self._visit
        is_asked = visit.has_new_control and visit.is_control_of_backup is is_backup
        # What the best host says does not hold for a backup: there only its own answer counts.
        is_known = not is_backup and visit.accept_all not in {AcceptAll.NOT_ASKED, AcceptAll.UNDETERMINED}
        if is_asked or is_known:
            return ()
        shapes = control_recipients(self._tools.control_secret, visit.domain, self._tools.clock.now().date())
        return shapes if visit.settings.accept_all.is_confirmed_by_second_shape else shapes[:1]

    def _guide(self, session: Session, talk: Talk) -> plan.Guide:
        def read(reply: Reply, stage: Stage, recipient: str) -> ReplyReading:
            return read_reply(reply, stage, mx_host=session.host_name, recipient=recipient)

        return plan.Guide(
            read=read,
            pace=talk.pace_rcpt,
            pace_control=talk.pace_control,
            stop_early=decide.is_about_us,
            wants_postmaster=decide.wants_postmaster,
        )

    async def _report_unreached(self) -> None:
        """Report for everybody who is left what another host said about them, or the last trouble of the walk."""
        cases = list(self._visit.pending)
        self._visit.pending.clear()
        if cases:
            held = self._visit.held
            await self._settle([(case, held.get(case.mailbox) or self._to_trouble(case)) for case in cases])

    def _to_trouble(self, case: Case) -> ProbeReport:
        visit, trouble = self._visit, self._walk.trouble
        is_implicit = visit.mx is not None and visit.mx.is_implicit
        return ProbeReport(
            mailbox=case.mailbox,
            provider=visit.provider,
            stage=trouble.stage,
            reply=trouble.reply,
            reading=trouble.reading,
            failure=trouble.failure,
            control=visit.accept_all,
            # As long as nobody ever spoke with us, an unreachable web host is no proof of anything.
            is_implicit_mx=is_implicit and self._tools.memory.has_greeting(visit.identity.name),
            is_control_cached=not visit.has_new_control,
            transcript=trouble.transcript,
        )


async def _run_all(works: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Run side by side; a failure ends all and is raised as it is, not as a group.

    A gate that closed for one lets the others end their conversations: what they hear still counts.
    """
    tasks = [asyncio.ensure_future(work()) for work in works]
    running = set(tasks)
    try:
        while running:
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                if not isinstance(task.exception(), GateClosed):
                    task.result()
        for task in tasks:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

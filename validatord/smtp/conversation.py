"""A conversation about many mailboxes of one domain within one session.

1. Targets: MAIL and their RCPT in one pipelined group where the host pipelines, else one by one.
2. Control recipients, in the same envelope, only once a target was accepted.
3. postmaster as a control, only after a refusal that nothing explains.
4. The next envelope: RSET, MAIL, RCPT in one group. A host that wants one recipient per envelope
   gets that.

What was not answered is reported as such, never guessed. State changes are synchronous; the only
awaits are the pace and the session's group.
"""

from collections import deque
from dataclasses import dataclass, field

from validatord.errors import AddressSyntaxError, Disconnected, GateClosed, SessionFailed
from validatord.mail.address import Mailbox
from validatord.mail.reply import Reply
from validatord.mail.transcript import Exchange, Transcript
from validatord.mail.verdict import Meaning, ReplyReading, Stage
from validatord.smtp import commands
from validatord.smtp.dialogue import Session
from validatord.smtp.envelope import Envelopes
from validatord.smtp.plan import (
    NOT_SENDABLE,
    SMTPUTF8_UNSUPPORTED,
    ConversationReport,
    Guide,
    MailboxAnswer,
    Plan,
)

_CANNOT_VERIFY = 252  # RFC 5321 3.5.3: an answer to VRFY; at RCPT it accepts nothing
_BAD_SEQUENCE = 503
_POSTMASTER = "postmaster"


async def converse(session: Session, plan: Plan, guide: Guide) -> ConversationReport:
    """Ask about the plan's mailboxes as far as session, budgets and the host allow.

    Never raises for anything the host does; when cancelled in the middle of a group the session is
    aborted.
    """
    talk = _Talk(session, plan, guide)
    try:
        await talk.run()
    except GateClosed as gate:
        talk.gate = gate
    return talk.report()


@dataclass(slots=True)
class _Asked:
    """What was said about one mailbox; without a reading, `exchange` is why it could not be asked."""

    evidence: list[Exchange] = field(default_factory=list[Exchange])
    exchange: Exchange | None = None
    reading: ReplyReading | None = None


class _Talk:
    """The state of one conversation."""

    def __init__(self, session: Session, plan: Plan, guide: Guide) -> None:
        self.session = session
        self.plan = plan
        self.guide = guide
        self.envelopes = Envelopes(session, plan, guide)
        self.asked = {mailbox: _Asked() for mailbox in plan.mailboxes}
        self.waiting = deque(self._sendable())
        self.lost: list[Mailbox] = []
        self.control: list[Exchange] = []
        self.postmaster: Exchange | None = None
        self.gate: GateClosed | None = None
        self.wants_control = False
        self.wants_postmaster = False
        self.is_over = False
        self.is_stopped_early = False
        self.is_accept_all_seen = False
        self.is_one_demanded = False
        self.is_out_of_sequence = False
        self.rcpts = 0  # targets that went onto the wire

    async def run(self) -> None:
        """Targets, then what they make necessary, then the next targets."""
        while self.waiting and not self.is_over and self.session.failure is None:
            room = self.envelopes.room(reserve=0 if self.control else len(self.plan.control))
            if not room:
                break
            await self._ask_targets([self.waiting.popleft() for _ in range(min(room, len(self.waiting)))])
            if self.wants_control and not self.is_over:
                await self._ask_control()
            if self.wants_postmaster and not self.is_over:
                await self._ask_postmaster()

    # --- targets -------------------------------------------------------------------------------

    def _sendable(self) -> list[Mailbox]:
        """Settle the mailboxes whose RCPT cannot be sent; return the others, ASCII ones first."""
        for mailbox, asked in self.asked.items():
            failure = self._find_obstacle(mailbox)
            if failure:
                asked.exchange = Exchange(Stage.RCPT, "", None, failure=failure, at=self.session.age_seconds)
        return sorted(
            (mailbox for mailbox, asked in self.asked.items() if asked.exchange is None),
            key=lambda mailbox: mailbox.needs_smtputf8,
        )

    def _find_obstacle(self, mailbox: Mailbox) -> str:
        # RFC 6531 3.1: such a mailbox must not be named to a host that does not offer the extension.
        if mailbox.needs_smtputf8 and not self.session.capabilities.has_smtputf8:
            return SMTPUTF8_UNSUPPORTED
        try:
            commands.encode(commands.rcpt(mailbox))
        except (AddressSyntaxError, ValueError):
            return NOT_SENDABLE
        return ""

    async def _ask_targets(self, batch: list[Mailbox]) -> None:
        """One group of targets; those that got no answer of their own wait on or are lost."""
        is_alone = len(batch) == 1 and self.envelopes.is_one_by_one
        smtputf8 = any(mailbox.needs_smtputf8 for mailbox in batch)
        before = self.session.rcpt_count
        found = await self.envelopes.ask([commands.rcpt(mailbox) for mailbox in batch], smtputf8=smtputf8)
        self.rcpts += self.session.rcpt_count - before
        again: list[Mailbox] = []
        for mailbox, exchange in zip(batch, found, strict=False):
            if exchange.reply is None:
                self.lost += [mailbox] if self.session.rcpt_count > before else []
                self.is_over = True
            elif self._is_out_of_sequence(exchange.reply):
                break
            elif not self._take(mailbox, exchange, exchange.reply, is_alone=is_alone):
                again.append(mailbox)
        self.waiting.extendleft(reversed(again))
        self.is_over = self.is_over or not found

    def _take(self, mailbox: Mailbox, exchange: Exchange, reply: Reply, *, is_alone: bool) -> bool:
        """Keep an answer and what follows from it; false if the mailbox must be asked alone."""
        asked = self.asked[mailbox]
        mail = self.envelopes.mail
        asked.evidence += [mail, exchange] if mail is not None else [exchange]
        reading = self.guide.read(reply, Stage.RCPT, str(mailbox))
        if reading.meaning is Meaning.TOO_MANY_RECIPIENTS and not is_alone:
            self._demand_one()
            return False
        asked.exchange, asked.reading = exchange, reading
        self._heed(reading)
        # A mailbox that gets too much mail exists as surely as an accepted one.
        if _is_accepted(reply) or reading.meaning is Meaning.RECIPIENT_RATE_LIMITED:
            self.wants_control = bool(self.plan.control) and not self.control
        if self.guide.wants_postmaster(reading):
            self.wants_postmaster = self.plan.wants_postmaster and self.postmaster is None
        return True

    # --- controls ------------------------------------------------------------------------------

    async def _ask_control(self) -> None:
        """The first shape, and if it is accepted the second; both accepted: no target need be asked."""
        self.wants_control = False
        for address in self.plan.control:
            exchange = await self._ask_extra(address)
            if exchange is None:
                return
            self.control.append(exchange)
            if exchange.reply is None or not _is_accepted(exchange.reply):
                return
        self.is_accept_all_seen = self.is_over = True

    async def _ask_postmaster(self) -> None:
        self.wants_postmaster = False
        known = (asked for mailbox, asked in self.asked.items() if mailbox.local_part.lower() == _POSTMASTER)
        self.postmaster = next((asked.exchange for asked in known if asked.exchange), None)
        if self.postmaster is None:
            self.postmaster = await self._ask_extra(f"{_POSTMASTER}@{self.plan.domain}")

    async def _ask_extra(self, address: str) -> Exchange | None:
        """One control; once more alone where the host wants one recipient per envelope."""
        for _ in range(2):
            is_alone = self.envelopes.is_one_by_one
            found = await self.envelopes.ask([commands.rcpt(address)], is_extra=True)
            if not found or found[0].reply is None:
                self.is_over = True
                return found[0] if found else None
            if self._is_out_of_sequence(found[0].reply):
                return None
            reading = self.guide.read(found[0].reply, Stage.RCPT, address)
            if is_alone or reading.meaning is not Meaning.TOO_MANY_RECIPIENTS:
                self._heed(reading)
                return found[0]
            self._demand_one()
        return None

    # --- what replies bring about ----------------------------------------------------------------

    def _demand_one(self) -> None:
        """From now on one recipient per envelope: this answer was about the number, not the mailbox."""
        self.envelopes.is_one_by_one = self.is_one_demanded = True

    def _heed(self, reading: ReplyReading) -> None:
        if self.guide.stop_early(reading):
            self.is_over = self.is_stopped_early = True

    def _is_out_of_sequence(self, reply: Reply) -> bool:
        """Whether pipelining confused the host: 503 after an accepted MAIL."""
        if reply.code != _BAD_SEQUENCE or not self.session.is_pipelining:
            return False
        self.is_over = self.is_out_of_sequence = True
        return True

    # --- the report ------------------------------------------------------------------------------

    def report(self) -> ConversationReport:
        """Put together what was learned; a session that is used up is retired."""
        envelopes = self.envelopes
        if envelopes.is_used_up or self.is_stopped_early or self.is_out_of_sequence:
            self.session.retire()
        unanswered = tuple(mailbox for mailbox, asked in self.asked.items() if asked.exchange is None)
        failure = self._find_failure(unanswered)
        return ConversationReport(
            answers={mailbox: self._answer(asked) for mailbox, asked in self.asked.items() if asked.exchange},
            unanswered=unanswered,
            lost=tuple(self.lost),
            control=tuple(self.control),
            postmaster=self.postmaster,
            failure=failure,
            refusal=envelopes.refusal,
            gate=self.gate,
            spent=envelopes.spent if unanswered else "",
            one_rcpt_per_envelope=self.is_one_demanded,
            is_accept_all_seen=self.is_accept_all_seen,
            is_stopped_early=self.is_stopped_early,
            needs_unpipelined_retry=self.is_out_of_sequence or self._is_cut_short(failure),
            transcript=self._transcript([envelopes.last_mail] if envelopes.last_mail else []),
        )

    def _answer(self, asked: _Asked) -> MailboxAnswer:
        """The mailbox's own exchanges and the controls that bear on it, never those of other mailboxes."""
        exchange, reading = asked.exchange, asked.reading
        assert exchange is not None  # noqa: S101 the caller took only these
        if reading is None or exchange.reply is None:
            return MailboxAnswer(exchange, self._transcript([exchange]))
        evidence = list(asked.evidence)
        if not exchange.reply.is_refusal:
            evidence += self.control
        elif self.postmaster is not None and self.guide.wants_postmaster(reading):
            evidence.append(self.postmaster)
        return MailboxAnswer(exchange, self._transcript(evidence), reading)

    def _transcript(self, exchanges: list[Exchange]) -> Transcript:
        return self.session.transcript(self.plan.envelope_sender, exchanges)

    def _find_failure(self, unanswered: tuple[Mailbox, ...]) -> SessionFailed | None:
        """The breakdown, where it cut something off and nothing else explains that."""
        controls = [*self.control, *([self.postmaster] if self.postmaster else [])]
        is_cut = bool(unanswered) or any(exchange.reply is None for exchange in controls)
        envelopes = self.envelopes
        is_explained = bool(envelopes.refusal or self.gate or envelopes.spent or self.is_stopped_early)
        return self.session.failure if is_cut and (self.lost or not is_explained) else None

    def _is_cut_short(self, failure: SessionFailed | None) -> bool:
        """Whether a host that offers pipelining hung up on the session's first group, no RCPT answered."""
        is_first = 0 < self.rcpts == self.session.rcpt_count and not any(
            asked.evidence for asked in self.asked.values()
        )
        return is_first and self.session.is_pipelining and isinstance(failure, Disconnected)


def _is_accepted(reply: Reply) -> bool:
    return reply.is_positive and reply.code != _CANNOT_VERIFY

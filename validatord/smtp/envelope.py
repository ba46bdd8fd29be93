"""Envelopes of one session: RCPT in, exchanges out, RSET and MAIL wherever a new envelope is needed.

One envelope holds one domain and one envelope sender, and no more recipients than plan and host allow.
A session may come with an envelope of an earlier conversation open: it is reset in the same group.
"""

from collections.abc import Sequence

from validatord import crash
from validatord.mail.transcript import Exchange
from validatord.mail.verdict import Stage
from validatord.smtp import commands
from validatord.smtp.dialogue import Command, Session
from validatord.smtp.plan import Guide, Plan

_EXTRA_RCPT = 3  # two control recipients and postmaster may join a full envelope
# Budgets that forbid another envelope but not another recipient in the one that is open …
_OF_ENVELOPES = frozenset({"resets", "mail"})
# … and the one that forbids more targets, but not the control recipient they need to be judged.
_OF_TARGETS = frozenset({"tarpit"})


class Envelopes:
    """The envelope that is open now, and the way to the next."""

    def __init__(self, session: Session, plan: Plan, guide: Guide) -> None:
        self.mail: Exchange | None = None  # the accepted MAIL of our envelope that is open
        self.refusal: Exchange | None = None  # a refused MAIL: nothing can be asked any more
        self.last_mail: Exchange | None = None  # however it was answered
        self.spent = ""  # the budget that forbade the last ask
        self.is_one_by_one = plan.rcpt_per_envelope == 1
        self._session = session
        self._plan = plan
        self._guide = guide
        self._rcpts = 0
        self._has_smtputf8 = False

    def __repr__(self) -> str:
        return f"<Envelopes {'open' if self.mail else 'none'} rcpt={self._rcpts} one_by_one={self.is_one_by_one}>"

    def room(self, *, reserve: int) -> int:
        """How many targets may go out now in one group, with so many RCPT kept back for controls.

        Sets `spent` where there is no room.
        """
        session = self._session
        rcpts = session.settings.rcpt_per_session - session.rcpt_count
        if reserve:
            rcpts = max(rcpts - reserve, 0 if session.rcpt_count else 1)
        refusals = self._refusals_left
        if reserve and refusals > 1:
            refusals -= 1
        self.spent = "refusals" if refusals <= 0 else "rcpt" if rcpts <= 0 else self._resets_spent(reserve)
        if self.spent:
            return 0
        free = self._free(self._target_limit) or self._target_limit
        return min(rcpts, refusals, free) if session.is_pipelining else 1

    async def ask(self, lines: Sequence[str], *, is_extra: bool = False, smtputf8: bool = False) -> list[Exchange]:
        """Send RCPT lines and return an exchange for each; none where a budget or a refused MAIL forbids.

        `is_extra`: a control, which may join an envelope that is full of targets.

        Raises:
            GateClosed: the lane closed while we waited for our pace.
        """
        is_new = self._is_new_needed(len(lines), is_extra=is_extra, smtputf8=smtputf8)
        if self._is_spent(is_new=is_new, is_extra=is_extra):
            return []
        pace = self._guide.pace_control if is_extra else None
        await (pace or self._guide.pace)(len(lines))
        if self._is_spent(is_new=is_new, is_extra=is_extra):  # it may have been a long wait
            return []
        rcpts: list[Command] = [(Stage.RCPT, line) for line in lines]
        found = await self._send([*self._opening(smtputf8=smtputf8), *rcpts] if is_new else rcpts)
        crash.point("visit.rcpt_answered")
        if is_new:
            found = self._open(found, smtputf8=smtputf8)
        self._rcpts += len(found)
        return found

    @property
    def is_used_up(self) -> bool:
        """Whether the session must not be given another envelope."""
        return bool(self.spent) or self._refusals_left <= 0

    # --- decisions -----------------------------------------------------------------------------

    @property
    def _target_limit(self) -> int:
        host_limit = self._session.capabilities.limits.rcpt_max or self._plan.rcpt_per_envelope
        return 1 if self.is_one_by_one else min(host_limit, self._plan.rcpt_per_envelope)

    @property
    def _whole_limit(self) -> int:
        host_limit = self._session.capabilities.limits.rcpt_max
        return 1 if self.is_one_by_one else host_limit or self._plan.rcpt_per_envelope + _EXTRA_RCPT

    @property
    def _refusals_left(self) -> int:
        limit = min(self._plan.refusals_per_session, self._session.settings.refusals_per_session)
        return limit - self._session.refusals

    def _resets_spent(self, reserve: int) -> str:
        """`resets` if one target and its controls, each in its own envelope, would need too many RSET."""
        session = self._session
        if not self.is_one_by_one or not session.is_envelope_open:
            return ""
        return "resets" if session.resets + 1 + reserve > session.settings.resets_per_session else ""

    def _free(self, limit: int) -> int:
        return max(0, limit - self._rcpts) if self.mail is not None else 0

    def _is_new_needed(self, count: int, *, is_extra: bool, smtputf8: bool) -> bool:
        limit = self._whole_limit if is_extra else self._target_limit
        return self._free(limit) < count or (smtputf8 and not self._has_smtputf8)

    def _is_spent(self, *, is_new: bool, is_extra: bool) -> bool:
        """Set `spent` to the budget that forbids this ask, and tell whether there is one."""
        names = set(self._session.spent_budgets())
        if self._refusals_left <= 0:
            names.add("refusals")
        names -= _OF_TARGETS if is_extra else frozenset()
        names -= frozenset() if is_new else _OF_ENVELOPES
        self.spent = min(names, default="")
        return bool(names)

    def _opening(self, *, smtputf8: bool) -> list[Command]:
        # RFC 2920 3.1: RSET and MAIL may stand in the group of the RCPT they prepare.
        reset: list[Command] = [(Stage.RSET, "RSET")] if self._session.is_envelope_open else []
        return [*reset, (Stage.MAIL, commands.mail(self._plan.envelope_sender, smtputf8=smtputf8))]

    def _open(self, found: list[Exchange], *, smtputf8: bool) -> list[Exchange]:
        """Take MAIL out of the answers; after its refusal the RCPT replies are mere consequences."""
        self.mail, self._rcpts, self._has_smtputf8 = None, 0, smtputf8
        mail = next(exchange for exchange in found if exchange.stage is Stage.MAIL)
        self.last_mail = mail
        if mail.reply is None:
            return []
        if not mail.reply.is_positive:
            self.refusal = mail
            return []
        self.mail = mail
        return [exchange for exchange in found if exchange.stage is Stage.RCPT]

    async def _send(self, group: list[Command]) -> list[Exchange]:
        """One group; without pipelining one command after the other, up to a refused MAIL."""
        if self._session.is_pipelining:
            return await self._session.group(group)
        found: list[Exchange] = []
        for command in group:
            found += await self._session.group([command])
            reply = found[-1].reply
            if command[0] is Stage.MAIL and (reply is None or not reply.is_positive):
                break
        return found

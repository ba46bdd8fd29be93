"""What a careful verifier must say about a mailbox of the sandbox: the truth that tests compare with."""

from validatord.mail.verdict import Reason, Status
from validatord.sandbox.mailboxes import MailboxState
from validatord.sandbox.personality import Personality
from validatord.sandbox.spec import DomainSpec, find_state

# Status and reason, the best first; any of them is right.
_BY_STATE: dict[MailboxState, tuple[tuple[Status, Reason], ...]] = {
    MailboxState.ACCEPTED: ((Status.VALID, Reason.ACCEPTED),),
    MailboxState.SLOW: ((Status.VALID, Reason.ACCEPTED), (Status.UNKNOWN, Reason.CONNECTION_LOST)),
    MailboxState.FORWARDED: ((Status.VALID, Reason.FORWARDED),),
    MailboxState.UNKNOWN: ((Status.INVALID, Reason.NO_SUCH_MAILBOX),),
    MailboxState.DISABLED: ((Status.INVALID, Reason.MAILBOX_DISABLED),),
    MailboxState.NOT_LOCAL: ((Status.INVALID, Reason.USER_NOT_LOCAL),),
    MailboxState.FULL: ((Status.RISKY, Reason.MAILBOX_FULL),),
    MailboxState.FULL_FOR_NOW: ((Status.RISKY, Reason.MAILBOX_FULL),),
    MailboxState.BUSY: (
        (Status.UNKNOWN, Reason.RECIPIENT_RATE_LIMITED),
        (Status.VALID, Reason.RECIPIENT_RATE_LIMITED),
    ),
    MailboxState.UNCLEAR: (
        (Status.INVALID, Reason.NO_SUCH_MAILBOX),
        (Status.INVALID, Reason.POLICY_REJECTED),
        (Status.UNKNOWN, Reason.POLICY_REJECTED),
    ),
}


def expected_outcomes(
    local_part: str, domain: DomainSpec, personality: Personality
) -> tuple[tuple[Status, Reason], ...]:
    """Return every right answer about a mailbox, after all retries; the first is the best.

    `personality` is that of the best MX host that can be talked to.
    """
    if personality.expects:
        return personality.expects
    if not local_part.isascii() and not personality.offers_smtputf8:
        return ((Status.INVALID, Reason.SMTPUTF8_UNSUPPORTED),)
    state = find_state(local_part, domain, personality)
    if domain.accepts_all and state is MailboxState.ACCEPTED:
        return ((Status.ACCEPT_ALL, Reason.ACCEPT_ALL),)
    return (*_BY_STATE[state], *personality.also)

"""How campaigns fared at a mailbox and at its whole domain before a moment."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """Mailboxes and events before a moment; an event counts half after each half-life.

    `domain_bounced` and `domain_alive` count mailboxes by what was told of them first: a hard bounce, or that
    somebody opened, clicked, answered or complained; `domain_verified` counts those that had a verdict
    a fortnight before and were not refused. The other two count events of the mailbox.
    """

    domain_bounced: float = 0.0
    domain_alive: float = 0.0
    domain_verified: float = 0.0
    mailbox_alive: float = 0.0
    mailbox_soft_bounces: float = 0.0

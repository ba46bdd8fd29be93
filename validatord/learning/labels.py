"""What became of a mailbox after its verdict: the rule by which a verdict is right or wrong.

Within the window after the verdict

- a hard bounce means dead, whatever else was told: gateways open and click for mailboxes that do not exist;
- an open, click, reply or complaint means alive;
- a soft bounce alone means nothing;
- silence means alive if the mailbox was on a list that was evidently mailed: what is dead bounces. Otherwise
  it means nothing: nobody may have written.

A list is what one submission found with one status, since that is how lists are cut before they are mailed.
It was evidently mailed if campaigns brought news of at least 20 of its mailboxes, and of one in twenty. A
verdict whose window has not closed yet has no label: bounces come first, and would be all there is.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

_BOUNCE = "hard_bounce"
_SOFT = "soft_bounce"
_LEAST_NEWS = 20  # mailboxes
_LEAST_SHARE = 0.05


class Label(StrEnum):
    """What told the outcome: the first means dead, the others alive."""

    BOUNCED = "bounced"
    ANSWERED = "answered"
    SILENT = "silent"

    @property
    def is_alive(self) -> bool:
        """Whether mail arrived."""
        return self is not Label.BOUNCED


def find_label(
    events: Iterable[tuple[str, datetime]], moment: datetime, window: timedelta, *, was_mailed: bool
) -> Label | None:
    """Return what became of a mailbox after a moment, from its events; None: nobody knows."""
    kinds = {kind for kind, at in events if moment < at <= moment + window}
    if _BOUNCE in kinds:
        return Label.BOUNCED
    if kinds - {_SOFT}:
        return Label.ANSWERED
    return Label.SILENT if was_mailed and not kinds else None


def is_mailed(mailboxes: int, with_news: int) -> bool:
    """Whether a list was evidently mailed."""
    return with_news >= _LEAST_NEWS and with_news >= _LEAST_SHARE * mailboxes

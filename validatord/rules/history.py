"""What the past of a mailbox and its domain is worth today: events fade, and a newer sign of life counts.

Weights run from 0 (nothing, or forgotten) to 1 (it happened just now); several events add up towards 1 and
never beyond. Nothing here decides: the points are `score`'s.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta

from validatord.mail.request import NO_PAST, History, Past
from validatord.settings import HistorySettings

_WEEK = timedelta(days=7)
_SHOWN_FROM = 0.05  # what weighs less is as good as forgotten and is no reason any more


def weigh(history: History, now: datetime, settings: HistorySettings) -> Past:
    """Return what a history is worth at `now`; an event of the future counts as one of now."""
    if history == _NOTHING:
        return NO_PAST
    return Past(
        hard_bounce=_weigh_bounces(history, now, settings),
        soft_bounce=_add_up(history.soft_bounces, now, settings.soft_bounce_half_life),
        sign_of_life=_add_up((*history.opens, *history.clicks, *history.replies), now, settings.sign_of_life_half_life),
        complaint=_add_up(history.complaints, now, settings.complaint_half_life),
        domain_bounces=_share_of_bounces(history, now, settings),
    )


_NOTHING = History()


def _weigh_bounces(history: History, now: datetime, settings: HistorySettings) -> float:
    """A bounce is worth less once somebody read mail there later: the mailbox is back, or never was gone."""
    reply = max(history.replies, default=None)
    look = max((*history.opens, *history.clicks), default=None)
    missing = 1.0
    for at in history.hard_bounces:
        weight = _fade(at, now, settings.hard_bounce_half_life)
        if reply is not None and reply > at:
            weight *= settings.life_after_bounce**2
        elif look is not None and look > at:
            weight *= settings.life_after_bounce
        missing *= 1 - weight
    return _round(1 - missing)


def _add_up(times: Iterable[datetime], now: datetime, half_life: timedelta) -> float:
    missing = 1.0
    for at in times:
        missing *= 1 - _fade(at, now, half_life)
    return _round(1 - missing)


def _fade(at: datetime, now: datetime, half_life: timedelta) -> float:
    return 0.5 ** (max(timedelta(), now - at) / half_life)


def _share_of_bounces(history: History, now: datetime, settings: HistorySettings) -> float:
    """Hard bounces among all that was told of the domain; 0 where too little was."""
    bounced, told = 0.0, 0.0
    for week in history.weeks:
        # What happened in a week happened on average in its middle.
        middle = datetime.combine(week.monday, time(), UTC) + _WEEK / 2
        fade = _fade(middle, now, settings.domain_half_life)
        bounced += week.hard_bounces * fade
        told += (week.hard_bounces + week.soft_bounces + week.signs_of_life + week.complaints) * fade
    return _round(bounced / told) if told >= settings.domain_events else 0.0


def _round(weight: float) -> float:
    """Drop what is forgotten, so that no verdict hangs on the ninth decimal of an old event."""
    return round(weight, 4) if weight >= _SHOWN_FROM else 0.0

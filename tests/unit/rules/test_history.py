"""What the past is worth today: it fades, it never weighs more than one, and life after a bounce counts."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validatord.mail.request import NO_PAST, DomainWeek, History, Past
from validatord.rules.history import weigh
from validatord.settings import HistorySettings

_NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
_SETTINGS = HistorySettings()


def _ago(days: float) -> datetime:
    return _NOW - timedelta(days=days)


def test_nothing_told_is_no_past() -> None:
    """A mailbox nobody told anything about has no past."""
    assert weigh(History(), _NOW, _SETTINGS) == NO_PAST


@pytest.mark.parametrize(("days", "weight"), [(0, 1.0), (180, 0.5), (360, 0.25), (1000, 0.0), (-30, 1.0)])
def test_hard_bounce_fades_by_its_half_life(days: float, weight: float) -> None:
    """After a half-life a bounce counts half, in the end nothing; one of the future counts as one of now."""
    assert weigh(History(hard_bounces=(_ago(days),)), _NOW, _SETTINGS).hard_bounce == weight


def test_every_kind_has_its_own_half_life() -> None:
    """A soft bounce is forgotten in weeks, a complaint in years; opens, clicks and replies are one kind."""
    found = weigh(History(soft_bounces=(_ago(14),), complaints=(_ago(365),), clicks=(_ago(180),)), _NOW, _SETTINGS)
    assert found == Past(soft_bounce=0.5, complaint=0.5, sign_of_life=0.5)
    for kind in ("opens", "clicks", "replies"):
        assert weigh(History(**{kind: (_NOW,)}), _NOW, _SETTINGS).sign_of_life == 1.0


def test_several_events_add_up_towards_one() -> None:
    """Two half-forgotten bounces weigh more than one and less than a fresh one."""
    found = weigh(History(hard_bounces=(_ago(180), _ago(180))), _NOW, _SETTINGS)
    assert found.hard_bounce == 0.75


def test_newer_sign_of_life_weakens_a_bounce() -> None:
    """Who read mail after the bounce has a mailbox; a reply says it louder than an open."""
    bounce = (_ago(10),)
    plain = weigh(History(hard_bounces=bounce), _NOW, _SETTINGS).hard_bounce
    opened = weigh(History(hard_bounces=bounce, opens=(_ago(5),)), _NOW, _SETTINGS).hard_bounce
    replied = weigh(History(hard_bounces=bounce, replies=(_ago(5),)), _NOW, _SETTINGS).hard_bounce
    older = weigh(History(hard_bounces=bounce, replies=(_ago(11),)), _NOW, _SETTINGS).hard_bounce

    assert opened == pytest.approx(plain * 0.25, abs=1e-3)
    assert replied == pytest.approx(plain * 0.0625, abs=1e-3)
    assert older == plain


def test_bounce_after_the_sign_of_life_counts_whole() -> None:
    """A mailbox that was read and bounced since is gone: only the newer bounce keeps its weight."""
    found = weigh(History(hard_bounces=(_NOW, _ago(20)), opens=(_ago(10),)), _NOW, _SETTINGS)
    assert found.hard_bounce == 1.0


def test_domain_counts_by_share_and_only_if_enough_was_told() -> None:
    """Half of the domain's mail came back: that is said from the twentieth event on, weighed by age."""
    monday = date(2026, 5, 4)
    half = History(weeks=(DomainWeek(monday, hard_bounces=10, signs_of_life=10),))
    few = History(weeks=(DomainWeek(monday, hard_bounces=10, signs_of_life=9),))
    old = History(weeks=(DomainWeek(monday - timedelta(days=700), hard_bounces=100),))

    assert weigh(half, _NOW, _SETTINGS).domain_bounces == 0.5
    assert weigh(few, _NOW, _SETTINGS).domain_bounces == 0.0
    assert weigh(old, _NOW, _SETTINGS).domain_bounces == 0.0


_TIMES = st.lists(st.floats(-10, 4000).map(_ago), max_size=5).map(tuple)
_WEEKS = st.lists(
    st.builds(
        DomainWeek,
        st.dates(date(2020, 1, 1), date(2026, 6, 1)),
        *[st.integers(0, 1000)] * 4,
    ),
    max_size=5,
).map(tuple)
_HISTORIES = st.builds(History, *[_TIMES] * 6, weeks=_WEEKS)


@given(_HISTORIES, st.floats(0, 1000))
def test_weights_stay_between_none_and_one_and_never_rise_by_waiting(history: History, days: float) -> None:
    """Whatever was told, each weight lies in 0 to 1, and time alone makes no bounce or sign worth more."""
    today = weigh(history, _NOW + timedelta(days=11), _SETTINGS)
    later = weigh(history, _NOW + timedelta(days=11 + days), _SETTINGS)
    for name in ("hard_bounce", "soft_bounce", "sign_of_life", "complaint"):
        assert 0.0 <= getattr(later, name) <= getattr(today, name) <= 1.0
    assert 0.0 <= today.domain_bounces <= 1.0

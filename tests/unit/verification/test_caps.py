"""How much of a day is left."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.verification.made import NOW, make_visit
from validatord.errors import GateClosed
from validatord.mail.request import DomainFacts
from validatord.settings import Settings
from validatord.verification.caps import find_next_day, find_room

CAP = Settings.of(policy={"rcpt_per_domain_per_day": 10})


def test_without_caps_there_is_room_for_any_number() -> None:
    """Neither the domain nor the lane counts."""
    assert find_room(make_visit(), NOW, 2, None) is None


@pytest.mark.parametrize(("sent", "reserve", "room"), [(0, 2, 8), (7, 2, 1), (9, 2, 1), (0, 0, 10), (9, 0, 1)])
def test_controls_are_kept_room_for(sent: int, reserve: int, room: int) -> None:
    """As long as anything is left, one may be asked."""
    assert find_room(make_visit(settings=CAP, rcpts=sent), NOW, reserve, None) == room


def test_a_used_up_day_closes_the_gate_until_the_next() -> None:
    """What was sent earlier today counts as well."""
    facts = DomainFacts("acme.example", rcpt_day=NOW.date(), rcpt_count=6)
    with pytest.raises(GateClosed, match="rcpt_per_day") as closed:
        find_room(make_visit(settings=CAP, facts=facts, rcpts=4), NOW, 0, None)
    assert closed.value.retry_at == NOW + timedelta(days=1)


def test_the_lanes_day_counts_as_well() -> None:
    """The smaller of the two decides."""
    assert find_room(make_visit(), NOW, 1, 5) == 4
    assert find_room(make_visit(settings=CAP), NOW, 0, 3) == 3
    assert find_room(make_visit(settings=CAP), NOW, 0, 30) == 10


def test_days_are_utc() -> None:
    """The next one begins at midnight."""
    assert find_next_day(datetime(2026, 2, 28, 23, 59, tzinfo=UTC)) == datetime(2026, 3, 1, tzinfo=UTC)

"""What a visit leaves in the ledger about its domain."""

from datetime import timedelta

import pytest

from tests.unit.verification.made import NOW, make_answer, make_visit
from validatord.mail.request import DomainFacts
from validatord.mail.verdict import AcceptAll
from validatord.verification.facts import facts_after, known_accept_all

HOSTS = make_answer((10, "mx1.acme.example"))


def make_facts(state: AcceptAll = AcceptAll.ACCEPTS_ALL, **more: object) -> DomainFacts:
    usual: dict[str, object] = {
        "accept_all": state,
        "accept_all_host_set": HOSTS.host_set,
        "accept_all_until": NOW + timedelta(hours=1),
        "accept_all_seen": 1,
        "accept_all_seen_at": NOW - timedelta(hours=23),
    }
    return DomainFacts("acme.example", **{**usual, **more})  # pyright: ignore[reportArgumentType]


def test_a_fresh_state_of_the_same_hosts_is_believed() -> None:
    """It belongs to the hosts that were asked, and holds until its time."""
    assert known_accept_all(make_visit(facts=make_facts()), NOW) is AcceptAll.ACCEPTS_ALL


@pytest.mark.parametrize(
    "change", [{"accept_all_until": NOW}, {"accept_all_until": None}, {"accept_all_host_set": "mx9.acme.example"}]
)
def test_an_old_state_or_one_of_other_hosts_is_not(change: dict[str, object]) -> None:
    """A domain that moved says everything anew."""
    assert known_accept_all(make_visit(facts=make_facts(**change)), NOW) is AcceptAll.NOT_ASKED


@pytest.mark.parametrize(
    ("state", "before", "ttl", "seen"),
    [
        (AcceptAll.REJECTS_UNKNOWN, None, timedelta(days=7), 1),
        (AcceptAll.ACCEPTS_ALL, None, timedelta(hours=24), 1),
        (AcceptAll.ACCEPTS_ALL, make_facts(), timedelta(days=7), 2),
        (AcceptAll.ACCEPTS_ALL, make_facts(accept_all_seen_at=NOW - timedelta(hours=2)), timedelta(hours=24), 1),
        (AcceptAll.ACCEPTS_ALL, make_facts(AcceptAll.REJECTS_UNKNOWN), timedelta(hours=24), 1),
        (AcceptAll.UNDETERMINED, None, timedelta(), 1),
    ],
)
def test_how_long_a_new_state_holds(state: AcceptAll, before: DomainFacts | None, ttl: timedelta, seen: int) -> None:
    """A first `accepts all` a day, one that another day agrees with a week, a clear no a week, the rest not at all."""
    visit = make_visit(facts=before or DomainFacts("acme.example"), accept_all=state, has_new_control=True)
    facts = facts_after(visit, NOW)
    assert (facts.accept_all, facts.accept_all_until, facts.accept_all_seen) == (state, NOW + ttl, seen)
    assert facts.accept_all_host_set == HOSTS.host_set


def test_a_backups_answer_is_not_the_domains() -> None:
    """What a backup accepts for a host that is down changes nothing that is known."""
    visit = make_visit(
        facts=make_facts(AcceptAll.REJECTS_UNKNOWN),
        accept_all=AcceptAll.ACCEPTS_ALL,
        has_new_control=True,
        is_control_of_backup=True,
    )
    assert facts_after(visit, NOW).accept_all is AcceptAll.REJECTS_UNKNOWN


def test_a_visit_that_learned_nothing_keeps_everything() -> None:
    """Only the look-up and the provider are new."""
    facts = make_facts()
    after = facts_after(make_visit(facts=facts), NOW)
    assert after.accept_all_until == facts.accept_all_until
    assert after.mx == HOSTS
    assert after.rcpt_day is None


def test_rcpts_of_today_add_up_and_those_of_yesterday_do_not() -> None:
    """The count is of one day."""
    today = DomainFacts("acme.example", rcpt_day=NOW.date(), rcpt_count=7)
    assert facts_after(make_visit(facts=today, rcpts=5), NOW).rcpt_count == 12
    tomorrow = NOW + timedelta(days=1)
    after = facts_after(make_visit(facts=today, rcpts=5), tomorrow)
    assert (after.rcpt_day, after.rcpt_count) == (tomorrow.date(), 5)

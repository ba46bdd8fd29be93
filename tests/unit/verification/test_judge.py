"""From what was learned to the rows that say so."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from tests.fakes.clock import FakeClock
from tests.unit.verification.made import NO, NOW, OK, make_case, make_probe, make_visit
from validatord.mail.provider import MXProvider
from validatord.mail.request import DomainFacts, Flags
from validatord.mail.track_record import TrackRecord
from validatord.mail.verdict import AcceptAll, Reason, Status
from validatord.rules.model import Model, Platt, Section
from validatord.rules.policy import BouncerMode, Cascade, ClientPolicy
from validatord.settings import Settings
from validatord.verification import judge, shortcut
from validatord.verification.context import Tools


class Lists:
    """Lists that hold nobody."""

    def __init__(self, ban: Reason | None) -> None:
        self.find_ban: Callable[[str], Reason | None] = lambda _: ban
        self.flags: Callable[..., Flags] = lambda *_: Flags()


class Judging:
    """As much of the tools as judging uses."""

    def __init__(
        self, policy: ClientPolicy | None = None, ban: Reason | None = None, model: Model | None = None
    ) -> None:
        self.clock = FakeClock(NOW)
        self.rng = random.Random(1)
        self.node = "one"
        self.policy_of: Callable[[str], ClientPolicy] = lambda _: policy or ClientPolicy()
        self.lists = Lists(ban)
        self.find_model: Callable[[], Model | None] = lambda: model


def tools(**more: Any) -> Tools:
    return cast("Tools", Judging(**more))


def test_every_request_of_a_mailbox_gets_the_answer() -> None:
    """One probe, one finding per request, attempts counted."""
    one = make_case("a", request_id=1)
    case = replace(one, requests=(*one.requests, *make_case("a", request_id=2, client="shop", attempt=2).requests))
    visit = make_visit(accept_all=AcceptAll.REJECTS_UNKNOWN)
    rows = judge.judge(visit, [(case, make_probe("a", OK, control=AcceptAll.REJECTS_UNKNOWN))], tools())
    assert [(item.request.request_id, item.finding.status, item.attempts) for item in rows.finished] == [
        (1, Status.VALID, 1),
        (2, Status.VALID, 3),
    ]


def test_a_verdict_carries_what_was_said() -> None:
    """Reply, hosts, trace, and how long it holds."""
    rows = judge.judge(make_visit(), [(make_case("a"), make_probe("a", NO))], tools())
    finding = rows.finished[0].finding
    assert (finding.reply, finding.mx_hosts, finding.source) == (NO, ("mx1.acme.example",), "probe")
    assert (finding.checked_at, finding.fresh_until) == (NOW, NOW + timedelta(days=3))


def test_what_was_inferred_is_not_used_again() -> None:
    """A refusal nobody recognises beside a postmaster who is accepted: right for now, but it may be taken back."""
    accepted = make_probe("postmaster", OK).reading
    probe = make_probe("a", "550 5.7.1 Administrative prohibition", postmaster=accepted)
    finding = judge.judge(make_visit(), [(make_case("a"), probe)], tools()).finished[0].finding
    assert (finding.status, finding.fresh_until) == (Status.INVALID, None)


@pytest.mark.parametrize(
    ("status", "wait"),
    [
        (Status.VALID, timedelta(days=7)),
        (Status.FREE_PROVIDER, timedelta(days=7)),
        (Status.INVALID, timedelta(days=3)),
        (Status.RISKY, timedelta(days=1)),
        (Status.ACCEPT_ALL, timedelta(days=7)),
        (Status.UNKNOWN, None),
    ],
)
def test_how_long_a_verdict_is_used_again(status: Status, wait: timedelta | None) -> None:
    """`unknown` never is: it is no answer."""
    assert judge.find_fresh_until(status, Settings(), NOW) == (NOW + wait if wait else None)


def test_handing_over_needs_a_key() -> None:
    """Without a key nobody would ever take the request up."""
    wanted = ClientPolicy(bouncer=Cascade(mode=BouncerMode.LOCAL_THEN_BOUNCER))
    probe = make_probe("a", "252 2.1.5 Cannot VRFY user")
    with_key = make_visit(settings=Settings.of(bouncer={"api_key": "k" * 40}))
    assert len(judge.judge(with_key, [(make_case("a"), probe)], tools(policy=wanted)).handed_over) == 1
    assert len(judge.judge(make_visit(), [(make_case("a"), probe)], tools(policy=wanted)).finished) == 1


def close_gate(created_at: datetime, cause: str, hours: float = 3.0) -> tuple[judge.Rows, datetime | None]:
    """Close the gate before a visit of one mailbox; return its rows and when the domain is due."""
    visit = make_visit(make_case("a", created_at=created_at))
    visit.not_before, visit.gate_cause = NOW + timedelta(hours=hours), cause
    return judge.give_up(visit, tools()), visit.not_before


def test_who_waits_at_a_closed_gate_waits() -> None:
    """Nothing is written about the mailbox, and the domain is due when the gate opens."""
    rows, due = close_gate(NOW, "lane x: sender_ip_blocked")
    assert (rows.finished, rows.deferred) == ([], [])
    assert due == NOW + timedelta(hours=3)


def test_who_waited_too_long_is_given_up() -> None:
    """Two days in vain; and whoever will have waited that long before the gate opens is looked at in time."""
    rows, _ = close_gate(NOW - timedelta(hours=48), "lane x: sender_ip_blocked")
    assert rows.finished[0].finding.reason == Reason.PROVIDER_PAUSED
    _, due = close_gate(NOW - timedelta(hours=46), "lane x: sender_ip_blocked")
    assert due == NOW + timedelta(hours=2)


def test_who_waits_for_tomorrow_is_told() -> None:
    """A daily cap is a deferral with its reason and no attempt."""
    rows, _ = close_gate(NOW, "domain acme.example: rcpt_per_day", hours=9)
    deferral = rows.deferred[0].deferral
    assert (deferral.reason, deferral.due_at, deferral.counts_as_attempt) == (
        Reason.DAILY_CAP,
        NOW + timedelta(hours=9),
        False,
    )


def test_waiting_for_a_turn_is_no_reason_to_give_up() -> None:
    """A long list of one provider takes days; nobody of it is refused for that."""
    rows, due = close_gate(NOW - timedelta(days=30), "")
    assert (rows.finished, rows.deferred, due) == ([], [], NOW + timedelta(hours=3))


def test_banned_domains_are_answered_without_a_packet() -> None:
    """With the reason of the ban; nobody stays pending."""
    visit = make_visit(make_case("a"), make_case("b"))
    rows = shortcut.answer_known(visit, {}, tools(ban=Reason.OPTED_OUT))
    assert [item.finding.reason for item in rows.finished] == [Reason.OPTED_OUT] * 2
    assert not visit.pending


def test_fresh_verdicts_answer_before_a_ban_does() -> None:
    """What is known is known."""
    known = judge.judge(make_visit(), [(make_case("a"), make_probe("a", NO))], tools()).finished[0].finding
    visit = make_visit(make_case("a"), make_case("b"))
    rows = shortcut.answer_known(visit, {"a@acme.example": known}, tools(ban=Reason.NEVER_PROBE))
    assert [item.finding.reason for item in rows.finished] == [Reason.NO_SUCH_MAILBOX, Reason.NEVER_PROBE]


def test_a_verdict_from_before_does_not_answer_who_wants_a_newer_one() -> None:
    """One request that wants a newer verdict has the mailbox asked, for all who wait for it; else it answers."""
    known = judge.judge(make_visit(), [(make_case("a"), make_probe("a", NO))], tools()).finished[0].finding
    for wanted, is_asked in ((NOW + timedelta(seconds=1), True), (NOW, False), (None, False)):
        case = make_case("a", request_id=1)
        strict = replace(make_case("a", request_id=2).requests[0], reuse_from=wanted)
        visit = make_visit(replace(case, requests=(*case.requests, strict)))
        rows = shortcut.answer_known(visit, {"a@acme.example": known}, tools())
        assert (len(rows.finished), bool(visit.pending)) == ((0, True) if is_asked else (2, False))


def test_a_verdict_says_what_it_is_made_of() -> None:
    """The finding keeps what its confidence adds up from and the facts behind it, whatever the client's policy."""
    policy = ClientPolicy(accept_all="invalid")
    visit = make_visit(make_case("a"), accept_all=AcceptAll.ACCEPTS_ALL)
    finding = shortcut.answer_accept_all(visit, tools(policy=policy)).finished[0].finding
    assert (finding.status, finding.reasons[-1]) == ("accept_all", "accept_all")
    assert sum(points for _, points in finding.contributions) == finding.confidence
    assert ("accept_all", -25) in finding.contributions
    assert finding.score_facts is not None
    assert finding.score_facts.verdict.status is Status.ACCEPT_ALL


def test_accept_all_answers_whoever_is_left() -> None:
    """And nobody where the state is another."""
    visit = make_visit(make_case("a"), accept_all=AcceptAll.REJECTS_UNKNOWN)
    assert shortcut.answer_accept_all(visit, tools()).finished == []
    visit.accept_all = AcceptAll.ACCEPTS_ALL
    rows = shortcut.answer_accept_all(visit, tools())
    assert [(item.finding.status, item.finding.source) for item in rows.finished] == [(Status.ACCEPT_ALL, "domain")]


def _model() -> Model:
    """A model that looks at the domain's record and its provider."""
    section = Section(("domain_dead_odds", "provider_google"), (-1.0, 1.0), (0.0, 0.0), 0.0, Platt(1.0, 0.0))
    return Model("0" * 64, NOW, NOW, timedelta(days=30), timedelta(days=365), {"accept_all": section})


def test_the_model_speaks_about_accept_all_domains() -> None:
    """Where the probe cannot tell, the record of the domain moves the confidence inside the band of its status."""
    case, model = make_case("a"), _model()
    probe = [(case, make_probe("a", OK, control=AcceptAll.ACCEPTS_ALL))]
    found = []
    for record in (TrackRecord(domain_bounced=30), TrackRecord(), TrackRecord(domain_alive=30)):
        visit = make_visit(accept_all=AcceptAll.ACCEPTS_ALL, records={"a@acme.example": record})
        found.append(judge.judge(visit, probe, tools(model=model)).finished[0].finding)

    assert [finding.status for finding in found] == [Status.ACCEPT_ALL] * 3
    assert [finding.confidence for finding in found] == [71, 80, 88]
    assert all(finding.contributions[-1][0] == "model" for finding in found)


def test_the_model_is_asked_with_the_provider_found() -> None:
    """The evidence is of this visit: who runs the hosts now, not what the ledger knew before."""
    visit = make_visit(
        accept_all=AcceptAll.ACCEPTS_ALL, records={"a@acme.example": TrackRecord()}, provider=MXProvider("google"),
        facts=DomainFacts("acme.example", provider_key="other"),
    )  # fmt: skip
    probe = [(make_case("a"), make_probe("a", OK, control=AcceptAll.ACCEPTS_ALL))]
    finding = judge.judge(visit, probe, tools(model=_model())).finished[0].finding

    assert finding.score_facts is not None
    assert finding.score_facts.chance == 0.731


def test_without_a_model_or_a_record_the_rules_speak() -> None:
    """No model, a mailbox whose record was not loaded, a status the model does not know: nothing changes."""
    case = make_case("a")
    records = {"a@acme.example": TrackRecord(domain_bounced=30)}
    accepted = [(case, make_probe("a", OK, control=AcceptAll.ACCEPTS_ALL))]
    plain = judge.judge(make_visit(accept_all=AcceptAll.ACCEPTS_ALL), accepted, tools())
    without_record = judge.judge(make_visit(accept_all=AcceptAll.ACCEPTS_ALL), accepted, tools(model=_model()))
    refused = judge.judge(make_visit(records=records), [(case, make_probe("a", NO))], tools(model=_model()))

    assert without_record.finished[0].finding == plain.finished[0].finding
    assert refused.finished[0].finding.confidence == 0

"""Which answers are kept back within a visit, and when they are let go."""

from typing import cast

import pytest

from tests.unit.verification.made import NO, NOW, OK, RELAY, SHUT, make_case, make_probe, make_report, make_visit
from validatord.errors import GateClosed
from validatord.lookup.walk import Stop
from validatord.mail.transcript import Transcript
from validatord.mail.verdict import AcceptAll
from validatord.smtp.dialogue import Session
from validatord.verification import hold
from validatord.verification.context import Visit
from validatord.verification.hold import Answered
from validatord.verification.walk import Walk

A, B, BACKUP = (
    Stop("a.example", "192.0.2.1", 10),
    Stop("b.example", "192.0.2.2", 10),
    Stop("c.example", "192.0.2.3", 20),
)


class Spoken:
    """As much of a session as holding looks at."""

    host_name = "a.example"

    def transcript(self, sender: str) -> Transcript:
        return Transcript()


SESSION = cast("Session", Spoken())


def hear(
    visit: Visit, answers: dict[str, str], walk: Walk | None = None, **report: object
) -> tuple[list[str], list[str]]:
    """Hold what a conversation said; return who is answered and who is kept back."""
    answered: Answered = [(make_case(name), make_probe(name, text)) for name, text in answers.items()]
    kept = hold.hold(answered, make_report(answers, **report), SESSION, visit, walk or Walk((A,), 2, 10))  # pyright: ignore[reportArgumentType]
    names = [case.mailbox.local_part for case, _ in kept]
    return names, [mailbox.local_part for mailbox in visit.held]


def test_an_answer_is_an_answer() -> None:
    """With the state of the domain known nothing is kept back."""
    visit = make_visit(accept_all=AcceptAll.REJECTS_UNKNOWN)
    assert hear(visit, {"a": OK, "b": NO}) == (["a", "b"], [])


def test_acceptances_without_their_control_wait_for_it() -> None:
    """The host hung up before the made-up name: the refusal stands, the acceptance waits."""
    assert hear(make_visit(), {"a": OK, "b": NO}) == (["b"], ["a"])


@pytest.mark.parametrize(
    "report", [{"is_stopped_early": True}, {"gate": GateClosed("x", NOW)}, {"control": "550 5.1.1 User unknown"}]
)
def test_they_do_not_wait_where_asking_makes_no_sense(report: dict[str, object]) -> None:
    """The host spoke of us, the lane is shut, or the control was answered after all."""
    assert hear(make_visit(), {"a": OK}, **report) == (["a"], [])


def test_a_control_that_was_told_of_the_end_was_not_answered() -> None:
    """421 speaks of the session."""
    assert hear(make_visit(), {"a": OK}, control=SHUT) == ([], ["a"])


def test_they_wait_once() -> None:
    """Kept back a second time, an answer would never be given."""
    visit = make_visit()
    hear(visit, {"a": OK})
    assert hear(visit, {"a": OK}) == (["a"], ["a"])


def test_a_witness_is_asked_alone_and_once() -> None:
    """One of those who wait, so that the control can follow at once; if that fails, too, nobody else is tried."""
    visit = make_visit(make_case("x"), make_case("a"), make_case("b"))
    hear(visit, {"a": OK, "b": OK})
    witness = hold.take_witness(visit)
    assert witness is not None
    assert witness.mailbox.local_part == "a"
    assert [case.mailbox.local_part for case in visit.pending] == ["x", "b"]
    assert hold.take_witness(visit) is None


def test_the_control_lets_all_of_them_go() -> None:
    """Everybody who was accepted is judged by it, nobody is asked again; those never asked stay pending."""
    visit = make_visit(make_case("x"), make_case("a"), make_case("b"))
    hear(visit, {"a": OK, "b": OK})
    assert hold.release(visit) == []
    visit.accept_all, visit.has_new_control = AcceptAll.REJECTS_UNKNOWN, True
    released = hold.release(visit)
    assert [(case.mailbox.local_part, probe.control) for case, probe in released] == [
        ("a", AcceptAll.REJECTS_UNKNOWN),
        ("b", AcceptAll.REJECTS_UNKNOWN),
    ]
    assert not any(probe.is_control_cached for _, probe in released)
    assert [case.mailbox.local_part for case in visit.pending] == ["x"]


def test_a_session_that_ends_says_nothing_about_the_last_one_asked() -> None:
    """421 after answers of others: asked again; 421 as the only answer is the host's word."""
    known = AcceptAll.REJECTS_UNKNOWN
    assert hear(make_visit(accept_all=known), {"a": NO, "b": SHUT}) == (["a"], ["b"])
    assert hear(make_visit(accept_all=known), {"b": SHUT}) == (["b"], [])


def test_relay_denied_leads_to_an_equal_host() -> None:
    """And only there: not to a backup, not if the session was with another host than the walk's."""
    walk = Walk((A, B, BACKUP), 2, 10)
    assert hear(make_visit(), {"a": RELAY, "b": NO}, walk) == (["b"], ["a"])
    assert walk.stop == B
    for stops in ((A, BACKUP), (B, A)):
        walk = Walk(stops, 2, 10)
        assert hear(make_visit(), {"a": RELAY}, walk) == (["a"], [])
        assert walk.position == 0

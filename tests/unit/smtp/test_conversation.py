"""What is asked in which order, and what is reported as answered, unanswered or never asked."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.fakes.clock import FakeClock, settle
from tests.fakes.mx_script import DROP, HANG, PLAIN, Connection, MXScript, mailbox_script
from tests.unit.smtp.talk import (
    CONTROL,
    SENDER,
    Pace,
    codes,
    mailbox,
    mailboxes,
    make_guide,
    make_plan,
    session_with,
)
from validatord.clock import SystemClock
from validatord.errors import AddressSyntaxError, Disconnected, GateClosed, ProtocolViolation, ReplyTimeout, Stopping
from validatord.mail.transcript import Exchange
from validatord.mail.verdict import Meaning, Stage
from validatord.smtp.conversation import converse
from validatord.smtp.envelope import Envelopes
from validatord.smtp.plan import ConversationReport

NO = "550 5.1.1 no such user"
TOO_MANY = "452 4.5.3 Too many recipients (AS780090)"
SMALL = "250-mx.example.com\n250-PIPELINING\n250 LIMITS RCPTMAX=2 MAILMAX=2"


def answer_codes(report: ConversationReport) -> dict[str, int | str | None]:
    """Return the code or failure of each answered mailbox, by local part."""
    return {box.local_part: codes([answer.exchange])[0] for box, answer in report.answers.items()}


def after_ehlo(host: MXScript) -> list[str]:
    """Return the verbs and local parts the host saw after EHLO, for short comparisons."""
    lines = [line for line in host.seen if not line.startswith(("EHLO", "HELO", "QUIT"))]
    return [line.removeprefix("RCPT TO:<").split("@")[0].split(":")[0].split(" ")[0] for line in lines]


# --- targets and controls ------------------------------------------------------------------------


async def test_targets_first_then_the_control_recipient() -> None:
    """A refused target needs no control, an accepted one does: in the same session and envelope."""
    script = mailbox_script({"a@example.org": NO, CONTROL[0]: NO})
    async with MXScript(script) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", "b", control=CONTROL), make_guide())
        assert answer_codes(report) == {"a": 550, "b": 250}
        assert codes(list(report.control)) == [550]
        assert (report.unanswered, report.failure, report.refusal, report.spent) == ((), None, None, "")
        assert not report.is_accept_all_seen
    assert after_ehlo(host) == ["MAIL", "a", "b", CONTROL[0].split("@")[0]]
    assert len(host.connections[0].chunks) == 3  # EHLO; MAIL and both targets; the control recipient


async def test_no_control_recipient_without_an_accepted_target() -> None:
    """An invalid RCPT is not spent where it could tell nothing."""
    async with MXScript({"RCPT": NO}) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", "b", control=CONTROL), make_guide())
        assert report.control == ()
    assert after_ehlo(host) == ["MAIL", "a", "b"]


async def test_accept_all_ends_the_asking() -> None:
    """Pitfall 7: both shapes accepted: the remaining targets are not asked at all."""
    names = [f"u{number}" for number in range(7)]
    async with MXScript() as host, session_with(host) as session:
        report = await converse(session, make_plan(*names, control=CONTROL), make_guide())
        assert report.is_accept_all_seen
        assert codes(list(report.control)) == [250, 250]
        assert list(answer_codes(report)) == names[:5]
        assert report.unanswered == mailboxes("u5", "u6")
        assert (report.failure, report.spent) == (None, "")
    assert host.rcpts[5:] == list(CONTROL)
    assert host.seen.count("DATA") == 0


async def test_a_single_shape_may_be_enough() -> None:
    """A plan with one control recipient is content with it."""
    async with MXScript() as host, session_with(host) as session:
        report = await converse(session, make_plan("a", control=CONTROL[:1]), make_guide())
        assert report.is_accept_all_seen
    assert host.rcpts == ["a@example.org", CONTROL[0]]


@pytest.mark.parametrize("reply", ["451 4.7.1 greylisted", "252 2.1.5 cannot verify", "554 5.7.1 other", "251 ok"])
async def test_the_second_shape_only_after_the_first_was_accepted(reply: str) -> None:
    """An undecided first control recipient is asked again another day, not under another name now."""
    async with MXScript(mailbox_script({CONTROL[0]: reply})) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", control=CONTROL), make_guide())
        assert len(report.control) == (2 if reply.startswith("251") else 1)
        assert report.is_accept_all_seen is reply.startswith("251")


async def test_codes_of_two_kinds() -> None:
    """Pitfalls 25 and 26: 251 accepts, 252 does not, 551 is an answer like any refusal."""
    script = mailbox_script(
        {
            "a@example.org": "251 will forward to <x@example.net>",
            "b@example.org": "252 cannot verify",
            "c@example.org": "551 User not local; please try <x@example.net>",
        }
    )
    async with MXScript(script) as host, session_with(host) as session:
        report = await converse(session, make_plan("b", "c", control=CONTROL), make_guide())
        assert (answer_codes(report), report.control) == ({"b": 252, "c": 551}, ())
        report = await converse(session, make_plan("a", control=CONTROL), make_guide())
        assert (answer_codes(report), len(report.control)) == ({"a": 251}, 2)


async def test_a_mailbox_that_gets_too_much_mail_needs_the_control_too() -> None:
    """`at a rate` tells that the mailbox exists only where unknown ones are refused."""
    script = mailbox_script({"a@example.org": "450 4.2.1 receiving mail at a rate", CONTROL[0]: NO})
    async with MXScript(script) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", control=CONTROL), make_guide())
        assert codes(list(report.control)) == [550]


async def test_postmaster_is_asked_once_after_an_unexplained_refusal() -> None:
    """Where nothing explains a 5xx, the same session is asked about postmaster."""
    script = {"RCPT": "554 5.7.1 policy", "RCPT TO:<postmaster@": "250 ok"}
    async with MXScript(script) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", "b", wants_postmaster=True), make_guide())
        assert codes([report.postmaster] if report.postmaster else []) == [250]
        stages = [exchange.command for exchange in report.answers[mailbox("a")].transcript.exchanges]
        assert stages[-1] == "RCPT TO:<postmaster@example.org>"
    assert host.rcpts == ["a@example.org", "b@example.org", "postmaster@example.org"]


async def test_postmaster_is_not_asked_where_it_tells_nothing() -> None:
    """Not after a plain refusal, not where the plan forbids it, and never twice."""
    async with MXScript({"RCPT": NO}) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", wants_postmaster=True), make_guide())
        assert report.postmaster is None
    async with MXScript({"RCPT": "554 policy"}) as host, session_with(host) as session:
        report = await converse(session, make_plan("a"), make_guide())
        assert report.postmaster is None
    async with MXScript({"RCPT": "554 policy"}) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", "Postmaster", wants_postmaster=True), make_guide())
        assert report.postmaster == report.answers[mailbox("Postmaster")].exchange
    assert host.rcpts == ["a@example.org", "Postmaster@example.org"]


# --- envelopes -----------------------------------------------------------------------------------


async def test_the_next_envelope_is_one_group() -> None:
    """RSET, MAIL and RCPT leave together; no envelope holds more recipients than the plan allows."""
    names = [f"u{number}" for number in range(7)]
    async with MXScript({"RCPT": "451 later"}) as host, session_with(host) as session:
        report = await converse(session, make_plan(*names, rcpt_per_envelope=3), make_guide())
        assert report.unanswered == ()
        assert session.round_trips == 4  # EHLO and three envelopes
    assert after_ehlo(host) == ["MAIL", "u0", "u1", "u2", "RSET", "MAIL", "u3", "u4", "u5", "RSET", "MAIL", "u6"]
    assert len(host.connections[0].chunks) == 4


async def test_a_session_is_used_again_for_another_domain() -> None:
    """Pitfall 14: the envelope of the earlier visit is reset; no envelope ever holds two domains."""
    async with MXScript({"RCPT": NO}) as host, session_with(host) as session:
        await converse(session, make_plan("a"), make_guide())
        assert session.is_reusable
        other = make_plan(domain="example.com", mailboxes=(mailbox("b", "example.com"),))
        report = await converse(session, other, make_guide())
        assert list(report.answers) == [mailbox("b", "example.com")]
    assert host.seen[1:] == [
        f"MAIL FROM:<{SENDER}>",
        "RCPT TO:<a@example.org>",
        "RSET",
        f"MAIL FROM:<{SENDER}>",
        "RCPT TO:<b@example.com>",
    ]


def test_a_plan_holds_one_domain_and_what_can_be_sent() -> None:
    """A plan that could put two domains into an envelope cannot be made."""
    with pytest.raises(ValueError, match="one envelope, one domain"):
        make_plan(mailboxes=(mailbox("a"), mailbox("b", "example.com")))
    with pytest.raises(AddressSyntaxError):
        make_plan("a", envelope_sender="probe@example.net> X")
    with pytest.raises(AddressSyntaxError):
        make_plan("a", control=("a b@example.org",))


async def test_one_recipient_per_envelope_where_the_host_demands_it() -> None:
    """Pitfall 13: `452 4.5.3` answers nothing about the mailbox: RSET, MAIL, RCPT alone, same session."""

    def second_is_too_many(connection: Connection) -> object:
        envelope = "\n".join(connection.commands).rpartition("MAIL")[2]
        return connection.send(f"{TOO_MANY if envelope.count('RCPT') > 1 else '250 ok'}\r\n".encode())

    script = {"RCPT": second_is_too_many}
    async with MXScript(script) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", "b", "c"), make_guide())
        assert answer_codes(report) == {"a": 250, "b": 250, "c": 250}
        assert report.one_rcpt_per_envelope
        assert session.resets == 2
    assert after_ehlo(host) == ["MAIL", "a", "b", "c", "RSET", "MAIL", "b", "RSET", "MAIL", "c"]
    assert len(host.connections) == 1


async def test_a_control_recipient_of_its_own_envelope() -> None:
    """The control recipient too is asked alone where the host demands that, known before or not."""

    def second_is_too_many(connection: Connection) -> object:
        envelope = "\n".join(connection.commands).rpartition("MAIL")[2]
        last = connection.commands[-1]
        refusal = NO if CONTROL[0] in last else "250 ok"
        return connection.send(f"{TOO_MANY if envelope.count('RCPT') > 1 else refusal}\r\n".encode())

    name = CONTROL[0].split("@")[0]
    async with MXScript({"RCPT": second_is_too_many}) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", control=CONTROL), make_guide())
        assert (codes(list(report.control)), report.one_rcpt_per_envelope) == ([550], True)
    assert after_ehlo(host) == ["MAIL", "a", name, "RSET", "MAIL", name]
    async with MXScript({"RCPT": second_is_too_many}) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", control=CONTROL, rcpt_per_envelope=1), make_guide())
        assert (codes(list(report.control)), report.one_rcpt_per_envelope) == ([550], False)
    assert after_ehlo(host) == ["MAIL", "a", "RSET", "MAIL", name]


async def test_too_many_even_alone_is_an_answer() -> None:
    """A host that says it to a single recipient is not asked for ever."""
    async with MXScript({"RCPT": TOO_MANY}) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", control=CONTROL), make_guide())
        assert answer_codes(report) == {"a": 452}
    assert after_ehlo(host) == ["MAIL", "a", "RSET", "MAIL", "a"]
    kept = [exchange.stage for exchange in report.answers[mailbox("a")].transcript.exchanges]
    assert kept == [Stage.CONNECT, Stage.EHLO, Stage.MAIL, Stage.RCPT, Stage.MAIL, Stage.RCPT]


async def test_the_limits_of_the_host_are_kept() -> None:
    """RFC 9422: RCPTMAX per envelope, also with the control recipients; MAILMAX per session."""
    names = [f"u{number}" for number in range(5)]
    script = {"EHLO": SMALL, **mailbox_script({CONTROL[0]: NO})}
    async with MXScript(script) as host, session_with(host) as session:
        report = await converse(session, make_plan(*names, control=CONTROL), make_guide())
        assert answer_codes(report) == {"u0": 250, "u1": 250, "u2": 250}
        assert report.spent == "mail"
        assert report.unanswered == mailboxes("u3", "u4")
    assert after_ehlo(host) == ["MAIL", "u0", "u1", "RSET", "MAIL", CONTROL[0].split("@")[0], "u2"]


async def test_without_pipelining_one_command_at_a_time() -> None:
    """The same conversation, command by command; the envelope is filled up before the next one."""
    script = {"EHLO": PLAIN, **mailbox_script({CONTROL[0]: NO, "b@example.org": NO})}
    async with MXScript(script) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", "b", "c", control=CONTROL, rcpt_per_envelope=2), make_guide())
        assert answer_codes(report) == {"a": 250, "b": 550, "c": 250}
    assert after_ehlo(host) == ["MAIL", "a", CONTROL[0].split("@")[0], "RSET", "MAIL", "b", "c"]
    assert len(host.connections[0].chunks) == 1 + 7


async def test_without_pipelining_nothing_follows_a_refused_mail() -> None:
    """After a refused MAIL no RCPT goes out at all."""
    async with MXScript({"EHLO": PLAIN, "MAIL": "550 5.7.1 who?"}) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", "b"), make_guide())
        assert report.refusal is not None
        assert report.unanswered == mailboxes("a", "b")
    assert after_ehlo(host) == ["MAIL"]


# --- who we are ----------------------------------------------------------------------------------


async def test_a_refused_mail_judges_nobody() -> None:
    """Pitfall 12: MAIL 550, RCPT 503: one refusal of MAIL, no word about the mailboxes."""
    script = {"MAIL": "550 5.1.8 sender domain not found", "RCPT": "503 5.5.1 need MAIL"}
    async with MXScript(script) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", "b"), make_guide())
        assert report.answers == {}
        assert report.unanswered == mailboxes("a", "b")
        assert report.refusal is not None
        assert report.refusal.reply is not None
        assert (report.refusal.stage, report.refusal.reply.code) == (Stage.MAIL, 550)
        assert report.transcript.exchanges[-1] == report.refusal
        assert (report.failure, report.lost, report.needs_unpipelined_retry) == (None, (), False)
        assert not session.is_envelope_open


async def test_another_envelope_sender_in_the_same_session() -> None:
    """Pitfall 27: the null path is refused; the real sender goes through, in the same session."""
    async with MXScript({"MAIL FROM:<>": "553 NULL sender is not allowed"}) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", envelope_sender="<>"), make_guide())
        assert report.refusal is not None
        assert session.is_reusable
        report = await converse(session, make_plan("a"), make_guide())
        assert answer_codes(report) == {"a": 250}
    assert [line for line in host.seen if "MAIL" in line] == ["MAIL FROM:<>", f"MAIL FROM:<{SENDER}>"]


async def test_smtputf8_where_it_is_offered_and_needed() -> None:
    """The parameter stands only at the MAIL of an envelope that needs it; ASCII mailboxes go first."""
    ehlo = "250-mx\n250-PIPELINING\n250 SMTPUTF8"
    async with MXScript({"EHLO": ehlo, "RCPT": NO}) as host, session_with(host) as session:
        plan = make_plan("üser", "a", rcpt_per_envelope=1)
        report = await converse(session, plan, make_guide())
        assert answer_codes(report) == {"üser": 550, "a": 550}
    assert host.seen[1:] == [
        f"MAIL FROM:<{SENDER}>",
        "RCPT TO:<a@example.org>",
        "RSET",
        f"MAIL FROM:<{SENDER}> SMTPUTF8",
        "RCPT TO:<üser@example.org>",
    ]
    async with MXScript({"EHLO": "250-mx\n250 SMTPUTF8", "RCPT": NO}) as host, session_with(host) as session:
        await converse(session, make_plan("üser", "a"), make_guide())
    assert after_ehlo(host) == ["MAIL", "a", "RSET", "MAIL", "üser"]


async def test_smtputf8_where_it_is_not_offered() -> None:
    """Pitfall 40: no RCPT goes out, the answer says why; a mailbox that cannot be sent likewise."""
    async with MXScript({"RCPT": NO}) as host, session_with(host) as session:
        report = await converse(session, make_plan("üser", "a b", "ok"), make_guide())
        assert answer_codes(report) == {"üser": "smtputf8_unsupported", "a b": "not_sendable", "ok": 550}
        answer = report.answers[mailbox("üser")]
        assert answer.reading is None
        assert [exchange.stage for exchange in answer.transcript.exchanges] == [Stage.CONNECT, Stage.EHLO, Stage.RCPT]
    assert host.rcpts == ["ok@example.org"]


# --- breakdowns ----------------------------------------------------------------------------------


async def test_a_hang_up_after_the_first_refusal() -> None:
    """Pitfall 10: the first target is judged, the rest unanswered; that is no fault of pipelining."""
    async with MXScript({"RCPT": (NO, DROP)}) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", "b", "c"), make_guide())
        assert answer_codes(report) == {"a": 550}
        assert report.unanswered == report.lost == mailboxes("b", "c")
        assert isinstance(report.failure, Disconnected)
        assert not report.needs_unpipelined_retry
        assert not session.is_reusable


async def test_421_in_the_middle() -> None:
    """Pitfall 11: what follows is unanswered; the recipient that was told 421 has its answer."""
    script = {"RCPT": ["250 ok", ("421 4.7.0 too many errors", DROP)]}
    async with MXScript(script) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", "b", "c", "d", control=CONTROL), make_guide())
        assert answer_codes(report) == {"a": 250, "b": 421}
        assert report.unanswered == mailboxes("c", "d")
        assert isinstance(report.failure, Disconnected)
        assert report.control == ()
    assert len(host.connections) == 1


async def test_a_hang_up_on_the_control_recipient_costs_the_targets_nothing() -> None:
    """The targets keep their answers; the control is reported as broken off."""
    async with MXScript(mailbox_script({CONTROL[0]: DROP, "b@example.org": NO})) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", "b", control=CONTROL), make_guide())
        assert answer_codes(report) == {"a": 250, "b": 550}
        assert codes(list(report.control)) == ["disconnected"]
        assert isinstance(report.failure, Disconnected)
        assert report.unanswered == ()


async def test_a_goodbye_after_all_answers_is_no_failure() -> None:
    """A host that hangs up once everything is answered took nothing away."""
    async with MXScript({"RCPT": (NO + "\n421 4.7.0 too many errors", DROP)}) as host, session_with(host) as session:
        report = await converse(session, make_plan("a"), make_guide())
        assert (answer_codes(report), report.failure) == ({"a": 550}, None)
        await settle()
        assert not session.is_reusable


@pytest.mark.parametrize(
    ("reaction", "failure"), [(HANG, ReplyTimeout), (DROP, Disconnected), (b"junk\r\n", ProtocolViolation)]
)
async def test_no_breakdown_is_raised(reaction: object, failure: type) -> None:
    """Timeout, hang-up and junk leave the mailboxes unanswered and say why."""
    async with MXScript({"RCPT": reaction}) as host, session_with(host, SystemClock(), rcpt_timeout=0.05) as session:  # type: ignore[dict-item]
        report = await converse(session, make_plan("a", "b"), make_guide())
        assert isinstance(report.failure, failure)
        assert report.unanswered == report.lost == mailboxes("a", "b")
        assert report.transcript.exchanges[-1].stage is Stage.MAIL


async def test_a_session_that_died_while_idle_loses_nobody() -> None:
    """Pitfall 37: a 421 already in the buffer shifts no answer: nothing is sent, nobody was on the wire."""
    async with MXScript({"RCPT": NO}) as host, session_with(host) as session:
        await converse(session, make_plan("a"), make_guide())
        host.connections[0].writer.get_extra_info("socket")._sock.send(b"421 4.4.2 timeout\r\n")
        report = await converse(session, make_plan("b", "c"), make_guide())
        assert (report.answers, report.lost) == ({}, ())
        assert report.unanswered == mailboxes("b", "c")
        assert isinstance(report.failure, Disconnected)
        assert not report.needs_unpipelined_retry
    assert host.rcpts == ["a@example.org"]


async def test_a_host_that_cannot_pipeline_asks_for_another_session() -> None:
    """503 after an accepted MAIL: once more without pipelining; there a 503 is an answer."""
    script = {"RCPT": ["250 ok", "503 5.5.1 bad sequence"]}
    async with MXScript(script) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", "b", "c", control=CONTROL), make_guide())
        assert answer_codes(report) == {"a": 250}
        assert report.unanswered == mailboxes("b", "c")
        assert report.needs_unpipelined_retry
        assert not session.is_reusable
    async with MXScript(script) as host, session_with(host, allow_pipelining=False) as session:
        report = await converse(session, make_plan("a", "b"), make_guide())
        assert answer_codes(report) == {"a": 250, "b": 503}
        assert not report.needs_unpipelined_retry


async def test_a_control_recipient_answered_out_of_sequence() -> None:
    """503 at the control recipient is no control."""
    async with MXScript(mailbox_script({CONTROL[0]: "503 5.5.1 what?"})) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", control=CONTROL), make_guide())
        assert (answer_codes(report), report.control) == ({"a": 250}, ())
        assert report.needs_unpipelined_retry


async def test_a_host_that_hangs_up_on_the_group_asks_for_another_session() -> None:
    """No RCPT of the first group answered and gone: pipelining may be why."""
    async with MXScript({"MAIL": DROP}) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", "b"), make_guide())
        assert report.needs_unpipelined_retry
        assert isinstance(report.failure, Disconnected)
        assert report.lost == ()


# --- budgets, pace, early end --------------------------------------------------------------------


async def test_a_session_ends_at_its_refusals() -> None:
    """Pitfall 21: eight refusals, all judged, and no ninth is provoked; the session is used up."""
    names = [f"u{number}" for number in range(12)]
    async with MXScript({"RCPT": NO}) as host, session_with(host) as session:
        report = await converse(session, make_plan(*names), make_guide())
        assert len(report.answers) == 8
        assert report.spent == "refusals"
        assert report.unanswered == mailboxes(*names[8:])
        assert report.failure is None
        assert not session.is_reusable
    assert len(host.rcpts) == 8


async def test_a_plan_may_allow_fewer_refusals() -> None:
    """A small host's own limit holds, and one refusal of it is kept for the control recipient."""
    async with MXScript(mailbox_script({CONTROL[0]: NO})) as host, session_with(host) as session:
        plan = make_plan("a", "b", "c", "d", refusals_per_session=3, control=CONTROL)
        report = await converse(session, plan, make_guide())
        assert codes(list(report.control)) == [550]
        assert len(report.answers) == 4
    assert after_ehlo(host) == ["MAIL", "a", "b", CONTROL[0].split("@")[0], "c", "d"]
    async with MXScript({"RCPT": NO}) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", "b", "c", "d", refusals_per_session=3), make_guide())
        assert (len(report.answers), report.spent) == (3, "refusals")
        assert not session.is_reusable


async def test_a_single_allowed_refusal_still_reaches_the_control() -> None:
    """Even with one refusal per session an accepted target is controlled."""
    async with MXScript(mailbox_script({CONTROL[0]: NO})) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", "b", refusals_per_session=1, control=CONTROL), make_guide())
        assert answer_codes(report) == {"a": 250}
        assert codes(list(report.control)) == [550]
        assert report.spent == "refusals"


async def test_no_refusal_is_left_for_postmaster() -> None:
    """The last allowed refusal was the target's: postmaster is not asked."""
    async with MXScript({"RCPT": "554 policy"}) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", wants_postmaster=True, refusals_per_session=1), make_guide())
        assert (answer_codes(report), report.postmaster) == ({"a": 554}, None)
    assert host.rcpts == ["a@example.org"]


async def test_a_wait_for_the_pace_may_use_the_session_up() -> None:
    """After a long wait the budgets are looked at again before anything is sent."""
    clock, pace = FakeClock(), Pace()

    async def wait(_: int) -> None:
        await clock.advance(100)

    pace.before = wait
    async with MXScript() as host, session_with(host, clock) as session:
        report = await converse(session, make_plan("a"), make_guide(pace))
        assert (report.spent, report.unanswered, report.failure) == ("time", mailboxes("a"), None)
    assert host.rcpts == []


async def test_a_session_ends_at_its_resets() -> None:
    """Pitfall 22: no ninth RSET is sent."""
    names = [f"u{number}" for number in range(12)]
    async with MXScript({"RCPT": "451 later"}) as host, session_with(host) as session:
        plan = make_plan(*names, rcpt_per_envelope=1, refusals_per_session=50)
        report = await converse(session, plan, make_guide())
        assert report.spent in {"resets", "refusals"}
    async with MXScript() as host, session_with(host) as session:
        report = await converse(session, make_plan(*names, rcpt_per_envelope=1), make_guide())
        assert (len(report.answers), report.spent) == (9, "resets")
    assert host.seen.count("RSET") == 8


async def test_resets_are_kept_for_the_control_recipients() -> None:
    """One recipient per envelope: a target that could not be controlled any more is not asked."""
    async with MXScript() as host, session_with(host, resets_per_session=4) as session:
        await converse(session, make_plan("a", "b", "c", rcpt_per_envelope=1), make_guide())
        report = await converse(session, make_plan("d", rcpt_per_envelope=1, control=CONTROL), make_guide())
        assert (report.spent, report.unanswered) == ("resets", mailboxes("d"))
        assert not session.is_reusable
    assert host.rcpts == ["a@example.org", "b@example.org", "c@example.org"]


async def test_a_session_ends_at_its_recipients() -> None:
    """RCPT per session have an end, and the control recipients their share of it."""
    names = [f"u{number}" for number in range(9)]
    async with MXScript({"EHLO": PLAIN}) as host, session_with(host, rcpt_per_session=4) as session:
        report = await converse(session, make_plan(*names), make_guide())
        assert (len(report.answers), report.spent) == (4, "rcpt")
    async with MXScript(mailbox_script({CONTROL[0]: NO})) as host, session_with(host, rcpt_per_session=7) as session:
        await converse(session, make_plan(*names[:5]), make_guide())
        report = await converse(session, make_plan("x", control=CONTROL), make_guide())
        assert (report.answers, report.spent) == ({}, "rcpt")
    assert len(host.rcpts) == 5


async def test_no_group_begins_that_could_not_end_in_time() -> None:
    """The session's own deadline is never the host's fault."""
    clock = FakeClock()
    async with MXScript() as host, session_with(host, clock, session_timeout=120, rcpt_timeout=30) as session:
        await clock.advance(89)
        report = await converse(session, make_plan("a"), make_guide())
        assert (answer_codes(report), report.spent) == ({"a": 250}, "")
        await clock.advance(2)
        report = await converse(session, make_plan("b"), make_guide())
        assert (report.unanswered, report.spent, report.failure) == (mailboxes("b"), "time", None)
    assert host.rcpts == ["a@example.org"]


async def test_a_tarpit_ends_the_session_after_the_control() -> None:
    """Slow replies stop further targets; the control that the accepted one needs is still asked."""
    clock = FakeClock()
    gate = asyncio.Event()
    script = mailbox_script({"b@example.org": (gate, NO), CONTROL[0]: NO})
    async with MXScript(script) as host, session_with(host, clock) as session:
        plan = make_plan("a", "b", "c", control=CONTROL, rcpt_per_envelope=2)
        task = asyncio.create_task(converse(session, plan, make_guide()))
        await settle(100)
        await clock.advance(6)
        gate.set()
        report = await task
        assert answer_codes(report) == {"a": 250, "b": 550}
        assert codes(list(report.control)) == [550]
        assert (report.spent, report.unanswered) == ("tarpit", mailboxes("c"))
        assert not session.is_reusable


async def test_the_pace_is_asked_before_each_group() -> None:
    """Each group waits for as many RCPT as it holds."""
    pace = Pace()
    async with MXScript(mailbox_script({CONTROL[0]: NO})) as host, session_with(host) as session:
        plan = make_plan("a", "b", "c", control=CONTROL, rcpt_per_envelope=2)
        await converse(session, plan, make_guide(pace))
    assert pace.asked == [2, 1, 1]
    assert len(host.rcpts) == 4


async def test_a_gate_that_closes_in_between() -> None:
    """A lane that closes ends the conversation; what was answered stays answered."""
    pace = Pace()
    closed = GateClosed("breaker", datetime(2026, 1, 1, tzinfo=UTC))

    async def close_at_one(count: int) -> None:
        if count == 1:
            raise closed

    pace.before = close_at_one
    async with MXScript({"RCPT": NO}) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", "b", "c", rcpt_per_envelope=2), make_guide(pace))
        assert report.gate is closed
        assert answer_codes(report) == {"a": 550, "b": 550}
        assert (report.unanswered, report.failure) == (mailboxes("c"), None)
        assert session.is_reusable


async def test_a_control_is_asked_after_the_gate_closed_for_targets() -> None:
    """What was accepted before our stop is judged by its control; no further target is asked."""
    pace, pace_control = Pace(), Pace()

    async def stop_at_second(_count: int) -> None:
        if len(pace.asked) > 1:
            raise Stopping("our own stop", datetime(2026, 1, 1, tzinfo=UTC))

    pace.before = stop_at_second
    guide = replace(make_guide(pace), pace_control=pace_control)
    async with MXScript(mailbox_script({CONTROL[0]: NO})) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", "b", control=CONTROL, rcpt_per_envelope=1), guide)
        assert isinstance(report.gate, Stopping)
        assert (answer_codes(report), codes(list(report.control))) == ({"a": 250}, [550])
        assert report.unanswered == mailboxes("b")
    assert pace_control.asked == [1]


async def test_an_early_stop_leaves_the_rest_unanswered() -> None:
    """`Your address is blocked` ends the asking at once: no control, no further target, no reuse."""
    script = mailbox_script({"b@example.org": "550 5.7.1 blocked by a list"})
    async with MXScript(script) as host, session_with(host) as session:
        plan = make_plan("a", "b", "c", control=CONTROL, rcpt_per_envelope=2, wants_postmaster=True)
        report = await converse(session, plan, make_guide())
        assert report.is_stopped_early
        assert answer_codes(report) == {"a": 250, "b": 550}
        assert report.answers[mailbox("b")].reading is not None
        assert report.answers[mailbox("b")].reading.meaning is Meaning.SENDER_IP_BLOCKED
        assert (report.unanswered, report.control, report.failure) == (mailboxes("c"), (), None)
        assert not session.is_reusable
    assert host.rcpts == ["a@example.org", "b@example.org"]


async def test_an_early_stop_without_pipelining_is_at_once() -> None:
    """One by one, not a single RCPT follows."""
    async with MXScript({"EHLO": PLAIN, "RCPT": "554 blocked"}) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", "b", "c"), make_guide())
        assert report.unanswered == mailboxes("b", "c")
    assert host.rcpts == ["a@example.org"]


# --- evidence ------------------------------------------------------------------------------------


async def test_a_transcript_holds_no_other_mailbox() -> None:
    """Evidence of one mailbox: opening, its MAIL, its RCPT, and the controls that bear on it."""
    script = mailbox_script({"b@example.org": NO, CONTROL[0]: NO})
    async with MXScript(script) as host, session_with(host) as session:
        report = await converse(session, make_plan("a", "b", control=CONTROL), make_guide())

    def said(exchanges: tuple[Exchange, ...]) -> list[str]:
        return [exchange.command for exchange in exchanges]

    opening = ["", "EHLO verify.example.net", f"MAIL FROM:<{SENDER}>"]
    accepted = report.answers[mailbox("a")].transcript
    refused = report.answers[mailbox("b")].transcript
    assert said(accepted.exchanges) == [*opening, "RCPT TO:<a@example.org>", f"RCPT TO:<{CONTROL[0]}>"]
    assert said(refused.exchanges) == [*opening, "RCPT TO:<b@example.org>"]
    assert said(report.transcript.exchanges) == opening
    assert (accepted.envelope_sender, accepted.identity) == (SENDER, "here")
    assert list(report.answers) == [mailbox("a"), mailbox("b")]


async def test_the_envelope_shows_itself() -> None:
    """The representation tells whether an envelope is open and how full it is."""
    async with MXScript() as host, session_with(host) as session:
        plan = make_plan("a", "b")
        envelopes = Envelopes(session, plan, make_guide())
        assert repr(envelopes) == "<Envelopes none rcpt=0 one_by_one=False>"
        assert codes(await envelopes.ask(["RCPT TO:<a@example.org>", "RCPT TO:<b@example.org>"])) == [250, 250]
        assert repr(envelopes) == "<Envelopes open rcpt=2 one_by_one=False>"


async def test_nothing_to_ask() -> None:
    """A plan without mailboxes says nothing to the host."""
    async with MXScript() as host, session_with(host) as session:
        report = await converse(session, make_plan(), make_guide())
        assert (report.answers, report.unanswered, report.spent) == ({}, (), "")
    assert host.seen == ["EHLO verify.example.net"]

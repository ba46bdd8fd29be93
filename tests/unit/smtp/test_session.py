"""Opening a session and exchanging groups: order, deadlines, refusals as data."""

import asyncio
import gc
import tracemalloc

import pytest

from tests.fakes.clock import FakeClock, settle
from tests.fakes.mx_script import DROP, HANG, PIPELINING, PLAIN, RESET, Connection, MXScript
from tests.unit.smtp.talk import IDENTITY, MAIL, RSET, codes, make_settings, rcpt, session_with
from validatord.clock import SystemClock
from validatord.errors import Disconnected, ProtocolViolation, ReplyTimeout, SessionFailed
from validatord.mail.verdict import Stage
from validatord.smtp.session import open_session


async def open_failing(host: MXScript, **changes: object) -> SessionFailed:
    """Open a session that must not come about; return why."""
    with pytest.raises(SessionFailed) as raised:
        async with session_with(host, SystemClock(), **changes):  # type: ignore[arg-type]
            pass
    return raised.value


async def test_the_whole_greeting_is_read_before_a_byte_goes_out() -> None:
    """Pitfall 6: after `220-a` we wait for `220 `."""
    may_go_on = asyncio.Event()

    def no_word_yet(connection: Connection) -> None:
        assert connection.chunks == []

    greeting = (b"220-a\r\n", may_go_on, no_word_yet, b"220-b\r\n220 c\r\n")
    async with MXScript(greeting=greeting) as host:
        opening = asyncio.create_task(open_session(host.target(), IDENTITY, make_settings(), FakeClock()))
        await settle(50)
        assert host.seen == []
        may_go_on.set()
        session = await opening
        assert next(exchange.reply.lines for exchange in session.opening if exchange.reply) == ("a", "b", "c")
        await session.close()
    assert host.seen == ["EHLO verify.example.net", "QUIT"]


async def test_a_group_is_one_write_and_answered_in_order() -> None:
    """Pipelined commands leave together; each gets the reply of its place."""
    script = {"RCPT TO:<b@": "550 5.1.1 no b", "RCPT TO:<c@": "451 4.7.1 later"}
    async with MXScript(script) as host, session_with(host) as session:
        found = await session.group([MAIL, *rcpt("a", "b", "c")])
        assert codes(found) == [250, 250, 550, 451]
        assert [exchange.command for exchange in found] == [MAIL[1], *(line for _, line in rcpt("a", "b", "c"))]
        assert len(host.connections[0].chunks) == 2  # EHLO, and the group
        assert (session.rcpt_count, session.refusals, session.resets, session.commands) == (3, 2, 0, 5)
        assert session.round_trips == 2
        assert session.is_envelope_open
        assert codes(await session.group([RSET])) == [250]
        assert not session.is_envelope_open


async def test_without_pipelining_commands_go_one_by_one() -> None:
    """A host that does not offer PIPELINING gets a command after each reply."""
    async with MXScript({"EHLO": PLAIN}) as host, session_with(host) as session:
        assert codes(await session.group([MAIL, *rcpt("a", "b")])) == [250, 250, 250]
        assert len(host.connections[0].chunks) == 4
    async with MXScript() as host, session_with(host, allow_pipelining=False) as session:
        await session.group([MAIL, *rcpt("a")])
        assert len(host.connections[0].chunks) == 3


async def test_ehlo_refused_helo_accepted() -> None:
    """Pitfall 35: a 5xx to EHLO leads to HELO and a session without any capability."""
    async with MXScript({"EHLO": "502 5.5.1 what?"}) as host, session_with(host) as session:
        assert session.refusal is None
        assert not session.is_pipelining
        assert codes(session.opening) == [220, 502, 250]
        assert codes(await session.group([MAIL, *rcpt("a")])) == [250, 250]
    assert host.seen[:2] == ["EHLO verify.example.net", "HELO verify.example.net"]


@pytest.mark.parametrize(
    ("greeting", "script", "refused"),
    [
        ("554-5.7.1 IP address is block listed\n554 see https://example.net/", {}, (Stage.CONNECT, 554)),
        (("421 4.3.2 busy", DROP), {}, (Stage.CONNECT, 421)),
        (("554 go away", DROP), {}, (Stage.CONNECT, 554)),
        ("220 hi", {"EHLO": "450 4.7.1 wait"}, (Stage.EHLO, 450)),
        ("220 hi", {"EHLO": "550 no", "HELO": "550 5.7.1 bad HELO"}, (Stage.EHLO, 550)),
        ("220 hi", {"EHLO": ("550 5.7.506 bad HELO", DROP)}, (Stage.EHLO, 550)),
        ("220 hi", {"EHLO": "550 no", "HELO": DROP}, (Stage.EHLO, 550)),
        ("220 hi", {"EHLO": ("421 4.7.0 enough", DROP)}, (Stage.EHLO, 421)),
    ],
)
async def test_a_refusal_at_the_door_is_data(greeting: object, script: dict, refused: tuple[Stage, int]) -> None:
    """Greeting and EHLO refused: a session with `refusal`, which says goodbye by itself."""
    async with MXScript(script, greeting=greeting) as host:  # type: ignore[arg-type]
        session = await open_session(host.target(), IDENTITY, make_settings(), FakeClock())
        assert session.refusal is not None
        assert session.refusal.reply is not None
        assert (session.refusal.stage, session.refusal.reply.code) == refused
        assert not session.is_reusable
        assert codes(await session.group([MAIL]))[0] not in {250, 220}
        await session.close()
        assert session.state == "closed"
    assert "MAIL" not in "".join(host.seen)


@pytest.mark.parametrize(
    ("greeting", "script", "changes", "kind", "known"),
    [
        (HANG, {}, {"greeting_timeout": 0.05}, "reply_timeout", ["reply_timeout"]),
        (b"220-never\r\n", {}, {"greeting_timeout": 0.05}, "reply_timeout", ["reply_timeout"]),
        ("220 hi", {"EHLO": HANG}, {"ehlo_timeout": 0.05}, "reply_timeout", [220, "reply_timeout"]),
        (DROP, {}, {}, "disconnected", ["disconnected"]),
        (RESET, {}, {}, "disconnected", ["disconnected"]),
        ("220 hi", {"EHLO": DROP}, {}, "disconnected", [220, "disconnected"]),
        (b"x" * 1_000_000, {}, {}, "protocol_violation", ["protocol_violation"]),
        (b"220-x\r\n" * 10_000, {}, {}, "protocol_violation", ["protocol_violation"]),
        (b"\x00\xff\r\n", {}, {}, "protocol_violation", ["protocol_violation"]),
        ("999 hi", {}, {}, "protocol_violation", ["protocol_violation"]),
        ("354 hi", {}, {}, "protocol_violation", [354]),
        ("220 hi", {"EHLO": "334 VXNlcm5hbWU6"}, {}, "protocol_violation", [220, 334]),
        (b"220 hi\r\n250 too early\r\n", {}, {}, "protocol_violation", None),
        (b"220 hi\r\n250-too", {}, {}, "protocol_violation", None),
        ("220 hi", {"EHLO": b"junk\r\n"}, {}, "protocol_violation", [220, "protocol_violation"]),
    ],
)
async def test_a_breakdown_at_the_door_is_raised(
    greeting: object, script: dict, changes: dict, kind: str, known: list | None
) -> None:
    """Hangs, hang-ups and junk end in a SessionFailed that carries what was exchanged."""
    async with MXScript(script, greeting=greeting) as host:  # type: ignore[arg-type]
        failure = await open_failing(host, **changes)
        assert failure.kind == kind
        assert known is None or codes(list(failure.exchanges)) == known


@pytest.mark.parametrize(
    ("verb", "setting"), [("MAIL", "mail_timeout"), ("RCPT", "rcpt_timeout"), ("RSET", "rset_timeout")]
)
async def test_each_command_has_its_deadline(verb: str, setting: str) -> None:
    """A host that falls silent costs its own deadline and the session; late replies are never read."""
    script = {verb: HANG}
    async with MXScript(script) as host, session_with(host, SystemClock(), **{setting: 0.05}) as session:
        group = {"MAIL": [MAIL], "RCPT": [MAIL, *rcpt("a", "b")], "RSET": [RSET]}[verb]
        found = await session.group(group)
        assert codes(found)[-1] == "reply_timeout"
        assert isinstance(session.failure, ReplyTimeout)
        assert not session.is_reusable
        assert codes(await session.group([RSET])) == ["reply_timeout"]
        assert repr(session).startswith("<Session mx.example.com [127.0.0.1] ")
        await session.close()


async def test_the_rcpt_deadline_counts_from_the_reply_before() -> None:
    """Pitfall 23: eight slow refusals fit, though together they take longer than one deadline."""
    clock = FakeClock()
    gates = [asyncio.Event() for _ in range(8)]
    slow = [(gate, "550 5.1.1 no") for gate in gates]
    names = [f"u{number}" for number in range(8)]
    async with MXScript({"RCPT": slow}) as host, session_with(host, clock, rcpt_timeout=0.2) as session:
        task = asyncio.create_task(session.group([MAIL, *rcpt(*names)]))
        loop = asyncio.get_running_loop()
        for gate in gates:
            # 8 x 0.04 s is beyond one deadline; the wait is the subject here.
            pause = loop.create_future()
            loop.call_later(0.04, pause.set_result, None)
            await pause
            gate.set()
        assert codes(await task) == [250] + [550] * 8


async def test_a_drip_ends_on_its_deadline() -> None:
    """One byte after the other never moves a deadline."""

    async def drip(connection: Connection) -> None:
        while True:
            await connection.send(b"2")
            await asyncio.sleep(0.005)

    async with MXScript({"MAIL": drip}) as host, session_with(host, SystemClock(), mail_timeout=0.1) as session:
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert codes(await session.group([MAIL])) == ["reply_timeout"]
        assert loop.time() - began < 1


async def test_the_session_has_a_deadline_of_its_own() -> None:
    """However long one reply may take, the whole session ends in time."""
    clock = FakeClock()
    async with MXScript({"RCPT": HANG}) as host, session_with(host, clock, session_timeout=100) as session:
        await clock.advance(99.95)
        assert "time" in session.spent_budgets()
        assert not session.is_reusable
        assert codes(await session.group([MAIL, *rcpt("a")])) == [250, "reply_timeout"]


async def test_quit_has_its_deadline() -> None:
    """A host that ignores QUIT is dropped after the quit timeout."""
    async with MXScript({"QUIT": HANG}) as host, session_with(host, quit_timeout=0.05) as session:
        await session.close()
        assert session.state == "closed"
        assert codes(await session.group([MAIL])) == ["disconnected"]


async def test_421_in_a_group_ends_the_session() -> None:
    """Pitfall 11: what follows a 421 is unanswered, and the connection is never used again."""
    script = {"RCPT": [("250 ok"), ("421 4.7.0 too many errors\n250 ghost\n250 ghost", DROP)]}
    async with MXScript(script) as host, session_with(host) as session:
        found = await session.group([MAIL, *rcpt("a", "b", "c", "d")])
        assert codes(found) == [250, 250, 421, "disconnected", "disconnected"]
        assert not session.is_reusable
        assert codes(await session.group([RSET])) == ["disconnected"]


async def test_a_421_after_the_last_reply_spoils_nothing() -> None:
    """A host that hangs up with 421 after its answers has answered."""
    script = {"RCPT": ("550 5.1.1 no\n421 4.7.0 too many errors", DROP)}
    async with MXScript(script) as host, session_with(host) as session:
        assert codes(await session.group([MAIL, *rcpt("a")])) == [250, 550]
        await settle()
        assert not session.is_reusable
        assert isinstance(session.failure, Disconnected)


async def test_a_surplus_after_a_group_ends_the_session() -> None:
    """A reply that no command asked for: from then on nothing is sent or believed."""
    late = asyncio.Event()
    async with MXScript({"RCPT": ("550 no", late, "250 ghost")}) as host, session_with(host) as session:
        assert codes(await session.group([MAIL, *rcpt("a")])) == [250, 550]
        late.set()
        await settle()
        assert codes(await session.group(rcpt("b"))) == ["protocol_violation"]
        assert isinstance(session.failure, ProtocolViolation)
        assert host.rcpts == ["a@example.org"]


async def test_a_surplus_in_one_packet_voids_the_group() -> None:
    """The surplus is seen with the last reply: then the whole group has none."""
    async with MXScript({"MAIL": b"", "RCPT": b"250 a\r\n250 b\r\n550 c\r\n"}) as host, session_with(host) as session:
        assert codes(await session.group([MAIL, *rcpt("a")])) == ["protocol_violation"] * 2


@pytest.mark.parametrize("word", [b"421 4.4.2 timeout\r\n", b"250 psst\r\n", b"25"])
async def test_unsolicited_words_are_found_before_reuse(word: bytes) -> None:
    """Pitfall 37: a word in the kernel's buffer, not yet read by us, already forbids reuse."""
    async with MXScript() as host, session_with(host) as session:
        assert session.is_reusable
        peer = host.connections[0].writer.get_extra_info("socket")
        peer._sock.send(word)
        assert not session.check_idle()  # no turn of the event loop in between
        assert not session.is_reusable
        assert codes(await session.group([MAIL])) == ["disconnected"]


@pytest.mark.parametrize("word", [b"421 4.4.2 timeout\r\n", b"250 psst\r\n", b"25", b""])
async def test_unsolicited_words_that_were_read_forbid_reuse_too(word: bytes) -> None:
    """The same once the event loop has fetched them, and for a plain end."""
    async with MXScript() as host, session_with(host) as session:
        if word:
            await host.connections[0].send(word)
        else:
            host.connections[0].writer.close()
        await settle()
        assert not session.check_idle()
        assert codes(await session.group([MAIL]))[0] in {"disconnected", "protocol_violation"}
    assert host.seen == ["EHLO verify.example.net"]


async def test_asking_while_a_group_is_under_way_harms_nothing() -> None:
    """`is_reusable` is false during a group and leaves it alone."""
    gate = asyncio.Event()
    async with MXScript({"MAIL": (gate, "250 ok")}) as host, session_with(host) as session:
        task = asyncio.create_task(session.group([MAIL]))
        await settle()
        assert not session.is_reusable
        gate.set()
        assert codes(await task) == [250]
        assert session.is_reusable


async def test_junk_in_a_group_keeps_the_replies_before_it() -> None:
    """What was answered in order before the junk counts, the rest is unanswered."""
    async with MXScript({"RCPT TO:<b@": b"\x00\xff\xfejunk\n"}) as host, session_with(host) as session:
        found = await session.group([MAIL, *rcpt("a", "b", "c")])
        assert codes(found) == [250, 250, "protocol_violation", "protocol_violation"]
        assert isinstance(session.failure, ProtocolViolation)
        assert session.failure.line.isprintable()


async def test_bytes_may_come_one_by_one() -> None:
    """A whole session over packets of one byte is the same session."""

    def dribble(text: str) -> tuple[object, ...]:
        return tuple(bytes([byte]) for byte in text.encode())

    script = {
        "EHLO": dribble("250-mx\r\n250 PIPELINING\r\n"),
        "MAIL": dribble("250-2.1.0\r\n250 2.1.0 Ok\r\n"),
        "RCPT": dribble("550-5.1.1 No\r\n550 5.1.1 such user\r\n"),
    }
    async with MXScript(script, greeting=dribble("220-hi\r\n220 there\r\n")) as host, session_with(host) as session:  # type: ignore[arg-type]
        assert session.is_pipelining
        found = await session.group([MAIL, *rcpt("a", "b")])
        assert codes(found) == [250, 550, 550]
        assert found[1].reply is not None
        assert found[1].reply.lines == ("5.1.1 No", "5.1.1 such user")


async def test_times_and_transcript() -> None:
    """Exchanges carry seconds since the connect; a transcript begins with the opening."""
    clock = FakeClock()
    async with MXScript() as host, session_with(host, clock) as session:
        await clock.advance(2.5)
        [mail] = await session.group([MAIL])
        assert mail.at == 2.5
        transcript = session.transcript("probe@example.net", [mail])
        assert [exchange.stage for exchange in transcript.exchanges] == [Stage.CONNECT, Stage.EHLO, Stage.MAIL]
        assert (transcript.mx_host, transcript.mx_address, transcript.identity) == (
            "mx.example.com",
            "127.0.0.1",
            "here",
        )
        assert (transcript.helo_name, transcript.tls) == ("verify.example.net", "")


async def test_a_long_answer_to_ehlo_is_read_whole_and_kept_short() -> None:
    """Keywords beyond the first KiB count, the evidence stays bounded."""
    lines = [f"250-X-NOISE-{number} {'x' * 60}" for number in range(40)]
    ehlo = "\n".join(["250-mx.example.com", *lines, "250-PIPELINING", "250-SMTPUTF8", "250 X-END"])
    async with MXScript({"EHLO": ehlo}) as host, session_with(host) as session:
        assert session.capabilities.has_pipelining
        assert session.capabilities.has_smtputf8
        kept = session.opening[-1].reply
        assert kept is not None
        assert len(kept.text) < 1100


async def test_repr_and_states() -> None:
    """The representation names host, state and counters."""
    async with MXScript({"RCPT": "550 no"}) as host, session_with(host) as session:
        assert repr(session) == "<Session mx.example.com [127.0.0.1] open rcpt=0 refusals=0 resets=0 tls=->"
        await session.group([MAIL, *rcpt("a")])
        assert repr(session) == "<Session mx.example.com [127.0.0.1] envelope rcpt=1 refusals=1 resets=0 tls=->"
        assert repr(session._wire) == "<Wire open expected=0 unread=0 tls=->"
        session.retire()
        assert session.state == "retired"
        session.begin_close()
        assert session.state == "closing"
        await session.close()
        assert session.state == "closed"


async def test_budgets_of_the_session() -> None:
    """Refusals, RSET, RCPT, MAIL and slowness end a session before the host does."""
    clock = FakeClock()
    limits = "250-mx\n250-PIPELINING\n250 LIMITS MAILMAX=3 RCPTMAX=50"
    changes = {"refusals_per_session": 2, "resets_per_session": 1, "rcpt_per_session": 4}
    async with MXScript({"EHLO": limits, "RCPT": "550 no"}) as host, session_with(host, clock, **changes) as session:
        assert session.spent_budgets() == ()
        await session.group([MAIL, *rcpt("a")])
        assert session.spent_budgets() == ()
        await session.group([RSET, MAIL, *rcpt("b")])
        assert session.spent_budgets() == ("refusals", "resets")
        await session.group([RSET, MAIL, *rcpt("c", "d")])
        assert session.spent_budgets() == ("refusals", "rcpt", "resets", "mail")
        assert not session.is_reusable


async def test_a_reset_is_only_needed_where_an_envelope_is_open() -> None:
    """With all RSET used up but no envelope open, another MAIL is still possible."""
    async with MXScript({"MAIL": ["250 ok", "550 no"]}) as host, session_with(host, resets_per_session=1) as session:
        await session.group([MAIL])
        await session.group([RSET, MAIL])
        assert (session.resets, session.is_envelope_open) == (1, False)
        assert session.is_reusable


async def test_a_reply_in_the_turn_of_its_deadline_counts() -> None:
    """A timer that fires when the reply is already there ends nothing."""
    async with MXScript() as host, session_with(host) as session:
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        answered.set_result(None)
        session._wire._expire(answered, ReplyTimeout())
        assert session.failure is None
        assert session.is_reusable


async def test_a_tarpit_is_noticed() -> None:
    """A reply five times slower than the first RCPT reply, and beyond a second, uses the session up."""
    clock = FakeClock()
    gate = asyncio.Event()
    script = {"RCPT TO:<slow@": (gate, "250 ok")}
    async with MXScript(script) as host, session_with(host, clock) as session:
        await session.group([MAIL, *rcpt("a", "b")])
        assert session.is_reusable
        task = asyncio.create_task(session.group(rcpt("slow")))
        await settle()
        await clock.advance(1.5)
        gate.set()
        await task
        assert session.spent_budgets() == ("tarpit",)
        assert not session.is_reusable


async def test_memory_of_a_session_is_small() -> None:
    """F23: whatever the host sends, a session holds less than 100 KB."""

    async def flood(connection: Connection) -> None:
        await connection.send((b"250-" + b"x" * 1000 + b"\r\n") * 15)

    async with MXScript({"RCPT": [flood, HANG]}) as host, session_with(host) as warm:
        await warm.group([MAIL])
        gc.collect()
        tracemalloc.start()
        sessions = [await open_session(host.target(), IDENTITY, make_settings(), FakeClock()) for _ in range(5)]
        tasks = [asyncio.create_task(session.group([MAIL, *rcpt("a", "b", "c")])) for session in sessions]
        await settle(100)
        held = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/validatord/smtp/*")])
        tracemalloc.stop()
        each = sum(line.size for line in held.statistics("filename")) / 5
        assert 15_000 < each < 100_000  # the unfinished reply alone is 15 KB
        for session, task in zip(sessions, tasks, strict=True):
            session.abort()
            assert codes(await task)[-1] == "disconnected"


def test_pipelining_is_the_usual_script() -> None:
    """The scripted host offers what most hosts offer."""
    assert "PIPELINING" in PIPELINING
    assert "PIPELINING" not in PLAIN

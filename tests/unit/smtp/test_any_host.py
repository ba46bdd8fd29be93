"""Whatever a host does, no mailbox gets another one's answer and no budget is overrun."""

import asyncio
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.clock import FakeClock
from tests.fakes.mx_script import DROP, PIPELINING, PLAIN, RESET, Connection, MXScript, Reaction
from tests.unit.smtp.talk import CONTROL, IDENTITY, mailbox, make_guide, make_plan, make_settings
from validatord.smtp.conversation import converse
from validatord.smtp.plan import ConversationReport
from validatord.smtp.session import open_session

WORDS = st.sampled_from(
    [
        "250 ok",
        "250 ok",
        "250-ok\r\n250 ok",
        "550 no",
        "550-no\r\n550 no",
        "451 later",
        "452 too many recipients",
        "554 policy",
        "503 sequence",
        "421 bye",
        "252 maybe",
    ]
)
ENDS = st.sampled_from([None] * 12 + [DROP, RESET, b"junk\r\n", b"421 4.4.2 bye\r\n"])
TURNS = st.lists(st.tuples(WORDS, ENDS, st.booleans()), min_size=1, max_size=20)


def answer(word: str, end: object, is_split: bool) -> Reaction:
    """Answer with a word and the address asked about, so that a shifted reply shows."""

    async def speak(connection: Connection) -> None:
        address = re.sub(r".*<(.*)>.*", r"\1", connection.commands[-1])
        data = f"{word} [{address}]\r\n".encode()
        for piece in [data[:7], data[7:]] if is_split else [data]:
            await connection.send(piece)
            await asyncio.sleep(0)

    return (speak,) if end is None else (speak, end)  # type: ignore[return-value]


async def hold(turns: list, ehlo: str, names: list[str], changes: dict) -> tuple[MXScript, ConversationReport]:
    """Hold one conversation with a host that answers RCPT in these turns."""
    script = {"EHLO": ehlo, "RCPT": [answer(*turn) for turn in turns]}
    async with MXScript(script) as host:
        session = await open_session(host.target(), IDENTITY, make_settings(), FakeClock())
        report = await converse(session, make_plan(*names, control=CONTROL, **changes), make_guide())
        session.abort()
    return host, report


@settings(deadline=None)
@given(
    TURNS,
    st.sampled_from([PIPELINING, PLAIN]),
    st.integers(1, 12),
    st.fixed_dictionaries(
        {
            "rcpt_per_envelope": st.integers(1, 6),
            "refusals_per_session": st.integers(1, 8),
            "wants_postmaster": st.booleans(),
        }
    ),
)
def test_answers_stay_with_their_mailboxes(turns: list, ehlo: str, count: int, changes: dict) -> None:
    """Each mailbox is answered or unanswered, its reply names it, and the host's patience is not tried."""
    names = [f"u{number}" for number in range(count)]
    host, report = asyncio.run(hold(turns, ehlo, names, changes))
    assert {*report.answers, *report.unanswered} == set(map(mailbox, names))
    assert len(report.answers) + len(report.unanswered) == count
    assert set(report.lost) <= set(report.unanswered)
    for box, found in report.answers.items():
        assert found.exchange.reply is not None
        # RFC 5321 3.8: 421 may come at any time; it stands where the next reply was due.
        assert f"[{box}]" in found.exchange.reply.lines[-1] or found.exchange.reply.code == 421
        assert found.exchange.command == f"RCPT TO:<{box}>"
    for address, exchange in zip(CONTROL, report.control, strict=False):
        assert exchange.reply is None or f"[{address}]" in exchange.reply.lines[-1] or exchange.reply.code == 421
    if report.unanswered:
        assert (
            report.failure
            or report.spent
            or report.is_stopped_early
            or report.is_accept_all_seen
            or (report.needs_unpipelined_retry)
        )
    refused = sum(found.exchange.reply.is_refusal for found in report.answers.values() if found.exchange.reply)
    assert refused <= changes["refusals_per_session"]
    assert len(host.rcpts) <= 20
    assert host.seen.count("RSET") <= 8
    assert not [line for line in host.seen if line.split()[0] not in {"EHLO", "MAIL", "RCPT", "RSET"}]

"""Only a short list of verbs and exactly the stored addresses can become bytes."""

import ast
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import validatord.smtp
from tests.fakes.clock import FakeClock
from tests.fakes.mx_script import MXScript
from tests.unit.smtp.talk import session_with
from validatord.errors import AddressSyntaxError
from validatord.mail.address import Mailbox
from validatord.mail.verdict import Stage
from validatord.smtp import commands

ROOM = Path(validatord.smtp.__file__).parent


@pytest.mark.parametrize(
    "line",
    ["DATA", "BDAT 5 LAST", "VRFY root", "EXPN staff", "AUTH PLAIN", "TURN", "data", "HELP", "", "rcpt TO:<a@b>"],
)
async def test_other_verbs_never_reach_the_wire(line: str) -> None:
    """DATA and all other verbs are refused before a byte goes out."""
    with pytest.raises(ValueError, match="not a verb of ours"):
        commands.encode(line)
    async with MXScript() as host, session_with(host, FakeClock()) as session:
        with pytest.raises(ValueError, match="not a verb of ours"):
            await session.group([(Stage.RSET, "RSET"), (Stage.RCPT, line)])
        await session.close()
    assert [command.split()[0] for command in host.seen] == ["EHLO", "QUIT"]


def test_bytes_reach_the_transport_in_one_place() -> None:
    """Commands are written by one function, which gets its bytes from `encode` alone."""
    writes: list[tuple[str, str]] = []
    for file in ROOM.glob("*.py"):
        for function in ast.walk(ast.parse(file.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                writes += [
                    (file.name, function.name)
                    for node in ast.walk(function)
                    if isinstance(node, ast.Attribute)
                    and node.attr in {"write", "writelines", "sendall", "send", "sock_sendall"}
                    and not (file.name == "tls.py" or ast.unparse(node) == "self._wire.send")
                ]
    # `_advance` writes what the TLS engine has to say of its own, `_write` the commands.
    assert sorted(writes) == [("wire.py", "_advance"), ("wire.py", "_write")]
    text = (ROOM / "wire.py").read_text()
    assert text.count("self._write(") == 2
    assert "data = commands.encode_group(lines)" in text
    assert 'self._write(commands.encode("QUIT"))' in text


def test_the_verbs_are_these() -> None:
    """The list of verbs is short and holds none that delivers or lists anything."""
    assert sorted(commands.VERBS) == ["EHLO", "HELO", "MAIL", "NOOP", "QUIT", "RCPT", "RSET", "STARTTLS"]


@pytest.mark.parametrize("junk", ["\r\nDATA", "\n", "\x00", "\x7f", "\x1f"])
def test_control_characters_are_refused(junk: str) -> None:
    """No byte can end a line early."""
    with pytest.raises(ValueError, match="control character"):
        commands.encode(f"RCPT TO:<a{junk}@example.org>")


def test_a_line_is_bounded() -> None:
    """A command line has the length RFC 5321 allows."""
    with pytest.raises(ValueError, match="too long"):
        commands.encode("RCPT TO:<" + "a" * 600 + "@example.org>")


def test_only_some_verbs_may_be_followed() -> None:
    """RFC 2920: EHLO, STARTTLS, NOOP and QUIT end a group."""
    with pytest.raises(ValueError, match="pipelined"):
        commands.encode_group(["QUIT", "RSET"])
    assert commands.encode_group(["RSET", "MAIL FROM:<>", "RCPT TO:<a@b>", "QUIT"]).count(b"\r\n") == 4


@pytest.mark.parametrize(
    "local_part",
    ["user", "a.b+c", "o'hara", '"two words"', '"a<b>c"', '"a\\"b"', "üser", "用户", "a/b=c!#$%&*?^_`{|}~-"],
)
def test_rcpt_names_the_stored_address(local_part: str) -> None:
    """What stands between the brackets is the mailbox, byte for byte."""
    line = commands.rcpt(Mailbox(local_part, "example.org"))
    assert line == f"RCPT TO:<{local_part}@example.org>"
    assert commands.encode(line) == f"RCPT TO:<{local_part}@example.org>\r\n".encode()


@pytest.mark.parametrize(
    ("local_part", "domain"),
    [
        ("a>b", "example.org"),
        ("a b", "example.org"),
        ("a\r\nDATA", "example.org"),
        ("a", "example.org> NOTIFY=NEVER"),
        ("a", "example.org\r\nVRFY root"),
        ('"a', "example.org"),
        ('"a\rb"', "example.org"),
        (".a", "example.org"),
        ("a..b", "example.org"),
        ("", "example.org"),
        ("a", ""),
        ("a", "exämple.org"),
        ("\ud800", "example.org"),
        ("\x85", "example.org"),
        ("a@b", "example.org"),
    ],
)
def test_an_address_that_would_arrive_as_another_is_refused(local_part: str, domain: str) -> None:
    """Pitfall 34: no injection, and no verdict about another address than the stored one."""
    with pytest.raises(AddressSyntaxError):
        commands.rcpt(Mailbox(local_part, domain))


@settings(deadline=None)
@given(st.text(max_size=70), st.text(max_size=40))
def test_any_address_is_sent_whole_or_not_at_all(local_part: str, domain: str) -> None:
    """Either the bytes are exactly one RCPT of this address, or there are none."""
    try:
        data = commands.encode(commands.rcpt(Mailbox(local_part, domain)))
    except ValueError:
        return
    assert data == b"RCPT TO:<" + f"{local_part}@{domain}".encode() + b">\r\n"
    assert not any(byte < 0x20 or byte == 0x7F for byte in data[:-2])


def test_mail_forms() -> None:
    """The null path only where it is asked for, SMTPUTF8 only where it is needed."""
    assert commands.mail("probe@example.net") == "MAIL FROM:<probe@example.net>"
    assert commands.mail("probe@example.net", smtputf8=True) == "MAIL FROM:<probe@example.net> SMTPUTF8"
    assert commands.mail("<>") == commands.mail("") == "MAIL FROM:<>"
    with pytest.raises(AddressSyntaxError):
        commands.mail("probe@example.net> RET=HDRS")

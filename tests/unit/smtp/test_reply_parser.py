"""Any bytes in any pieces become the same bounded replies, or a ProtocolViolation."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validatord.errors import ProtocolViolation
from validatord.mail.reply import Reply
from validatord.smtp import reply_parser
from validatord.smtp.reply_parser import ReplyParser

RELAXED = settings(deadline=None)


def parse(*pieces: bytes) -> tuple[list[Reply], str]:
    """Feed the pieces; return the replies and the message of the violation, if one came."""
    parser, found = ReplyParser(), list[Reply]()
    try:
        for piece in pieces:
            found.extend(parser.feed(piece))
    except ProtocolViolation as violation:
        # An exception inside `extend` keeps what was yielded before it.
        return found, str(violation)
    return found, ""


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    """Cut the bytes at these places."""
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places)]


LINES = st.one_of(
    st.binary(max_size=60),
    st.from_regex(rb"[0-9]{3}[ -][ -~]{0,40}\r?\n", fullmatch=True),
    st.from_regex(rb"[2-5][0-9]{2}[ -](2\.1\.5 )?[ -~]{0,40}\r?\n", fullmatch=True),
    st.sampled_from(
        [b"250\r\n", b"250-\r\n", b"\r\n", b"\n", b"550 \xff\xfe\x00\xc3\xa9\r\n", b"x" * 2100, b"250 a\r\r\n"]
    ),
)
STREAMS = st.lists(LINES, max_size=40).map(b"".join)


def test_a_split_reply_is_one_reply() -> None:
    """Pitfall 5: packet boundaries mean nothing, neither inside a reply nor between two."""
    pieces = (b"55", b"0-5.1", b".1 No\r", b"\n550 5.1.1 such user\r\n250 ok\r\n")
    assert parse(*pieces) == ([Reply(550, ("5.1.1 No", "5.1.1 such user")), Reply(250, ("ok",))], "")


def test_every_split_in_two_gives_the_same() -> None:
    """Whatever place the bytes are cut at, and if byte by byte, the replies are the same."""
    data = b"220-a\r\n220-\r\n220 c\r\n250\n451 4.7.1 Gr\xc3\xa4ylisted\r\n550-x\r\n554 y\r\n"
    whole = parse(data)
    assert len(whole[0]) == 4
    assert all(parse(data[:cut], data[cut:]) == whole for cut in range(len(data)))
    assert parse(*(bytes([byte]) for byte in data)) == whole


@RELAXED
@given(STREAMS, st.lists(st.integers(0, 3000), max_size=8))
def test_any_split_gives_the_same(data: bytes, cuts: list[int]) -> None:
    """Replies and violation depend on the bytes alone."""
    assert parse(*split(data, cuts)) == parse(data)


@RELAXED
@given(st.one_of(STREAMS, st.binary(max_size=5000)), st.lists(st.integers(0, 5000), max_size=8))
def test_only_violations_are_raised_and_caps_hold(data: bytes, cuts: list[int]) -> None:
    """Nothing but ProtocolViolation comes out, and what is kept is bounded and printable."""
    parser = ReplyParser()
    violation: ProtocolViolation | None = None
    for piece in split(data, cuts):
        try:
            for reply in parser.feed(piece):
                assert len(reply.text.encode()) - len(reply.lines) + 1 <= reply_parser.KEPT_TEXT
                assert all(line.isprintable() for line in reply.lines)
                assert 200 <= reply.code <= 599
                assert 1 <= len(reply.lines) <= reply_parser.MAX_LINES
                assert violation is None
        except ProtocolViolation as raised:
            violation = raised
        held = len(parser._partial) + sum(map(len, parser._lines))
        assert held <= reply_parser.MAX_REPLY + reply_parser.MAX_LINE + 2
    assert violation is None or (violation.line.isprintable() and len(violation.line) <= 1200)


@pytest.mark.parametrize(
    ("data", "reply"),
    [
        (b"250\r\n", Reply(250, ("",))),
        (b"250 \r\n", Reply(250, ("",))),
        (b"250 ok\n", Reply(250, ("ok",))),
        (b"250 ok\r\r\n", Reply(250, ("ok",))),
        (b"550-a\r\n554 b\r\n", Reply(554, ("a", "b"), has_mixed_codes=True)),
        (b"550 nul \x00 bell \x07 tab\tend\r\n", Reply(550, ("nul \\x00 bell \\x07 tab end",))),
        (b"550 h\xf6rt\r\n", Reply(550, ("h\ufffdrt",))),
        (b"550 \xed\xa0\x80 lone\r\n", Reply(550, ("\ufffd\ufffd\ufffd lone",))),
        ("550 a\u202eb\u2028c\u00a0d\r\n".encode(), Reply(550, ("a\\u202eb\\u2028c d",))),
        ("550 \U000e0001\r\n".encode(), Reply(550, ("\\U000e0001",))),
        (b"354 go on\r\n", Reply(354, ("go on",))),
    ],
)
def test_tolerated_forms(data: bytes, reply: Reply) -> None:
    """Bare codes, bare LF, mixed codes and dirty text are replies, cleaned."""
    assert parse(data) == ([reply], "")


@pytest.mark.parametrize(
    "data",
    [b"999 x\r\n", b"150 x\r\n", b"25 x\r\n", b"2500 x\r\n", b"250x\r\n", b"\r\n", b"hello\r\n", b"\x16\x03\x01\n"],
)
def test_what_is_no_reply(data: bytes) -> None:
    """A line that does not begin with a reply code breaks the protocol, and says what it was."""
    with pytest.raises(ProtocolViolation) as raised:
        list(ReplyParser().feed(data))
    assert str(raised.value) == "not a reply"
    assert raised.value.line.isprintable()


def test_replies_before_a_violation_count() -> None:
    """What was said in order before the junk is still handed out."""
    assert parse(b"250 a\r\n550 b\r\njunk\r\n250 c\r\n") == ([Reply(250, ("a",)), Reply(550, ("b",))], "not a reply")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"250 " + b"x" * 2045 + b"\r\n", "a line of more than 2048 bytes"),
        (b"x" * 3_000_000, "a line of more than 2048 bytes"),
        (b"250-x\r\n" * 10_000, "a reply of more than 64 lines"),
        ((b"250-" + b"x" * 2000 + b"\r\n") * 20, "a reply of more than 16384 bytes"),
    ],
)
def test_caps(data: bytes, message: str) -> None:
    """Pitfall 36: a line, the lines and the bytes of a reply have an end."""
    assert parse(data) == ([], message)
    assert parse(*split(data, list(range(0, min(len(data), 40_000), 1000)))) == ([], message)


def test_the_longest_line_and_the_most_lines_pass() -> None:
    """The caps themselves are allowed."""
    assert parse(b"250 " + b"x" * 2044 + b"\r\n")[1] == ""
    replies, message = parse(b"250-x\r\n" * 63 + b"250 y\r\n")
    assert (len(replies[0].lines), message) == (64, "")


def test_the_last_line_survives_the_cut() -> None:
    """Of a long reply a KiB is kept, and the last line, which decides, is among it."""
    [reply], _ = parse(b"550-" + b"a" * 2000 + b"\r\n550-" + b"b" * 90 + b"\r\n550 5.1.1 gone\r\n")
    assert reply.lines[-1] == "5.1.1 gone"
    assert sum(map(len, reply.lines)) == reply_parser.KEPT_TEXT
    assert str(reply.enhanced) == "5.1.1"


def test_the_cut_does_not_halve_a_character() -> None:
    """Bytes are counted, characters are kept whole."""
    [reply], _ = parse("550 ä".encode() + "ö".encode() * 600 + b"\r\n")
    assert len(reply.text.encode()) <= 1024
    assert set(reply.text) == {"ä", "ö"}


def test_repr_tells_what_is_held() -> None:
    """The representation shows an unfinished reply."""
    parser = ReplyParser()
    assert parser.is_empty
    assert list(parser.feed(b"250-a\r\n25")) == []
    assert repr(parser) == "<ReplyParser lines=1 partial=2>"
    assert not parser.is_empty

"""Bytes in, replies out: the reading half of SMTP without a socket.

A hostile host may send anything in any pieces; what leaves this module is bounded, printable text.
Lines may end in LF alone (we never send that), a reply's code is its last line's.
"""

import re
import unicodedata
from collections.abc import Iterator

from validatord.errors import ProtocolViolation
from validatord.mail.reply import Reply

MAX_LINE = 2048  # bytes without the line end
MAX_LINES = 64
MAX_REPLY = 16 * 1024  # bytes with the line ends
KEPT_TEXT = 1024  # UTF-8 bytes of text kept of one reply
_KEPT_LAST_LINE = 512  # of these: the last line decides, so it has room of its own
_SHOWN = 120

# RFC 5321 4.2: three digits, then "-" or a space; the text and even the space may be missing.
_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)


class ReplyParser:
    """An incremental parser; any split of the same bytes gives the same replies.

    `kept_text` bounds the text of each reply; greeting and EHLO want all of it for the keywords.
    """

    def __init__(self, kept_text: int = KEPT_TEXT) -> None:
        self.kept_text = kept_text
        self._partial = bytearray()
        self._lines: list[bytes] = []
        self._codes: list[int] = []
        self._size = 0
        self._violation: ProtocolViolation | None = None

    def __repr__(self) -> str:
        return f"<ReplyParser lines={len(self._lines)} partial={len(self._partial)}>"

    @property
    def is_empty(self) -> bool:
        """Whether no part of an unfinished reply is held."""
        return not self._partial and not self._lines

    def feed(self, data: bytes) -> Iterator[Reply]:
        """Yield each reply that is complete by now; iterate to the end.

        Raises:
            ProtocolViolation: after the replies before it; from then on every call raises it.
        """
        if self._violation is not None:
            raise self._violation
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._partial += data[start:end]
            start = end + 1
            reply = self._take_line()
            if reply is not None:
                yield reply
        self._partial += data[start : start + MAX_LINE + 2]
        self._check_length()

    def _take_line(self) -> Reply | None:
        """Add the finished line in `_partial`; return the reply if it was the last one."""
        self._check_length()
        raw = bytes(self._partial)
        self._partial.clear()
        self._size += len(raw) + 1
        raw = raw.rstrip(b"\r")
        found = _LINE.fullmatch(raw)
        if found is None:
            raise self._violate("not a reply", raw)
        self._lines.append(found[3] or b"")
        self._codes.append(int(found[1]))
        if self._size > MAX_REPLY:
            raise self._violate(f"a reply of more than {MAX_REPLY} bytes", raw)
        if found[2] == b"-":
            if len(self._lines) >= MAX_LINES:
                raise self._violate(f"a reply of more than {MAX_LINES} lines", raw)
            return None
        return self._finish()

    def _finish(self) -> Reply:
        """Make the reply of the collected lines and start anew."""
        lines, codes = self._lines, self._codes
        self._lines, self._codes, self._size = [], [], 0
        kept = keep([clean(line.decode("utf-8", "replace")) for line in lines], self.kept_text)
        # RFC 5321 4.2.1 wants one code throughout; where it is not so, the last line's decides.
        return Reply(codes[-1], kept, has_mixed_codes=len(set(codes)) > 1)

    def _check_length(self) -> None:
        """Refuse a line beyond the cap, whether its end has come or not."""
        length = len(self._partial) - self._partial.endswith(b"\r")
        if length > MAX_LINE:
            raise self._violate(f"a line of more than {MAX_LINE} bytes", bytes(self._partial))

    def _violate(self, message: str, raw: bytes) -> ProtocolViolation:
        self._partial.clear()
        self._lines, self._codes = [], []
        self._violation = ProtocolViolation(message, clean(raw[:_SHOWN].decode("utf-8", "replace")))
        return self._violation


def clean(text: str) -> str:
    r"""Return `text` without anything unprintable: white space becomes a space, the rest `\x00` forms."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escape(character) for character in text)


def keep(lines: list[str], size: int) -> tuple[str, ...]:
    """Return the lines cut to `size` UTF-8 bytes in all; the last line survives first."""
    if sum(map(len, lines)) * 4 <= size or sum(len(line.encode()) for line in lines) <= size:
        return tuple(lines)
    last = _cut(lines[-1], size if len(lines) == 1 else min(size, _KEPT_LAST_LINE))
    left = size - len(last.encode())
    kept: list[str] = []
    for line in lines[:-1]:
        if left <= 0:
            break
        kept.append(_cut(line, left))
        left -= len(kept[-1].encode())
    return (*kept, last)


def _escape(character: str) -> str:
    if character == "\t" or unicodedata.category(character) == "Zs":
        return " "
    number = ord(character)
    if number <= 0xFF:  # noqa: PLR2004 the widths of \x, \u and \U
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"  # noqa: PLR2004


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode("utf-8", "ignore")

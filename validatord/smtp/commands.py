"""The bytes that may go out: a short list of verbs, and lines built from values.

`encode` is the one way from a command to bytes. There is no DATA here, nor any other verb that could
deliver a message, guess a password or list mailboxes: what stands in `VERBS` is all this program says.
"""

import re

from validatord.errors import AddressSyntaxError
from validatord.mail.address import Mailbox

VERBS = frozenset({"EHLO", "HELO", "STARTTLS", "MAIL", "RCPT", "RSET", "NOOP", "QUIT"})

# RFC 2920 3.1: of our verbs only these may stand before another one in a pipelined group.
PIPELINED_VERBS = frozenset({"MAIL", "RCPT", "RSET"})

# RFC 5321 4.5.3.1.4 allows 512 octets, RFC 6531 3.4 ten more for SMTPUTF8; the longest path is 256.
MAX_LINE = 510

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")

# RFC 5321 4.1.2 Local-part, with RFC 6531 3.3 UTF8-non-ascii: no bare "<", ">", "@", space or quote.
_DOT_STRING = re.compile(
    r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+(?:\.[a-zA-Z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+)*"
)
_QUOTED_STRING = re.compile(r'"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*"')
_DOMAIN = re.compile(r"[a-zA-Z0-9_-]+(?:\.[a-zA-Z0-9_-]+)*")


def encode(line: str) -> bytes:
    """Return the bytes of one command line with CRLF.

    Raises:
        ValueError: the verb is not one of ours, or a byte could break out of the line.
    """
    verb = line.partition(" ")[0]
    if verb not in VERBS:
        raise ValueError(f"not a verb of ours: {verb!r}")
    raw = line.encode("utf-8")
    if _CONTROL.search(raw):
        raise ValueError("a command holds a control character")
    if len(raw) > MAX_LINE:
        raise ValueError(f"a command of {len(raw)} bytes is too long")
    return raw + b"\r\n"


def encode_group(lines: list[str]) -> bytes:
    """Return the bytes of a pipelined group; all lines are checked before any is given out.

    Raises:
        ValueError: as `encode`, or a verb that must come last does not (RFC 2920 3.1).
    """
    if any(line.partition(" ")[0] not in PIPELINED_VERBS for line in lines[:-1]):
        raise ValueError("only MAIL, RCPT and RSET may stand inside a pipelined group")
    return b"".join(map(encode, lines))


def ehlo(helo_name: str) -> str:
    """EHLO (RFC 5321 4.1.1.1)."""
    return f"EHLO {helo_name}"


def helo(helo_name: str) -> str:
    """HELO (RFC 5321 4.1.1.1), for hosts that refuse EHLO."""
    return f"HELO {helo_name}"


def mail(envelope_sender: str, *, smtputf8: bool = False) -> str:
    """MAIL (RFC 5321 4.1.1.2); an empty envelope sender or `<>` is the null path.

    Raises:
        AddressSyntaxError: the envelope sender would not arrive as it stands.
    """
    path = "" if envelope_sender == "<>" else envelope_sender
    if path:
        _check_path(path)
    # RFC 6531 3.4: the parameter goes out only where a mailbox of the envelope needs it.
    return f"MAIL FROM:<{path}>" + (" SMTPUTF8" if smtputf8 else "")


def rcpt(mailbox: Mailbox | str) -> str:
    """RCPT (RFC 5321 4.1.1.3) for exactly this mailbox.

    Raises:
        AddressSyntaxError: the host would read another address out of the line than the stored one.
    """
    address = str(mailbox)
    _check_path(address)
    return f"RCPT TO:<{address}>"


def _check_path(address: str) -> None:
    """Refuse an address that, between `<` and `>`, is not read back as itself."""
    local_part, _, domain = address.rpartition("@")
    is_local_part = _DOT_STRING.fullmatch(local_part) or _QUOTED_STRING.fullmatch(local_part)
    if not is_local_part or not _DOMAIN.fullmatch(domain):
        raise AddressSyntaxError("not_sendable", "the address cannot be written into a command")
    if any("\ud800" <= character <= "\udfff" or "\x80" <= character <= "\x9f" for character in local_part):
        raise AddressSyntaxError("not_sendable", "the address holds a character that cannot be sent")

"""Ways to spoil a reply: what comes over the wire when the other side is broken, malicious or merely odd."""

from collections.abc import Callable

_LONG = 1_000_000
_MANY = 10_000


def _lines(reply: bytes) -> list[bytes]:
    return reply.split(b"\r\n")[:-1]


def _every_byte(reply: bytes) -> list[bytes]:
    return [reply[index : index + 1] for index in range(len(reply))]


def _mixed_codes(reply: bytes) -> list[bytes]:
    return [b"450-4.2.1 first line with another code\r\n" + _lines(reply)[-1] + b"\r\n"]


# What each does to one whole reply; each element of the list is sent on its own.
MANGLERS: dict[str, Callable[[bytes], list[bytes]]] = {
    "split": _every_byte,
    "halves": lambda reply: [reply[: len(reply) // 2], reply[len(reply) // 2 :]],
    "bare_lf": lambda reply: [reply.replace(b"\r\n", b"\n")],
    "no_text": lambda reply: [_lines(reply)[-1][:3] + b"\r\n"],
    "mixed_codes": _mixed_codes,
    "latin1": lambda reply: [reply[:4] + "unzustellbar: Empfänger ".encode("latin-1") + reply[4:]],
    "doubled": lambda reply: [reply + reply],
    "text": lambda _: [b"I am not a mail server\r\n"],
    "code": lambda _: [b"999 what is this\r\n"],
    "nul": lambda reply: [reply[:4] + b"\0\0\0" + reply[4:]],
    "junk": lambda _: [bytes(range(128, 256)) + b"\r\n"],
    "long_line": lambda reply: [reply[:4] + b"x" * _LONG + b"\r\n"],
    "no_end": lambda reply: [reply[:4] + b"x" * _LONG],
    "many_lines": lambda reply: [(reply[:3] + b"-more\r\n") * _MANY + reply],
}


def mangle(kind: str, reply: bytes) -> list[bytes]:
    """Return the pieces in which a reply goes out; an empty `kind` leaves it whole."""
    return MANGLERS[kind](reply) if kind else [reply]

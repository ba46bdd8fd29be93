"""The other tests trust the logs to tell; here a client without manners is seen in them."""

import socket
import time
from dataclasses import dataclass

import pytest

from tests.interop import complaints, exim, opensmtpd, postfix, sendmail
from tests.interop.complaints import ServerLog
from tests.interop.name_server import HELO_NAME, LISTED_ADDRESS, SOURCE_ADDRESS

_HELLO = f"EHLO {HELO_NAME}\r\n".encode()
_MAIL = b"MAIL FROM:<probe@validatord.example>\r\n"
_POSTFIX = postfix.BY_NAME["local"].address
_SCREEN = postfix.BY_NAME["screened"].address
_EXIM = exim.list_sites()[0].address
_OPENSMTPD = opensmtpd.list_sites()[0].address
_SENDMAIL = sendmail.list_sites()[0].address


@dataclass(frozen=True, slots=True)
class Rudeness:
    """What is said to a server: each part after an answer to the one before, the first where None before the greeting."""

    log: str
    manners: complaints.Manners
    address: str
    parts: tuple[bytes | None, ...]
    complaint: str
    source_address: str = SOURCE_ADDRESS


CASES = {
    "postfix: hangs up": Rudeness(
        "postfix_log", complaints.POSTFIX, _POSTFIX, (_HELLO, _MAIL), "lost connection after MAIL"
    ),
    "postfix: unknown command": Rudeness(
        "postfix_log", complaints.POSTFIX, _POSTFIX, (_HELLO, b"HARVEST\r\n", b"QUIT\r\n"), "unknown=0/1"
    ),
    # Not from the address that the other tests make known to postscreen.
    "postscreen: talks first": Rudeness(
        "postfix_log", complaints.POSTFIX, _SCREEN, (None, _HELLO), "PREGREET", LISTED_ADDRESS
    ),
    "exim: talks first": Rudeness(
        "exim_log", complaints.EXIM, _EXIM, (None, _HELLO + _MAIL), "protocol synchronization error"
    ),
    "exim: talks on": Rudeness("exim_log", complaints.EXIM, _EXIM, (_HELLO + _MAIL,), "protocol synchronization error"),
    "exim: hangs up": Rudeness("exim_log", complaints.EXIM, _EXIM, (_HELLO, _MAIL), "unexpected disconnection"),
    "opensmtpd: hangs up": Rudeness(
        "opensmtpd_log", complaints.OPENSMTPD, _OPENSMTPD, (_HELLO, _MAIL), "disconnected reason=disconnect"
    ),
    "opensmtpd: unknown command": Rudeness(
        "opensmtpd_log", complaints.OPENSMTPD, _OPENSMTPD, (_HELLO, b"HARVEST\r\n", b"QUIT\r\n"), "failed-command"
    ),
    "sendmail: talks first": Rudeness(
        "sendmail_log", complaints.SENDMAIL, _SENDMAIL, (None, _HELLO), "pre-greeting traffic"
    ),
    "sendmail: hangs up": Rudeness(
        "sendmail_log", complaints.SENDMAIL, _SENDMAIL, (_HELLO, _MAIL), "lost input channel"
    ),
    "sendmail: unknown command": Rudeness(
        "sendmail_log", complaints.SENDMAIL, _SENDMAIL, (_HELLO, b"HARVEST\r\n", b"QUIT\r\n"), "500 5.5.1"
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_rudeness_is_noticed(request: pytest.FixtureRequest, port: int, case: Rudeness) -> None:
    """What a server logs about a client without manners counts as a complaint."""
    log = ServerLog(request.getfixturevalue(case.log), case.manners)

    _speak(case, port)

    assert [line for line in log.find_complaints() if case.complaint in line]


def _speak(case: Rudeness, port: int) -> None:
    with socket.create_connection((case.address, port), 10, source_address=(case.source_address, 0)) as connection:
        is_early = case.parts[0] is None
        if not is_early:
            connection.recv(4096)
        for part in case.parts:
            if part is not None:
                connection.sendall(part)
                connection.recv(4096)
    time.sleep(0.2)  # until the server has seen that we are gone

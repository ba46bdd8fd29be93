"""What a server's log may say about a client with manners; every other line about us is a complaint."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.interop import name_server
from tests.interop.jail import wait_until

_QUIET_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Manners:
    """How one kind of server logs.

    `about_us` finds the lines that matter, `allowed` those among them that hold nothing against us.
    `opened` and `closed` count connections: a log is read once as many are closed as were opened.
    """

    about_us: re.Pattern[str]
    allowed: re.Pattern[str]
    opened: re.Pattern[str]
    closed: re.Pattern[str]


_US = "(" + "|".join(map(re.escape, (name_server.SOURCE_ADDRESS, name_server.LISTED_ADDRESS))) + ")"
POSTFIX = Manners(
    about_us=re.compile(rf"{_US}|warning|fatal|panic|error:"),
    allowed=re.compile(
        r"smtpd\[\d+\]: ("
        r"connect from "
        # All commands known, and the last word was ours.
        r"|disconnect from \S+ ((ehlo|helo|starttls|mail|rcpt|rset)=[\d/]+ )+quit=1 commands="
        r"|[0-9A-F]+: client="
        r"|([0-9A-F]+|NOQUEUE): reject: (RCPT|MAIL) from "
        r"|(Anonymous|Untrusted|Trusted|Verified) TLS connection established from "
        r")"
        r"|postscreen\[\d+\]: (CONNECT from |PASS (NEW|OLD) |DISCONNECT |NOQUEUE: reject: RCPT from )"
        r"|postgrey\[\d+\]: action=(pass|greylist)"
    ),
    opened=re.compile(r"smtpd\[\d+\]: connect from |postscreen\[\d+\]: CONNECT from "),
    closed=re.compile(r"smtpd\[\d+\]: disconnect from |postscreen\[\d+\]: (DISCONNECT|PASS OLD|HANGUP)"),
)
EXIM = Manners(
    about_us=re.compile(rf"{_US}|unable|failed to|panic"),
    allowed=re.compile(
        r"SMTP connection from \S+ (\S+ )?I=\S+ (\(TCP/IP connection count = \d+\)|closed by QUIT)$"
        r"|SMTP connection from \[\S+ \(TCP/IP connection count"
        r"|(temporarily )?rejected (RCPT|MAIL) "
        # The one way to learn how many an envelope may hold.
        r"|too many recipients: excess temporarily rejected: "
        # What a probe is: an envelope without a message (RFC 5321 4.1.1.5, 4.1.1.10).
        r"|incomplete transaction \((QUIT|RSET)\) from <"
    ),
    opened=re.compile(r"SMTP connection from .*connection count = "),
    closed=re.compile(r"SMTP connection from .*(closed|lost|dropped)|unexpected disconnection|synchronization error"),
)
OPENSMTPD = Manners(
    about_us=re.compile(r" smtp |warn|fatal|error"),
    allowed=re.compile(
        r" smtp (connected address="
        r"|disconnected reason=quit"
        r"|tls (tls=)?|cert-check"
        r'|failed-command command="(?i:rcpt|mail) '
        r")"
    ),
    opened=re.compile(r" smtp connected "),
    closed=re.compile(r" smtp disconnected "),
)
SENDMAIL = Manners(
    # It logs every command and every reply, but seldom whose.
    about_us=re.compile(r"sendmail\[\d+\]"),
    allowed=re.compile(
        r"\]: (\w+: )?("
        r"connect from "
        r"|<-- (EHLO|HELO|STARTTLS|MAIL FROM:|RCPT TO:|RSET|QUIT)"
        r"|--- (220|221|250|4\d\d|55\d)[ -]"
        r"|<[^>]*>\.\.\. User unknown"
        r"|ruleset=check_(relay|mail|rcpt), .* reject="
        r"|(to|from)=<|Too many recipients$"
        # The brake is set to two refusals, so that it is felt.
        r"|probe\.validatord\.example \[\S+\]: Possible SMTP RCPT flood, throttling"
        # About itself.
        r"|dns \S+ => |Milter: no active filter|AUTH warning: no mechanisms|STARTTLS=(server|read), |tls_srv_features="
        r"|engine=|gethostbyaddr|error: safesasl|starting daemon|started as: |STARTTLS: CRLFile missing"
        r")"
    ),
    opened=re.compile(r"connect from "),
    closed=re.compile(r"--- 221 |[Ll]ost input channel"),
)


class ServerLog:
    """A log from where it stood when this was made."""

    def __init__(self, path: Path, manners: Manners) -> None:
        self.path = path
        self.manners = manners
        self.allowed_besides = ""  # a regular expression: what the test itself brings about
        self._start = path.stat().st_size if path.exists() else 0

    def read(self) -> list[str]:
        """Return the lines since then."""
        return self.path.read_bytes()[self._start :].decode("utf-8", "replace").splitlines()

    def _is_quiet(self) -> bool:
        lines = self.read()
        opened = sum(bool(self.manners.opened.search(line)) for line in lines)
        return opened <= sum(bool(self.manners.closed.search(line)) for line in lines)

    def find_complaints(self) -> list[str]:
        """Return what the server holds against us, once it has said its last word about every connection."""
        if not wait_until(self._is_quiet, _QUIET_SECONDS):
            return ["connections that never ended", *self.read()[-20:]]
        about_us = [line for line in self.read() if self.manners.about_us.search(line)]
        allowed = [self.manners.allowed] + ([re.compile(self.allowed_besides)] if self.allowed_besides else [])
        return [line for line in about_us if not any(pattern.search(line) for pattern in allowed)]

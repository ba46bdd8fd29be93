"""The names of control recipients: the same all month, of two shapes, no one else's."""

import re
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from validatord.mail.address import Mailbox
from validatord.smtp import commands
from validatord.smtp.control import control_recipients

SECRET = b"a secret of this test"


def test_shapes() -> None:
    """Sixteen letters and digits beginning with a letter; and two words with four digits."""
    for number in range(300):
        first, second = control_recipients(SECRET, f"d{number}.example", date(2026, 3, 1))
        assert re.fullmatch(rf"[a-z][a-z2-7]{{15}}@d{number}\.example", first)
        assert re.fullmatch(rf"[a-z]{{6}}\.[a-z]{{6}}[0-9]{{4}}@d{number}\.example", second)


def test_fixed_for_a_month() -> None:
    """Pitfall 9: a greylisted control recipient is asked again under the same name."""
    march = control_recipients(SECRET, "example.org", date(2026, 3, 1))
    assert control_recipients(SECRET, "example.org", date(2026, 3, 31)) == march
    assert control_recipients(SECRET, "EXAMPLE.org", date(2026, 3, 31))[0].split("@")[0] == march[0].split("@")[0]
    # Written down: another version of this program must ask under the same names.
    assert march == ("d2uhutt4nzy2phkk@example.org", "sunaro.kinesa3743@example.org")


def test_different_for_everything_else() -> None:
    """Another domain, month, year or secret gives other names."""
    march = date(2026, 3, 1)
    names = {
        control_recipients(*case)[shape].split("@")[0]
        for case in [
            (SECRET, "example.org", march),
            (SECRET, "example.com", march),
            (SECRET, "example.org", date(2026, 4, 1)),
            (SECRET, "example.org", date(2027, 3, 1)),
            (b"another", "example.org", march),
        ]
        for shape in (0, 1)
    }
    assert len(names) == 10


@settings(deadline=None)
@given(st.binary(max_size=40), st.from_regex(r"[a-z0-9]{1,20}\.[a-z]{2,5}", fullmatch=True), st.dates())
def test_always_sendable(secret: bytes, domain: str, month: date) -> None:
    """Whatever the secret, both names can be written into a RCPT."""
    for address in control_recipients(secret, domain, month):
        local_part, _, found = address.partition("@")
        assert found == domain
        assert commands.rcpt(Mailbox(local_part, domain)) == f"RCPT TO:<{address}>"

"""The short way through the parser says what the long way says."""

import re

import pytest
from hypothesis import example, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from validatord.errors import AddressSyntaxError
from validatord.mail import parse
from validatord.mail.address import Mailbox

_LOCAL_PARTS = st.text("ab1.-_+Z!#'~ä\"", min_size=1, max_size=12)
_LABELS = st.text("ab1-Zx_ä", min_size=1, max_size=6)
_TOP_LEVELS = st.sampled_from(["com", "c", "x1", "LOCAL", "test", "onion", "museum", "xn--p1ai", "1"])
_DOMAINS = st.builds(
    lambda labels, top: ".".join([*labels, top]), st.lists(_LABELS, min_size=1, max_size=4), _TOP_LEVELS
)


def read(text: str) -> Mailbox | str:
    """Return the mailbox, or the rule that was broken."""
    try:
        return parse.parse_address(text, allow_special_use=True)
    except AddressSyntaxError as error:
        return error.rule


@profile(max_examples=1000, deadline=None)
@given(_LOCAL_PARTS, _DOMAINS)
@example("a" * 64, "example.com")
@example("a" * 65, "example.com")
@example("a", ".".join(["b" * 63] * 3) + "." + "c" * 60)
@example("a", ".".join(["b" * 63] * 3) + ".ccccc")
@example("first.last", "sub.example.com")
def test_same_answer(local_part: str, domain: str) -> None:
    """Whatever the short way accepts, the library accepts and reads alike."""
    text = f"{local_part}@{domain}"
    short = read(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parse, "_PLAIN", re.compile(r"(?!)"))

        assert short == read(text)
    assert isinstance(short, str) or parse.is_wire_safe(short)


def test_it_is_taken() -> None:
    """An ordinary address goes the short way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parse.email_validator, "validate_email", None)

        assert read("First.Last+tag@Sub.Example.COM") == Mailbox("First.Last+tag", "sub.example.com")

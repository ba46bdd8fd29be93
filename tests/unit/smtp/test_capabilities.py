"""What an answer to EHLO offers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validatord.mail.reply import Reply
from validatord.smtp.capabilities import Capabilities, Limits, parse_capabilities


def test_all_keywords() -> None:
    """Keywords are read in any case, with and without parameters; unknown ones are passed over."""
    lines = (
        "mx.example.com at your service",
        "pipelining",
        "SIZE 35651584",
        "8BITMIME",
        "StartTLS",
        "ENHANCEDSTATUSCODES",
        "SMTPUTF8",
        "AUTH PLAIN LOGIN",
        "AUTH=PLAIN",
        "LIMITS RCPTMAX=20 MAILMAX=5 RCPTDOMAINMAX=1 NEW=x",
        "",
    )
    assert parse_capabilities(Reply(250, lines)) == Capabilities(
        has_pipelining=True,
        has_starttls=True,
        has_smtputf8=True,
        has_8bitmime=True,
        has_enhanced_status_codes=True,
        size=35651584,
        limits=Limits(mail_max=5, rcpt_max=20, rcpt_domain_max=1),
    )


@pytest.mark.parametrize(
    "parameters", ["", " RCPTMAX=", " RCPTMAX=0", " RCPTMAX=-1", " RCPTMAX=many", " RCPTMAX=\u0661"]
)
def test_limits_that_limit_nothing(parameters: str) -> None:
    """A limit that is none, or below one, is as good as not given."""
    assert parse_capabilities(Reply(250, ("mx", f"LIMITS{parameters}"))).limits == Limits()


def test_the_first_line_is_a_greeting() -> None:
    """A host named PIPELINING does not pipeline by that."""
    assert parse_capabilities(Reply(250, ("PIPELINING STARTTLS",))) == Capabilities()
    assert parse_capabilities(Reply(250, ("mx", "SIZE", "SIZE 5"))).size is None


@settings(deadline=None)
@given(st.lists(st.text(max_size=60), max_size=10))
def test_never_raises(lines: list[str]) -> None:
    """Any lines give capabilities."""
    assert isinstance(parse_capabilities(Reply(250, tuple(lines))), Capabilities)

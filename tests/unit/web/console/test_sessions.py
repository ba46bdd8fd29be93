"""Sealed cookies and the tokens of forms."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validatord.web.console import render, sessions
from validatord.web.console.sessions import Sealer

NOW = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
SEALER = Sealer("one secret")


def test_a_session_comes_back() -> None:
    """What was sealed is opened as it was, until its time is over."""
    session = sessions.begin(NOW, 7)
    sealed = SEALER.seal(session)

    assert SEALER.open(sealed, NOW + timedelta(hours=11)) == session
    assert SEALER.open(sealed, NOW + timedelta(hours=12)) is None
    assert SEALER.open(sealed, NOW - timedelta(hours=1)) is None


def test_another_secret_opens_nothing() -> None:
    """A cookie, a token and a word of another installation are none here."""
    other = Sealer("another secret")
    session = sessions.begin(NOW, 7)

    assert SEALER.open(other.seal(session), NOW) is None
    assert not SEALER.is_token_of(session, other.token_of(session))
    assert SEALER.unwrap(other.wrap(["good", "done"])) is None


def test_seals_are_not_exchanged() -> None:
    """A sealed word is no session, and a session is no word."""
    assert SEALER.open(SEALER.wrap(["good", "done"]), NOW) is None
    assert SEALER.unwrap(SEALER.seal(sessions.begin(NOW))) is None


def test_a_token_belongs_to_its_session() -> None:
    """Each session has its own token, and logging in gives another one."""
    nobody, somebody = sessions.begin(NOW), sessions.begin(NOW, 7)

    assert SEALER.is_token_of(somebody, SEALER.token_of(somebody))
    assert not SEALER.is_token_of(somebody, SEALER.token_of(nobody))
    assert not SEALER.is_token_of(nobody, SEALER.token_of(sessions.Session(nobody.nonce, NOW, 7)))


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    """Whatever stands in a cookie or a form, it is refused and nothing is raised."""
    assert SEALER.open(text, NOW) is None
    assert SEALER.unwrap(text) is None
    assert not SEALER.is_token_of(sessions.begin(NOW), text)


@pytest.mark.parametrize(
    "where", ["/console/", "/console/submissions?client=a%20b&x=1", "/console/mailbox?email=a@b.example"]
)
def test_own_paths(where: str) -> None:
    """A page of the console may be gone back to."""
    assert render.is_own_path(where)


@given(st.text())
def test_nobody_is_led_elsewhere(text: str) -> None:
    """No text leads out of the console."""
    if render.is_own_path(text):
        assert text.startswith("/console/")
        assert not {"\\", "\r", "\n"} & set(text)

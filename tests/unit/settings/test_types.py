"""Durations and texts as settings read them."""

import contextlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validatord import settings_types


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("30s", 30), ("15m", 900), ("2h30m", 9000), ("7d", 604800), (" 1.5 H ", 5400), (12, 12), (0, 0)],
)
def test_durations(text: object, seconds: float) -> None:
    """Units may be put together; a bare number is seconds."""
    assert settings_types.parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "5 weeks", "-5s", "s", "1h-5m", "5s!", "ms5", -1, 1e30, float("nan")])
def test_no_durations(text: object) -> None:
    """What is no duration, or none that makes sense, is refused with a sentence."""
    with pytest.raises(ValueError, match="duration"):
        settings_types.parse_duration(text)


@given(st.integers(min_value=0, max_value=3650 * 86_400_000))
def test_durations_read_back(milliseconds: int) -> None:
    """What `format_duration` writes, `parse_duration` reads, to the millisecond."""
    duration = timedelta(milliseconds=milliseconds)

    found = settings_types.parse_duration(settings_types.format_duration(duration))

    assert isinstance(found, timedelta)
    assert abs(found - duration) < timedelta(milliseconds=1)


@given(st.text(max_size=40))
def test_any_text(text: str) -> None:
    """No text makes reading a duration fail in another way than ValueError."""
    with contextlib.suppress(ValueError):
        settings_types.parse_duration(text)


@pytest.mark.parametrize(
    ("text", "words"), [("a,b", ("a", "b")), ("a, b\tc", ("a", "b", "c")), ("", ()), (" , ", ()), (["a b"], ["a b"])]
)
def test_words(text: object, words: object) -> None:
    """One line of the environment is a list; a list stays one."""
    assert settings_types.split_words(text) == words


@pytest.mark.parametrize("name", ["mail.example.com", "[192.0.2.1]", "[IPv6:2001:db8::1]", "localhost"])
def test_helo_names(name: str) -> None:
    """A host name or an address literal (RFC 5321 4.1.3)."""
    assert settings_types.check_helo_name(name) == name


@pytest.mark.parametrize("name", ["", "a b", "a\r\nRCPT TO:<x@example.com>", "a>", "ä.example", "[x]y"])
def test_no_helo_names(name: str) -> None:
    """Nothing that could end the command, or begin another one."""
    with pytest.raises(ValueError, match="host name"):
        settings_types.check_helo_name(name)


@pytest.mark.parametrize("sender", ["", "probe@example.com", "a+b@example.com"])
def test_envelope_senders(sender: str) -> None:
    """A mailbox, or nothing for the null path."""
    assert settings_types.check_envelope_sender(sender) == sender


@pytest.mark.parametrize(
    "sender", ["probe", "@example.com", "a@", "a b@example.com", "a@example.com>", "<>", "a@b\r\n"]
)
def test_no_envelope_senders(sender: str) -> None:
    """Nothing that would leave the angle brackets."""
    with pytest.raises(ValueError, match="mailbox"):
        settings_types.check_envelope_sender(sender)


@pytest.mark.parametrize("word", ["192.0.2.1", "192.0.2.1:5353", "[2001:db8::1]:53", "2001:db8::1", "dns.example:53"])
def test_resolvers(word: str) -> None:
    """Host, host:port, and IPv6 with or without brackets."""
    assert settings_types.check_resolvers((word,)) == (word,)

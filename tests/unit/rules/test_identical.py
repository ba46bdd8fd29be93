"""The guard against one text for everybody: when it speaks, whom it names, and that it stays small."""

from datetime import UTC, datetime, timedelta

import pytest

from validatord.mail.verdict import Meaning, ReplyReading, Scope
from validatord.rules.identical import Affected, IdenticalRefusals, is_guarded

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)


def test_third_domain_with_the_same_text_gives_it_away() -> None:
    """Three domains of one provider, one text, ten minutes: the text is about us."""
    guard = IdenticalRefusals()
    assert not guard.observe("p", "a.example", "go away", _NOW, request_ids=[1, 2])
    assert not guard.observe("p", "a.example", "go away", _NOW + _MINUTE, request_ids=[3])
    assert not guard.observe("p", "b.example", "go away", _NOW + 2 * _MINUTE, request_ids=[4])
    assert guard.observe("p", "c.example", "go away", _NOW + 3 * _MINUTE, request_ids=[5])
    assert guard.observe("p", "a.example", "go away", _NOW + 4 * _MINUTE, request_ids=[6])

    affected = guard.find_affected("p", "go away", _NOW + 4 * _MINUTE)
    assert affected == Affected(("a.example", "b.example", "c.example"), (1, 2, 3, 4, 5, 6))


def test_other_texts_and_other_providers_do_not_add_up() -> None:
    """Each text of each provider is counted by itself; no text at all is not counted."""
    guard = IdenticalRefusals()
    for number, (provider, text) in enumerate([("p", "one"), ("p", "two"), ("q", "one"), ("p", ""), ("p", "")]):
        assert not guard.observe(provider, f"{number}.example", text, _NOW)
    assert not guard.observe("p", "9.example", "one", _NOW)
    assert guard.find_affected("p", "", _NOW) == Affected()
    assert guard.find_affected("r", "one", _NOW) == Affected()


def test_window_forgets() -> None:
    """What was said more than ten minutes ago does not count, and is not named."""
    guard = IdenticalRefusals()
    guard.observe("p", "a.example", "no", _NOW, request_ids=[1])
    guard.observe("p", "b.example", "no", _NOW + 5 * _MINUTE, request_ids=[2])
    assert not guard.observe("p", "c.example", "no", _NOW + 11 * _MINUTE, request_ids=[3])
    assert guard.find_affected("p", "no", _NOW + 11 * _MINUTE).request_ids == (2, 3)
    assert guard.find_affected("p", "no", _NOW + 60 * _MINUTE) == Affected()


def test_domain_that_tells_mailboxes_apart_does_not_count() -> None:
    """A domain that accepts somebody, or knows nobody of a name, does not refuse us."""
    guard = IdenticalRefusals()
    for domain in ("a.example", "b.example"):
        guard.observe("p", domain, "no", _NOW)
    guard.observe("p", "a.example", "other", _NOW)
    guard.observe("p", "b.example", "third", _NOW)
    guard.observe_other("p", "a.example")
    guard.observe_other("unknown", "a.example")

    assert not guard.observe("p", "c.example", "no", _NOW)
    assert guard.observe("p", "d.example", "no", _NOW)
    assert guard.find_affected("p", "other", _NOW) == Affected()
    assert guard.find_affected("p", "third", _NOW) == Affected(("b.example",))


def test_memory_is_bounded() -> None:
    """However many providers, texts and refusals come, the oldest go."""
    guard = IdenticalRefusals()
    for number in range(1500):
        guard.observe(f"p{number}", "a.example", "no", _NOW)
    for number in range(300):
        guard.observe("p", "a.example", f"text {number}", _NOW)
    for number in range(3000):
        guard.observe("p", "a.example", "same", _NOW, request_ids=[number])

    assert repr(guard) == "<IdenticalRefusals providers=1000 texts=1099>"
    assert len(guard.find_affected("p", "same", _NOW).request_ids) == 1000


@pytest.mark.parametrize("meaning", list(Meaning))
def test_only_refusals_that_may_be_about_us_are_guarded(meaning: Meaning) -> None:
    """What plainly speaks of a mailbox is never taken back; nor is a 4xx, which decided nothing."""
    plainly = {
        Meaning.OK,
        Meaning.NO_SUCH_MAILBOX,
        Meaning.MAILBOX_FULL,
        Meaning.MAILBOX_DISABLED,
        Meaning.RECIPIENT_RATE_LIMITED,
    }
    assert is_guarded(ReplyReading(meaning, Scope.RECIPIENT, False, "t")) is (meaning not in plainly)
    assert not is_guarded(ReplyReading(meaning, Scope.RECIPIENT, True, "t"))

"""Figures, times and words as pages show them."""

from datetime import UTC, datetime, timedelta

import pytest

from validatord.mail.verdict import Reason, Status
from validatord.web.console import wording

NOW = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "less than 1 s"),
        (1, "1 s"),
        (59.6, "1 min"),
        (150, "2 min"),
        (3600, "1 hour"),
        (7800, "2 hours 10 min"),
        (5 * 3600 + 600, "5 hours"),
        (90_000, "1 day 1 hour"),
        (9 * 86_400, "9 days"),
    ],
)
def test_spans(seconds: float, said: str) -> None:
    """A length of time is said in its two greatest units, in one where the second says little."""
    assert wording.span(timedelta(seconds=seconds)) == said
    assert wording.span(seconds) == said


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [(0, 10, "0 %"), (1, 1000, "< 1 %"), (999, 1000, "> 99 %"), (1000, 1000, "100 %"), (1, 3, "33 %"), (0, 0, "0 %")],
)
def test_shares(part: int, whole: int, said: str) -> None:
    """What is there is never shown as nothing, and what is missing never as everything."""
    assert wording.share(part, whole) == said


def test_distances() -> None:
    """An instant is said as a distance, either way; the instant itself stays in the page, in UTC."""
    said = {step: wording.since(NOW + timedelta(seconds=step), NOW) for step in (-120, -2, 2, 7200)}

    assert [text.split(">")[1].split("<")[0] for text in said.values()] == [
        "2 min ago",
        "just now",
        "in a moment",
        "in 2 hours",
    ]
    assert 'datetime="2026-03-05T14:00:00+00:00"' in said[7200]
    assert str(wording.since(None, NOW)) == wording.NONE


def test_moments_are_utc() -> None:
    """Without scripts a time reads in UTC and says so."""
    there = NOW.astimezone(datetime.fromisoformat("2026-01-01T00:00:00+05:30").tzinfo)

    assert str(wording.moment(there)) == '<time datetime="2026-03-05T12:00:00+00:00">2026-03-05 12:00 UTC</time>'


def test_every_word_has_its_sentence() -> None:
    """Every status has its sign and half-sentence, every reason its sentence; foreign words have none and break nothing."""
    assert all(f'class="status {status.value}"' in wording.status(status.value) for status in Status)
    assert all(wording.status_says(status.value) for status in Status)
    assert all(wording.reason_says(reason.value) for reason in Reason)
    assert wording.reason_says("<b>") == wording.status_says(None) == ""
    assert str(wording.status("<b>")) == '<span class="status unknown">&lt;b&gt;</span>'


def test_others_text_is_plain() -> None:
    """Text from outside is escaped and bounded, and what nobody sees gets a sign."""
    assert str(wording.plain("<a>\u202ex\x07\ny")) == "&lt;a&gt;\ufffdx\ufffd\ny"
    assert len(wording.plain("x" * 9999)) == 4000

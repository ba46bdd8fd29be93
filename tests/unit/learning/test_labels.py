"""What became of a mailbox, by the rule."""

from datetime import UTC, datetime, timedelta

import pytest

from validatord.learning.labels import Label, find_label, is_mailed

_VERDICT = datetime(2026, 5, 1, tzinfo=UTC)
_WINDOW = timedelta(days=30)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([("hard_bounce", 1)], Label.BOUNCED),
        ([("open", 1), ("hard_bounce", 2)], Label.BOUNCED),
        ([("hard_bounce", 1), ("reply", 2)], Label.BOUNCED),
        ([("open", 1)], Label.ANSWERED),
        ([("click", 1)], Label.ANSWERED),
        ([("reply", 30)], Label.ANSWERED),
        ([("complaint", 3)], Label.ANSWERED),
        ([("soft_bounce", 1), ("open", 2)], Label.ANSWERED),
        ([("soft_bounce", 1)], None),
        ([], Label.SILENT),
        ([("hard_bounce", -1)], Label.SILENT),
        ([("open", 0)], Label.SILENT),
        ([("hard_bounce", 31)], Label.SILENT),
    ],
)
def test_the_rule(events: list[tuple[str, int]], expected: Label | None) -> None:
    """A bounce is death, any sign is life, silence on a mailed list is life; only the window counts."""
    told = [(kind, _VERDICT + timedelta(days=days)) for kind, days in events]

    assert find_label(told, _VERDICT, _WINDOW, was_mailed=True) is expected


def test_silence_where_nobody_wrote_means_nothing() -> None:
    """Without a list that was evidently mailed, silence is no label."""
    assert find_label([], _VERDICT, _WINDOW, was_mailed=False) is None
    assert [label.is_alive for label in Label] == [False, True, True]


@pytest.mark.parametrize(
    ("mailboxes", "with_news", "expected"),
    [(100, 20, True), (400, 20, True), (401, 20, False), (19, 19, False), (0, 0, False), (1_000_000, 50_000, True)],
)
def test_a_mailed_list(mailboxes: int, with_news: int, expected: bool) -> None:
    """News of at least twenty mailboxes, and of one in twenty."""
    assert is_mailed(mailboxes, with_news) is expected

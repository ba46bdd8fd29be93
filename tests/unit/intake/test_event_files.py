"""CSV files of events: columns found or mapped, every row an event or a line that says what is wrong."""

import io
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validatord.errors import ConfigurationError
from validatord.intake.event_files import BadRow, ImportRules, read_event_rows
from validatord.store.events import Event

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
AT = datetime(2026, 5, 1, 10, tzinfo=UTC)


def read(text: str | bytes, **rules: object) -> list[Event | BadRow]:
    """Every row of a file."""
    data = text.encode() if isinstance(text, str) else text
    return list(read_event_rows(io.BytesIO(data), ImportRules(**rules), NOW, "told.csv"))


def test_columns_are_known_by_their_usual_names() -> None:
    """Header names of mail services are recognised, whatever their case and delimiter; words of kinds too."""
    text = "E-Mail Address;Event;Timestamp;Campaign ID;more\nA@Example.COM;Hard Bounce;2026-05-01T12:00:00+02:00;;x\n"
    assert read(text) == [Event("A@example.com", "hard_bounce", AT)]
    assert read("recipient,type,time\na@example.com,spam report,2026-05-01T10:00:00Z\n") == [
        Event("a@example.com", "complaint", AT)
    ]


def test_columns_and_kinds_are_mapped() -> None:
    """Whoever imports says which column is what, what a word means, and what holds for all rows."""
    text = "who\tresult\twhen\na@example.com\tweg\t1777629600\nb@example.com\tweg\t1777629600000\n"
    found = read(
        text, columns={"email": "Who", "event_type": "result", "event_at": "when"}, kinds={"weg": "hard_bounce"}
    )
    assert found == [Event("a@example.com", "hard_bounce", AT), Event("b@example.com", "hard_bounce", AT)]

    bounces = read("email\na@example.com\n", event_type="soft_bounce", event_at=AT)
    assert bounces == [Event("a@example.com", "soft_bounce", AT)]


def test_times_need_a_zone_or_get_one() -> None:
    """A time without a zone is a bad row, unless the zone of the file is named."""
    text = "email,event,date\na@example.com,open,2026-05-01 12:00:00\n"
    assert read(text) == [BadRow(2, "date", '"2026-05-01 12:00:00" has no time zone; name it with --timezone')]
    assert read(text, zone=ZoneInfo("Europe/Berlin")) == [Event("a@example.com", "open", AT)]


def test_campaign_without_a_uuid_gets_one_that_stays() -> None:
    """The name of a campaign becomes an identifier, the same one at every import."""
    uuid = UUID("00000000-0000-4000-8000-000000000009")
    line = "email,event,time,campaign\na@example.com,open,2026-05-01T10:00:00Z,"
    [given_one] = read(line + str(uuid))
    [first], [second], [other] = read(line + "Spring"), read(line + "Spring"), read(line + "Autumn")
    assert isinstance(given_one, Event)
    assert given_one.campaign_id == uuid
    assert first == second != other


def test_bad_rows_are_named_and_the_rest_is_read() -> None:
    """Line and column of every bad row, as the file calls it; blank lines are none."""
    text = (
        "Mail,Event,Time\n"
        "a@example.com,open,2026-05-01T10:00:00Z\n"
        "\n"
        "nobody,open,2026-05-01T10:00:00Z\n"
        "b@example.com,sent,2026-05-01T10:00:00Z\n"
        "c@example.com,open,yesterday\n"
        "d@example.com,open,2036-01-01T00:00:00Z\n"
        "e@example.com\n"
        "f@example.com,reply,2026-05-01T10:00:00Z\n"
    )
    found = read(text)
    assert [row.email for row in found if isinstance(row, Event)] == ["a@example.com", "f@example.com"]
    bad = [row for row in found if isinstance(row, BadRow)]
    assert [(row.line, row.column) for row in bad] == [
        (4, "Mail"),
        (5, "Event"),
        (6, "Time"),
        (7, "Time"),
        (8, "Event"),
    ]
    assert "map it with --map" in bad[1].problem
    assert "future" in bad[3].problem


def test_missing_columns_are_named() -> None:
    """Without the columns nothing is read; all that is missing is said at once, with what there is."""
    with pytest.raises(ConfigurationError) as caught:
        read("name,city\nx,y\n", columns={"campaign_id": "Mailing"})
    assert caught.value.problems == [
        "told.csv: there is no column for email; there are: name, city",
        "told.csv: there is no column for event_type; there are: name, city",
        "told.csv: there is no column for event_at; there are: name, city",
        'told.csv: there is no column "Mailing"; there are: name, city',
    ]
    with pytest.raises(ConfigurationError, match="none"):
        read("")


def test_quotation_mark_that_is_never_closed_is_said() -> None:
    """What follows it would be lost in one cell; the place is named instead."""
    text = 'email,event,time\na@example.com,open,2026-05-01T10:00:00Z\n"b@example.com,' + "x" * 50 + "\n"
    with pytest.raises(ConfigurationError, match=r"told\.csv: before line"):
        read(text + ("y" * 60_000 + "\n") * 40)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Whatever a file holds, rows come out as events or bad rows, and nothing else is raised."""
    for text in (data, b"email,event,time\n" + data):
        try:
            found = read(text)
        except ConfigurationError:
            continue
        assert all(isinstance(row, Event | BadRow) for row in found)

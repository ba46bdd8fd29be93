"""An alert holds, fires, lasts and ends by rules: nothing flutters, nothing is forgotten."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validatord.rules import alerts
from validatord.rules.alerts import RULES, Alert, AlertRule, find_news, find_reminders, look, make_message
from validatord.settings import AlertSettings

START = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = AlertSettings()


def rule_named(name: str) -> AlertRule:
    """Return a rule."""
    return next(rule for rule in RULES if rule.name == name)


def walk(name: str, values: list[float | None], step_seconds: float = 60) -> list[bool]:
    """Return whether an alert fires after each reading."""
    alert, fires = Alert(rule_named(name)), []
    for place, value in enumerate(values):
        alert = look(alert, value, SETTINGS, START + timedelta(seconds=place * step_seconds))
        fires.append(alert.is_firing)
    return fires


def test_fires_at_once_where_it_need_not_hold() -> None:
    """What cannot be a moment's weakness is told at once, and is over five minutes after its end."""
    assert walk("AddressListed", [0, 1, 0, 0, 0, 0, 0, 0]) == [False, True, True, True, True, True, True, False]


def test_has_to_hold() -> None:
    """Two minutes without PostgreSQL are an alert, one is not, and an interruption begins anew."""
    assert walk("PostgreSQLAway", [1, 1, 0, 1, 1, 1]) == [False, False, False, False, False, True]


def test_does_not_flutter() -> None:
    """A reading that comes and goes keeps one alert firing, which ends once."""
    assert walk("AddressListed", [1, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0]) == [True] * 12


def test_unknown_changes_nothing() -> None:
    """A reading that cannot be taken neither fires nor ends anything."""
    assert walk("AddressListed", [None, 1, *[None] * 20, 0]) == [False] + [True] * 22


def test_below() -> None:
    """Credits are too few below the threshold, not above it."""
    assert walk("CreditsLow", [5000, 1000, 999]) == [False, False, True]


def test_thresholds_follow_the_settings() -> None:
    """A reload changes what is too much, at the next look."""
    alert = look(Alert(rule_named("OldTransaction")), 400, AlertSettings(), START)
    assert alert.is_firing

    calm = AlertSettings.model_validate({"transaction": "10m", "clear_after": "0s"})
    assert not look(alert, 400, calm, START).is_firing


def test_news_are_changes() -> None:
    """Only what began or ended between two looks is news."""
    quiet = Alert(rule_named("AddressListed"))
    firing = look(quiet, 1, SETTINGS, START)

    assert find_news([quiet, quiet], [quiet, firing]) == [firing]
    assert find_news([firing], [firing]) == []


def test_reminders() -> None:
    """What was told a day ago and still holds is told again; what was never told is no reminder."""
    firing = look(Alert(rule_named("AddressListed")), 1, SETTINGS, START)
    told = alerts.replace(firing, told_at=START)
    day = timedelta(hours=24)

    assert find_reminders([firing, told], day, START + day) == [told]
    assert find_reminders([told], day, START + timedelta(hours=23)) == []


def test_a_second_time_is_told_anew() -> None:
    """An alert that ended and begins again is news again, with its new beginning."""
    alert = look(Alert(rule_named("AddressListed")), 1, SETTINGS, START)
    alert = alerts.replace(alert, told_at=START)
    for minutes in (1, 7):
        alert = look(alert, 0, SETTINGS, START + timedelta(minutes=minutes))
    assert alert.cleared_at is not None

    again = look(alert, 1, SETTINGS, START + timedelta(minutes=8))

    assert again.is_firing
    assert (again.since, again.told_at) == (START + timedelta(minutes=8), None)


def test_the_message_says_the_worst_first() -> None:
    """What fires stands before what is over, critical before warnings; each with its figures and what to do."""
    warning = look(Alert(rule_named("CreditsLow")), 12, SETTINGS, START)
    critical = look(Alert(rule_named("AddressListed")), 1, SETTINGS, START)
    message = make_message("node-1", [warning, critical], SETTINGS)

    entries = message["alerts"]
    assert isinstance(entries, list)
    assert [entry["name"] for entry in entries] == ["AddressListed", "CreditsLow"]
    assert entries[1]["summary"] == "12 credits are left at Bouncer (fewer than 1,000)"
    assert entries[1]["since"] == "2026-01-01T00:00:00+00:00"
    assert entries[1]["fix"]


@pytest.mark.parametrize(
    ("value", "said"), [(0.07, "7.0% of the visits"), (0.5, "50.0% of the visits"), (1, "1 of the visits")]
)
def test_shares_read_as_percent(value: float, said: str) -> None:
    """People read percents."""
    assert rule_named("VisitErrors").describe(value, SETTINGS).startswith(said)


@given(st.sampled_from(RULES), st.lists(st.none() | st.floats(0, 1e9), max_size=60), st.integers(1, 400))
def test_any_readings(rule: AlertRule, values: list[float | None], step: int) -> None:
    """Whatever is read: an alert fires only after its readings were beyond for as long as it has to hold."""
    alert, beyond = Alert(rule), 0.0
    for place, value in enumerate(values):
        now = START + timedelta(seconds=place * step)
        before = alert
        alert = look(alert, value, SETTINGS, now)
        if value is not None:
            beyond = beyond + step if rule.is_beyond(value, SETTINGS) else 0.0
        if alert.is_firing and not before.is_firing:
            assert value is not None
            assert rule.is_beyond(value, SETTINGS)
        assert not (alert.is_firing and alert.since is None)
        assert rule.describe(alert.value, SETTINGS)

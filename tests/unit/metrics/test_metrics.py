"""Figures are told in one call and read as Prometheus' text; nothing personal can become a label."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from validatord import metrics


def _read_text() -> dict[str, float]:
    """Parse what is rendered as a scraper would; a sample by name and sorted labels."""
    found = text_string_to_metric_families(metrics.render().decode())
    return {f"{s.name}{sorted(s.labels.items())}": s.value for family in found for s in family.samples}


def test_counts_what_it_is_told() -> None:
    """A verdict counts once under its status, reason and provider, also in the rendered text."""
    labels = {"status": "valid", "reason": "accepted", "provider": "google"}
    before = metrics.read("validatord_verdicts_total", labels)

    metrics.count_verdict("valid", "accepted", metrics.provider_label("google"))

    assert metrics.read("validatord_verdicts_total", labels) == before + 1
    assert _read_text()[f"validatord_verdicts_total{sorted(labels.items())}"] == before + 1


@pytest.mark.parametrize(
    ("key", "label"), [("google", "google"), ("", "none"), ("example.com", "other"), ("other", "other")]
)
def test_provider_label(key: str, label: str) -> None:
    """Only providers of the shipped table are named; one named after its domain is other."""
    assert metrics.provider_label(key) == label


def test_provider_of_lane() -> None:
    """The provider is what stands behind the identity in a lane's name."""
    assert metrics.provider_of_lane("main/google") == "google"
    assert metrics.provider_of_lane("main/example.org") == "other"
    assert metrics.provider_of_lane("") == "none"


@given(st.text())
def test_no_domain_becomes_a_label(key: str) -> None:
    """Whatever a provider is called, its label is a word of a closed set."""
    assert metrics.provider_label(key) in {"none", "other", *metrics._list_shipped_providers()}


@pytest.mark.parametrize(("code", "kind"), [(250, "2xx"), (450, "4xx"), (550, "5xx"), (0, "none"), (999, "none")])
def test_reply_class(code: int, kind: str) -> None:
    """A reply counts under the class of its code; no reply, and nonsense, under none."""
    before = metrics.read("validatord_replies_total", {"stage": "rset", "class": kind})

    metrics.observe_reply("rset", code, 0.02)

    assert metrics.read("validatord_replies_total", {"stage": "rset", "class": kind}) == before + 1


def test_silence_has_no_round_trip() -> None:
    """A reply that never came says nothing about how long replies take."""
    before = metrics.read("validatord_round_trip_seconds_count", {"stage": "quit"})

    metrics.observe_reply("quit", 0, 30.0)

    assert metrics.read("validatord_round_trip_seconds_count", {"stage": "quit"}) == before


def test_gauges_forget() -> None:
    """A gauge is told as a whole: what it no longer names is gone from the text."""
    metrics.set_gauge("outbox", {("due",): 3, ("given_up",): 1})
    metrics.set_gauge("outbox", {("due",): 2})

    found = {key: value for key, value in _read_text().items() if key.startswith("validatord_outbox")}

    assert found == {"validatord_outbox[('state', 'due')]": 2.0}


def test_a_family_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A family takes no more label sets than its bound; whatever comes then is counted as other."""
    monkeypatch.setattr(metrics, "_MOST_CHILDREN", 3)
    family = metrics._counter("test_bounded_total", "For this test.", "what")
    for number in range(10):
        family.of(f"label {number}").inc()

    found = {key: value for key, value in _read_text().items() if "test_bounded_total" in key}

    assert sum(value for key, value in found.items() if "('what', 'other')" in key) == 7
    assert len(found) == 4


def test_labels_are_looked_up_once() -> None:
    """The second call with the same labels finds the same figure: no look-up in the library."""
    assert metrics._VERDICTS.of("a", "b", "c") is metrics._VERDICTS.of("a", "b", "c")


def test_every_figure_says_what_it_is() -> None:
    """Every family has a sentence of help, a unit or kind in its name, and no forbidden label."""
    for family in metrics.REGISTRY.collect():
        assert family.documentation.endswith(".") or not family.name.startswith("validatord_"), family.name
        for sample in family.samples:
            assert not {"domain", "email", "address", "client", "node_name"} & sample.labels.keys(), sample


def test_total_sums_a_family() -> None:
    """A total adds up every sample that carries the labels asked for."""
    before = metrics.total("validatord_visits_total")
    metrics.count_visit("done")
    metrics.count_visit("failed")

    assert metrics.total("validatord_visits_total") == before + 2
    assert metrics.total("validatord_visits_total", outcome="failed") >= 1


def test_names_are_known_before_they_are_told() -> None:
    """Dashboards and rules can be checked against names that no sample has yet."""
    names = metrics.list_names()

    assert {"validatord_bouncer_call_seconds_bucket", "validatord_verdicts_total", "validatord_build_info"} <= names


def test_process_figures_once() -> None:
    """Asking twice for the process' own figures adds them once."""
    metrics.register_process()
    metrics.register_process()

    assert "process_open_fds" in metrics.list_names()

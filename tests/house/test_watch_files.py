"""What ships for Prometheus, Grafana and systemd fits the code: no rule, panel or credential names what is not there."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from validatord import metrics, settings_sources
from validatord.loops import readings
from validatord.rules import alerts, alerts_text
from validatord.settings import AlertSettings, Settings
from validatord.store.figures import LedgerFigures

_ROOT = Path(__file__).parents[2]
_RULES = _ROOT / "config" / "prometheus-alerts.yml"
_DASHBOARD = _ROOT / "config" / "grafana-dashboard.json"
_UNIT = _ROOT / "systemd" / "validatord.service"
_NAME = re.compile(r"\b(?:validatord|process)_[a-z0-9_]+")


def _list_known() -> frozenset[str]:
    metrics.register_process()
    return metrics.list_names()


def _list_labels(expression: str) -> set[str]:
    return set(re.findall(r'([a-z_]+)(?:=|!=|=~|!~)"', expression))


def test_rules_file_is_generated() -> None:
    """Prometheus' rules are made from the daemon's own table: change that, and make the file anew."""
    assert _RULES.read_text(encoding="utf-8") == alerts_text.generate_rules()


@pytest.mark.parametrize("rule", alerts.RULES, ids=lambda rule: rule.name)
def test_rule(rule: alerts.AlertRule) -> None:
    """A rule's figures exist, its reading is taken, and what it says has its figures in it."""
    names = set(_NAME.findall(rule.expression.format(threshold=1)))
    readings_taken = readings.take(readings.History(), readings.LocalFigures(), LedgerFigures())

    assert names
    assert names <= _list_known()
    assert rule.reading in readings_taken
    assert rule.describe(7, AlertSettings())
    assert rule.fix


def test_rule_names_are_unique() -> None:
    """A name means one rule."""
    names = [rule.name for rule in alerts.RULES]

    assert len(set(names)) == len(names)


def test_every_reading_is_judged() -> None:
    """No reading is taken for nothing."""
    taken = readings.take(readings.History(), readings.LocalFigures(), LedgerFigures())

    assert set(taken) == {rule.reading for rule in alerts.RULES}


@pytest.mark.parametrize(
    ("name", "threshold"),
    [
        ("Backlog", 100_000),
        ("VisitErrors", 0.05),
        ("BouncerErrors", 0.05),
        ("HTTPErrors", 0.05),
        ("LimiterBusy", 0.9),
        ("BouncerSlow", 5),
        ("WorkerFailures", 10),
        ("OldTransaction", 300),
        ("DeadRows", 2),
    ],
)
def test_thresholds(name: str, threshold: float) -> None:
    """The thresholds that were asked for are the defaults."""
    rule = next(rule for rule in alerts.RULES if rule.name == name)

    assert rule.threshold(AlertSettings()) == threshold


def test_promtool_takes_the_rules() -> None:
    """Prometheus itself can read the rules."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool here")
    found = subprocess.run([promtool, "check", "rules", str(_RULES)], capture_output=True, text=True, check=False)

    assert found.returncode == 0, found.stdout + found.stderr
    assert f"{len(alerts.RULES) + 1} rules found" in found.stdout


def test_dashboard() -> None:
    """Every figure of the dashboard exists, and so does every label it asks for."""
    panels = [panel for panel in json.loads(_DASHBOARD.read_text(encoding="utf-8"))["panels"] if "targets" in panel]
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    named = {name for expression in expressions for name in _NAME.findall(expression)}

    assert len(panels) > 20
    assert named <= _list_known()
    assert len({panel["id"] for panel in panels}) == len(panels)
    own = {name for name in named if name.startswith("validatord_")}
    families = {re.sub(r"_(total|bucket|sum|count|info)$", "", name) for name in _list_known()}
    shown = {re.sub(r"_(total|bucket|sum|count|info)$", "", name) for name in own}
    assert len(shown) > 0.7 * len({name for name in families if name.startswith("validatord_")})


def test_every_secret_has_a_credential() -> None:
    """Whatever is a secret can be handed over by systemd, but for lists and URLs of proxies within them."""
    secret = {
        f"{section}.{key}"
        for section, model in Settings.model_fields.items()
        if isinstance(model.annotation, type) and issubclass(model.annotation, BaseModel)
        for key, member in model.annotation.model_fields.items()
        if isinstance(member.default, SecretStr)
    }

    assert secret == set(settings_sources.CREDENTIALS.values())


def test_the_unit_offers_every_credential() -> None:
    """The unit has a line for each secret, in the name the loader looks for."""
    text = _UNIT.read_text(encoding="utf-8")

    assert set(re.findall(r"LoadCredential=(\w+):", text)) == set(settings_sources.CREDENTIALS)

"""The alert rules as Prometheus reads them: `python -m validatord.rules.alerts_text > config/prometheus-alerts.yml`."""

import json
import sys

from validatord.rules.alerts import RULES, AlertRule
from validatord.settings import AlertSettings

_HEAD = """\
# Alert rules for Prometheus, made from the daemon's own table of rules with the default thresholds of [alerts].
# The daemon evaluates the same rules by itself and tells them by mail and webhook; these are for whoever has a
# Prometheus anyway. Checked with: promtool check rules prometheus-alerts.yml
groups:
  - name: validatord
    rules:
      - alert: Gone
        expr: absent(validatord_build_info)
        for: 5m
        labels:
          severity: critical
        annotations:
          summary: "no validatord answers"
          description: "systemctl status validatord"
"""


def generate_rules() -> str:
    """Return the file."""
    return _HEAD + "".join(map(_describe, RULES))


def _describe(rule: AlertRule) -> str:
    settings = AlertSettings()
    summary = rule.summary.replace("{value}", "{{ $value | humanize }}").replace(
        "{threshold}", f"{rule.threshold(settings):g}"
    )
    lines = [
        f"      - alert: {rule.name}",
        f"        expr: {json.dumps(rule.expression.format(threshold=f'{rule.threshold(settings):g}'))}",
        f"        for: {int(rule.hold_seconds)}s",
        "        labels:",
        f"          severity: {rule.severity}",
        "        annotations:",
        f"          summary: {json.dumps(summary)}",
        f"          description: {json.dumps(rule.fix)}",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(generate_rules())

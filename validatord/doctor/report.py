"""The checks as lines for a person, or as JSON-ready values for a program."""

from collections.abc import Sequence
from typing import Any

from validatord.doctor.check import Check, Level

_MARKS = {Level.OK: "ok  ", Level.WARN: "WARN", Level.FAIL: "FAIL"}


def format_checks(checks: Sequence[Check]) -> str:
    """Return one line per check, the fix below it, and a sum at the end."""
    lines: list[str] = []
    for check in checks:
        lines.append(f"{_MARKS[check.level]}  {check.name}: {check.what}")
        lines += [f"      → {check.fix}"] if check.fix else []
    counts = {level: sum(check.level is level for check in checks) for level in Level}
    lines.append(", ".join(f"{count} {level}" for level, count in counts.items()))
    return "\n".join(lines) + "\n"


def to_json(checks: Sequence[Check]) -> list[dict[str, Any]]:
    """Return JSON-ready values."""
    return [{"name": check.name, "level": check.level.value, "what": check.what, "fix": check.fix} for check in checks]

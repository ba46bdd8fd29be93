"""Every fault that the product must survive has a named test and a row in docs/reliability.md."""

import ast
import re
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_FAULTS = range(1, 41)
# Those whose test stands with what it is about.
_ELSEWHERE = {
    27: ("tests/acceptance/test_signals.py", "test_hangups_change_what_may_change"),
    28: ("tests/acceptance/test_signals.py", "test_wrong_settings_change_nothing"),
    31: ("tests/acceptance/test_starts.py", "test_started_twice"),
    32: ("tests/acceptance/test_starts.py", "test_a_twin_that_slept_through_its_succession"),
    33: ("tests/acceptance/test_starts.py", "test_started_before_postgresql"),
    40: ("tests/integration/bouncer/test_restore.py", "test_f40_restored_backup"),
}


def _list_tests(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_fault_has_a_test() -> None:
    """One to forty, as test_f01_… in tests/chaos, or where the list above says."""
    names = {name for path in (_ROOT / "tests" / "chaos").glob("test_*.py") for name in _list_tests(path)}
    found = {int(match[1]) for name in names if (match := re.match(r"test_f(\d\d)_", name))}

    assert sorted(found | set(_ELSEWHERE)) == list(_FAULTS)
    assert {number for number, (path, name) in _ELSEWHERE.items() if name not in _list_tests(_ROOT / path)} == set()


def test_every_fault_is_told() -> None:
    """docs/reliability.md says of each what it proves."""
    text = (_ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")

    assert [number for number in _FAULTS if f"| F{number} |" not in text] == []

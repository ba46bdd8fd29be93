"""Every known pitfall, and every rule that peers are measured by, has a test of a whole visit by its number."""

import ast
import re
from collections import defaultdict
from pathlib import Path

_FOLDER = Path(__file__).parents[1] / "integration" / "pitfalls"
_PITFALLS = range(1, 41)
_RULES = [*range(1, 15), 22, 23]


def _find_tests(kind: str) -> dict[int, set[str]]:
    """The files that hold tests of each number."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    for path in _FOLDER.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                match = re.match(rf"test_{kind}_(\d\d)_", node.name)
                if match:
                    found[int(match[1])].add(path.name)
    return found


def test_every_pitfall_has_a_test() -> None:
    """One to forty."""
    assert sorted(_find_tests("pitfall")) == list(_PITFALLS)


def test_every_rule_has_a_test() -> None:
    """One to fourteen, twenty-two and twenty-three; the others are about doors."""
    assert sorted(_find_tests("rule")) == _RULES


def test_the_table_is_right() -> None:
    """Which number is where, as the package's docstring tells it."""
    docstring = ast.get_docstring(ast.parse((_FOLDER / "__init__.py").read_text(encoding="utf-8"))) or ""
    told = {
        int(number): line.split()[0]
        for line in docstring.splitlines()
        if line.strip().startswith("test_pitfalls_")
        for number in line.split()[1:]
    }

    assert {number: {name} for number, name in told.items()} == dict(_find_tests("pitfall"))

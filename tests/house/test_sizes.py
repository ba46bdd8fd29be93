"""How large files and functions may be: what fits a screen is read, what does not is skipped."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_PACKAGE = _ROOT / "validatord"
_FILES = sorted(_PACKAGE.rglob("*.py"))
# An __init__.py is one docstring; counting them would make every median look good.
_MODULES = [path for path in _FILES if path.name != "__init__.py"]

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _count_lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def _list_functions() -> Iterator[tuple[str, Function]]:
    for path in _FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, Function):
                yield f"{path.relative_to(_ROOT)}:{node.lineno} {node.name}", node


def _count_code_lines(function: Function) -> int:
    """The docstring explains and is not counted; the signature is read, and is."""
    assert function.end_lineno is not None
    first = function.body[0]
    has_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    explained = first.end_lineno - first.lineno + 1 if has_docstring and first.end_lineno else 0
    return function.end_lineno - function.lineno + 1 - explained


def _percentile(values: list[int], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


@pytest.mark.parametrize("path", _MODULES, ids=lambda path: str(path.relative_to(_PACKAGE)))
def test_file(path: Path) -> None:
    """No file is longer than 400 lines."""
    assert _count_lines(path) <= 400


def test_files_together() -> None:
    """Half of the files have at most 150 lines, nine of ten at most 300."""
    sizes = [_count_lines(path) for path in _MODULES]

    assert statistics.median(sizes) <= 150
    assert _percentile(sizes, 90) <= 300


def test_functions() -> None:
    """No function is longer than 50 lines."""
    long = {name: size for name, function in _list_functions() if (size := _count_code_lines(function)) > 50}

    assert long == {}


def test_functions_together() -> None:
    """Half of the functions have at most 9 lines, nine of ten at most 30."""
    sizes = [_count_code_lines(function) for _, function in _list_functions()]

    assert statistics.median(sizes) <= 9
    assert _percentile(sizes, 90) <= 30


def test_parameters() -> None:
    """No function takes more than six parameters by position, unless somebody else's signature asks for it."""
    many = {
        name: count
        for name, function in _list_functions()
        if (count := len([argument for argument in _list_positional(function) if argument not in {"self", "cls"}])) > 6
        and not _is_excused(name)
    }

    assert many == {}


def _is_excused(name: str) -> bool:
    """The linter's exception stands on the line, with its reason."""
    path, _, line = name.partition(" ")[0].partition(":")
    return "PLR0917" in (_ROOT / path).read_text(encoding="utf-8").splitlines()[int(line) - 1]


def _list_positional(function: Function) -> list[str]:
    return [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]


def test_packages_hold_a_docstring() -> None:
    """An `__init__.py` hands on nothing: that is where import cycles come from."""
    for path in _PACKAGE.rglob("__init__.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        rest = [node for node in body[1:] if not _is_version(node)]

        assert isinstance(body[0], ast.Expr), path
        assert rest == [], path


def _is_version(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__"


def test_depth() -> None:
    """Packages are two deep; only the web room, once there, may be three."""
    deep = [
        path
        for path in _FILES
        if len(path.relative_to(_ROOT).parts) > 3 and path.relative_to(_PACKAGE).parts[0] != "web"
    ]

    assert deep == []

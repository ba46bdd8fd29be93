"""The documents name only what exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from validatord import settings_sources
from validatord.mail import verdict

_ROOT = Path(__file__).parents[2]
_DOCUMENTS = sorted([_ROOT / "README.md", *(_ROOT / "docs").glob("*.md")])


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _list_code(text: str) -> list[str]:
    """The fenced blocks and the words in backticks: what a reader would copy."""
    fenced = re.findall(r"(?ms)^```.*?\n(.*?)^```", text)
    rest = re.sub(r"(?ms)^```.*?^```", "", text)
    return fenced + re.findall(r"`([^`\n]+)`", rest)


def _list_targets() -> set[str]:
    return set(re.findall(r"(?m)^([a-z-]+):.*## ", _read(_ROOT / "Makefile")))


@pytest.mark.parametrize("path", _DOCUMENTS, ids=lambda path: path.name)
def test_make_targets(path: Path) -> None:
    """Every `make …` in a document is a target."""
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", _read(path), re.MULTILINE))

    assert named <= _list_targets()


@pytest.mark.parametrize("path", _DOCUMENTS, ids=lambda path: path.name)
def test_links(path: Path) -> None:
    """Every relative link leads to a file."""
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", _read(path))

    assert [target for target in targets if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("path", _DOCUMENTS, ids=lambda path: path.name)
def test_commands(path: Path) -> None:
    """Every `validatord …` in a document is a command of the program."""
    named = set(re.findall(r"(?m)(?:^|bin/|\$ )validatord ([a-z][a-z-]+)", "\n".join(_list_code(_read(path)))))
    unknown = {name for name in named if not _has_command(name)}

    assert unknown == set()


def _has_command(name: str) -> bool:
    command = [sys.executable, "-m", "validatord", name, "--help"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_every_target_is_explained() -> None:
    """`make help` shows every target that a person may call."""
    phony = re.search(r"(?m)^\.PHONY: (.+)$", _read(_ROOT / "Makefile"))

    assert phony is not None
    assert set(phony[1].split()) == _list_targets()


def test_plan_names() -> None:
    """docs/configuration.md explains every environment name of the plans."""
    text = _read(_ROOT / "docs" / "configuration.md")

    assert [name for name in settings_sources.PLAN_NAMES if f"`{name}`" not in text] == []


def test_credentials() -> None:
    """docs/configuration.md and the unit file name every credential."""
    for path in (_ROOT / "docs" / "configuration.md", _ROOT / "systemd" / "validatord.service"):
        assert [name for name in settings_sources.CREDENTIALS if name not in _read(path)] == [], path


def test_statuses_and_reasons() -> None:
    """docs/integration.md explains every status and every reason that a row can carry."""
    text = _read(_ROOT / "docs" / "integration.md")
    words = [*verdict.Status, *verdict.Reason]

    assert [word.value for word in words if f"`{word.value}`" not in text] == []

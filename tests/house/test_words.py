"""The words of the project: one word per thing, and nothing about where or how it was written."""

import ast
import itertools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_TEXT = {".py", ".md", ".toml", ".sql", ".service", ".yml", ".yaml", ".json", ".cfg", ".sh", ""}

# Written in two halves, so that this file does not find itself.
_FOREIGN = [
    "py" + "pi.org",
    "pythonhosted" + ".org",
    "registry." + "npmjs",
    "/wo" + "rk/",
    "/ro" + "ot/",
    "bash_" + "jobs",
    "SMTP" + ".md",
    "RELIABILITY" + ".md",
    "STYLE" + ".md",
    "shared " + "docs",
    "site-" + "packages/",
]
# From the glossary's column "not": synonyms of words that are in use.
_SYNONYMS = {
    "addr": "address",
    "blacklist": "breaker",
    "catchall": "accept_all",
    "cooldown": "backoff",
    "deliverable": "valid",
    "emailaddress": "mailbox",
    "graylist": "greylist",
    "mailfrom": "envelope_sender",
    "mailserver": "MX host",
    "throttle": "gate, limiter",
    "undeliverable": "invalid",
    "username": "local_part",
    "utils": "what it is about",
    "helpers": "what it is about",
}


def _list_files() -> list[Path]:
    """Every text file under version control, and every new one that would be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        names = subprocess.run(command, cwd=_ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git here")
    paths = [_ROOT / name for name in names if name]
    return [path for path in paths if path.suffix in _TEXT and path.is_file()]


def test_speaks_of_itself_alone() -> None:
    """No file names a package registry, a folder of one machine or a document that does not ship."""
    found = []
    for path in _list_files():
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{path.relative_to(_ROOT)}: {word}" for word in _FOREIGN if word in text]

    assert found == []


def _list_names() -> Iterator[tuple[Path, str]]:
    for path in sorted((_ROOT / "validatord").rglob("*.py")):
        yield path, path.stem
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield path, node.name
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                yield path, node.target.id


def _split(name: str) -> list[str]:
    """The words of a name, and each two neighbours as one word: catch_all is catchall."""
    words = [word.lower() for part in name.split("_") for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", part)]
    return words + ["".join(pair) for pair in itertools.pairwise(words)]


def test_glossary() -> None:
    """Names use the glossary's word and not its synonyms."""
    found = [
        f"{path.relative_to(_ROOT)}: {name}: say {_SYNONYMS[word]}"
        for path, name in _list_names()
        for word in _split(name)
        if word in _SYNONYMS
    ]

    assert found == []

"""Every single key of the settings: wrong in every way it can be, it is named, or used as it says, never half."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from validatord import settings_text
from validatord.errors import ConfigurationError
from validatord.settings import Settings, load_settings

_TEXT = re.sub(r"(?m)^#(?=[a-z0-9_]+ = )", "", settings_text.generate_config())
_LINES = _TEXT.splitlines()
_WRONG = [
    "-1",
    "-1e308",
    "99999999999999999999999",
    "1e400",
    "true",
    '""',
    "[]",
    "{}",
    "1979-05-27",
    '"\\u0000"',
    "[[1]]",
]
_MUTATIONS = 1000


def list_keys() -> Iterator[tuple[str, str, int]]:
    """Yield section, key and line of every setting."""
    section = ""
    for number, line in enumerate(_LINES):
        if header := re.match(r"\[+([a-z_]+)\]+", line):
            section = header[1]
        elif key := re.match(r"([a-z0-9_]+) = ", line):
            yield section, key[1], number


_KEYS = list(list_keys())
_IDS = [f"{section}.{key}" for section, key, _ in _KEYS]


def load(folder: Path, lines: list[str], environ: dict[str, str] | None = None) -> Settings | list[str]:
    """Return the settings of a file, or its problems."""
    path = folder / "validatord.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    try:
        return load_settings(path, environ or {})
    except ConfigurationError as error:
        return error.problems or ["nothing was said"]


def replaced(number: int, *lines: str) -> list[str]:
    """Return the whole file with one line replaced."""
    return [*_LINES[:number], *lines, *_LINES[number + 1 :]]


def test_all_keys_are_here() -> None:
    """The file these tests mutilate has every setting there is."""
    wanted = {(name, key) for name, key, _ in _KEYS}
    models = {name: getattr(Settings(), name) for name in Settings.model_fields}
    known = {
        (name, key)
        for name, model in models.items()
        for key in type(model[0] if isinstance(model, tuple) else model).model_fields
    }

    assert wanted == known


@pytest.mark.parametrize(("section", "key", "number"), _KEYS, ids=_IDS)
def test_wrong_values(tmp_path: Path, section: str, key: str, number: int) -> None:
    """Negative, huge, of another type, with control characters: used as it says, or named with its line."""
    for value in _WRONG:
        found = load(tmp_path, replaced(number, f"{key} = {value}"))
        if isinstance(found, Settings):
            continue
        assert any(key in problem or f":{number + 1}" in problem or section in problem for problem in found), found
        assert all("validatord.toml" in problem for problem in found), found


@pytest.mark.parametrize(("section", "key", "number"), _KEYS, ids=_IDS)
def test_missing_unknown_and_twice(tmp_path: Path, section: str, key: str, number: int) -> None:
    """A missing key is its default, a misspelt one is named with the one that was meant, one given twice has its line."""
    assert isinstance(load(tmp_path, replaced(number)), Settings)

    unknown = load(tmp_path, replaced(number, f"{key}x = 1"))
    assert isinstance(unknown, list)
    assert any(f"{key}x: no such setting" in problem and f":{number + 1}:" in problem for problem in unknown), unknown

    twice = load(tmp_path, replaced(number, _LINES[number], _LINES[number]))
    assert isinstance(twice, list)
    assert f"line {number + 2}" in twice[0]


@pytest.mark.parametrize(("section", "key", "number"), _KEYS, ids=_IDS)
def test_null(tmp_path: Path, section: str, key: str, number: int) -> None:
    """TOML knows no null: the line is named, not taken as a default."""
    found = load(tmp_path, replaced(number, f"{key} = null"))

    assert isinstance(found, list)
    assert f"line {number + 1}" in found[0]


@pytest.mark.parametrize(("section", "key"), [(section, key) for section, key, _ in _KEYS if section != "identities"])
def test_environment(tmp_path: Path, section: str, key: str) -> None:
    """An environment variable wins over the file; a wrong one is named by its own name, and never by the file's."""
    name = f"VALIDATORD_{section}__{key}".upper()
    default = settings_text.format_value(getattr(getattr(Settings(), section), key)).strip('"')
    if not default.startswith("["):
        assert isinstance(load(tmp_path, _LINES, {name: default}), Settings)

    found = load(tmp_path, _LINES, {name: "\x00\n;-x"})

    assert isinstance(found, list)
    assert all(problem.startswith(name) for problem in found), found


def test_a_thousand_mutations(tmp_path: Path) -> None:
    """A good file with pieces cut out, put in, swapped or doubled ends with settings or problems, never otherwise."""
    chance = random.Random(13)
    outcomes = {True: 0, False: 0}
    for _ in range(_MUTATIONS):
        text = list(_TEXT)
        for _ in range(chance.randint(1, 4)):
            at, length = chance.randrange(len(text)), chance.randint(0, 40)
            piece = "".join(
                chance.choice("=[]{}\"'\n#.,-+0123456789abcxyz \\\u0000é") for _ in range(chance.randint(0, 12))
            )
            text[at : at + length] = list(piece)
        outcomes[isinstance(load(tmp_path, "".join(text).splitlines()), Settings)] += 1

    assert outcomes[True] > 10
    assert outcomes[False] > 100

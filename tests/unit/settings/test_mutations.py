"""Whatever stands in a settings file, loading ends with settings or with problems that name something."""

import re
import string
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from validatord import settings_sources, settings_text
from validatord.errors import ConfigurationError
from validatord.settings import Settings, load_settings

_LINES = re.sub(r"(?m)^#(?=[a-z0-9_]+ = )", "", settings_text.generate_config()).splitlines()
_KEYS = [number for number, line in enumerate(_LINES) if re.match(r"[a-z0-9_]+ = ", line)]
_VALUES = [
    "-1",
    "0",
    "1e400",
    "nan",
    '""',
    '"x"',
    "[]",
    "{}",
    "true",
    "1979-05-27",
    "99999999999999999999",
    '"\\u0000"',
]


def load_text(text: str) -> Settings | list[str]:
    """Load a file with that text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "validatord.toml"
        path.write_text(text, encoding="utf-8")
        try:
            return load_settings(path, {})
        except ConfigurationError as error:
            return error.problems


@profile(max_examples=150, deadline=None)
@given(st.sampled_from(_KEYS), st.sampled_from(_VALUES))
def test_other_values(number: int, value: str) -> None:
    """A key with an odd value is used as it says, or is named with its line and what is wrong."""
    key = _LINES[number].partition(" = ")[0]
    found = load_text("\n".join([*_LINES[:number], f"{key} = {value}", *_LINES[number + 1 :]]))

    if not isinstance(found, Settings):
        assert all(re.search(r"validatord\.toml:(\d+|\s)", problem) for problem in found), found
        assert any(key in problem or f"line {number + 1}" in problem or "must not" in problem for problem in found), (
            found
        )


@profile(max_examples=150, deadline=None)
@given(st.integers(0, 5000), st.integers(0, 60), st.text(string.printable, max_size=10))
def test_mutilated_files(start: int, length: int, text: str) -> None:
    """A file with a piece cut out or put in ends with settings, or with problems."""
    whole = "\n".join(_LINES)
    found = load_text(whole[:start] + text + whole[start + length :])

    assert isinstance(found, Settings) or found


@profile(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    """No text at all makes the search for lines fail."""
    assert all(line >= 1 for line in settings_sources.find_lines(text).values())


@profile(max_examples=100, deadline=None)
@given(st.dictionaries(st.text("ABC_SMTPOR", max_size=12), st.text(max_size=8), max_size=4))
def test_any_environment(names: dict[str, str]) -> None:
    """Any environment ends with settings, or with problems that name a name in it."""
    environ = {f"VALIDATORD_{name}": value for name, value in names.items()}
    found: list[str] = []
    try:
        load_settings(None, environ)
    except ConfigurationError as error:
        found = error.problems

    assert all(problem.startswith("VALIDATORD_") for problem in found)

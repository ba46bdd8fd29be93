"""The example file says what the models say."""

import itertools
import re
import tomllib
from pathlib import Path

from validatord import settings, settings_text

_EXAMPLE = Path(__file__).parents[2] / "config" / "validatord.toml"


def _remove_comment_signs(text: str) -> str:
    return re.sub(r"(?m)^#(?=[a-z0-9_]+ = )", "", text)


def test_is_current() -> None:
    """config/validatord.toml is what the models generate; `make config-example` writes it anew."""
    assert settings_text.generate_config() == _EXAMPLE.read_text(encoding="utf-8")


def test_changes_nothing() -> None:
    """The file as it ships leaves every setting at its default."""
    assert settings.load_settings(_EXAMPLE, {}) == settings.Settings()


def test_shows_the_defaults() -> None:
    """With every # in front of a key removed, the file still says the defaults, and it names every key."""
    values = tomllib.loads(_remove_comment_signs(_EXAMPLE.read_text(encoding="utf-8")))

    assert settings.Settings.of(**values) == settings.Settings()
    shown = settings.Settings().model_dump()
    assert set(values) == set(shown)
    assert all(set(values[name]) == set(shown[name]) for name in set(values) - {"identities"})
    assert set(values["identities"][0]) == set(shown["identities"][0])


def test_every_setting_is_described() -> None:
    """No key stands in the file without a sentence above it."""
    lines = _EXAMPLE.read_text(encoding="utf-8").splitlines()

    for before, line in itertools.pairwise(lines):
        if re.match(r"#[a-z0-9_]+ = ", line):
            assert before.startswith("# "), line
            assert before != "# None", line

"""Every input that ever broke something, and those that reach the most code, are read without a fault."""

import time
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

_CORPUS = Path(__file__).parents[2] / "corpus"
_FILES = sorted(path for path in _CORPUS.rglob("*") if path.is_file())
_LONGEST_SECONDS = 5.0  # a second, on a machine that does nothing else


@pytest.mark.parametrize("path", _FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_replay(path: Path) -> None:
    """Only the documented exceptions, and soon."""
    began = time.process_time()

    TARGETS[path.parent.name](path.read_bytes())

    assert time.process_time() - began < _LONGEST_SECONDS


def test_every_target_has_a_corpus() -> None:
    """A target without an input to begin with is fuzzed blindly."""
    assert {path.parent.name for path in _FILES} == set(TARGETS)

"""The judge says what it found, and every test has a world of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import services

pytest.register_assert_rewrite("tests.acceptance.play", "tests.chaos.world", "tests.chaos.oracle")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name, in memory where there is room: sockets have short names only."""
    with services.open_state_dir() as found:
        yield found

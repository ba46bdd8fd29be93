"""The commands about the model, from an empty ledger to a model in force."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.integration.learning.conftest import Year
from validatord.cli.main import cli
from validatord.errors import ConfigurationError
from validatord.loops.active_model import ActiveModel

Run = Callable[..., Result]


@pytest.fixture
def run(dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command against the test's ledger."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")  # as wide as the table
    monkeypatch.setenv("VALIDATORD_DATABASE__URL", dsn)

    def call(*arguments: str, data: bytes = b"") -> Result:
        return CliRunner().invoke(cli, ["model", *arguments], input=data)

    return call
